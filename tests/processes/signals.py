#!/usr/bin/env python3
"""tests/processes/signals.py TROUPE   processes that are stopped for three seconds, the one that leads among them, and
a hundred SIGKILLs in one job: the digest of one process."""
import os
import signal
import sys
import time

from drawn import draws
from jobs import LONG, OVER, alone, check, ends_with, launched

KILLS = 100


def stopped(troupe, digest, node, over):
    job = launched(troupe, 4, over, *LONG)
    check("a job of four processes runs", job.has_begun(), job.shown())
    job.signal(node, signal.SIGSTOP)
    time.sleep(3)
    job.signal(node, signal.SIGCONT)
    ends_with(f"node {node} of 4 over {over} was stopped for 3 s", job, digest, 300)


def killed_often(troupe):
    """At random moments, but not within a second of their start: who dies young is not started again at once."""
    endless = LONG + ("--epochs", "100000", "--schedule", "constant")
    job = launched(troupe, 4, "ipc", *endless)
    check("an endless job runs", job.has_begun(), job.shown())
    draw, kills, lives, end = draws(1), 0, {}, time.monotonic() + 600
    while kills < KILLS and time.monotonic() < end:
        time.sleep(draw.below(300) / 1000)
        for node, pid in job.nodes().items():
            lives.setdefault(pid, (node, time.monotonic()))
        old = [pid for pid, (node, since) in lives.items() if node > 0 and time.monotonic() - since > 1.1]
        if old:
            victim = draw.one_of(old)
            kills += job.signal(lives.pop(victim)[0], signal.SIGKILL)
    job.signal(0, signal.SIGINT)
    code, steps = job.wait(60), job.result()["steps"]
    check(f"after {kills} kills it saved at step {steps} and ended", code == 130 and kills == KILLS, job.shown())
    digest = alone(troupe, *endless, "--steps", str(steps))
    check("as one process without kills does", job.result()["parameter_digest"] == digest, job.shown())
    check("and its actors were started anew", job.restarts() >= KILLS, job.restarts())


def main(troupe):
    digest = alone(troupe, *LONG)
    for over in OVER:
        stopped(troupe, digest, 1, over)
    stopped(troupe, digest, 0, "ipc")
    killed_often(troupe)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
