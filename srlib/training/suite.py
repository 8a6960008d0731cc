"""Many trainings unattended: every model of some suites with several seeds, some side by side, each by one thread.

The runs are processes of their own, from a work tree at one commit (runs/tree), so that edits meanwhile change nothing. All is
resumable: the same command goes on, and what is complete stays as it is. What a run starts from is trained before it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from srlib.models.catalogue import names, with_seed
from srlib.training.settings import by_recipe, chosen, searched, suites
from srlib.util import atomic, paths, provenance
from srlib.util.errors import unknown
from srlib.weights.loading import find

POLL = 2.0  # seconds between looks


@dataclass
class Task:
    """One run, or one search. after: names of those that must be complete before. steps: of the run. changes: settings in
    place of the recipe's. runs: the folder of all runs."""

    name: str
    model: str
    seed: int
    steps: int
    after: tuple[str, ...] = ()
    searches: bool = False
    changes: Mapping[str, object] = field(default_factory=dict)
    device: str = "auto"
    runs: Path = field(default_factory=lambda: paths.RUNS)
    process: subprocess.Popen | None = None
    failed: bool = False
    started: float = field(default=0.0)

    @property
    def folder(self) -> Path:
        return searched(self.model, self.runs).parent if self.searches else self.runs / with_seed(self.model, self.seed)

    @property
    def done(self) -> bool:
        if self.searches:
            return bool(chosen(self.model, self.runs))
        return (self.folder / f"{self.model}.safetensors").is_file()

    @property
    def step(self) -> int:
        """How far it is, from its log."""
        if self.done:
            return self.steps
        logs = list(self.folder.glob("trial*/log.csv")) if self.searches else [self.folder / "log.csv"]
        return sum(int(pd.read_csv(log)["step"].iloc[-1]) for log in logs if log.is_file())

    def command(self) -> list[str]:
        """What runs it."""
        words = [sys.executable, "-m", "srlib", "train", self.model, "--device", self.device]
        if self.searches:
            return [*words, "--search", *options(self.changes)]
        seed = {"seed": self.seed} if self.seed else {}
        return words + options(seed | chosen(self.model, self.runs) | dict(self.changes))


def options(changes: Mapping[str, object]) -> list[str]:
    """Settings as options of `srlib train`."""
    words = []
    for name, value in changes.items():
        option = f"--{name.replace('_', '-')}"
        if value == ():
            words.append(f"--no-{name}")
        elif isinstance(value, tuple):
            words += [option, *map(str, value)]
        else:
            words.append(f"{option}={value}")
    return words


def wanted(name: str) -> list[str]:
    """The suites that a name means: one, or all whose names begin so ("compact": compact-start, compact-methods, ...)."""
    if name in suites():
        return [name]
    found = [suite for suite in suites() if suite.startswith(f"{name}-")]
    if not found:
        raise unknown("suite", name, list(suites()))
    return found


def tasks(
    name: str,
    seeds: int,
    search: bool,
    changes: Mapping[str, object] | None = None,
    device: str = "auto",
    runs: Path | None = None,
) -> list[Task]:
    """All runs of the suites, in an order in which each comes after what it starts from. changes: settings in place of the
    recipes', for all. ValueError for a seed among them."""
    from srlib.training.search import STEPS, TRIALS

    changes, found = dict(changes or {}), {}
    if "seed" in changes:
        raise ValueError("a suite's seeds are 0, 1, ...: say how many, not which")
    how = {"changes": changes, "device": device, "runs": runs or paths.RUNS}
    trial = int(changes.get("steps", STEPS))

    def add(model: str, seed: int) -> str:
        called = with_seed(model, seed)
        if called not in found:
            settings = by_recipe(model, changes | ({"seed": seed} if seed else {}))
            after = start(settings.init)
            if search:
                first = f"search for {model}"
                found.setdefault(first, Task(first, model, 0, trial * TRIALS, tuple(after), searches=True, **how))
                after = [*after, first]
            found[called] = Task(called, model, seed, settings.end, tuple(after), **how)
        return called

    def start(init: str) -> list[str]:
        """All seeds begin with the same trained encoder, which is trained first where it is not at hand."""
        return [add(init, 0)] if init in names() and (init in found or find(init) is None) else []

    for suite in wanted(name):
        for seed in range(seeds):
            for model in suites()[suite]["models"]:
                add(model, seed)
    return list(found.values())


