#!/usr/bin/env python3
"""plant.py FILE.bugs OUT.cpp        the source that FILE.bugs names, with its bugs in it
plant.py --list OUT.cpp FILE.bugs... the table of all bugs

A file of bugs names a source (`in actors/director.cpp`), bugs (`bug NAME: what it does`; `rare bug` where a quick test
has too few worlds for it, `open bug` where no world has shown it yet, `unit bug` where
tests of the source find it, for no world comes by) and changes: lines that begin with `-` are looked up in the source, blanks at their ends aside, and become those with `+`. The new lines ask
planted("NAME"), so that one program has all bugs and chooses one as it runs. Lines that are not in the source, or not
just once, are told with the file and end with exit code 1: then the source has changed, and the bug with it.
"""
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUG = re.compile(r"(rare |open |unit )?bug ([a-z0-9-]+): (.+)")


def fail(path, number, what):
    sys.exit(f"{os.path.relpath(path, ROOT)}:{number}: {what}")


def read(path):
    """The source's path, [(name, what, how rare it is)], [(line number, old lines, new lines)]."""
    source, bugs, changes = None, [], []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file.read().split("\n"), 1):
            if line.startswith("in "):
                source = line[3:]
            elif match := BUG.fullmatch(line):
                bugs.append((match[2], match[3], "bug_entry::" + (match[1] or "common ").strip()))
            elif line.startswith("-"):
                if not changes or changes[-1][2]:
                    changes.append((number, [], []))
                changes[-1][1].append(line[1:])
            elif line.startswith("+") and changes:
                changes[-1][2].append(line[1:])
            elif line:
                fail(path, number, "neither a source, a bug nor a changed line")
    if source is None:
        fail(path, 1, "names no source")
    return source, bugs, changes


def places(lines, old):
    wanted = [line.strip() for line in old]
    return [at for at in range(len(lines)) if [line.strip() for line in lines[at:at + len(old)]] == wanted]


def plant(path):
    source, bugs, changes = read(path)
    with open(os.path.join(ROOT, source), encoding="utf-8") as file:
        lines = file.read().split("\n")
    for number, old, new in changes:
        found = places(lines, old)
        if len(found) != 1:
            fail(path, number, f"these lines are {'not' if not found else f'{len(found)} times'} in {source}")
        lines[found[0]:found[0] + len(old)] = new
    text = "\n".join(lines)
    for name, _, _ in bugs:
        if f'planted("{name}")' not in text:
            fail(path, 1, f"{name} is not planted anywhere")
    return f'#include "bugs/planted.hpp"\n#include "ops/reduction_tree.hpp"\n#include <set>\n\n{text}'


def table(paths):
    rows = []
    for path in paths:
        source, bugs, _ = read(path)
        rows += [f"    {{{json.dumps(name)}, {json.dumps(source)}, {json.dumps(what)}, {rare}}},\n"
                 for name, what, rare in bugs]
    return ('#include "bugs/planted.hpp"\n\n#include <cstdlib>\n\nnamespace troupe::test {\n\n'
            f"const bug_entry bug_list[] = {{\n{''.join(rows)}}};\nconst int bug_count = {len(rows)};\n\n"
            "planting& planting_of_this_program() {\n"
            '  static planting one = [] {\n    const char* bug = std::getenv("TROUPE_PLANTED");\n'
            "    return planting{bug == nullptr ? std::string() : bug, {}};\n  }();\n  return one;\n}\n\n} // namespace troupe::test\n")


if __name__ == "__main__":
    if len(sys.argv) < 3 or "--help" in sys.argv:
        sys.exit(__doc__)
    out, content = (sys.argv[2], table(sys.argv[3:])) if sys.argv[1] == "--list" else (sys.argv[2], plant(sys.argv[1]))
    with open(out, "w", encoding="utf-8") as written:
        written.write(content)
