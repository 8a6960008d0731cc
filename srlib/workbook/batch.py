"""The batch: what a profile still lacks is measured job by job with Snakemake, then come the notebooks, which only read.

`prepare` writes the plan, results/{profile}/plan.json, which is Snakemake's configuration; each of its jobs calls `measure_job`
or `execute.run_planned` in a process of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from srlib.util import atomic, devices, paths
from srlib.util.errors import unknown
from srlib.util.paths import ROOT
from srlib.workbook import execute, expand, plan, store
from srlib.workbook.measure import Lab, Request

KINDS = {kind.__name__: kind for kind in Request.__subclasses__()}
UNKNOWN_SECONDS = 10.0  # of a job whose like has not been measured yet

FLAGS = (
    # what a job depends on is in the plan, as digests: times of files say nothing
    *("--rerun-triggers", "params"),
    *("--forcerun", "measure"),  # the plan holds only what is missing, whatever a run before left behind
    "--keep-going",
    "--rerun-incomplete",
    "--nolock",
    *("--quiet", "host"),
)


def command(plan_file: Path, options: Sequence[str] = (), directory: Path = ROOT) -> list[str]:
    """The command that runs a plan.

    options: Snakemake's own; without any that say where to run, all cores and GPUs of this machine do.
    directory: where `results` lies.
    """
    where = [] if on_other_machines(options) or {"--cores", "-c", "--jobs", "-j"} & set(options) else ["--cores", "all"]
    if not on_other_machines(options) and "--resources" not in options:
        where += ["--resources", f"gpu={torch.cuda.device_count()}"]
    content = execute.read(plan_file, ("profile", "jobs"))
    if first := begun_first(content["jobs"]):
        where += ["--prioritize", *(f"results/{content['profile']}/.jobs/{key}.done" for key in first)]
    files = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(directory), "--configfile", str(plan_file)]
    return [sys.executable, "-m", "snakemake", *files, *FLAGS, *where, *options]


def begun_first(jobs: dict[str, dict]) -> list[str]:
    """What has the machine to itself, and the eighth of all jobs that takes longest beside others: later, a core would wait for
    the end of what runs beside, or for the end of the longest."""
    alone = [key for key in jobs if jobs[key]["alone"]]
    side_by_side = sorted((key for key in jobs if not jobs[key]["alone"]), key=lambda key: -jobs[key]["seconds"])
    return alone + side_by_side[: len(jobs) // 8]


def on_other_machines(options: Sequence[str]) -> bool:
    """Whether Snakemake's options have an executor, so that jobs run on the nodes of a cluster."""
    return any(option in ("--executor", "-e") or option.startswith("--executor=") for option in options)


def lab_for(device: str, options: Sequence[str]) -> Lab:
    """Where a plan is made. For other machines only the kind of device counts, and none is touched here: a login node may have
    no GPU. ValueError if nothing tells the kind."""
    if not on_other_machines(options):
        return Lab(devices.choose_device(device))
    if device == "auto" and not torch.cuda.is_available():
        raise ValueError(
            "the jobs run on other machines and no GPU is here to tell what those have; say --device cuda if the nodes have "
            "GPUs, else --device cpu"
        )
    return Lab(planned="cuda" if device == "auto" else torch.device(device).type)


