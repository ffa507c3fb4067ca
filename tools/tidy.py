#!/usr/bin/env python3
"""tools/tidy.py [FILE]...   the part of the style guide that a machine can see; CTest runs it as "tidy".

Reads the sources (all of them without arguments) with comments and string literals blanked out, applies the
RULES, and prints one line per violation: file, line, what it is and what to write instead. A place that must
break a rule is in ALLOWED, with the reason. Exit code 1 if anything was found.
"""

import fnmatch
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ["actors", "examples", "gpu", "net", "ops", "src", "tests", "tools"]
LIBRARIES = ["actors/*", "gpu/*", "net/*", "ops/*", "src/*"]
EVERYWHERE = ["*"]
COLUMNS = 100
LINES = 600

# name, where it holds, what it bans, what to do instead
RULES = [
    ("clock", EVERYWHERE,
     r"\b(?:system|steady|high_resolution)_clock\b|\b(?:gettimeofday|clock_gettime)\s*\(|\bstd::time\s*\(",
     "a role asks its context for the time (context::now)"),
    ("sleep", EVERYWHERE,
     r"\bsleep_(?:for|until)\b|\b(?:u|nano)?sleep\s*\(",
     "wait for a message or a condition; a role uses context::after"),
    ("chance", EVERYWHERE,
     r"\brandom_device\b|\bmt19937|\bdefault_random_engine\b|\bs?rand\s*\(|\bstd::(?:uniform|normal)_\w+_distribution\b",
     "draw from the keyed generator (ops/random.hpp): the same key gives the same number"),
    ("thread", EVERYWHERE,
     r"\bstd::(?:j?thread|async)\b(?!::hardware_concurrency)|\bthis_thread::get_id\b|\bpthread_create\b",
     "compute through the context; threads belong to actors/runtime"),
    ("environment", EVERYWHERE,
     r"\b(?:secure_)?getenv\s*\(",
     "take an option; the program reads the environment and passes it on"),
    ("disk", ["actors/*"],
     r"<(?:fstream|filesystem|cstdio|unistd\.h|fcntl\.h)>|\bf?open\s*\(|\b(?:read_file|write_file_atomically|write_checkpoint|"
     r"read_checkpoint|save_weights|load_weights)\s*\(",
     "files are on the disk of the computation (computation::files)"),
    ("network", ["actors/*"],
     r"<(?:sys/socket|netinet/\w+|arpa/inet|sys/un)\.h>",
     "a role sends to an address (context::send)"),
    ("process", LIBRARIES,
     r"\bstd::system\s*\(|(?<![\w.>:])(?:fork|popen|exec[lv]p?e?|posix_spawnp?)\s*\(",
     "a library starts no processes; who plays whom is the wiring's and the supervisor's business"),
    ("unordered", ["actors/*"],
     r"\bunordered_(?:multi)?(?:map|set)\b|<unordered_",
     "std::map or std::set: their order is the same in every run"),
    ("pointer key", ["actors/*"],
     r"\bstd::(?:map|set)<\s*(?:const\s+)?[\w:]+\s*\*",
     "key by address or number: pointers differ from run to run"),
    ("parallel sum", EVERYWHERE,
     r"\bstd::(?:reduce|transform_reduce)\b|\bstd::execution\b|-ffast-math|-Ofast|-funsafe-math",
     "sum in the canonical order (ops/reduction_tree.hpp)"),
    ("caf", EVERYWHERE,
     r"#\s*include\s*[<\"]caf/",
     "CAF is for actors/runtime alone; a role is a plain class on a context"),
    ("zmq", EVERYWHERE,
     r"#\s*include\s*[<\"]zmq",
     "ZeroMQ is for net/zeromq alone"),
    ("relative include", EVERYWHERE,
     r"#\s*include\s*[<\"]\.\./",
     "include from the module's root: \"ops/tensor.hpp\""),
    ("using namespace", ["*.hpp"],
     r"\busing\s+namespace\b",
     "name what you use: a header's choice is everybody's"),
    ("raw new", EVERYWHERE,
     r"(?<!operator )\bnew\b(?=\s*(?:\(|\w))|(?<![=\w] )(?<!operator )\bdelete\b(?=\s*(?:\[|\w|\())",
     "std::make_unique, std::make_shared or a container"),
    ("stdout", LIBRARIES,
     r"\bstd::(?:cout|cerr|clog|puts|printf|putchar)\b|\bprintf\s*\(|\bputs\s*\(|\bfmt::print\s*\(\s*(?!stderr)|"
     r"\bfprintf\s*\(\s*stdout|\bstdout\b",
     "a library reports by value, error or run event; programs print"),
]

