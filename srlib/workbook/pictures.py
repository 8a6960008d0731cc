"""Pictures of one photograph by several methods, side by side: crops, steps between pixels, seams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from srlib import evaluate
from srlib.imaging import files, metrics, render
from srlib.imaging.upscale import upscale
from srlib.models.catalogue import labels
from srlib.models.geometry import TRAINED_SCALE
from srlib.workbook import expand, figures, statistics
from srlib.workbook.book import Book
from srlib.workbook.measure import Enlarged, photograph
from srlib.workbook.store import Kept


@dataclass(frozen=True)
class Shown:
    """One photograph at one scale. results: model -> picture; lr: drawn as large squares; all RGB uint8 of one size. box: the
    part that is shown, (top, left, height, width)."""

    dataset: str
    image: str
    scale: float
    title: str
    lr: np.ndarray
    results: dict[str, np.ndarray]
    original: np.ndarray
    box: tuple[int, int, int, int]


def of_protocol(book: Book) -> list[Shown]:
    """The pictures of a plan, each shrunk as its protocol does and enlarged again by every model that can."""
    made: dict[tuple, dict[str, np.ndarray]] = {}
    for request, kept in book.enlarged():
        made.setdefault((request.dataset, request.image, request.shrink), {})[request.model] = kept.picture
    shown = []
    for block in book.plan.blocks["pictures"]:
        for dataset, image, scale, box in expand.pictured(book.plan, block):
            small, whole = evaluate.make_pair(photograph(dataset, image).read(), scale, block["protocol"])
            results = {
                book.model(name).name: picture for name, picture in made.get((dataset, image, scale), {}).items()
            }
            lr = render.squares(small, whole.shape[-2:])
            shown.append(
                Shown(dataset, image, scale, f"{image} ×{scale:g}", lr, results, files.to_uint8(whole), tuple(box))
            )
    return shown


def cropped(shown: list[Shown]) -> dict[str, dict[str, np.ndarray]]:
    """Rows for `figures.crops`: the shown part of the LR image, of each result with its luma PSNR, and of the original."""
    rows = {}
    for one in shown:
        part = figures.box(one.box)
        names, row = labels(list(one.results)), {"LR": one.lr[part]}
        for model, picture in one.results.items():
            row[f"{names[model]}, {luma(one, picture):.2f}" if len(shown) > 1 else names[model]] = picture[part]
        place = f"\n{'in' if one.scale <= TRAINED_SCALE else 'out of'} scale" if len(shown) > 1 else ""
        rows[one.title + place] = row | {"original": one.original[part]}
    return rows


def scored(one: Shown) -> dict[str, dict[str, np.ndarray]]:
    """A row for `figures.crops`: the shown part of each result with its luma PSNR, and of the original."""
    part, names = figures.box(one.box), labels(list(one.results))
    row = {f"{names[model]}, {luma(one, picture):.2f} dB": picture[part] for model, picture in one.results.items()}
    return {f"×{one.scale:g}": {**row, "original": one.original[part]}}


def keep(book: Book, shown: list[Shown]) -> pd.DataFrame:
    """Save the shown part of each picture as a file of its own, for pages without a kernel: the LR image as large squares,
    every result, the original. image, scale, model ("lr" and "original" too), psnr (`luma`), rows, columns, file."""
    rows = []
    for one in shown:
        for model, picture in ({"lr": one.lr} | one.results | {"original": one.original}).items():
            part = picture[figures.box(one.box)]
            psnr = luma(one, picture) if model in one.results else math.nan
            file = book.picture(f"{one.image}_x{one.scale:g}_{model}", np.ascontiguousarray(part))
            rows.append((one.image, one.scale, model, psnr, *part.shape[:2], file))
    return pd.DataFrame(rows, columns=["image", "scale", "model", "psnr", "rows", "columns", "file"])


def keep_strip(book: Book, patch: np.ndarray, models: Sequence[str], scales: Sequence[float]) -> pd.DataFrame:
    """Save a patch, RGB uint8, enlarged by models at growing scales as files: model, scale, rows, columns, file."""
    rows = []
    for scale in scales:
        for model in map(book.model, models):
            picture = upscale(patch, scale=scale, model=model)
            rows.append(
                (model.name, scale, *picture.shape[:2], book.picture(f"strip_x{scale:g}_{model.name}", picture))
            )
    return pd.DataFrame(rows, columns=["model", "scale", "rows", "columns", "file"])


def luma(one: Shown, picture: np.ndarray) -> float:
    """Luma PSNR of the whole picture in dB, `scale` pixels cropped."""
    pair = (files.to_tensor(image) for image in (picture, one.original))
    return metrics.psnr(*pair, channel="y", crop=math.ceil(one.scale))


def luma_psnr(shown: list[Shown]) -> pd.DataFrame:
    """`luma` of every picture: dataset, image, scale, model, psnr."""
    rows = [
        (one.dataset, one.image, one.scale, model, luma(one, picture))
        for one in shown
        for model, picture in one.results.items()
    ]
    return pd.DataFrame(rows, columns=["dataset", "image", "scale", "model", "psnr"])


def step_picture(picture: np.ndarray) -> np.ndarray:
    """Steps to the pixels above and to the left, 8-bit, brightened eight times: RGB uint8 -> RGB uint8."""
    grey = picture.astype(float).mean(axis=2)
    step = np.abs(np.diff(grey, axis=0, prepend=grey[:1])) + np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
    return np.repeat(np.clip(8 * step, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def steps(one: Shown) -> Shown:
    """`step_picture` of the pictures in their place."""
    results = {model: step_picture(picture) for model, picture in one.results.items()}
    return replace(
        one, title="steps, × 8", lr=step_picture(one.lr), results=results, original=step_picture(one.original)
    )


def cropped_with_steps(one: Shown) -> dict[str, dict[str, np.ndarray]]:
    """Rows for `figures.crops`: the pictures, and below them their steps."""
    return {**cropped([one]), **cropped([steps(one)])}


def step_profiles(one: Shown) -> pd.DataFrame:
    """The mean step between neighbouring pixels by place in the LR cell (`metrics.jumps`): model, axis, place, jump."""
    rows = [
        (model, axis, place, jump)
        for model, picture in (one.results | {"original": one.original}).items()
        for axis, jumps in metrics.jumps(files.to_tensor(picture), round(one.scale)).items()
        for place, jump in enumerate(jumps)
    ]
    return pd.DataFrame(rows, columns=["model", "axis", "place", "jump"])


def seams(rows: pd.DataFrame) -> pd.DataFrame:
    """The mean seam of every model over images, with its interval: model, seam, low, high, seeds, images. 1 is no seam.
    rows: from `Book.seams`."""
    lines = []
    for model in rows["model"].unique():
        of = statistics.measured(rows, [model], "seam")
        lines.append((model, of.value, of.low, of.high, of.seeds, of.images))
    return pd.DataFrame(lines, columns=["model", "seam", "low", "high", "seeds", "images"])


def growing(book: Book) -> dict[str, dict[str, np.ndarray]]:
    """Rows for `figures.crops`: the plan's `patch`, in LR pixels, of one photograph that every model enlarges by growing
    scales; and of the original, where the size is its own."""
    made, by_scale = of_one(book), {}
    called = labels([model.name for model in book.models])
    for request, kept in made:
        by_scale.setdefault(request.scale, {})[called[book.model(request.model).name]] = kept.picture
    for request, _ in made[:1]:
        if request.shrink in by_scale:
            by_scale[request.shrink]["original"] = photograph(request.dataset, request.image).read()
    rows, (top, left, height, width) = {}, book.options["patch"]
    for scale, pictures in by_scale.items():
        edges = [round(edge * scale) for edge in (top, top + height, left, left + width)]
        part = slice(*edges[:2]), slice(*edges[2:])
        title = f"×{scale:.2f}\n{edges[3] - edges[2]}×{edges[1] - edges[0]}"
        rows[title] = {name: picture[part] for name, picture in pictures.items()}
    return rows


def rgb_scores(book: Book) -> pd.DataFrame:
    """Of every picture its size and, where that is the original's, PSNR and LR-PSNR in dB on RGB: model, scale, rows, columns,
    psnr, lr_psnr."""
    rows = []
    for request, kept in of_one(book):
        hr = photograph(request.dataset, request.image).read()
        small, whole = evaluate.make_pair(hr, request.shrink, request.protocol)
        result, scores = files.to_tensor(kept.picture), (math.nan, math.nan)
        if result.shape == whole.shape:
            scores = metrics.psnr(result, whole), metrics.lr_psnr(result, whole, tuple(small.shape[-2:]))
        rows.append((book.model(request.model).name, request.scale, *result.shape[-2:], *scores))
    frame = pd.DataFrame(rows, columns=["model", "scale", "rows", "columns", "psnr", "lr_psnr"])
    return frame.sort_values("scale", kind="stable", ignore_index=True)


def of_one(book: Book) -> list[tuple[Enlarged, Kept]]:
    """`Book.enlarged` of a plan with one photograph. ValueError if it has more."""
    made = book.enlarged()
    if len(names := {(request.dataset, request.image) for request, _ in made}) > 1:
        raise ValueError(f"{book.notebook} shows one photograph, got {len(names)}; name one of them in its pictures")
    return made
