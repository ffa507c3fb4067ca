"""What the studies of accuracy share: trainings whose metrics are kept, so that none is run twice, and tables between
markers of a page."""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build/release/tools/troupe")


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def diverged(lines):
    """The run has ended itself: a loss was not finite."""
    return lines[-1]["event"] == "failed" and lines[-1]["why"].startswith("the loss of step")


def complete(path):
    try:
        lines = lines_of(path)
        return lines[-1]["event"] == "end" or diverged(lines)
    except (OSError, ValueError, IndexError):
        return False


def path_in(folder, words):
    """Of the metrics of a run that these words name."""
    name = "-".join(words)
    return os.path.join(folder, "".join(c if c.isalnum() or c in "-." else "_" for c in name) + ".jsonl")


def trained(path, arguments, name):
    """The metrics of one run, from `path` or from training."""
    if complete(path):
        return lines_of(path)
    command = [PROGRAM, "train", *arguments, "--run-folder", "none", "--quiet", "--metrics", path]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if not complete(path):
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    lines = lines_of(path)
    print(f"{name}: " + ("diverged" if diverged(lines) else f"{100 * lines[-1]['test_accuracy']:.2f} %"),
          file=sys.stderr)
    return lines


def mean(numbers):
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def spread(numbers):
    """Mean, and how far the furthest is from it."""
    numbers = list(numbers)
    middle = mean(numbers)
    furthest = f" ± {100 * max(abs(n - middle) for n in numbers):.2f}" if len(numbers) > 1 else ""
    return f"{100 * middle:.2f}{furthest} %"


def table(head, rows):
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)])


def put(path, text, marker=""):
    """Writes a file of the project, or what is between its markers."""
    path = os.path.join(ROOT, path)
    if marker:
        with open(path, encoding="utf-8") as file:
            whole = file.read()
        before, rest = whole.split(f"<!-- {marker}:begin -->\n")
        after = rest.split(f"<!-- {marker}:end -->")[1]
        text = f"{before}<!-- {marker}:begin -->\n{text}\n<!-- {marker}:end -->{after}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
