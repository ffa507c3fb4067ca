#!/usr/bin/env python3
"""tests/processes/signals.py TROUPE   processes that are stopped for three seconds, the one that leads among them, a
hundred SIGKILLs in one job, twenty of nodes that hold parameters, and all nodes but one at once: the digest of one
process."""
import os
import signal
import sys
import time

from drawn import draws
from jobs import LONG, OVER, alone, check, ends_with, launched, waits_for

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
    check("all of them came", kills == KILLS, job.shown())
    ends_as_one(troupe, job, endless, kills)


def killed_with_parameters(troupe):
    """Each node has parameters, and a copy of those of another one: one may die when all are back."""
    endless = LONG + ("--holders", "0", "--holder-copies", "2", "--epochs", "100000", "--schedule", "constant",
                      "--digest-every", "1")
    job = launched(troupe, 4, "ipc", *endless)
    check("an endless job with copies of its holders runs", job.has_begun(), job.shown())
    draw, kills = draws(2), 0
    for _ in range(KILLS // 5):
        time.sleep(draw.below(200) / 1000)
        kills += job.signal(1 + draw.below(3), signal.SIGKILL)
        done = job.steps() + 2  # what was on its way
        check(f"it goes on after kill {kills}", waits_for(lambda: job.steps() > done + 2, 60), job.shown())
    ends_as_one(troupe, job, endless, kills)


def all_but_one_killed(troupe, digest, *words):
    """Three times, also where what they held is nowhere else."""
    job = launched(troupe, 4, "ipc", *LONG, *words)
    check("a job of four processes runs", job.has_begun(), job.shown())
    kills = 0
    for _ in range(3):
        kills += sum(job.signal(node, signal.SIGKILL) for node in (1, 2, 3))
        time.sleep(1)
    job.wait(300)
    check("actors of three nodes were started anew", kills >= 3 and job.restarts() >= 3, job.shown())
    ends_with(f"all nodes but one were killed at once, {kills} in all {' '.join(words)}", job, digest)


def ends_as_one(troupe, job, words, kills):
    job.signal(0, signal.SIGINT)
    code, steps = job.wait(60), job.result()["steps"]
    check(f"after {kills} kills it saved at step {steps} and ended", code == 130, job.shown())
    digest = alone(troupe, *words, "--steps", str(steps))
    check("as one process without kills does", job.result()["parameter_digest"] == digest, job.shown())
    check("and its actors were started anew", job.restarts() >= kills, job.restarts())


def main(troupe):
    digest = alone(troupe, *LONG)
    for over in OVER:
        stopped(troupe, digest, 1, over)
    stopped(troupe, digest, 0, "ipc")
    all_but_one_killed(troupe, digest)
    all_but_one_killed(troupe, digest, "--holders", "4")
    killed_often(troupe)
    killed_with_parameters(troupe)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
