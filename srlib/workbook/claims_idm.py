"""What is claimed of IDM and SR3: that they enlarge the very image that they are shown, draw detail, and hold or fall at other
scales than those of their training. Of a network that draws other images, sharpness and diversity say nothing, and nothing is
judged.

means: model, scale and means over images of psnr, consistency, detail and diversity.
"""

from __future__ import annotations

import math

import pandas as pd

from srlib.imaging import metrics, resize
from srlib.models.catalogue import ModelName
from srlib.models.diffusion import STEPS
from srlib.workbook.book import Book
from srlib.workbook.claims import check, reason
from srlib.workbook.measure import Drawn

TRAINED = 8.0  # the scale of the papers' training, for IDM the largest
SAME = 100.0  # consistency at most so far above bicubic's: a thousandth of the squared range
SHARPER = 1.1  # times bicubic's detail, or a network draws nothing
FALL = 1.0  # dB, the most that does not count as a fall
NEAR = 0.3  # dB, what fewer steps may cost
FEW = 50  # steps
LEAST = 0.01  # of detail, or p changes nothing
OTHER = "not judged: other images"


def subject(book: Book, label: str) -> str:
    """The first model of a method ("IDM", "LIIF") among those at hand, else among those asked for, else the method itself."""
    here = [model.name for model in book.models if ModelName.of(model.architecture).label == label]
    asked = [name for name in book.plan.models if ModelName.of(name).label == label]
    return [*here, *asked, label][0]


def missing(book: Book, means: pd.DataFrame, scale: float, *models: str) -> str:
    """What is missing to say something of these models at a scale; "" if nothing is."""
    lacking = [book.absent.get(name, f"needs {name}") for name in models if name not in set(means["model"])]
    return "; ".join(lacking) or ("" if scale in set(means["scale"]) else f"needs ×{scale:g} among the scales")


def at(means: pd.DataFrame, model: str, quantity: str, *scales: float) -> float:
    """Mean of a quantity over scales; NaN where there is none."""
    return means.loc[(means["model"] == model) & means["scale"].isin(scales), quantity].mean()


def place(means: pd.DataFrame, scale: float) -> str:
    """', ×8' where a page has several scales."""
    return f", ×{scale:g}" if means["scale"].nunique() > 1 else ""


def excess(means: pd.DataFrame, model: str, scale: float) -> float:
    """How far a model's consistency is above bicubic's; NaN where one of them is missing."""
    gap = at(means, model, "consistency", scale) - at(means, "bicubic", "consistency", scale)
    return gap if math.isnan(gap) else max(0.0, gap)


def weakness(model: str, scale: float) -> str:
    """Why a model may fall short at a scale."""
    return reason(model) + ("; beyond the scales of training" if scale > TRAINED else "")


def same_image(which: str, beyond: float, cause: str) -> dict:
    """One line: does a network enlarge this very image? beyond: its consistency above bicubic's (MSE x 1e5 between the LR image
    and the result shrunk to its size), NaN if it was not measured."""
    claim = f"{which} this very image: consistency, MSE × 10⁵, at most bicubic's + {SAME:g}"
    return check(claim, 0.0, beyond, SAME, cause=cause)


# Across scales


def enlarges(book: Book, means: pd.DataFrame, model: str, scale: float = TRAINED) -> dict:
    """`same_image` at a scale."""
    cause = missing(book, means, scale, model, "bicubic") or weakness(model, scale)
    where = place(means, scale)
    return same_image(f"{model} enlarges{where}{',' if where else ''}", excess(means, model, scale), cause)


def sharper(book: Book, means: pd.DataFrame, model: str, than: str, scale: float = TRAINED) -> dict:
    """One line: the model's detail is closer to the original's than another's."""
    lacking, same = missing(book, means, scale, model, than, "bicubic"), excess(means, model, scale) <= SAME
    gap = abs(1 - at(means, than, "detail", scale)) - abs(1 - at(means, model, "detail", scale))
    claim = f"{model} is closer to the original's sharpness than {than}{place(means, scale)}: |1 − detail| less"
    cause = lacking or (weakness(model, scale) if same else OTHER)
    return check(claim, 0.0, gap if same else None, 0.0, at_least=True, paper="IDM", cause=cause)


