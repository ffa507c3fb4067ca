#!/usr/bin/python3
"""Puts what the program prints, and the driver of examples/quickstart.cpp, between their markers in README.md,
and draws the screen of a terminal in the middle of a run to docs/screen.svg.

Run it after a change of either: tools/screen.py [--epochs N]. Needs a built program (tools/build), and for the
picture python3-rich.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def screen(epochs):
    """What `tools/train` prints, without a terminal."""
    command = [f"{ROOT}/build/release/tools/troupe", "train", "--epochs", epochs, "--run-folder", "none",
               "--kill", "layer_shard/1/0@step=600"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return f"```\n$ tools/train --epochs {epochs} --kill layer_shard/1/0@step=600\n{done.stdout.rstrip()}\n```"


def terminal(epochs, columns):
    """What a terminal has shown when the last epoch is at two thirds."""
    program = f"{ROOT}/build/release/tools/troupe"
    arguments = ["train", "--epochs", epochs, "--run-folder", "none", "--kill", "layer_shard/1/0@step=600"]
    child, screen_end = pty.fork()
    if child == 0:
        os.environ["TERM"] = "xterm-256color"
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.execv(program, ["troupe", *arguments])
    shown = ""
    last = re.compile(rf"epoch {epochs}/{epochs} .*?\x1b\[0m\]\s+(\d+)/(\d+)[^\r]*$")
    try:
        while True:
            shown += os.read(screen_end, 4096).decode("utf-8", "ignore")
            at = last.search(shown.rsplit("\r", 1)[-1])
            if at and 3 * int(at[1]) > 2 * int(at[2]):
                break
    except OSError:  # it ended
        pass
    os.close(screen_end)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return f"$ tools/train {' '.join(arguments[1:])}\n" + shown.replace("\x1b[K", "").replace("\r\n", "\n")


def picture(epochs, path):
    try:
        from rich.console import Console
        from rich.text import Text
    except ModuleNotFoundError:
        sys.exit("error: the picture needs Rich\n  help: apt install python3-rich")
    columns = 120
    # What a carriage return has overwritten is not to be seen.
    lines = [line.rsplit("\r", 1)[-1] for line in terminal(epochs, columns).split("\n")]
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
        drawn = console.export_svg(title="troupe train")
    # Rich would have the viewer fetch its font from the network; any monospaced one will do.
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"@font-face\s*\{[^}]*\}\s*", "", drawn))


def driver():
    """The example from its first include on, without the comment that says how to run it."""
    with open(f"{ROOT}/examples/quickstart.cpp", encoding="utf-8") as file:
        text = file.read()
    return "```cpp\n" + text[text.index("#include"):].rstrip() + "\n```"


def replaced(text, marker, content):
    pattern = re.compile(f"<!-- {marker}:begin -->.*?<!-- {marker}:end -->", re.DOTALL)
    return pattern.sub(lambda _: f"<!-- {marker}:begin -->\n{content}\n<!-- {marker}:end -->", text)


def main():
    if "--help" in sys.argv:
        print(__doc__)
        return
    epochs = sys.argv[sys.argv.index("--epochs") + 1] if "--epochs" in sys.argv else "2"
    path = f"{ROOT}/README.md"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = replaced(replaced(text, "screen", screen(epochs)), "quickstart", driver())
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    picture(epochs, f"{ROOT}/docs/screen.svg")


if __name__ == "__main__":
    main()
