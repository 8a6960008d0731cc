"""A stand-in for Slurm, as far as Snakemake's plugin asks it: `sbatch` runs its job at once, as a process of its own.

Called as `standin.py COMMAND ARGUMENTS`. The folder $STANDIN holds a job's number N as N.json (what was asked), N.pid, N.rc
(how its script ended) and N.state (if it was cancelled). One machine is the cluster: an --exclusive job waits until
no other runs on it. (A variable named SLURM_… would not reach srun: the plugin removes those.)
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ["STANDIN"])

# what sbatch and srun know here; anything else is an error, as it would be there
OPTIONS = argparse.ArgumentParser(allow_abbrev=False)
OPTIONS.add_argument("--parsable", action="store_true")
OPTIONS.add_argument("--exclusive", action="store_true")
OPTIONS.add_argument("-D", "--chdir")
OPTIONS.add_argument("-p", "--partition")
OPTIONS.add_argument("-A", "--account")
OPTIONS.add_argument("-t", "--time")
for name in ("job-name", "output", "export", "comment", "wrap", "gres", "cpu-bind"):
    OPTIONS.add_argument(f"--{name}")
for name in ("cpus-per-task", "gpus", "mem", "nodes"):
    OPTIONS.add_argument(f"--{name}", type=int)
OPTIONS.add_argument("-n", "--ntasks", type=int)
OPTIONS.add_argument("command", nargs=argparse.REMAINDER)


def sbatch(arguments: list[str]) -> None:
    """Start a job and print its number."""
    asked = OPTIONS.parse_args(arguments)
    number = len(list(FOLDER.glob("*.json"))) + 1
    output = Path(asked.output.replace("%j", str(number)))
    (FOLDER / f"{number}.json").write_text(json.dumps(vars(asked)))
    environment = os.environ | {"SLURM_JOB_ID": str(number)}
    if asked.gpus:
        environment |= {"SLURM_GPUS": str(asked.gpus), "CUDA_VISIBLE_DEVICES": "0"}
    command = [sys.executable, __file__, "job", str(number)]
    with output.open("w") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=asked.chdir,
            env=environment,
            start_new_session=True,
        )
    (FOLDER / f"{number}.pid").write_text(str(process.pid))
    print(number)


def job(arguments: list[str]) -> None:
    """Run the script of job N, alone on the machine if it is exclusive."""
    number = arguments[0]
    asked = json.loads((FOLDER / f"{number}.json").read_text())
    with (FOLDER / "machine.lock").open("a") as machine:
        fcntl.flock(machine, fcntl.LOCK_EX if asked["exclusive"] else fcntl.LOCK_SH)
        code = subprocess.run(asked["wrap"], shell=True, executable="/bin/bash").returncode
    temporary = FOLDER / f"{number}.rc.half"
    temporary.write_text(str(code))
    temporary.replace(FOLDER / f"{number}.rc")


def srun(arguments: list[str]) -> None:
    """Run a command in place."""
    command = OPTIONS.parse_args(arguments).command
    os.execvp(command[0], command)


def state(number: int) -> str:
    """The word that sacct has for the state of a job."""
    if (FOLDER / f"{number}.state").exists():
        return (FOLDER / f"{number}.state").read_text()
    if (FOLDER / f"{number}.rc").exists():
        return "COMPLETED" if (FOLDER / f"{number}.rc").read_text() == "0" else "FAILED"
    return "RUNNING"


def sacct(arguments: list[str]) -> None:
    """Print number and state of each job of a run; nothing on other questions (accounts, reasons of a failure)."""
    if "--name" not in arguments:
        return
    run = arguments[arguments.index("--name") + 1]
    for file in FOLDER.glob("*.json"):
        if json.loads(file.read_text())["job_name"] == run:
            print(f"{file.stem}|{state(int(file.stem))}")


def scancel(arguments: list[str]) -> None:
    """Kill jobs, with all that they started."""
    for number in arguments:
        if state(int(number)) == "RUNNING":
            (FOLDER / f"{number}.state").write_text("CANCELLED")
            os.killpg(int((FOLDER / f"{number}.pid").read_text()), signal.SIGKILL)


def main() -> None:
    command, *arguments = sys.argv[1:]
    with (FOLDER / "calls.lock").open("a") as turn:  # one at a time
        if command not in ("srun", "job"):
            fcntl.flock(turn, fcntl.LOCK_EX)
        match command:
            case "sbatch":
                sbatch(arguments)
            case "job":
                job(arguments)
            case "srun":
                srun(arguments)
            case "sacct":
                sacct(arguments)
            case "scancel":
                scancel(arguments)
            case "sinfo":
                print("PARTITION\nall*")
            case "scontrol":
                print("MaxArraySize = 1001")
            case _:
                sys.exit(f"the stand-in for Slurm knows no {command}")


main()
