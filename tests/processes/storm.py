#!/usr/bin/env python3
"""tests/processes/storm.py TROUPE [--kills 1000] [--seconds 3600] [--seed N]   SIGKILL for processes of running jobs,
whoever they play (shards, loaders, aggregators, holders that have one copy, now and then node 0 with the director), again
and again until the jobs end, one job after the other until there were so many kills. Synchronous jobs end with the bits of
one process that nobody disturbs, the others with every update applied. --seed N: the drawn moments of another storm."""
import argparse
import os
import signal
import time

from drawn import draws
from jobs import LONG, alone, check, ends_with, launched, waits_for

JOB = ("--data", "synthetic:4000", "--epochs", "16", "--metrics", "steps.jsonl")  # LONG's, wired otherwise
SAVES = ("--checkpoint-every", "40")
COPIES = ("--holder-copies", "2")
SYNCHRONOUS = (
    (4, "ipc", ("--replicas", "4", "--holders", "2", *COPIES)),
    (3, "ipc", ("--topology", "pipeline", "--stages", "3", "--holders", "1", *COPIES)),
    (5, "tcp", ("--topology", "hybrid", "--replicas", "2", "--stages", "2", "--holders", "2", *COPIES)),
    (4, "keys", ("--topology", "parameter-server", "--consistency", "bsp", "--replicas", "4", "--holders", "2", *COPIES)),
    (3, "ipc, all sent", ("--replicas", "4", "--groups", "2", "--holders", "1", *COPIES)),
)
ASYNCHRONOUS = (4, "ipc", ("--topology", "parameter-server", "--consistency", "ssp:2", "--replicas", "3", "--holders", "2",
                           *COPIES))


def kill_until_its_end(job, draw, nodes):
    """Mostly such as are older than a second: who keeps dying younger than that is waited for, longer and longer."""
    kills, killed = 0, {}
    while job.runs():
        time.sleep((50 + draw.below(400)) / 1000)
        node = 0 if draw.below(15) == 0 else 1 + draw.below(nodes - 1)
        now = time.monotonic()
        if now - killed.get(node, 0) > 1.3 or draw.below(8) == 0:
            kills += job.signal(node, signal.SIGKILL)
            killed[node] = now
    return kills


def with_bits(troupe, draw, digest, setup):
    nodes, over, words = setup
    job = launched(troupe, nodes, over, *JOB, *SAVES, *words)
    kills = kill_until_its_end(job, draw, nodes)
    ends_with(f"{nodes} processes over {over}, {kills} killed: {' '.join(words)}", job, digest, 300)
    return kills


def ups(job):
    return job.told('"event":"node"', '"what":"up"')


def with_all_updates(troupe, draw):
    """Each when the one before is back: where both copies of a holder are gone, so are its updates."""
    nodes, over, words = ASYNCHRONOUS
    job = launched(troupe, nodes, over, *JOB, *words)
    kills = 0
    while job.runs():
        before = ups(job)
        time.sleep((300 + draw.below(300)) / 1000)
        if job.signal(1 + draw.below(nodes - 1), signal.SIGKILL):
            kills += 1
            waits_for(lambda job=job, before=before: ups(job) > before or not job.runs(), 20)
    code, said = job.wait(300), job.result()
    check(f"{nodes} processes over {over}, {kills} killed: {' '.join(words)}",
          code == 0 and said["steps"] == 1600, f"code {code}, {said['steps']} of 1600 steps\n{job.shown()}")
    return kills


def main():
    said = argparse.ArgumentParser()
    said.add_argument("troupe")
    said.add_argument("--kills", type=int, default=1000)
    said.add_argument("--seconds", type=float, default=3600)
    said.add_argument("--seed", type=int, default=1)
    o = said.parse_args()
    troupe, end, draw = os.path.abspath(o.troupe), time.monotonic() + o.seconds, draws(o.seed)
    digest = alone(troupe, *LONG)
    kills = jobs = 0
    while kills < o.kills and time.monotonic() < end:
        turn = jobs % (len(SYNCHRONOUS) + 1)
        if turn < len(SYNCHRONOUS):
            kills += with_bits(troupe, draw, digest, SYNCHRONOUS[turn])
        else:
            kills += with_all_updates(troupe, draw)
        jobs += 1
        print(f"       {kills} kills in {jobs} jobs", flush=True)
    check(f"{kills} processes were killed", kills > 0)


if __name__ == "__main__":
    main()
