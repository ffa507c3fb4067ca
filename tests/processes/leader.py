#!/usr/bin/env python3
"""tests/processes/leader.py TROUPE [--kills 12]   SIGKILL for the process that leads a job, and now and then for another
one with it or for all of them: started again, it goes on from what was saved, in the same run folder, and the others begin
where it does. At the end the bits are those of one process that nobody disturbs."""
import argparse
import glob
import os
import signal
import time

from drawn import draws
from jobs import LONG, alone, check, ends_with, launched, waits_for

SAVES = ("--checkpoint-every", "20")


def saved(job):
    """The newest step of its checkpoints, which are in one run folder."""
    folders = glob.glob(os.path.join(job.folder, "runs", "*-mlp-*"))
    check("one run folder", len(folders) < 2, folders)
    names = [os.path.basename(path) for folder in folders for path in glob.glob(os.path.join(folder, "checkpoints", "step-*"))]
    return max((int(name[5:13]) for name in names), default=0)


def play(troupe, digest, nodes, over, kills, seed):
    draw = draws(seed)
    job = launched(troupe, nodes, over, *LONG, *SAVES)
    for kill in range(kills):
        before = saved(job)
        check(f"it saves before kill {kill + 1}", waits_for(lambda: saved(job) > before, 60), job.shown())
        time.sleep(draw.below(100) / 1000)
        more = draw.one_of(((), (), (nodes - 1,), tuple(range(1, nodes))))
        job.signal(0, signal.SIGKILL)
        for node in more:
            job.signal(node, signal.SIGKILL)
    ends_with(f"{nodes} processes over {over}, node 0 killed {kills} times (seed {seed})", job, digest, 300)


def main():
    said = argparse.ArgumentParser()
    said.add_argument("troupe")
    said.add_argument("--kills", type=int, default=4)
    o = said.parse_args()
    troupe = os.path.abspath(o.troupe)
    digest = alone(troupe, *LONG)
    for seed, (nodes, over) in enumerate(((1, "ipc"), (2, "ipc"), (3, "tcp"), (4, "keys"))):
        play(troupe, digest, nodes, over, o.kills, seed)


if __name__ == "__main__":
    main()
