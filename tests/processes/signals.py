#!/usr/bin/env python3
"""tests/processes/signals.py TROUPE [BENCH_RECOVERY]   processes that are stopped for three seconds, the one that leads
among them, and one that is killed a hundred times: the digest of one process."""
import json
import os
import signal
import sys
import time

from jobs import LONG, OVER, alone, check, ends_with, launched, program


def stopped(troupe, digest, node, over):
    job = launched(troupe, 4, over, *LONG)
    check("a job of four processes runs", job.has_begun(), job.shown())
    job.signal(node, signal.SIGSTOP)
    time.sleep(3)
    job.signal(node, signal.SIGCONT)
    ends_with(f"node {node} of 4 over {over} was stopped for 3 s", job, digest, 300)


def killed_often(bench):
    """By a driver that kills at random moments of a step, and compares digests."""
    if not bench:
        return
    job = program(os.path.join(os.path.dirname(bench), "troupe"), "launch", "-n", "2", "--restarts", "100000", "--log-folder",
                  "logs", "--", bench, "--model", "lenet", "--kills", "100", "--steps", "1500", "--folder", ".")
    code = job.wait(900)
    check("a job whose node was killed a hundred times ended", code == 0, job.shown())
    told = json.loads(job.output().splitlines()[-1])
    check(f"{told['kills']} kills, the same digest", told["digest_equal"] and told["kills"] >= 100, told)


def main(troupe, bench):
    digest = alone(troupe, *LONG)
    for over in OVER:
        stopped(troupe, digest, 1, over)
    stopped(troupe, digest, 0, "ipc")
    killed_often(bench)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None)
