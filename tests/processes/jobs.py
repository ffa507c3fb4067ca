"""What tests of real processes share: a small training, alone and as several processes, each in a folder of its own."""
import atexit
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ENGINES = ("SLURM_", "TROUPE_", "OMPI_", "PMIX_")
VARIABLES = {name: value for name, value in os.environ.items() if not name.startswith(ENGINES)}
OVER = {"ipc": (), "ipc, all sent": ("--no-share-tensors",), "tcp": ("--over", "tcp"), "keys": ("--over", "tcp", "--keys", "keys")}
SMALL = ("--model", "mlp", "--batch", "40", "--microbatches", "4", "--warmup", "0", "--learning-rate", "0.02",
         "--quiet", "--json")
FEW = ("--data", "synthetic:400")
# Long enough for somebody to disturb it, and with all parameters on node 0, so that the others may die.
LONG = ("--data", "synthetic:4000", "--replicas", "4", "--holders", "1", "--epochs", "16", "--metrics",
        "steps.jsonl")


def check(what, truth, shown=""):
    print(f"{'ok    ' if truth else 'FAILED'} {what}", flush=True)
    if not truth:
        sys.exit(str(shown))


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def waits_for(condition, seconds=10.0):
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


def text_of(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def scratch():
    folder = tempfile.mkdtemp(prefix="troupe-processes-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class program:
    """A process with files of its own for what it says."""

    def __init__(self, *words, folder=None, wrap=(), **variables):
        self.folder = folder or scratch()
        self.tmp = os.path.join(self.folder, "tmp")
        os.makedirs(self.tmp, exist_ok=True)
        self.name = os.path.join(self.folder, variables.get("TROUPE_RANK", "all"))
        known = dict(VARIABLES, TMPDIR=self.tmp, **variables)
        known.pop("XDG_RUNTIME_DIR", None)
        with open(self.name + ".out", "wb") as out, open(self.name + ".err", "wb") as err:
            self.process = subprocess.Popen(tuple(wrap) + words, cwd=self.folder, env=known, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err)
        atexit.register(self.end)

    def wait(self, seconds=100.0):
        """Its exit code; it is ended, and that is a failure, where it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            check(f"ended within {seconds:.0f} s", False, " ".join(self.process.args) + "\n" + self.errors()[-4000:])
            return None

    def runs(self):
        return self.process.poll() is None

    def end(self):
        if self.runs():
            self.process.kill()
            self.process.wait()

    def output(self):
        return text_of(self.name + ".out")

    def errors(self):
        return text_of(self.name + ".err")

    def result(self):
        lines = [line for line in self.output().splitlines() if line.startswith('{"event":"end"')]
        return json.loads(lines[-1]) if lines else {"parameter_digest": "no digest", "restarts": 0, "steps": 0}

    def digest(self):
        return self.result()["parameter_digest"]

    def restarts(self):
        return self.result()["restarts"]

    def shown(self):
        others = "".join(f"\n--- {path}\n{text_of(path)[-1000:]}"
                         for path in sorted(glob.glob(os.path.join(self.folder, "logs/nodes/*/stderr.log"))))
        return f"{' '.join(self.process.args)}\nin {self.folder}\n{self.errors()[-4000:]}{others}"

    def nodes(self):
        """The processes of the nodes that it started, by number."""
        out = {}
        try:
            children = text_of(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split()
        except OSError:
            children = []
        for pid in children:
            for variable in text_of(f"/proc/{pid}/environ").split("\0"):
                if variable.startswith("TROUPE_RANK="):
                    out[int(variable.split("=")[1])] = int(pid)
        return out

    def has_begun(self):
        return waits_for(lambda: self.measured() > 8, 60)

    def measured(self):
        """How many lines of metrics it has written (LONG)."""
        return text_of(os.path.join(self.folder, "steps.jsonl")).count("\n")

    def told(self, *words):
        """How many lines of its metrics have all of these words (LONG)."""
        lines = text_of(os.path.join(self.folder, "steps.jsonl")).splitlines()
        return sum(all(word in line for word in words) for line in lines)

    def steps(self):
        """How many steps it has told of (LONG, --digest-every 1)."""
        return self.told('"event":"step"')

    def signal(self, node, number):
        """Whether there was somebody to hear it."""
        pid = self.nodes().get(node)
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def left_nothing(self):
        return waits_for(lambda: not os.listdir(self.tmp), 5)


def launched(troupe, nodes, over, *words, options=()):
    return program(troupe, "launch", "-n", str(nodes), "--restarts", "10000", "--log-folder", "logs", *OVER[over],
                   *options, "--", troupe, "train", *SMALL, *words)


def alone(troupe, *words):
    """The digest of one process."""
    one = program(troupe, "train", *SMALL, *words)
    check(f"one process: {' '.join(words)}", one.wait() == 0, one.errors())
    return one.digest()


def ends_with(what, job, digest, seconds=100.0):
    """A job ends well, with these bits, and leaves nothing."""
    code = job.wait(seconds)
    check(what, code == 0 and job.digest() == digest, f"code {code}, digest {job.digest()}, not {digest}\n{job.shown()}")
    check("  and leaves nothing", job.left_nothing(), os.listdir(job.tmp))
    shutil.rmtree(job.folder, ignore_errors=True)


def is_running(pid):
    stat = text_of(f"/proc/{pid}/stat")
    return bool(stat) and stat[stat.rfind(")") + 2] != "Z"


def interrupted(*_):
    sys.exit("ended by a signal")


signal.signal(signal.SIGTERM, interrupted)
