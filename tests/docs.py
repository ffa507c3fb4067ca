#!/usr/bin/env python3
"""Checks what people read: the README's driver is the example that is built, and every file that a page links
or names as a path exists."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("actors/", "ops/", "src/", "net/", "gpu/", "tests/", "tools/", "examples/", "docs/", "cmake/")
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
NAMED = re.compile(r"`((?:%s)[\w./{},-]*)" % "|".join(FOLDERS))


def content(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def pages():
    names = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout
    return names.split() or ["README.md", "docs/architecture.md"]


def expanded(name):
    """src/{a,b}.cpp names two files; a name like FOLDER/NAME.hpp stands for many."""
    braces = re.search(r"\{([^}]*)\}", name)
    if not braces:
        return [name]
    return [part for choice in braces[1].split(",") for part in expanded(name.replace(braces[0], choice, 1))]


def exists(name):
    path = os.path.join(ROOT, name)
    return os.path.exists(path) or any(os.path.exists(path + end) for end in (".hpp", ".cpp"))


def mistakes():
    readme, example = content("README.md"), content("examples/quickstart.cpp")
    shown = re.search(r"<!-- quickstart:begin -->\n```cpp\n(.*?)\n```", readme, re.DOTALL)
    if not shown or shown[1] != example[example.index("#include"):].rstrip():
        yield "README.md: the driver is not that of examples/quickstart.cpp; run tools/screen.py"
    shown = re.search(r"<!-- top:begin -->\n```\n(.*?)```", content("docs/top.md"), re.DOTALL)
    if not shown or shown[1] not in content("tests/cli/top_test.cpp"):
        yield "docs/top.md: the frame is not that of tests/cli/top_test.cpp"
    for page in pages():
        text = content(page)
        for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
                yield f"{page}: links {target}, which is not there"
        for name in NAMED.findall(text):
            for one in expanded(name.rstrip(".,")):
                if not re.search("[A-Z]{4}", one) and not exists(one):
                    yield f"{page}: names {one}, which is not there"


if __name__ == "__main__":
    found = list(mistakes())
    print("\n".join(found))
    sys.exit(1 if found else 0)