def prepare(profile: str | Path, device: str = "auto", options: Sequence[str] = ()) -> Path:
    """Write the plan of a profile: the jobs of what is missing, and what each notebook waits for. options: Snakemake's own, as
    `run` takes them. ValueError for no profile or device."""
    lab = lab_for(device, options)
    whole = plan.profile(profile)
    plans = {name: plan.plan(name, profile) for name in plan.listed(profile)}
    jobs, expected = {}, expectations()
    asked = {name: expand.jobs([one], lab) for name, one in plans.items()}
    by_job: dict[str, list[Request]] = {}
    for label, requests in (pair for some in asked.values() for pair in some.items()):
        by_job[label] = list(dict.fromkeys([*by_job.get(label, []), *requests]))
    needs_of = {
        request: request.named(lab)
        for requests in tqdm(by_job.values(), desc="looking for what is missing", leave=False)
        for request in requests
    }
    for label, requests in by_job.items():
        key = key_of(label)
        if missing := [request for request in requests if not request.at_hand(lab, needs_of[request])]:
            jobs[key] = {
                "label": label,
                "seconds": sum(
                    expected.get((r.kind, r.about().get("model")), expected.get((r.kind, None), UNKNOWN_SECONDS))
                    for r in missing
                ),
                "alone": any(request.exclusive for request in missing),
                "requests": [encode(request) for request in missing],
            }

    def measurements(name: str) -> list[str]:
        """What a notebook's page reads, but for times."""
        some = [request for requests in asked[name].values() for request in requests if not request.exclusive]
        return sorted(store.digest(needs_of[request]) for request in some)

    others = {name: [other for other in plans if other != name] for name, one in plans.items() if one.after_all}
    content = {
        "profile": whole["profile"],
        "from": str(profile),
        "device": device,
        "command": f"{sys.executable} -m srlib",
        "gpu": int("cuda" in (lab.planned, lab.device.type)),
        "jobs": jobs,
        "notebooks": {
            name: {
                "needs": [key_of(label) for label in asked[name]],
                "after": others.get(name, []),
                "digest": store.digest({"page": execute.digest(name, profile), "measurements": measurements(name)}),
            }
            for name in plans
        },
    }
    path = paths.RESULTS / whole["profile"] / "plan.json"
    atomic.write_json(path, content)
    return path


def key_of(label: str) -> str:
    """A job's label as a file's name."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', label).strip('-')}-{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def encode(request: Request) -> dict:
    return {"kind": type(request).__name__, **dataclasses.asdict(request)}


def decode(said: dict) -> Request:
    values = {name: expand.pairs(value) if isinstance(value, list) else value for name, value in said.items()}
    return KINDS[values.pop("kind")](**values)


def expectations() -> dict[tuple[str, str | None], float]:
    """Seconds that measurements took so far, the median by kind and model, and by kind alone (model None)."""
    took: dict[tuple[str, str | None], list[float]] = {}
    for path in store.files():
        for kept in store.sound(path):
            for model in (kept.about.get("model"), None):
                took.setdefault((kept.kind, model), []).append(kept.origin["seconds"])
    return {key: statistics.median(seconds) for key, seconds in took.items()}


def measure_job(key: str, path: Path) -> list[str]:
    """Measure what one job of a plan lacks, on a GPU of its own where there are any; the names of what was measured."""
    content = execute.read(path, ("device", "jobs"))
    if key not in content["jobs"]:
        raise unknown("job", key, list(content["jobs"]))
    with devices.one_gpu():
        lab = Lab(devices.choose_device(content["device"]))
        return take([decode(said) for said in content["jobs"][key]["requests"]], lab)


def measure_missing(profile: str | Path, notebook: str = "", only: str = "", device: str = "auto") -> list[str]:
    """Measure what a profile, or one notebook of it, lacks, here and now, one after the other; the names of what was measured.

    only: those jobs alone whose label has this in it. ValueError for unknown names.
    """
    listed = plan.listed(profile)
    if notebook and notebook not in listed:
        raise unknown("notebook", notebook, listed)
    lab = Lab(devices.choose_device(device))
    plans = [plan.plan(name, profile) for name in ([notebook] if notebook else listed)]
    jobs = {label: requests for label, requests in expand.jobs(plans, lab).items() if only in label}
    return take([request for requests in jobs.values() for request in requests], lab)


def take(requests: Iterable[Request], lab: Lab) -> list[str]:
    """Ask for measurements with a progress bar; the names of those that were not in the store."""
    with tqdm(list(requests), desc="measuring") as bar:
        for request in bar:
            bar.set_postfix_str(request.job)
            request.ask(lab)
    return lab.measured


def run(plan_file: Path, options: Sequence[str] = (), directory: Path = ROOT) -> int:
    """Run a plan, as `command` says, and give Snakemake's exit code; what is done stays done, however this ends."""
    process = subprocess.Popen(command(plan_file, options, directory))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it came to Snakemake too, which ends its jobs
