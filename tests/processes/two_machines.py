#!/usr/bin/env python3
"""tests/processes/two_machines.py TROUPE   one job over two network namespaces that a cable joins, with keys: the digest
of one process, also where the cable is pulled for three seconds, and where a node is drained and another one joins in its
place. Needs root and iproute2; says so and exits with 77."""
import getpass
import os
import shutil
import subprocess
import sys
import time

from jobs import LONG, SMALL, alone, check, program, scratch, skip, waits_for

NODES = 3  # node 0 here, the others there
PLACE = "tcp://10.77.0.1:5555"


def ip(*words):
    subprocess.run(("ip",) + words, check=True, timeout=10)


def lay_cable(namespace):
    """From this namespace, which is a new one itself, to another."""
    ip("netns", "add", namespace)
    ip("link", "add", "dev", "here", "type", "veth", "peer", "name", "there", "netns", namespace)
    for name, address, inside in (("here", "10.77.0.1/24", ()), ("there", "10.77.0.2/24", ("-n", namespace))):
        ip(*inside, "address", "add", address, "dev", name)
        ip(*inside, "link", "set", name, "up")
        ip(*inside, "link", "set", "lo", "up")


def keys_in(troupe, folder):
    for n in range(NODES):
        for words in (("--make", f"node-{n}"), ("--allow", f"keys/node-{n}.public", "--nodes", str(n))):
            subprocess.run((troupe, "keys", *words), cwd=folder, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=10)


def nodes_of(troupe, namespace):
    folder = scratch()
    keys_in(troupe, folder)
    return [program(troupe, "train", *SMALL, *LONG, folder=folder,
                    wrap=("ip", "netns", "exec", namespace) if n > 0 else (),
                    TROUPE_RANK=str(n), TROUPE_WORLD=str(NODES), TROUPE_COORDINATOR=PLACE,
                    TROUPE_JOB="cable", TROUPE_KEYS=f"keys/node-{n}.secret", TROUPE_TRUSTED="keys/trusted")
            for n in range(NODES)]


def end(what, nodes, digest):
    codes = [node.wait(200) for node in nodes]
    shown = "\n".join(node.errors()[-1500:] for node in nodes)
    check(what, codes == [0] * NODES and nodes[0].digest() == digest, f"{codes}, {nodes[0].digest()}\n{shown}")


def main(troupe):
    digest = alone(troupe, *LONG)
    namespace = f"troupe-{os.getpid()}"
    lay_cable(namespace)
    end("a job over two network namespaces, with keys", nodes_of(troupe, namespace), digest)

    nodes = nodes_of(troupe, namespace)
    check("it runs again", nodes[0].has_begun(), nodes[0].errors())
    ip("link", "set", "here", "down")
    time.sleep(3)
    before = nodes[0].measured()
    ip("link", "set", "here", "up")
    end("a cable was pulled for three seconds: the same digest", nodes, digest)
    check("it was in the middle of the job, and actors began anew",
          before < nodes[0].measured() and nodes[0].restarts() > 0, nodes[0].shown())

    nodes = nodes_of(troupe, namespace)
    check("it runs a third time", nodes[0].has_begun(), nodes[0].errors())
    folder = nodes[0].folder
    drained = subprocess.run((troupe, "drain", "2"), cwd=folder, capture_output=True, text=True, timeout=20)
    check("a node beyond the cable is drained", drained.returncode == 0, drained.stdout + drained.stderr)
    check("its process ends", nodes[2].wait(20) == 0, nodes[2].errors())
    before = nodes[0].measured()
    nodes[2] = program(troupe, "node", "--join", PLACE, "--number", "2", "--nodes", str(NODES), "--job", "cable", "--keys",
                       "keys/node-2.secret", "--", troupe, "train", *SMALL, *LONG, folder=folder,
                       wrap=("ip", "netns", "exec", namespace))
    check("a new one is taken in", waits_for(lambda: nodes[0].told('"what":"up"', '"nodes":[2]') == 2), nodes[0].shown())
    end("a node left, and another one came: the same digest", nodes, digest)
    check("that was in the middle of the job", before < nodes[0].measured(), nodes[0].shown())


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("ip"):
        skip(f"needs root and the package iproute2, and this is {getpass.getuser()}")
    # All that is made here ends with the namespaces.
    OWN = ["unshare", "--mount", "--net"]
    if os.environ.get("TROUPE_TEST_INSIDE") is None:
        if subprocess.run(OWN + ["sh", "-c", "mount -t tmpfs none /run && ip link add dev probe type veth"],
                          stderr=subprocess.DEVNULL, check=False).returncode:
            skip("no namespaces with cables can be made here")
        os.environ["TROUPE_TEST_INSIDE"] = "1"
        os.execvp(OWN[0], OWN + ["sh", "-c", 'mount -t tmpfs none /run && exec "$0" "$@"', sys.executable, *sys.argv])
    main(os.path.abspath(sys.argv[1]))
