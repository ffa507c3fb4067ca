#!/usr/bin/env python3
"""tests/processes/drawn.py TROUPE [--draws 200] [--seconds 900] [--seed N]   drawn jobs under drawn wirings over drawn
numbers of processes, in which actors and processes are killed: each has the digest of one replica in one process, where
nobody dies. --seed N plays one again."""
import argparse
import hashlib
import os
import signal
import sys
import time

from jobs import FEW, OVER, SMALL, check, launched, program


class draws:
    """Numbers that follow from a seed and nothing else."""

    def __init__(self, seed):
        self.seed, self.count = seed, 0

    def below(self, n):
        self.count += 1
        return int.from_bytes(hashlib.sha256(f"{self.seed}:{self.count}".encode()).digest()[:8], "little") % n

    def one_of(self, all_of_them):
        return all_of_them[self.below(len(all_of_them))]


def drawn_job(draw):
    """What decides the bits."""
    model, steps, sliced = draw.one_of((("mlp", 150, "1:2"),) * 7 + (("lenet", 5, "0:2"),))
    out = [*FEW, "--model", model, "--microbatches", draw.one_of(("4", "4", "8")), "--steps", str(6 + draw.below(steps)),
           "--seed", str(draw.below(1000))]
    out += draw.one_of(((), (), ("--compress", "fp16"), ("--compress", "int8"), ("--compress", "1-bit"),
                        ("--compress", "top-k 0.1")))
    out += draw.one_of(((), (), (), ("--islands", "2", "--outer-every", "3")))
    return out + draw.one_of(([], [], ["--slice", sliced]))


def drawn_wiring(draw):
    """What must not."""
    topology = draw.one_of(("data-parallel", "pipeline", "hybrid", "parameter-server"))
    out = ["--topology", topology, "--holders", draw.one_of(("0", "1", "1", "2"))]
    out += draw.one_of(([], ["--merge-layers", "0"], ["--merge-layers", "1000000"],
                        ["--merge-layers", "0", "--split-layers", "65536"]))
    if topology != "pipeline":
        out += ["--replicas", draw.one_of(("2", "4"))]
        out += draw.one_of(([], [], ["--groups", "2"], ["--balance"], ["--backups", "1"]))
    if topology in ("pipeline", "hybrid"):
        out += ["--stages", draw.one_of(("2", "3"))]
        out += draw.one_of(([], ["--pipeline", "gpipe"], ["--pipeline", "interleaved"], ["--pipeline", "zero-bubble"],
                            ["--recompute"]))
    if topology == "parameter-server":
        out += ["--consistency", "bsp"]
    return out + draw.one_of(([], [], ["--holder-copies", "2"]))


def drawn_kills(draw):
    out = []
    for _ in range(draw.one_of((0, 0, 1, 2))):
        victim = draw.one_of(("layer_shard/0/0", "layer_shard/0/1", "layer_shard/1/0", "data_loader/0", "data_loader/1",
                              "gradient_aggregator/0", "parameter_holder/0", "director", "recorder", "checkpointer"))
        out += ["--kill", f"{victim}@step={1 + draw.below(5)}" + draw.one_of(("", f",message={1 + draw.below(4)}"))]
    return out


def play(troupe, seed):
    """None: the options contradict each other. Else whether the digests agree, a word about it, and what was said."""
    draw = draws(seed)
    job, wiring, kills = drawn_job(draw), drawn_wiring(draw), drawn_kills(draw)
    nodes, over = 2 + draw.below(4), draw.one_of(tuple(OVER))
    disturbed = launched(troupe, nodes, over, *job, *wiring, *kills)
    killed = 0
    for _ in range(draw.one_of((0, 1, 2, 4))):
        time.sleep(draw.below(300) / 1000)
        killed += disturbed.signal(1 + draw.below(nodes - 1), signal.SIGKILL)
    code = disturbed.wait(90)
    if code == 2:
        return None
    calm = program(troupe, "train", *SMALL, *job, *(() if "--islands" in job else ("--replicas", "1")))
    calm.wait()
    agree = code == 0 and disturbed.digest() == calm.digest()
    word = f"seed {seed}: {nodes} processes over {over}, {killed} killed: {' '.join(job + wiring + kills)}"
    return agree and disturbed.left_nothing(), word, disturbed.shown()


def main():
    said = argparse.ArgumentParser()
    said.add_argument("troupe")
    said.add_argument("--draws", type=int, default=200)
    said.add_argument("--seconds", type=float, default=900)
    said.add_argument("--seed", type=int)
    o = said.parse_args()
    troupe, end = os.path.abspath(o.troupe), time.monotonic() + o.seconds
    played = drawn = 0
    while (played < o.draws and time.monotonic() < end) if o.seed is None else drawn == 0:
        seed = drawn if o.seed is None else o.seed
        drawn += 1
        outcome = play(troupe, seed)
        if outcome is None:
            continue
        played += 1
        agree, word, shown = outcome
        check(word, agree, f"{shown}\nagain: {sys.argv[0]} {o.troupe} --seed {seed}")
    check(f"{played} of {drawn} draws were jobs", played * 3 >= drawn or o.seed is not None)


if __name__ == "__main__":
    main()
