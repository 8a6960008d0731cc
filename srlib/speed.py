"""How fast decoding is on this machine: quiet or beside busy processes, by any number of threads, and against another commit.

Each way is a process of its own (`util/timed.py`), told to decode once, all in turn: whatever else the machine does meanwhile,
it does to all of them. Beside the seconds stands the machine's own matrix rate, measured in between.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from srlib import cost
from srlib.models.catalogue import build
from srlib.util import devices, paths, precision, quiet, sizes

TIMED = Path(__file__).parent / "util" / "timed.py"
GEMM = 1024  # side of the matrices
LARGE = 2**22  # output pixels; larger results are timed fewer times

# What `srlib speed` measures: the shipped width.
MODELS = tuple(f"compact-{decoder}" for decoder in ("liif", "lte", "diinn", "diif", "dlte", "metasr"))


class Timed:
    """A process that decodes when told to, with the srlib that lies in `tree`."""

    def __init__(self, tree: Path):
        known = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(TIMED)], env=known, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **task: object) -> list[float]:
        """RuntimeError if the process died; what it said is above."""
        try:
            self.process.stdin.write(json.dumps(task) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that was timed died with exit code {self.process.wait()}; see above")
        return json.loads(answer)["answer"]

    def waiting(self) -> dict[str, float]:
        """`quiet.waiting` of the process."""
        return quiet.waiting(self.process.pid)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The files of a commit of this repository in a temporary folder; "" is what lies here. ValueError for an unknown one."""
    if not commit:
        yield paths.ROOT
        return
    with tempfile.TemporaryDirectory(prefix="srlib-") as folder:
        archive = Path(folder) / "tree.tar"
        command = ["git", "-C", str(paths.ROOT), "archive", "--output", str(archive), commit, "srlib", "data"]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise ValueError(f"no commit {commit!r} to compare with: {made.stderr.strip() or 'git is not here'}")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many other processes that want a core each, all the while."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def known(commit: str) -> bool:
    """Whether this repository has a commit."""
    with contextlib.suppress(OSError):
        command = ["git", "-C", str(paths.ROOT), "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


def compare(
    models: Sequence[str] = MODELS,
    scales: Sequence[float] = (4, 8),
    *,
    sides: Sequence[int] = (128,),
    threads: Sequence[int] = (),
    beside: Sequence[int] = (0,),
    ways: Sequence[str] = ("fast",),
    against: str = "",
    repeats: int = 7,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> pd.DataFrame:
    """Time decoding of square LR images (features are given; fresh weights, on which time does not depend), a row a case.

    sides: of the LR images. threads: numbers of them, by default as many as the process has cores. beside: numbers of other
    busy processes. ways: "fast"; "plain", the equations one by one, 65,536 pixels at once, as a plain vectorised implementation
    works; "bf16", the fast path in that precision (`util.precision`). against: a commit, which is timed in turn with what lies
    here. repeats: calls that a median is of; fewer of results over 4 megapixels.
    Columns: model, side, scale, way, threads, busy, seconds (median), spread (interquartile range), cores (CPU seconds a
    second), share (of the CPU time that was wanted, what was had; 1 where the system does not tell), of_gemm_rate (share of
    the same threads' float32 matrix rate, medians), and with a commit its seconds, `before`, and the ratio of the medians.
    """
    cases = [
        (others, count, name, side, scale, way)
        for others in beside
        for count in threads or (devices.cores(),)
        for name in models
        for side in sides
        for scale in scales
        for way in ways
    ]
    if "bf16" in ways:
        precision.check("bf16", device)
    commits, rows = ["", against] if against else [""], []
    with contextlib.ExitStack() as stack:
        trees = [stack.enter_context(tree_of(commit)) for commit in commits]
        workers = [stack.enter_context(contextlib.closing(Timed(tree))) for tree in trees]
        for others, count, name, side, scale, way in tqdm(cases, desc="timing", disable=not progress):
            lr, size = (side, side), sizes.scaled_size((side, side), scale)
            task = {"model": name, "lr_size": lr, "size": size, "threads": count, "way": way, "device": str(device)}
            for worker in workers:
                worker.ask(**task, gemm=GEMM)
            took: list[list[list[float]]] = [[] for _ in workers]
            rates, before = [], workers[0].waiting()
            with busy(others):
                for _ in range(max(1, min(repeats, repeats * LARGE // math.prod(size)))):
                    for worker, seconds in zip(workers, took, strict=True):
                        seconds.append(worker.ask(time="decode"))
                        rates.append(worker.ask(time="gemm"))
            waited = quiet.waited(before, workers[0].waiting())
            (seconds, cpu), *earlier = (np.array(some).T for some in took)
            of_gemm, rate = np.array(rates[:: len(workers)])[:, 1].sum(), GEMM**3 / np.median(np.array(rates)[:, 0])
            low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
            macs = cost.count_macs(build(name), lr, size, literal=way == "plain", part="decoder")
            row = {"model": name, "side": side, "scale": scale, "way": way, "threads": count, "busy": others,
                   "seconds": median, "spread": high - low, "cores": cpu.sum() / seconds.sum(),
                   "share": quiet.part(cpu.sum() + of_gemm, waited), "of_gemm_rate": macs / median / rate}  # fmt: skip
            if earlier:
                row |= {"before": np.median(earlier[0][0]), "ratio": np.median(earlier[0][0]) / median}
            rows.append(row)
    return pd.DataFrame(rows)
