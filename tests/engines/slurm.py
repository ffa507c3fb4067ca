#!/usr/bin/env python3
"""tests/engines/slurm.py TROUPE   `troupe launch slurm` in a real Slurm: a controller and four nodes on this
machine, in namespaces of their own, so that nothing of it meets the machine's processes, ports or files.
Needs root and the packages slurm-wlm, munge and iproute2; says so and exits with 77 where one is missing."""
import getpass
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

NEEDED = ("slurmctld", "slurmd", "sbatch", "srun", "scancel", "munged", "ip", "unshare")
ENVIRONMENT = {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "HOME": os.environ.get("HOME", "/root")}

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(10.99.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
ReturnToService=2
SchedulerParameters=sched_interval=1
KillWait=2
MpiDefault=none
NodeName=n[1-4] NodeHostname={host} NodeAddr=10.99.0.1 Port=[17001-17004] CPUs=4
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# Where cgroups are not mounted slurmd does not start without this.
CGROUP_CONF = "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n"


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def enter_namespaces():
    """This script again, where it may do what it likes; all that it starts ends with it."""
    missing = [name for name in NEEDED if not shutil.which(name, path=ENVIRONMENT["PATH"])]
    if missing:
        skip(f"{', '.join(missing)} missing: apt install slurm-wlm munge iproute2")
    if os.geteuid() != 0:
        skip(f"needs root, and this is {getpass.getuser()}")
    own = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run(own + ["true"], stderr=subprocess.DEVNULL, check=False).returncode:
        skip("namespaces cannot be made here")
    with tempfile.TemporaryDirectory(prefix="troupe-slurm-") as folder:
        again = [sys.executable, os.path.abspath(__file__), "--inside", folder, os.path.abspath(sys.argv[1])]
        code = subprocess.run(own + again, check=False).returncode
    sys.exit(code)


class cluster:
    def __init__(self, folder):
        self.folder = folder
        self.variables = dict(ENVIRONMENT, SLURM_CONF=f"{folder}/slurm.conf")
        host = os.uname().nodename
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Names are looked up only where there is an address beside 127.0.0.1.
        subprocess.run(["ip", "address", "add", "10.99.0.1/24", "dev", "lo"], check=True)
        self.write("hosts", f"127.0.0.1 localhost\n10.99.0.1 n1 n2 n3 n4 {host}\n")
        subprocess.run(["mount", "--bind", f"{folder}/hosts", "/etc/hosts"], check=True)
        self.write("slurm.conf", SLURM_CONF.format(folder=folder, host=host))
        self.write("cgroup.conf", CGROUP_CONF)
        self.write("munge.key", "x" * 1024)
        os.chmod(f"{folder}/munge.key", 0o600)
        os.mkdir(f"{folder}/state")
        self.start("munged", "--force", "--foreground", f"--key-file={folder}/munge.key",
                   f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid",
                   f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed")
        self.until("munged", lambda: os.path.exists(f"{folder}/munge.socket"))
        self.start("slurmctld", "-D")
        for node in range(1, 5):
            self.start("slurmd", "-D", "-N", f"n{node}")
        self.until("four idle nodes", lambda: self.run("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == "4",
                   every=0.2)

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, *words):
        log = open(f"{self.folder}/{words[0]}.output", "a", encoding="utf-8")
        subprocess.Popen(words, env=self.variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def run(self, *words, **more):
        return subprocess.run(words, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, cwd=self.folder, **more).stdout

    # Conditions that ask the controller do so `every` second or so.
    def until(self, what, condition, seconds=60, every=0.02):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                for name in sorted(os.listdir(self.folder)):
                    if name.endswith((".log", ".output")):
                        print(f"--- {name}\n" + text_of(f"{self.folder}/{name}")[-1500:])
                print(self.run("squeue") + self.run("scontrol", "show", "job") + self.run("sinfo"))
                sys.exit(f"no {what} within {seconds} s")
            time.sleep(every)

    def state(self, job):
        found = re.search(r"JobState=(\w+).*?ExitCode=(\d+):", self.run("scontrol", "show", "job", job), re.S)
        return (found[1], int(found[2])) if found else ("GONE", -1)

    def submit(self, troupe, logs, script, *options):
        said = self.run(troupe, "launch", "slurm", "-n", "4", "--log-folder", logs, *options, "--", "sh", "-c", script)
        found = re.search(r"Submitted batch job (\d+)", said)
        if not found:
            sys.exit(f"nothing was submitted: {said}")
        return found[1]

    def ends(self, job, logs):
        self.until("end of the job",
                   lambda: self.state(job)[0] in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"), every=0.2)
        return self.state(job), text_of(f"{logs}/slurm-{job}.out")


def text_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def check(what, truth, shown=""):
    print(f"{'ok    ' if truth else 'FAILED'} {what}", flush=True)
    if not truth:
        sys.exit(shown)


def a_killed_node_is_replaced(slurm, troupe):
    """Rank 2 is killed; the job goes on, and ends when node 0 has seen its second life."""
    logs = f"{slurm.folder}/killed"
    script = ("echo $TROUPE_RANK/$TROUPE_WORLD $TROUPE_COORDINATOR $TROUPE_JOB $TROUPE_KEYS;"
              f"echo $$ > {logs}/life-$TROUPE_RANK-$TROUPE_RESTART;"
              f"while [ ! -e {logs}/life-2-1 ]; do sleep 0.02; done; cat $TROUPE_KEYS > /dev/null")
    job = slurm.submit(troupe, logs, script)
    slurm.until("four nodes", lambda: all(text_of(f"{logs}/life-{n}-0").strip() for n in range(4)))
    before = time.monotonic()
    subprocess.run(["kill", "-9", text_of(f"{logs}/life-2-0").strip()], check=True)
    slurm.until("replacement", lambda: os.path.exists(f"{logs}/life-2-1"))
    took = time.monotonic() - before
    (state, code), said = slurm.ends(job, logs)
    check(f"a killed rank was replaced within the allocation in {took * 1e3:.0f} ms", True)
    check("the job completed", (state, code) == ("COMPLETED", 0), f"{state} {code}\n{said}")
    port = 61440 + int(job) % 4096
    check("node 0 writes to the job's output", f"0/4 tcp://n1:{port} slurm-{job}.0 {logs}/keys/node-0.secret" in said,
          said)
    check("the others to their own files", f"3/4 tcp://n1:{port}" in text_of(f"{logs}/nodes/3/stdout.log"))
    check("the death is told", "node 2 was killed by SIGKILL" in said, said)


TRAINING = ("train --model mlp --data synthetic:4000 --batch 40 --microbatches 4 --replicas 4 --holders 1 --epochs 20 "
            "--warmup 0 --quiet --json").split()


def a_training_has_the_bits_of_one_process(slurm, troupe):
    """Over four nodes that meet by the name of the first, encrypted; two are killed meanwhile."""
    digest = re.compile(r'"parameter_digest":"(\w+)"')
    alone = digest.search(slurm.run(troupe, *TRAINING))
    logs = f"{slurm.folder}/training"
    said = slurm.run(troupe, "launch", "slurm", "-n", "4", "--log-folder", logs, "--", troupe, *TRAINING)
    job = re.search(r"Submitted batch job (\d+)", said)[1]
    killed = 0
    for number in (1, 3):
        time.sleep(1.5)
        for name in filter(str.isdigit, os.listdir("/proc")):
            if (f"TROUPE_RANK={number}\0" in text_of(f"/proc/{name}/environ")
                    and "\0train\0" in text_of(f"/proc/{name}/cmdline")
                    and "\0node\0" not in text_of(f"/proc/{name}/cmdline")):
                os.kill(int(name), 9)
                killed += 1
    (state, code), said = slurm.ends(job, logs)
    check("a training completed", (state, code) == ("COMPLETED", 0), f"{state} {code}\n{said}")
    found = digest.search(said)
    check(f"with the bits of one process, {killed} processes killed", found and found[1] == alone[1] and killed > 0, said)


def a_failure_ends_the_job(slurm, troupe):
    logs = f"{slurm.folder}/failed"
    job = slurm.submit(troupe, logs, "[ $TROUPE_RANK = 0 ] && { sleep 0.3; exit 7; }; exec sleep 600")
    (state, code), said = slurm.ends(job, logs)
    check("the job failed with the code of node 0", (state, code) == ("FAILED", 7), f"{state} {code}\n{said}")
    logs = f"{slurm.folder}/hopeless"
    job = slurm.submit(troupe, logs, "[ $TROUPE_RANK = 3 ] && exit 9; exec sleep 600", "--restarts", "2")
    (state, code), said = slurm.ends(job, logs)
    check("a node that keeps dying ends the job", (state, code) == ("FAILED", 1), f"{state} {code}\n{said}")
    check("and its last words are told", "node 3 ended with code 9" in said, said)


def the_time_limit_saves(slurm, troupe):
    """What Slurm sends before the limit ends the job by way of node 0; with --requeue it comes again."""
    logs = f"{slurm.folder}/saved"
    script = (f"if [ $SLURM_RESTART_COUNT ]; then echo again >> {logs}/again; exit 0; fi;"
              f"trap 'touch {logs}/saved; exit 130' INT; touch {logs}/ready-$TROUPE_RANK;"
              f"while [ ! -e {logs}/saved ]; do sleep 0.02; done")
    job = slurm.submit(troupe, logs, script, "--requeue")
    slurm.until("four nodes", lambda: all(os.path.exists(f"{logs}/ready-{n}") for n in range(4)))
    slurm.run("scancel", "--batch", "--signal=USR1", job)
    slurm.until("saved state", lambda: os.path.exists(f"{logs}/saved"))
    # Until the first run has ended everywhere: a run that begins before is ended with it.
    def waits_again():
        shown = slurm.run("scontrol", "show", "job", job)
        return "Restarts=1" in shown and "JobState=PENDING" in shown

    slurm.until("requeued job", waits_again, every=0.2)
    time.sleep(2)
    check("at the time limit node 0 saved, and the job was requeued", True)
    # Slurm lets it wait two minutes, unless told otherwise.
    def came_again():
        slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
        return text_of(f"{logs}/again").count("again") == 4

    slurm.until("second run", came_again, 200, every=2)
    (state, code), said = slurm.ends(job, logs)
    check("and went on", (state, code) == ("COMPLETED", 0), f"{state} {code}\n{said}")


def a_shell_is_one_node(slurm, troupe):
    shell = slurm.run("salloc", "-N", "2", troupe, "doctor")
    check("a shell of an allocation is no task", "this process alone (a shell of job" in shell, shell)
    step = slurm.run("srun", "-N", "2", "-l", troupe, "doctor")
    check("tasks of srun are nodes", "node 1 of 2, met at tcp://n1:" in step, step)


def inside(folder, troupe):
    slurm = cluster(folder)
    a_killed_node_is_replaced(slurm, troupe)
    a_training_has_the_bits_of_one_process(slurm, troupe)
    a_failure_ends_the_job(slurm, troupe)
    a_shell_is_one_node(slurm, troupe)
    the_time_limit_saves(slurm, troupe)


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(*sys.argv[2:])
    else:
        enter_namespaces()
