#!/usr/bin/env python3
"""tests/processes/interrupts.py TROUPE [--draws 40]   Ctrl-C or SIGTERM at a drawn moment of a job, from before its first
step to its last save, of one process and of several, with actors and processes that die meanwhile: it ends within
seconds, says so by its exit code, and leaves nothing but a checkpoint from which the job ends with the same bits."""
import argparse
import glob
import os
import signal
import sys
import time

from drawn import draws
from jobs import SMALL, alone, check, launched, program

JOB = ("--data", "synthetic:800", "--epochs", "8", "--seed", "5")
SAVES = ("--checkpoint-every", "7", "--run-folder", "saved")
INTERRUPTED = 130


def play(troupe, digest, seed):
    draw = draws(seed)
    nodes = draw.one_of((1, 1, 2, 3))
    words = (*JOB, *SAVES, "--replicas", "2", "--holders", draw.one_of(("0", "1")))
    words += draw.one_of(((), ("--kill", "director@step=5"), ("--kill", "layer_shard/1@step=9"), ("--kill", "checkpointer@step=7")))
    number = draw.one_of((signal.SIGINT, signal.SIGTERM))
    job = program(troupe, "train", *SMALL, *words) if nodes == 1 else launched(troupe, nodes, "ipc", *words)
    time.sleep(draw.below(1500) / 1000)
    if nodes > 1 and draw.below(3) == 0:
        job.signal(1, signal.SIGKILL)
    job.process.send_signal(number)
    began = time.monotonic()
    code = job.wait(30)
    word = f"seed {seed}: {number.name} to {nodes} process(es), {' '.join(words)}: code {code}"
    ended = code in (0, INTERRUPTED, 128 + number, -number)
    check(f"{word} after {time.monotonic() - began:.1f} s", ended and job.left_nothing(), job.shown())
    found = glob.glob(os.path.join(job.folder, "saved", "**", "step-*"), recursive=True)
    if code == 0 or not found:
        return
    rest = program(troupe, "train", *SMALL, *JOB, "--resume", os.path.join(job.folder, "saved"))
    check("  the rest of it has the same bits", rest.wait() == 0 and rest.digest() == digest, rest.shown())


def main():
    said = argparse.ArgumentParser()
    said.add_argument("troupe")
    said.add_argument("--draws", type=int, default=40)
    said.add_argument("--seed", type=int)
    o = said.parse_args()
    troupe = os.path.abspath(o.troupe)
    digest = alone(troupe, *JOB)
    for seed in range(o.draws) if o.seed is None else (o.seed,):
        play(troupe, digest, seed)


if __name__ == "__main__":
    main()
