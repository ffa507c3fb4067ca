#!/usr/bin/env python3
"""tests/engines/mpirun.py TROUPE   places and replaced nodes under a real mpirun (Open MPI) on this machine.
Says so and exits with 77 where there is none."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

VARIABLES = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "TROUPE_"))}
VARIABLES.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def run(folder, *words):
    return subprocess.run(("mpirun", "--oversubscribe", "-np", "4") + words, env=VARIABLES, cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)


def check(what, truth, shown):
    print(f"{'ok    ' if truth else 'FAILED'} {what}", flush=True)
    if not truth:
        sys.exit(shown)


def living(pids):
    with open(pids, encoding="utf-8") as file:
        return [pid for pid in file.read().split() if os.path.exists(f"/proc/{pid}")]


def main(troupe):
    if not shutil.which("mpirun"):
        print("skipped: no mpirun: apt install openmpi-bin")
        sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="troupe-mpirun-") as folder:
        said = run(folder, troupe, "doctor").stdout
        places = re.findall(r"so it is +node (\d) of 4, met at (\S+),", said)
        check("four nodes meet at one place",
              sorted(number for number, _ in places) == list("0123") and len({where for _, where in places}) == 1, said)

        said = run(folder, "-x", "TROUPE_COORDINATOR=tcp://10.0.0.1:5555", troupe, "doctor").stdout
        check("or where they are told to", said.count("of 4, met at tcp://10.0.0.1:5555") == 4, said)

        script = ("echo $TROUPE_RANK >> life-$TROUPE_RESTART;"
                  "if [ $TROUPE_RANK$TROUPE_RESTART = 20 ]; then kill -9 $$; fi;"
                  "while [ ! -e life-1 ]; do sleep 0.02; done")
        done = run(folder, troupe, "node", "--", "sh", "-c", script)
        check("a killed node is replaced, and the job ends well",
              done.returncode == 0 and "node 2 was killed by SIGKILL" in done.stdout, done.stdout)

        failed = run(folder, troupe, "node", "--", "sh", "-c",
                     "[ $TROUPE_RANK = 0 ] && exit 7; echo $$ >> pids; exec sleep 600")
        check("a failure of node 0 ends the job with its code", failed.returncode == 7, failed.stdout)
        left = living(f"{folder}/pids")
        for _ in range(100): # who was killed takes its time to go
            if not left:
                break
            time.sleep(0.1)
            left = living(f"{folder}/pids")
        check("and nothing outlives it", not left, f"{left}")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
