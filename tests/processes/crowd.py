#!/usr/bin/env python3
"""tests/processes/crowd.py TROUPE   64 processes train on this machine and stop; then their launcher is killed in the middle
of it: no process and no file is left."""
import os
import shutil
import signal
import sys

from jobs import alone, check, ends_with, is_running, launched, waits_for

NODES = 64
JOB = ("--data", "synthetic:1000", "--batch", "128", "--microbatches", "64")
CROWD = (*JOB, "--replicas", "64", "--holders", "1")


def main(troupe):
    digest = alone(troupe, *JOB, "--replicas", "1", "--steps", "20")
    job = launched(troupe, NODES, "ipc", *CROWD, "--steps", "20")
    check(f"{NODES} processes start", waits_for(lambda: len(job.nodes()) == NODES, 60), job.shown())
    pids = job.nodes().values()
    job.wait(200)
    check("no process is lost in the crowd", job.restarts() == 0, job.shown())
    ends_with(f"{NODES} processes train 20 steps", job, digest)
    check("and none is left", waits_for(lambda: not any(map(is_running, pids))), pids)

    job = launched(troupe, NODES, "ipc", *CROWD, "--epochs", "1000", "--metrics", "steps.jsonl")
    check("they run again", waits_for(lambda: job.measured() > 2, 100), job.shown())
    pids = job.nodes().values()
    check("all of them", len(pids) == NODES, pids)
    os.kill(job.process.pid, signal.SIGKILL)
    job.process.wait()
    check("after their launcher was killed none is left", waits_for(lambda: not any(map(is_running, pids))), pids)
    check("and no socket file", job.left_nothing(), os.listdir(job.tmp))
    shutil.rmtree(job.folder)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
