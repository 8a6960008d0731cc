"""How sure a mean, a difference or a ratio is: 95 % intervals by a paired bootstrap over images and trainings.

Rows are those of `Book.scores`: model, seed (of the training; without the column all are one), dataset, image, scale
and the measures. A statistic is the mean over its cells, data set by scale, of the mean over images. Images are drawn
anew within each set, one draw for all scales and models (they are the same pictures), trainings for all sets at once
(they are the same weights). As both are few, their parts of the spread are stretched to Student's t of their number:
without that a set of five images, or three seeds, would seem surer than it is. One seed says nothing of the spread over
trainings, which is then not in the interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from srlib.models.geometry import TRAINED_SCALE

LEVEL = 0.95
DRAWS = 4000
SEED = 20260  # of the draws: the same rows give the same interval
FEW = 5  # images: a set as small as Set5 is named
ONE_SEED = "one seed: the spread over trainings is not in it"
UNTRAINED = ("bicubic", "original")  # the same for every seed

Statistic = Callable[[np.ndarray], np.ndarray]  # (parts, draws) -> (draws,)


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval. seeds, images: how many it is from. cells: (data set, scale). few: sets of five images or
    fewer. Where nothing was measured all numbers are NaN."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    seeds: int = 0
    images: int = 0
    cells: tuple[tuple[str, float], ...] = ()
    few: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What the interval leaves out, in words."""
        words = [ONE_SEED] if self.seeds == 1 else []
        words += [f"{name} has few images" for name in self.few]
        return "; ".join(words)


def stretch(count: int) -> float:
    """By how much the spread of resampled means of `count` values is widened: Student's t and the sample's variance in place
    of the normal distribution and the resample's. 0 for one value, whose spread is unknown."""
    if count < 2:
        return 0.0
    tail = 0.5 + LEVEL / 2
    return math.sqrt(count / (count - 1)) * stats.t.ppf(tail, count - 1) / stats.norm.ppf(tail)


def resampled(strata: Sequence[tuple[float, np.ndarray]], draws: int = DRAWS, seed: int = SEED) -> np.ndarray:
    """Draws (parts, draws) of the weighted means, from strata of (weight, values (parts, seeds, images)).

    Images are drawn within a stratum, seeds for all of them together.
    """
    rng = np.random.default_rng(seed)
    point = sum(weight * x.mean(axis=(1, 2)) for weight, x in strata)[:, None]
    total = np.repeat(point, draws, axis=1)
    for weight, x in strata:
        count = x.shape[2]
        picked = rng.multinomial(count, np.full(count, 1 / count), draws) / count
        total += weight * stretch(count) * (x.mean(axis=1) @ picked.T - x.mean(axis=(1, 2))[:, None])
    seeds = strata[0][1].shape[1]
    if seeds > 1:
        by_seed = sum(weight * x.mean(axis=2) for weight, x in strata)
        picked = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
        total += stretch(seeds) * (by_seed @ picked.T - point)
    return total


def estimate(
    strata: Sequence[tuple[float, np.ndarray]], statistic: Statistic | None = None, **about: object
) -> Estimate:
    """The statistic of the weighted means (one part: itself; several: a function of (parts, draws)), with its interval.

    A single image in all has no interval: its ends are the value itself's NaN.
    """
    if not strata:
        return Estimate(**about)
    statistic = statistic or (lambda means: means[0])
    point = sum(weight * x.mean(axis=(1, 2)) for weight, x in strata)[:, None]
    value = float(statistic(point)[0])
    images, seeds = sum(x.shape[2] for _, x in strata), strata[0][1].shape[1]
    if images > len(strata) or seeds > 1:
        tail = (1 - LEVEL) / 2
        low, high = np.quantile(statistic(resampled(strata)), [tail, 1 - tail])
    else:
        low = high = math.nan
    return Estimate(value, float(low), float(high), seeds, images, **about)


def of_values(values: Iterable[float], name: str = "") -> Estimate:
    """The mean of one value an image, of one training."""
    x = np.array([v for v in values if not math.isnan(v)], dtype=float)
    few = (name,) if name and len(x) <= FEW else ()
    return estimate([(1.0, x[None, None])] if len(x) else [], few=few)


def ratio(rows: pd.DataFrame, above: str, below: str) -> Estimate:
    """The ratio of the means of two columns, a row an image, of one training."""
    x = rows[[above, below]].dropna().to_numpy(float).T
    return estimate([(1.0, x[:, None])] if x.shape[1] else [], lambda means: means[0] / means[1])