def varied(book: Book, means: pd.DataFrame, model: str, scale: float = TRAINED) -> dict:
    """One line: the model's draws differ by an 8-bit step or more."""
    lacking, same = missing(book, means, scale, model, "bicubic"), excess(means, model, scale) <= SAME
    diversity = at(means, model, "diversity", scale) if same else math.nan
    cause = lacking or ("needs two draws or more" if math.isnan(diversity) else "the draws collapsed to one")
    cause = cause if same or lacking else OTHER
    claim = f"{model} draws different images{place(means, scale)}: diversity"
    return check(claim, 1.0, diversity, 0.0, unit="8-bit steps", at_least=True, cause=cause)


def fall(book: Book, means: pd.DataFrame, model: str, scale: float, others: list[float]) -> tuple[float | None, str]:
    """By how many dB a model's PSNR over bicubic's falls from a scale to others, or None and why that is not judged. A network
    that draws other images, or none, has nothing to lose."""
    why = missing(book, means, scale, model, "bicubic")
    drawn = excess(means, model, scale) <= SAME
    drawn = drawn and at(means, model, "detail", scale) > SHARPER * at(means, "bicubic", "detail", scale)
    why = why or (
        "" if drawn else f"not judged: at ×{scale:g} it draws other images, or none (no sharper than bicubic)"
    )
    why = why or ("" if others else "no other scale in this run")
    over = [at(means, model, "psnr", *some) - at(means, "bicubic", "psnr", *some) for some in ([scale], others)]
    return (None if why else over[0] - over[1]), why


def listed(scales: list[float]) -> str:
    return ", ".join(f"×{scale:g}" for scale in scales) or "none in this run"


def holds_beyond(book: Book, means: pd.DataFrame, model: str, scale: float = TRAINED) -> dict:
    """One line: beyond the largest scale of its training a model falls by 1 dB at most."""
    others = [s for s in means["scale"].unique() if s > scale]
    falls, why = fall(book, means, model, scale, others)
    claim = f"{model} does not collapse beyond its scales: PSNR over bicubic's falls by at most {FALL:g} dB from "
    claim += f"×{scale:g} to {listed(others)}"
    value = None if falls is None else max(falls, 0.0)
    return check(claim, 0.0, value, FALL, unit="dB", paper="IDM", cause=why or reason(model))


def falls_elsewhere(book: Book, means: pd.DataFrame, model: str, scale: float = TRAINED) -> dict:
    """One line: at any scale but the one of its training a model falls by more than 1 dB."""
    others = [s for s in means["scale"].unique() if s != scale]
    falls, why = fall(book, means, model, scale, others)
    claim = f"{model} does: its PSNR over bicubic's falls by more than that from ×{scale:g} to {listed(others)}"
    cause = "a convolutional network carries over to other sizes, the more so if it starts from the enlarged image"
    return check(claim, FALL, falls, 0.0, unit="dB", at_least=True, paper="IDM", cause=why or cause)


# Of one network, the first of the models


def bicubic(book: Book) -> float:
    """Bicubic's consistency on the LR images that a plan draws from; NaN if it draws from none."""
    request = next((request for request in book.requests if isinstance(request, Drawn)), None)
    if request is None:
        return math.nan
    lr, hr = request.views()
    enlarged = resize.antialiased(lr, tuple(hr.shape[-2:])).clamp(0, 1)
    return 1e5 * sum(metrics.consistency(*pair) for pair in zip(enlarged, lr, strict=True)) / len(lr)


def above_bicubic(book: Book, rows: pd.DataFrame) -> float:
    """`excess` of results where bicubic is not among the models."""
    gap = rows["consistency"].mean() - bicubic(book)
    return gap if math.isnan(gap) else max(0.0, gap)


