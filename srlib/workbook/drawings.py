"""What diffusion models draw, beside what others answer: rows of measures, rows of pictures, the way from noise to image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from srlib.imaging import files, render
from srlib.models.catalogue import labels
from srlib.models.idm import ImplicitUNet
from srlib.workbook.book import Book
from srlib.workbook.measure import apart

TOLD = ["image", "model", "scale", "sampler", "steps", "factor", "seed"]
MEASURED = ["p", "psnr", "ssim", "consistency", "detail", "seconds", "psnr of the mean", "diversity"]


def table(book: Book, *by: str) -> pd.DataFrame:
    """One row for each image and seed: what the model was told (factor: the scaling factor, NaN for its own), p, the numbers
    of `evaluate.measures`, seconds an image, and of all draws together the psnr of the mean and their diversity.

    by: what the page tells its results apart by, beside image and seed. ValueError if they differ in something else as well,
    which a mean would hide.
    """
    if (rows := book.recorded("images")) is not None:
        return rows.assign(seed=0, **({} if "scale" in rows else {"scale": scales(book)[0]}))
    rows = []
    for request, kept in ((request, kept) for request, kept in book.drawn() if not request.frames):
        told = {"model": book.model(request.model).name, "scale": request.scale, "sampler": request.sampler}
        told |= {"steps": request.steps, "factor": request.factor}
        of_all = {row["image"]: row for row in kept.rows if row["seed"] is None}
        for row in (row for row in kept.rows if row["seed"] is not None):
            whole = of_all[row["image"]]
            rows.append(told | row | {"psnr of the mean": whole["psnr"], "diversity": whole["diversity"]})
    made = pd.DataFrame(rows, columns=[*TOLD, *MEASURED]).astype(dict.fromkeys(["factor", *MEASURED], float))
    if made.duplicated(["image", "seed", *by]).any():
        raise ValueError(
            f"this page tells results of one image apart by {', '.join(by)}; ask for one of everything else"
        )
    return made.assign(p=made["p"].round(4))


def scales(book: Book) -> list[float]:
    """The scales that a plan draws at."""
    return sorted({float(scale) for block in book.plan.blocks["drawings"] for scale in block["scales"]})


def by_sampler(book: Book) -> pd.DataFrame:
    """Means over images for each diffusion model, sampler and number of steps."""
    if (rows := book.recorded("samplers")) is not None:
        return rows
    draws = table(book, "model", "sampler", "steps").query("sampler != ''")
    groups = draws.groupby(["model", "sampler", "steps"], sort=False)
    return groups[["psnr", "detail", "consistency", "seconds"]].mean().reset_index()


def by_factor(book: Book) -> pd.DataFrame:
    """Means over images and seeds for each model and p that it was told. own: whether p belongs to the scale."""
    if (rows := book.recorded("results")) is not None:
        return rows.assign(own=rows["p"] == 1.0)
    draws = table(book, "model", "factor")
    groups = draws.assign(own=draws["factor"].isna()).groupby(["model", "p"])
    means = groups[["psnr", "consistency", "detail", "diversity"]].mean()
    return means.join(groups["own"].any()).reset_index()


def pictures(
    book: Book,
    row: str = "{image}\n×{scale:g}",
    title: str = "{label}",
    *,
    draws: int | None = None,
    scales: Sequence[float] | None = None,
    steps: Sequence[int] | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Rows for `figures.crops`: the LR image as large squares, each result, the original.

    row, title: of a line and of a result, with {image}, {scale}, {label} (the method), {sampler}, {steps} and {p} filled in.
    draws: only the first so many of each. scales, steps: only these.
    """
    rows: dict[str, dict[str, np.ndarray]] = {}
    originals: dict[str, np.ndarray] = {}
    names = labels([model.name for model in book.models])
    for request, kept in book.drawn():
        unwanted = (scales and request.scale not in scales) or (steps and request.steps not in steps)
        if request.frames or unwanted:
            continue
        lr, hr = request.views()
        told = {"scale": request.scale, "sampler": request.sampler, "steps": request.steps}
        told |= {"label": names[book.model(request.model).name], "p": kept.rows[0].get("p", math.nan)}
        results = apart(kept)
        for i, (image, _) in enumerate(request.pictures):
            line = row.format(image=image, **told)
            into = rows.setdefault(line, {"LR": render.squares(lr[i : i + 1], tuple(hr.shape[-2:]))})
            originals[line] = files.to_uint8(hr[i])
            some = results[i :: len(request.pictures)][:draws]
            for seed, result in enumerate(some):
                into[title.format(image=image, **told) + (f", draw {seed}" if len(some) > 1 else "")] = result
    return {line: shown | {"original": originals[line]} for line, shown in rows.items()}


def way(book: Book) -> list[np.ndarray]:
    """The images from noise to result that the plan asks for; none without a model."""
    return next((apart(kept) for request, kept in book.drawn() if request.frames), [])


def shares(book: Book) -> pd.DataFrame:
    """How much of each channel of the first model's mix is the LR image's, by level and scaling factor p
    (`ImplicitUNet.shares`): level, channel, p, share. ValueError for a model that takes no p."""
    rows = []
    for model in book.models[:1]:
        if not isinstance(model.decoder, ImplicitUNet):
            raise ValueError(f"{model.name} takes no scaling factor; choose an IDM")
        for p in np.linspace(0, 1.5, 16).tolist():
            for level, channels in model.decoder.shares(p).items():
                rows += [(level, channel, p, share) for channel, share in enumerate(channels)]
    return pd.DataFrame(rows, columns=["level", "channel", "p", "share"])