def trainings(rows: pd.DataFrame, models: Sequence[str]) -> list[int]:
    """The seeds that all of these models were measured with; those that are not trained have them all."""
    if "seed" not in rows:
        return [0]
    of = [set(rows.loc[rows["model"] == m, "seed"]) for m in models if m not in UNTRAINED]
    return sorted(set.intersection(*of)) if of else [0]


def strata(
    rows: pd.DataFrame, models: Sequence[str], quantity: str
) -> tuple[list[tuple[float, np.ndarray]], list[tuple[str, float]]]:
    """The values of models as `resampled` takes them, a part a model and a stratum a data set, of cells and images at which all
    of them were measured; and those cells, (data set, scale)."""
    seeds, found, cells = trainings(rows, models), [], []
    rows = rows[rows["model"].isin(models) & np.isfinite(rows[quantity].astype(float))]
    if "seed" not in rows:
        rows = rows.assign(seed=0)
    for name, some in rows.groupby("dataset", sort=False):
        wide = some.set_index(["image", "scale", "model", "seed"])[quantity].unstack(["model", "seed"])
        columns = [(m, seed if m not in UNTRAINED else 0) for m in models for seed in seeds]
        if not set(columns) <= set(wide.columns):
            continue
        wide = wide[columns].dropna().unstack("scale").dropna(axis=0)
        if wide.empty:
            continue
        scales = list(wide.columns.get_level_values("scale").unique())
        x = wide.to_numpy().reshape(len(wide), len(models), len(seeds), len(scales))
        found.append((float(len(scales)), x.mean(axis=3).transpose(1, 2, 0)))
        cells += [(name, float(scale)) for scale in scales]
    return [(weight / len(cells), x) for weight, x in found], cells


def measured(rows: pd.DataFrame, models: Sequence[str], quantity: str, statistic: Statistic | None = None) -> Estimate:
    """A statistic of the models' means over all cells of the rows; by default of the first two the difference, of one
    its mean."""
    parts, cells = strata(rows, models, quantity)
    minus = statistic or ((lambda means: means[0] - means[1]) if len(models) > 1 else None)
    sets = dict.fromkeys(name for name, _ in cells)
    few = tuple(name for name, (_, x) in zip(sets, parts, strict=True) if x.shape[2] <= FEW)
    return estimate(parts, minus, cells=tuple(cells), few=few)


def difference(rows: pd.DataFrame, better: str, worse: str, quantity: str = "psnr") -> Estimate:
    """`better` less `worse`, paired image by image and seed by seed: mean over the cells that both have."""
    return measured(rows, [better, worse], quantity)


def within(rows: pd.DataFrame, which: str) -> pd.DataFrame:
    """The rows in scale ("in", x1 to x4), out of scale ("out", beyond x4), at "larger" ones (x8 and beyond), or "all"."""
    scale = rows["scale"]
    here = {"in": scale <= TRAINED_SCALE, "out": scale > TRAINED_SCALE, "larger": scale >= 2 * TRAINED_SCALE}
    return rows if which == "all" else rows[here[which]]


def by_cell(rows: pd.DataFrame, reference: str = "", quantity: str = "psnr") -> pd.DataFrame:
    """Means of every model in every cell, or their differences from the reference's, with intervals: model, dataset,
    scale, value, low, high, seeds, images."""
    lines = []
    for (name, scale), some in rows.groupby(["dataset", "scale"], sort=False):
        for model in some["model"].unique():
            if model != reference and (not reference or reference in set(some["model"])):
                one = measured(some, [model, reference] if reference else [model], quantity)
                lines.append((model, name, scale, one.value, one.low, one.high, one.seeds, one.images))
    return pd.DataFrame(lines, columns=["model", "dataset", "scale", "value", "low", "high", "seeds", "images"])


def by_scale(rows: pd.DataFrame, reference: str, quantity: str = "psnr") -> pd.DataFrame:
    """Differences of every model from the reference, mean over the data sets of each scale: model, scale, value, low,
    high, seeds, images, sets."""
    lines = []
    for scale, some in rows.groupby("scale"):
        for model in (m for m in some["model"].unique() if m != reference and reference in set(some["model"])):
            one = difference(some, model, reference, quantity)
            sets = tuple(name for name, _ in one.cells)
            lines.append((model, scale, one.value, one.low, one.high, one.seeds, one.images, sets))
    return pd.DataFrame(lines, columns=["model", "scale", "value", "low", "high", "seeds", "images", "sets"])
