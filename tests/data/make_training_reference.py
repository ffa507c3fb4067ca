#!/usr/bin/env python3
"""Writes training/: a small data set, and a network before and after 20 steps of PyTorch's SGD.

tests/src/training_test.cpp trains the same network on the same images, in the file's order, and
compares every parameter and running statistic. One set of images serves as training and test set.

    /usr/bin/python3 make_training_reference.py
"""
import json
import pathlib
import struct

import torch
from torch import nn

IMAGES, SIZE, BATCH, STEPS = 640, 8, 32, 20

torch.set_num_threads(1)
torch.manual_seed(3)
folder = pathlib.Path(__file__).with_name("training")
folder.mkdir(exist_ok=True)


def write_safetensors(path, tensors):
    """https://github.com/huggingface/safetensors, "Format"."""
    header, data = {}, b""
    for name, value in tensors.items():
        value = value.detach().float()
        raw = struct.pack(f"<{value.numel()}f", *value.flatten().tolist())
        end = len(data) + len(raw)
        header[name] = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [len(data), end],
        }
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def state_of(network):
    state = network.state_dict().items()
    return {name: value for name, value in state if not name.endswith("num_batches_tracked")}


images = torch.randint(0, 256, (IMAGES, 1, SIZE, SIZE), dtype=torch.uint8)
labels = torch.randint(0, 10, (IMAGES,), dtype=torch.uint8)
(folder / "images-idx3-ubyte").write_bytes(
    struct.pack(">IIII", 0x803, IMAGES, SIZE, SIZE) + bytes(images.flatten().tolist())
)
(folder / "labels-idx1-ubyte").write_bytes(
    struct.pack(">II", 0x801, IMAGES) + bytes(labels.tolist())
)

network = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1, bias=False),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(128, 10),
)
write_safetensors(folder / "before.safetensors", state_of(network))
network.double()  # the reference is exact; the margin of the test is all float32's
optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
for step in range(STEPS):
    rows = slice(step * BATCH, (step + 1) * BATCH)
    optimizer.zero_grad()
    outputs = network(images[rows].double() / 255)
    nn.functional.cross_entropy(outputs, labels[rows].long()).backward()
    optimizer.step()
write_safetensors(folder / "after.safetensors", state_of(network))
