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


def command(plan: Path, options: Sequence[str] = (), directory: Path = ROOT) -> list[str]:
    """The command that runs a plan.

    options: Snakemake's own; without any that say where to run, all cores and GPUs of this machine do.
    directory: where `results` lies.
    """
    where = [] if {"--executor", "--cores", "-c", "--jobs", "-j"} & set(options) else ["--cores", "all"]
    if "--executor" not in options and "--resources" not in options:
        where += ["--resources", f"gpu={torch.cuda.device_count()}"]
    files = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory), "--configfile", str(plan)]
    return [sys.executable, "-m", "snakemake", *files, *FLAGS, *where, *options]


def run(plan: Path, options: Sequence[str] = (), directory: Path = ROOT) -> int:
    """Run a plan, as `command` says, and give Snakemake's exit code; what is done stays done, however this ends."""
    process = subprocess.Popen(command(plan, options, directory))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it came to Snakemake too, which ends its jobs