def tree(fixed: bool) -> Path:
    """The work tree that the runs are trained from: runs/tree, at the commit of its first use; without git this one.
    ValueError if git makes none."""
    place = paths.RUNS / "tree"
    if not fixed or provenance.commit() == "unknown":
        return paths.ROOT
    if not place.exists():
        paths.RUNS.mkdir(exist_ok=True)
        for words in (["prune"], ["add", "--detach", str(place), "HEAD"]):
            command = ["git", "-C", str(paths.ROOT), "worktree", *words]
            if (made := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
                told = made.stderr.strip() or "it did not say why"
                raise ValueError(f"git makes no work tree {paths.shown(place)}: {told}; or train from this one: --here")
        (place / "runs").symlink_to(paths.RUNS, target_is_directory=True)
    return place


def begin(task: Task, place: Path, environment: dict[str, str]) -> subprocess.Popen:
    """The process of a run; what it says goes into output.txt in its folder."""
    task.folder.mkdir(parents=True, exist_ok=True)
    with (task.folder / "output.txt").open("a") as output:
        return subprocess.Popen(
            task.command(), cwd=place, env=environment, stdout=output, stderr=output, start_new_session=True
        )


def train_suite(
    name: str,
    *,
    seeds: int = 3,
    jobs: int = 2,
    search: bool = False,
    fixed: bool = True,
    changes: Mapping[str, object] | None = None,
    device: str = "auto",
    runs: Path | None = None,
    progress: bool = True,
    say: Callable[[str], None] = tqdm.write,
) -> list[str]:
    """Train every model of the suites with seeds 0, 1, ..., `jobs` side by side, or go on; returns the names of those
    that failed.

    search: first search for each model's settings. fixed: from a work tree at a fixed commit. changes: settings in place
    of the recipes', for all; steps are then a trial's as well. runs: where the runs lie, by default runs/; suite.csv there
    says how far each is. KeyboardInterrupt: the runs save themselves and the same command goes on.
    """
    if seeds < 1 or jobs < 1:
        raise ValueError(f"seeds and jobs are at least 1, got {seeds} and {jobs}")
    every, place = tasks(name, seeds, search, changes, device, runs), tree(fixed)
    by_name = {task.name: task for task in every}
    total, before = sum(task.steps for task in every), sum(task.step for task in every)
    complete = sum(task.done for task in every)
    say(f"{len(every)} runs, {complete} of them complete; from {paths.shown(place)}, {jobs} side by side")
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(place),
        "SRLIB_DATA": str(paths.data().resolve()),
    }
    if runs:
        environment["SRLIB_RUNS"] = str(runs.resolve())
    bar = tqdm(total=total, initial=before, unit=" steps", desc=name, disable=not progress, smoothing=0)
    try:
        with bar:
            while True:
                for task in every:
                    if task.process is not None and (code := task.process.poll()) is not None:
                        task.process, task.failed = None, code != 0 or not task.done
                        failure = f"FAILED, {paths.shown(task.folder / 'output.txt')}"
                        say(f"{task.name}: {failure if task.failed else 'complete'}")
                running = [task for task in every if task.process is not None]
                waiting = [task for task in every if not (task.done or task.failed or task.process)]
                ready = [task for task in waiting if all(by_name[one].done for one in task.after)]
                for task in ready[: jobs - len(running)]:
                    task.process = begin(task, place, environment)
                    running.append(task)
                record(every)
                bar.update(min(total, sum(task.step for task in every)) - bar.n)
                if not running:
                    break
                time.sleep(POLL)
    except KeyboardInterrupt:
        for task in every:
            if task.process is not None:
                os.kill(task.process.pid, signal.SIGINT)
        for task in every:
            if task.process is not None:
                task.process.wait()
        record(every)
        raise KeyboardInterrupt("stopped; the runs are saved, and the same command goes on") from None
    return [task.name for task in every if not task.done]


def record(every: list[Task]) -> None:
    """suite.csv beside the runs: run, state, step, of."""
    rows = [
        (
            task.name,
            "complete" if task.done else "failed" if task.failed else "running" if task.process else "waiting",
            task.step,
            task.steps,
        )
        for task in every
    ]
    with atomic.whole(every[0].runs / "suite.csv") as temporary:
        pd.DataFrame(rows, columns=["run", "state", "step", "of"]).to_csv(temporary, index=False)
