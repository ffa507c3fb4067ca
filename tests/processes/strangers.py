#!/usr/bin/env python3
"""tests/processes/strangers.py TROUPE   who does not come, who does not belong to a job, and who knocks at its port: what
is said, by when and by whom, and that the job's bits are those of one process."""
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

from jobs import FEW, LONG, SMALL, alone, check, launched, program, scratch, waits_for

SHORT = (*FEW, "--replicas", "4", "--holders", "1", "--steps", "20")
LOUD = tuple(word for word in SMALL if word != "--quiet")
# ZMTP 3.1 (RFC 23), then a READY, then a message that is no frame of ours.
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01%s" + bytes(32)
READY = b"\x04\x1a\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def node(troupe, number, count, folder, coordinator, *words, keys="", **more):
    if keys:
        more.update(TROUPE_KEYS=f"{keys}/node-{number}.secret", TROUPE_TRUSTED=f"{keys}/trusted")
    more.setdefault("TROUPE_JOB", "strangers")
    return program(troupe, "train", *LOUD, *words, folder=folder, TROUPE_RANK=str(number), TROUPE_WORLD=str(count),
                   TROUPE_COORDINATOR=coordinator, **more)


def make_keys(troupe, folder, names):
    for name in names:
        for n in (0, 1):
            for words in (("--make", f"node-{n}"), ("--allow", f"{name}/node-{n}.public", "--nodes", str(n))):
                subprocess.run((troupe, "keys", *words, "--folder", name), cwd=folder, check=True, timeout=10,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def says(what, who, text, seconds):
    start = time.monotonic()
    heard = waits_for(lambda: text in who.errors() + who.output(), seconds)
    check(f"{what} (after {time.monotonic() - start:.1f} s, of {seconds})", heard, f"no '{text}' in:\n{who.errors()}")


def ends(what, nodes, digest):
    codes = [one.wait(60) for one in nodes]
    check(what, set(codes) == {0} and nodes[0].digest() == digest,
          f"{codes}\n" + "\n".join(one.errors()[-2000:] for one in nodes))
    shutil.rmtree(nodes[0].folder, ignore_errors=True)


def missing(troupe, digest):
    folder, where = scratch(), f"tcp://127.0.0.1:{free_port()}"
    nodes = [node(troupe, n, 4, folder, where, *SHORT) for n in range(3)]
    says("a missing node is named", nodes[0], "waiting for 1 of 4 nodes: 3", 2)
    says("with what to do", nodes[0], "--number 3", 15)
    ends("when it comes the job begins", nodes + [node(troupe, 3, 4, folder, where, *SHORT)], digest)

    folder, where = scratch(), f"tcp://127.0.0.1:{free_port()}"
    nodes = [node(troupe, 1, 2, folder, where, *SHORT)]
    says("a coordinator that is not there is named", nodes[0], f"waiting for node 0 at {where}", 2)
    says("with what to do", nodes[0], "is node 0 running", 15)
    ends("when it comes the job begins", [node(troupe, 0, 2, folder, where, *SHORT)] + nodes, digest)


def refused(troupe, digest, what, values, *words, keys=("", ""), **more):
    """Whoever does not belong is told so, with both values, and node 0 too; then the right one comes."""
    folder, where = scratch(), f"tcp://127.0.0.1:{free_port()}"
    if keys[0]:
        make_keys(troupe, folder, ("keys", "other"))
        # It knows node 0, which does not know it.
        with open(f"{folder}/keys/trusted", encoding="utf-8") as known, open(f"{folder}/other/trusted", "r+",
                                                                             encoding="utf-8") as other:
            zero = [line for line in known if line.startswith("node-0 ")]
            own = [line for line in other if not line.startswith("node-0 ")]
            other.seek(0)
            other.truncate()
            other.writelines(own + zero)
    zero = node(troupe, 0, 2, folder, where, *SHORT, keys=keys[0])
    wrong = node(troupe, 1, 2, folder, where, *(words or SHORT), keys=keys[1], **more)
    for value in values:
        says(f"{what} is refused: node 1 says {value}", wrong, value, 15)
        if not keys[0]:
            says(f"{what} is refused: node 0 says {value}", zero, value, 5)
    if keys[0]:
        wrong.end()
    else:
        check("and it ends, with a failure", wrong.wait(30) not in (0, None), wrong.errors())
    ends("and the right one is taken", [zero, node(troupe, 1, 2, folder, where, *SHORT, keys=keys[0])], digest)


def visit(port, kind):
    with socket.socket() as one:
        one.settimeout(0.2)
        try:
            one.connect(("127.0.0.1", port))
            if kind == 1:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if kind == 2:
                one.sendall(bytes((7 * i * i + 3 * i) % 256 for i in range(4096)))
            if kind >= 3:
                one.sendall(GREETING % (b"CURVE" if kind == 4 else b"NULL").ljust(20, b"\0"))
                one.recv(64)
                one.sendall(READY + b"\x00\x10" + bytes(16) + b"\x02\xff\xff\xff\xff\xff\xff\xff\xff" * (kind == 5))
                one.recv(256)
        except OSError:
            pass


def knocks(troupe, digest, over):
    port = free_port()
    job = launched(troupe, 3, over, *LONG, options=("--coordinator", f"tcp://127.0.0.1:{port}"))
    visits, over_yet = [0], threading.Event()

    def keep_knocking():
        while not over_yet.is_set():
            visit(port, visits[0] % 6)
            visits[0] += 1

    visitor = threading.Thread(target=keep_knocking)
    visitor.start()
    code = job.wait(200)
    over_yet.set()
    visitor.join()
    check(f"{visits[0]} visits of six kinds to a job over {over} change no bit, and end no actor",
          code == 0 and visits[0] > 20 and job.digest() == digest and job.restarts() == 0, job.shown())


def main(troupe):
    digest = alone(troupe, *SHORT)
    missing(troupe, digest)
    refused(troupe, digest, "another job", ("strangers", "somebody"), TROUPE_JOB="somebody")
    refused(troupe, digest, "another wiring", ("wiring ", " at node 0", " at node 1"), *SHORT, "--topology", "hybrid")
    refused(troupe, digest, "another model", ("model ", " at node 0", " at node 1"), *SHORT, "--seed", "5")
    refused(troupe, digest, "an unknown key", ("does not know the key",), keys=("keys", "other"))
    calm = alone(troupe, *LONG)
    for over in ("tcp", "keys"):
        knocks(troupe, calm, over)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
