#!/usr/bin/env python3
"""tests/processes/topologies.py TROUPE [--some]   every topology over 2, 3 and 5 processes, over ipc with tensors lent
and sent, tcp, and tcp with keys, has the digest of one replica in one process. --some: a Latin square of them."""
import os
import sys

from jobs import FEW, OVER, alone, ends_with, launched

TOPOLOGIES = {
    "data parallel": ("--replicas", "4"),
    "all-reduce": ("--replicas", "4", "--holders", "0", "--split-layers", "65536"),
    "pipeline of 3": ("--topology", "pipeline", "--stages", "3"),
    "hybrid 2x2": ("--topology", "hybrid", "--replicas", "2", "--stages", "2"),
    "copies of holders": ("--replicas", "4", "--holder-copies", "2"),
    "parameter server": ("--topology", "parameter-server", "--replicas", "4", "--holders", "2", "--consistency", "bsp"),
}
STEPS = FEW + ("--steps", "20")


def main(troupe, some):
    digest = alone(troupe, "--replicas", "1", *STEPS)
    for row, (topology, words) in enumerate(TOPOLOGIES.items()):
        for column, nodes in enumerate((2, 3, 5)):
            for which, over in enumerate(OVER):
                if not some or which == (row + column) % len(OVER):
                    ends_with(f"{topology}, {nodes} processes over {over}",
                              launched(troupe, nodes, over, *words, *STEPS), digest)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), "--some" in sys.argv)
