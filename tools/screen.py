#!/usr/bin/env python3
"""Puts what the program prints, and the driver of examples/quickstart.cpp, between their markers in README.md.

Run it after a change of either: tools/screen.py [--epochs N]. Needs a built program (tools/build).
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def screen(epochs):
    """What `tools/train` prints, without a terminal."""
    command = [f"{ROOT}/build/release/tools/troupe", "train", "--epochs", epochs, "--run-folder", "none",
               "--kill", "layer_shard/1/0@step=600"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return f"```\n$ tools/train --epochs {epochs} --kill layer_shard/1/0@step=600\n{done.stdout.rstrip()}\n```"


def driver():
    """The example from its first include on, without the comment that says how to run it."""
    with open(f"{ROOT}/examples/quickstart.cpp", encoding="utf-8") as file:
        text = file.read()
    return "```cpp\n" + text[text.index("#include"):].rstrip() + "\n```"


def replaced(text, marker, content):
    pattern = re.compile(f"<!-- {marker}:begin -->.*?<!-- {marker}:end -->", re.DOTALL)
    return pattern.sub(lambda _: f"<!-- {marker}:begin -->\n{content}\n<!-- {marker}:end -->", text)


def main():
    epochs = sys.argv[sys.argv.index("--epochs") + 1] if "--epochs" in sys.argv else "2"
    path = f"{ROOT}/README.md"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = replaced(replaced(text, "screen", screen(epochs)), "quickstart", driver())
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