def of_first(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first model, the one that is judged."""
    return table[table["model"].isin([model.name for model in book.models[:1]])]


def unjudged(book: Book, same: bool, otherwise: str) -> str:
    """Why a line about one network says nothing."""
    other = "not judged: the images are not of this LR image"
    return "; ".join(book.absent.values()) or (otherwise if same else other)


# Steps and samplers: `drawings.by_sampler`


def asked(book: Book, sampler: str, most: int = STEPS) -> int:
    """The most steps of a sampler, up to `most`, that the plan asks for; `most` if it asks for none."""
    blocks = book.plan.blocks["drawings"]
    counts = [count for block in blocks for count in block.get("samplers", {}).get(sampler, [])]
    return max((count for count in counts if count <= most), default=most)


def drawn_with(book: Book, table: pd.DataFrame, sampler: str, steps: int) -> pd.DataFrame:
    """The rows of a sampler and a number of steps."""
    some = of_first(book, table)
    return some[(some["sampler"] == sampler) & (some["steps"] == steps)]


def reference_enlarges(book: Book, table: pd.DataFrame) -> dict:
    """`same_image` with the most ancestral steps, the reference."""
    most = asked(book, "ancestral")
    beyond = above_bicubic(book, drawn_with(book, table, "ancestral", most))
    return same_image(f"{most} ancestral steps enlarge", beyond, unjudged(book, True, "too short a training"))


def few_steps_suffice(book: Book, table: pd.DataFrame, sampler: str) -> dict:
    """One line: the sampler with few steps is not far below the most ancestral steps."""
    most, few = asked(book, "ancestral"), asked(book, sampler, FEW)
    reference, some = drawn_with(book, table, "ancestral", most), drawn_with(book, table, sampler, few)
    same = above_bicubic(book, reference) <= SAME
    gap = some["psnr"].mean() - reference["psnr"].mean() if same else None
    claim = f"{sampler} with {few} steps within {NEAR:g} dB of {most} ancestral steps, or above"
    short = "too few steps for this network" if len(some) else f"needs {FEW} steps or fewer among the steps"
    return check(claim, 0.0, gap, NEAR, unit="dB", at_least=True, cause=unjudged(book, same, short))


def time_follows_steps(book: Book, table: pd.DataFrame) -> dict:
    """One line: DDIM with few steps is as many times faster as it has fewer."""
    most, few = asked(book, "ancestral"), asked(book, "ddim", FEW)
    seconds = [drawn_with(book, table, *how)["seconds"].mean() for how in (("ancestral", most), ("ddim", few))]
    claim = f"DDIM with {few} steps is as many times faster than {most} ancestral steps as it has fewer, less a fifth"
    cause = unjudged(book, True, "a machine that is busy with other work")
    return check(claim, 0.8 * most / few, seconds[0] / seconds[1], 0.0, at_least=True, unit="×", cause=cause)


# The scaling factor: `drawings.by_factor`


def told_its_own(book: Book, table: pd.DataFrame) -> dict:
    """`same_image` with the p that belongs to the scale."""
    some = of_first(book, table)
    beyond = above_bicubic(book, some[some["own"]])
    return same_image("told its own p, the network enlarges", beyond, unjudged(book, True, "too short a training"))


def depends_on_p(book: Book, table: pd.DataFrame) -> dict:
    """One line: detail changes with p."""
    some = of_first(book, table)
    same = above_bicubic(book, some[some["own"]]) <= SAME
    spread = some["detail"].max() - some["detail"].min() if same else None
    claim = "the result depends on p: largest less smallest detail"
    cause = unjudged(book, same, "the network takes no notice of p")
    return check(claim, LEAST, spread, 0.0, at_least=True, cause=cause)


def more_is_made_up(book: Book, table: pd.DataFrame) -> dict:
    """One line: draws differ more when told their own p than when told the smallest."""
    some = of_first(book, table)
    own, least = some[some["own"]], some.nsmallest(1, "p")
    same = above_bicubic(book, own) <= SAME
    enough = same and least["p"].mean() < own["p"].mean() and least["diversity"].mean() > 0
    grown = own["diversity"].mean() / least["diversity"].mean() if enough else None
    claim = "more is made up as p grows: diversity of draws told their own p, over that at the smallest p"
    cause = unjudged(book, same, "the network makes up as much" if enough else "needs two draws and a smaller p")
    return check(claim, 1.0, grown, 0.0, unit="×", at_least=True, paper="IDM", cause=cause)
