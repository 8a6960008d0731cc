"""A notebook's run: its plan, the models at hand, the rows it asks for, and what leaves it."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from tqdm.auto import tqdm

from srlib import data, evaluate, weights
from srlib.imaging import render
from srlib.models.base import SRModel
from srlib.models.catalogue import DECODERS, ModelName, without_seed
from srlib.util import atomic, devices, paths, provenance, quiet
from srlib.workbook import claims, expand, figures, plan, published, store, tables
from srlib.workbook.measure import (
    Count,
    Decoding,
    Degraded,
    Drawn,
    Enlarged,
    Lab,
    MatrixRate,
    Memory,
    PathError,
    Photographed,
    ProvidedLR,
    Quality,
    Request,
    Seams,
    Time,
)

COUNTS = ["model", "scale", "parameters", "decoder_parameters", "macs", "macs_fast"]
SCORES = ["model", "seed", *evaluate.COLUMNS[1:]]
DECODING = [
    "model", "side", "scale", "way", "threads", "busy", "against", "seconds", "spread", "cores", "share", "of_gemm_rate",
    "before", "ratio",
]  # fmt: skip
TIMES = ["model", "scale", "rows", "columns", "path", "seconds", "spread", "macs_per_second"]


class Book:
    """What a notebook works with.

    options: what its record in the profile says beside models, sets and scales. models: those at hand. absent, missing: a
    sentence for each model without weights, and for each data set that is not here. folder: where its results go.
    """

    def __init__(self, notebook: str, profile: str, changes: dict, files: Sequence[str], device: str, out: str | Path):
        self.started, self.notebook = time.monotonic(), notebook
        self.plan = plan.plan(notebook, profile, changes, files)
        self.lab = Lab(devices.choose_device(device))
        self.folder = Path(out) if out else paths.RESULTS / "interactive" / running(notebook)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.earlier = Path(os.environ[store.ROWS]) / notebook if os.environ.get(store.ROWS) else None
        self.models, self.absent = weights.load_present(self.plan.models, device=self.lab.device)
        self.lab.loaded |= dict(
            zip((name for name in self.plan.models if name not in self.absent), self.models, strict=True)
        )
        self.at_hand, self.missing = data.split(self.plan.datasets)
        self.missing |= claims.partial([name for name in self.at_hand if name != "embedded"], self.limit)
        self.made: list[str] = []
        figures.style()
        some = claims.partial(["embedded"], self.plan.embedded)
        for sentence in dict.fromkeys([*self.absent.values(), *(self.missing | some).values()]):
            print(sentence)

    @property
    def options(self) -> dict:
        return self.plan.options

    @property
    def device(self) -> str:
        """'NVIDIA H200' or 'x86_64 CPU, 2 threads, AVX512'."""
        return devices.device_name(self.lab.device)

    @property
    def limit(self) -> int:
        """Only the first images of the benchmark sets are scored; 0 is all."""
        return self.plan.limit

    @property
    def needs(self) -> dict[str, str]:
        """A sentence for each model and data set that is missing."""
        return self.missing | self.absent

    @property
    def encoders(self) -> list[str]:
        """The encoders behind the arbitrary-scale models that were asked for, each once."""
        parts = [ModelName.of(name) for name in [*self.plan.models, *(model.name for model in self.models)]]
        return list(dict.fromkeys(part.encoder for part in parts if part.encoder and part.decoder in DECODERS))

    def model(self, name: str) -> SRModel:
        """A model by name, whether the plan names it or not."""
        return self.lab.model(name)

    def first(self, decoder: str, scores: pd.DataFrame) -> str:
        """The first model with this decoder among the scores, under either of its names; "" if there is none."""
        wanted = {decoder, *ModelName("", decoder).aliases}
        return next((name for name in scores["model"].unique() if ModelName.of(name).decoder in wanted), "")

    # What it asks for: measured before, or measured now; or the rows of an earlier run, where the page is only judged again.

    def recorded(self, name: str) -> pd.DataFrame | None:
        """A table of the run whose rows are read in place of measurements; None where things are measured."""
        if self.earlier is None:
            return None
        if not (path := self.earlier / f"{name}.csv").is_file():
            raise FileNotFoundError(
                f"{paths.shown(path)} is missing: this page cannot be judged again without its rows"
            )
        return pd.read_csv(path)

    @cached_property
    def requests(self) -> list[Request]:
        """All that the plan asks for, each once, however many of its blocks name it."""
        return list(dict.fromkeys(expand.requests(self.plan, self.lab)))

    def ask(self, kind: type[Request]) -> list[tuple[Request, store.Kept]]:
        """All measurements of one kind in the plan."""
        wanted = [request for request in self.requests if isinstance(request, kind)]
        bar = tqdm(wanted, desc=kind.kind, delay=2)  # none where all is only read
        found = [(request, request.ask(self.lab)) for request in bar]
        if shares := [kept.origin[store.DISTURBED] for _, kept in found if store.DISTURBED in kept.origin]:
            print(f"{len(shares)} of {len(found)}: {quiet.sentence(min(shares))}; measure them again on a quiet machine: "
                  "srlib measurements prune")  # fmt: skip
        return found

    def named(self, kind: type[Count | Time | Memory | Decoding]) -> list[dict]:
        """The rows of all measurements of one kind, with the model and the device; of times whether they were disturbed."""
        return [
            {"model": request.model, "device": kept.origin["device"], **row, **disturbed(kept)}
            for request, kept in self.ask(kind)
            for row in kept.rows
        ]

    def scores(self, protocol: str = "", precision: str = "float32") -> pd.DataFrame:
        """One row per model, image and scale, as `evaluate.benchmark` gives; of one protocol, or of all; in one precision.
        Where a model has several trainings, a column `seed` tells them apart."""
        if (rows := self.recorded("images") if self.earlier else None) is not None:
            rows = rows[rows["protocol"].isin([protocol] if protocol else rows["protocol"])]
            return rows.astype({"image": str})
        parts = []
        for request, kept in self.ask(Quality):
            if protocol in ("", request.protocol) and request.precision == precision and kept.rows:
                plain, seed = without_seed(self.model(request.model).name)
                said = {"model": plain, "seed": seed, "dataset": request.dataset, "scale": request.scale}
                parts.append(pd.DataFrame(kept.rows).assign(**said, protocol=request.protocol))
        rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=SCORES)
        columns = SCORES if rows["seed"].any() else evaluate.COLUMNS
        return rows.reindex(columns=columns).astype(dict.fromkeys(("psnr", "ssim", "lr_psnr", "seconds"), float))

    def counts(self) -> pd.DataFrame:
        """Parameters and MACs: model, scale, parameters, decoder_parameters, macs (literal), macs_fast."""
        if (rows := self.recorded("counts")) is not None:
            return rows.assign(**{name: rows.get(name, math.nan) for name in COUNTS})[COUNTS]
        return pd.DataFrame(self.named(Count), columns=COUNTS)

    def times(self) -> pd.DataFrame:
        """Seconds: model, scale, rows, columns, path, seconds (median), spread, macs_per_second, device."""
        if (rows := self.recorded("times")) is not None:
            device = json.loads((self.earlier / "run.json").read_text())["device"]
            scale = [exact(*row) for row in rows[["scale", "rows"]].itertuples(index=False)]
            return rows.assign(scale=scale, device=rows.get("device", device))
        rows = self.named(Time)
        return pd.DataFrame(rows, columns=[*TIMES, "device", *([store.DISTURBED] if any(map(marked, rows)) else [])])

    def decoding(self) -> pd.DataFrame:
        """Seconds of decoding alone: model and `speed.compare`'s columns; against: the commit in `before`, or ""."""
        if (rows := self.recorded("decoding")) is not None:
            return rows.assign(against=rows["against"].astype(object).fillna(""))
        rows = [
            {"model": request.model, **row, "against": request.against, **disturbed(kept)}
            for request, kept in self.ask(Decoding)
            for row in kept.rows
        ]
        columns = [*DECODING, *([store.DISTURBED] if any(map(marked, rows)) else [])]
        return pd.DataFrame(rows, columns=columns).drop_duplicates(DECODING[:7], ignore_index=True)

    def matrix_rate(self) -> float:
        """The machine's own rate of matrix products, MAC/s."""
        return self.ask(MatrixRate)[0][1].rows[0]["macs_per_second"]

    def memory(self) -> pd.DataFrame:
        """Memory: model, rows, columns, peak_MiB."""
        if (rows := self.recorded("memory")) is not None:
            return rows
        return pd.DataFrame(self.named(Memory), columns=["model", "rows", "columns", "peak_MiB"])

    def enlarged(self) -> list[tuple[Enlarged, store.Kept]]:
        """Photographs shrunk and enlarged again: the request, and its picture; none where a page is judged again."""
        return self.ask(Enlarged) if self.earlier is None else []

    def path_errors(self) -> dict[str, float]:
        """How far each model's fast path is from its literal one, over the output's standard deviation; the largest, where
        several pictures were compared."""
        worst: dict[str, float] = {}
        for request, kept in self.ask(PathError):
            name = self.model(request.model).name
            worst[name] = max(worst.get(name, 0.0), kept.rows[0]["error"])
        return worst

    def drawn(self) -> list[tuple[Drawn, store.Kept]]:
        """Results for parts of photographs: the request, its rows and its pictures in a row; none where a page is
        judged again."""
        return self.ask(Drawn) if self.earlier is None else []

    def seams(self) -> pd.DataFrame:
        """Seams: model, seed, dataset, image, scale, seam; the originals' as a model of their own."""
        if (rows := self.recorded("seams_by_image")) is not None:
            return rows.astype({"image": str})
        parts = []
        for request, kept in self.ask(Seams):
            plain, seed = without_seed(self.model(request.model).name)
            told = {"dataset": request.dataset, "scale": request.scale}
            some = pd.DataFrame(kept.rows)
            parts.append(some.drop(columns="original").assign(model=plain, seed=seed, **told))
            of_original = some.drop(columns="seam").rename(columns={"original": "seam"})
            parts.append(of_original.assign(model="original", seed=0, **told))
        rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        rows = rows.reindex(columns=["model", "seed", "dataset", "image", "scale", "seam"])
        return rows.drop_duplicates(["model", "seed", "dataset", "image", "scale"])

    def degraded(self) -> pd.DataFrame:
        """Scores beyond bicubic: model, dataset, image, scale, degradation, psnr, ssim."""
        rows = [
            {
                "model": self.model(r.model).name,
                "dataset": r.dataset,
                "scale": r.scale,
                "degradation": r.degradation,
                **row,
            }
            for r, kept in self.ask(Degraded)
            for row in kept.rows
        ]
        return pd.DataFrame(rows, columns=["model", "dataset", "image", "scale", "degradation", "psnr", "ssim"])

    def photographed(self) -> list[tuple[Photographed, store.Kept]]:
        """Parts of photographs, as they are or degraded: the request, its row and its picture."""
        return self.ask(Photographed)

    def lr_files(self) -> pd.DataFrame:
        """LR files that come with the sets: dataset, compared, differing."""
        rows = [row for _, kept in self.ask(ProvidedLR) for row in kept.rows]
        return pd.DataFrame(rows, columns=["dataset", "compared", "differing"])

    # What leaves it.

    def table(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Save a table as CSV (6 significant digits) and return it for display."""
        with atomic.whole(self.folder / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False, float_format="%.6g")
        self.made.append(f"{name}.csv")
        return frame

    def figure(self, name: str, figure: Figure) -> None:
        """Save a figure as PNG."""
        with atomic.whole(self.folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
        self.made.append(f"{name}.png")

    def picture(self, name: str, picture: np.ndarray) -> str:
        """Save an RGB uint8 image as WebP, every pixel as it is; returns the file's name."""
        with atomic.whole(self.folder / f"{name}.webp") as temporary:
            Image.fromarray(picture).save(temporary, format="webp", lossless=True, method=6, exact=True)
        self.made.append(f"{name}.webp")
        return f"{name}.webp"

    def animation(self, name: str, frames: Sequence[np.ndarray]) -> Path:
        """Save RGB uint8 images as GIF."""
        path = self.folder / f"{name}.gif"
        render.animate(frames, path)
        self.made.append(path.name)
        return path

    def beside(self, measured: pd.DataFrame, paper: str, number: int, *, stand_in: str = "") -> pd.DataFrame:
        """Measured numbers beside a published table, and what is missing (`published.join_published`). Means over part of a set
        are not comparable, so that scores stay out where `limit` is set."""
        measured = measured[measured["dataset"] == ""] if self.limit else measured
        return published.join_published(measured, paper, number, stand_in=stand_in, needs=self.needs)

    def conclude(self, *lines: dict | Sequence[dict]) -> object:
        """Save the conclusion and the origin of everything in the folder; returns the conclusion for display."""
        rows = [row for line in lines for row in ([line] if isinstance(line, dict) else line)]
        frame = self.table("checks", pd.DataFrame(rows, columns=claims.COLUMNS))
        kept = self.lab.used.values()
        if self.earlier is not None:  # what was measured, and where, is as that run said
            origin = json.loads((self.earlier / "run.json").read_text())
            origin["judged again"] = {"date": provenance.now(), "commit": provenance.commit(), "files": self.made}
            origin["files"] = list(dict.fromkeys([*origin["files"], *self.made]))
            atomic.write_json(self.folder / "run.json", origin)
            return tables.show(frame)
        origin = {
            "notebook": self.notebook,
            "profile": self.plan.profile,
            "plan": {"models": list(self.plan.models)} | self.plan.blocks | self.plan.options,
            "date": provenance.now(),
            "commit": provenance.commit(),
            "measured at": sorted({one.origin["commit"] for one in kept}),
            "measured on": sorted({one.origin["device"] for one in kept}),
            "measurements": sorted(self.lab.used),
            "disturbed": sorted(one.name for one in kept if store.DISTURBED in one.origin),
            "measured here": len(self.lab.measured),
            "device": self.device,
            "versions": provenance.versions(),
            "weights": {model.name: model.origin for model in self.models if model.origin},
            "seconds": round(time.monotonic() - self.started, 1),
            "files": self.made,
        }
        atomic.write_json(self.folder / "run.json", origin)
        return tables.show(frame)


def disturbed(kept: store.Kept) -> dict:
    """What is written beside rows of times that a busy machine disturbed: the share of the CPU time that was had."""
    return {store.DISTURBED: kept.origin[store.DISTURBED]} if store.DISTURBED in kept.origin else {}


def marked(row: dict) -> bool:
    return store.DISTURBED in row


def exact(scale: float, rows: int) -> float:
    """A scale as it was before a CSV rounded it to six digits: of `rows` rows made from whole ones."""
    return rows / round(rows / scale)


def running(notebook: str) -> str:
    """The name of the notebook file that runs, below notebooks/; so that a copy writes to a folder of its own. JupyterLab tells
    it; elsewhere it is the name that the notebook gives."""
    told = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if told.suffix != ".ipynb":
        return notebook
    inside = told.is_relative_to(paths.NOTEBOOKS)
    return (told.relative_to(paths.NOTEBOOKS) if inside else Path(told.name)).with_suffix("").as_posix()


def results(folder: Path) -> dict[str, Path]:
    """The finished notebooks in a results folder: name -> its folder."""
    done = {place.parent.relative_to(folder).as_posix(): place.parent for place in sorted(folder.rglob("run.json"))}
    return {name: place for name, place in done.items() if json.loads((place / "run.json").read_text())}
