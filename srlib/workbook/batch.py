"""Runs a plan with Snakemake: measurements first, then the notebooks that read them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from srlib.util.paths import ROOT

FLAGS = (
    # what a job depends on is in the plan, as digests: times of files say nothing
    *("--rerun-triggers", "params"),
    *("--forcerun", "measure"),  # the plan holds only what is missing, whatever a run before left behind
    "--keep-going",
    "--rerun-incomplete",
    "--nolock",
    *("--quiet", "host"),
)


def run(plan: Path, options: Sequence[str] = (), directory: Path = ROOT) -> int:
    """Run a plan and give Snakemake's exit code; what is done stays done, however this ends.

    options: Snakemake's own; without any that say where to run, on all cores and GPUs of this machine.
    directory: where `results` lies.
    """
    where = [] if {"--executor", "--cores", "-c", "--jobs", "-j"} & set(options) else ["--cores", "all"]
    if "--executor" not in options and "--resources" not in options:
        where += ["--resources", f"gpu={torch.cuda.device_count()}"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", directory]
    process = subprocess.Popen([*command, "--configfile", plan, *FLAGS, *where, *options])
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it came to Snakemake too, which ends its jobs