# rule, files, reason
ALLOWED = [
    ("clock", "actors/runtime/*", "the live context is where the clock enters"),
    ("clock", "net/zeromq/node.cpp", "the thread of a node brings the time to its sessions"),
    ("clock", "tools/*", "programs and benchmarks measure what they do"),
    ("clock", "tests/*", "tests bound how long they wait"),
    ("clock", "src/troupe/stall_watch.hpp", "a live job that stands still is seen by the clock of the machine"),
    ("clock", "src/troupe/control_*.cpp", "who asks a live run, or is asked, does not wait for ever"),
    ("clock", "ops/thread_time.cpp", "profiles say where the time went; no result depends on it"),
    ("sleep", "tests/*", "tests of the live runtime wait for real threads"),
    ("sleep", "tools/bench/faults.cpp", "who kills by the clock waits for it"),
    ("sleep", "tools/cli/control.cpp", "`troupe why --watch` asks once a second"),
    ("sleep", "tools/bench/links.cpp", "what idle nodes cost is measured over a time"),
    ("thread", "actors/runtime/*", "the executor's threads: the only ones that compute"),
    ("thread", "net/zeromq/node.cpp", "the thread that owns a node's sockets"),
    ("thread", "src/troupe/control_server.*", "the thread that answers other programs: it computes nothing"),
    ("thread", "tests/*", "tests call the thread-safe parts from several threads"),
    ("thread", "tools/*", "the program waits for signals on a thread of its own"),
    ("environment", "actors/runtime/*", "the live context is where the environment enters"),
    ("environment", "tools/*", "programs read NO_COLOR and the like"),
    ("environment", "tests/*", "tests find their scratch folder"),
    ("environment", "ops/data/load_data.cpp", "TROUPE_DATA_DIR says where data sets lie, before any thread runs"),
    ("disk", "actors/runtime/disk.cpp", "the machine's disk is where files enter"),
    ("caf", "actors/runtime/*", "the adapter and the live world are CAF's home"),
    ("caf", "tests/actors/runtime/*", "tests of the adapter"),
    ("caf", "tools/*", "`troupe doctor` names the version"),
    ("zmq", "net/zeromq/*.cpp", "the sockets are ZeroMQ's home; no header shows it"),
    ("zmq", "tools/bench/bare_zeromq.cpp", "what links are compared with"),
    ("raw new", "actors/runtime/scheduler.cpp", "CAF owns its modules and wants a raw pointer"),
    ("raw new", "ops/tensor.cpp", "aligned storage, owned by the shared pointer made beside it"),
]

# Found by whole file or by the text of the original line rather than by pattern.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


def blank(text):
    """The same text with comments and literals replaced by spaces; line breaks and includes stay."""
    pattern = re.compile(
        r'#[ \t]*include[^\n]*|//[^\n]*|/\*.*?\*/|R"([^()\s\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
        re.S)

    def hide(match):
        found = match.group(0)
        return found if found.startswith("#") else re.sub(r"[^\n]", " ", found)

    return pattern.sub(hide, text)


def sources():
    for folder in FOLDERS:
        for place, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders.sort()
            for name in sorted(names):
                script = "." not in name and folder == "tools"
                if name.endswith((".hpp", ".cpp", ".cu", ".cuh", ".py")) or script:
                    yield os.path.relpath(os.path.join(place, name), ROOT)


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def check(path, used):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    lines = text.split("\n")
    if UNFINISHED.search(text):
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                yield number, "unfinished", "finish it, or say in CHANGELOG.md what is missing"
    if not path.endswith((".hpp", ".cpp", ".cu", ".cuh")):
        return
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield number, "long line", f"{len(line)} columns; at most {COLUMNS}"
        if line != line.rstrip():
            yield number, "trailing blank", "remove it"
    if len(lines) > LINES:
        yield len(lines), "long file", f"{len(lines)} lines; split it before {LINES}"
    if path.endswith(".hpp") and "#pragma once" not in text:
        yield 1, "guard", "#pragma once"
    code = blank(text).split("\n")
    for name, places, ban, instead in RULES:
        if not matches(path, places):
            continue
        excuses = [entry for entry in ALLOWED if entry[0] == name and fnmatch.fnmatch(path, entry[1])]
        for number, line in enumerate(code, 1):
            if re.search(ban, line):
                if excuses:
                    used.update(excuses)
                else:
                    yield number, name, instead


def main():
    if "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__)
        return 0
    found = 0
    used = set()
    for path in [os.path.relpath(os.path.abspath(p), ROOT) for p in sys.argv[1:]] or sources():
        for number, name, instead in sorted(check(path, used)):
            print(f"{path}:{number}: {name}: {instead}")
            found += 1
    if found:
        print(f"{found} violations; what must break a rule is listed with its reason in tools/tidy.py, ALLOWED")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
