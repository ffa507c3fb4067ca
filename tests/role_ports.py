#!/usr/bin/env python3
"""role_ports.py LIBRARY   roles reach clock, chance, network, disk, threads and processes through their context alone.

Reads the symbols that each object of the actors' library takes from elsewhere. Objects of actors/runtime are where
the outside enters; those of the roles and of what they share may need none of it. So the same code runs live and
simulated: there is nothing that a simulated world could not decide. Exit code 1 names each symbol and its object.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What it would be; the symbols, demangled. "In" names an object of the runtime which must be found to use it, so that a
# pattern that matches nothing is noticed.
PORTS = [
    ("clock", r"_clock::now\(|^(clock_gettime|gettimeofday|time|clock)\b|troupe::thread_seconds\(", "live_world.cpp.o"),
    ("sleep", r"^(nanosleep|clock_nanosleep|usleep|sleep|poll|select)\b", None),
    ("chance", r"std::random_device|^(s?rand|random|getrandom|getentropy|arc4random)\b", None),
    ("environment", r"^(secure_)?getenv\b", None),
    ("thread", r"std::thread::|^pthread_create\b|std::condition_variable", "scheduler.cpp.o"),
    ("process", r"^(fork|vfork|exec\w+|posix_spawnp?|system|popen|kill|raise)\b", None),
    ("network", r"^(socket|bind|listen|accept4?|connect|send|sendto|sendmsg|recv|recvfrom|recvmsg|zmq_\w+)\b", None),
    ("disk", r"std::basic_(i|o|)f(stream|ilebuf)|std::filesystem|^(fopen|open|creat|unlink|rename|mmap)(64|at)?\b|"
             r"troupe::(read_file|read_maybe_gzip|write_file_atomically|read_checkpoint|write_checkpoint|"
             r"newest_checkpoint|save_weights|load_weights|write_safetensors|read_safetensors|load_data)\(",
     "disk.cpp.o"),
]


def symbols(library):
    """Object -> the demangled symbols that it takes from elsewhere."""
    text = subprocess.run(["nm", "-C", "-u", library], stdout=subprocess.PIPE, text=True, check=True).stdout
    out, current = {}, None
    for line in text.splitlines():
        if line.endswith(".o:"):
            current = out.setdefault(line[:-1], set())
        elif line.strip():
            current.add(line.split(maxsplit=1)[1])
    return out


def objects_of_runtime():
    folder = os.path.join(ROOT, "actors", "runtime")
    return {name + ".o" for _, _, names in os.walk(folder) for name in names if name.endswith(".cpp")}


def main():
    found = symbols(sys.argv[1])
    runtime = objects_of_runtime()
    missing = runtime - set(found)
    if missing:
        print(f"objects of actors/runtime that {sys.argv[1]} lacks: {', '.join(sorted(missing))}")
        return 1
    problems = 0
    for port, pattern, witness in PORTS:
        matching = re.compile(pattern)
        if witness and not any(matching.search(symbol) for symbol in found[witness]):
            print(f"{port}: {witness} should use it, but nothing matches {pattern}")
            problems += 1
        for name in sorted(set(found) - runtime):
            for symbol in sorted(filter(matching.search, found[name])):
                print(f"{name}: {port}: {symbol}: ask the context (actors/runtime/context.hpp)")
                problems += 1
    print(f"{len(found) - len(runtime)} objects of roles, {len(runtime)} of the runtime; {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
