#!/usr/bin/env python3
"""Reads a safetensors file with nothing but the format's description and prints it, one line a tensor:
NAME DTYPE [SIZES] HEX_OF_ITS_BYTES, in order of the data, then the metadata as KEY=VALUE, sorted.
Independent of the C++ reader, which the tests compare with it."""
import json
import struct
import sys

with open(sys.argv[1], "rb") as source:
    content = source.read()
(length,) = struct.unpack("<Q", content[:8])
header = json.loads(content[8 : 8 + length].decode("utf-8"))
data = content[8 + length :]
if (8 + length) % 64 != 0:
    sys.exit("the data does not start at a multiple of 64")
metadata = header.pop("__metadata__", {})
sizes = {"F32": 4, "I64": 8}
end = 0
for name, entry in header.items():
    first, last = entry["data_offsets"]
    count = sizes[entry["dtype"]]
    for size in entry["shape"]:
        count *= size
    if first != end or last - first != count:
        sys.exit(f"{name}: bytes {first} to {last}, expected {count} from {end}")
    end = last
    print(name, entry["dtype"], str(entry["shape"]).replace(" ", ""), data[first:last].hex())
if end != len(data):
    sys.exit(f"{len(data) - end} bytes after the last tensor")
for key in sorted(metadata):
    print(f"{key}={metadata[key]}")
