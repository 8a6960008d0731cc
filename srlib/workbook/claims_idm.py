"""What is claimed of IDM and SR3: that they enlarge the very image that they are shown, draw detail, and hold or fall at other
scales than those of their training. Both are judged by one rule at all scales. Of a network that draws other images, sharpness
and diversity say nothing, and nothing is judged.

rows: a row an image: image, model, scale, psnr, consistency, detail and diversity.
"""

from __future__ import annotations

import math

import pandas as pd

from srlib.imaging import metrics, resize
from srlib.models.catalogue import ModelName
from srlib.models.diffusion import STEPS, Diffusion
from srlib.workbook import published, statistics
from srlib.workbook.book import Book
from srlib.workbook.claims import check
from srlib.workbook.measure import Drawn
from srlib.workbook.statistics import Estimate

TRAINED = 8.0  # the scale of the papers' training, for IDM the largest
SAME = 100.0  # consistency at most so far above bicubic's: a thousandth of the squared range
SHARPER = 1.1  # times bicubic's detail, or a network draws nothing
NEAR = 0.3  # dB, what fewer steps may cost
FEW = 50  # steps
LEAST = 0.01  # of detail, or p changes nothing
OTHER = "not judged: other images"
FIGURE_1 = {"paper": "IDM", "place": "Section 1, Figure 1"}


def subject(book: Book, label: str) -> str:
    """The first model of a method ("IDM", "LIIF") among those at hand, else among those asked for, else the method itself."""
    here = [model.name for model in book.models if ModelName.of(model.architecture).label == label]
    asked = [name for name in book.plan.models if ModelName.of(name).label == label]
    return [*here, *asked, label][0]


def missing(book: Book, rows: pd.DataFrame, scale: float, *models: str) -> str:
    """What is missing to say something of these models at a scale; "" if nothing is."""
    lacking = [book.absent.get(name, f"needs {name}") for name in models if name not in set(rows["model"])]
    return "; ".join(lacking) or ("" if scale in set(rows["scale"]) else f"needs ×{scale:g} among the scales")


def at(rows: pd.DataFrame, model: str, quantity: str, *scales: float) -> float:
    """Mean of a quantity over scales; NaN where there is none."""
    return rows.loc[(rows["model"] == model) & rows["scale"].isin(scales), quantity].mean()


def place(rows: pd.DataFrame, scale: float) -> str:
    """', ×8' where a page has several scales."""
    return f", ×{scale:g}" if rows["scale"].nunique() > 1 else ""


def excess(rows: pd.DataFrame, model: str, scale: float) -> float:
    """How far a model's consistency is above bicubic's; NaN where one of them is missing."""
    gap = at(rows, model, "consistency", scale) - at(rows, "bicubic", "consistency", scale)
    return gap if math.isnan(gap) else max(0.0, gap)


def same_image(which: str, beyond: float, note: str) -> dict:
    """One line: does a network enlarge this very image? beyond: its consistency above bicubic's (MSE x 1e5 between the LR image
    and the result shrunk to its size), NaN if it was not measured."""
    claim = f"{which} this very image: consistency, MSE × 10⁵, at most bicubic's + {SAME:g}"
    return check(claim, SAME, beyond, at_most=True, note=note)


# Across scales


def enlarges(book: Book, rows: pd.DataFrame, model: str, scale: float = TRAINED) -> dict:
    """`same_image` at a scale."""
    where = place(rows, scale)
    note = missing(book, rows, scale, model, "bicubic")
    return same_image(f"{model} enlarges{where}{',' if where else ''}", excess(rows, model, scale), note)


def by_image(rows: pd.DataFrame, model: str, quantity: str, scales: list[float]) -> pd.Series:
    """A quantity of a model, its mean over scales, image by image; of "softness", the distance of detail from the
    original's."""
    some = rows[(rows["model"] == model) & rows["scale"].isin(scales)]
    some = some.assign(softness=(1 - some["detail"]).abs())
    wide = some.pivot_table(quantity, "image", "scale")
    return wide.mean(axis=1, skipna=False) if len(wide) else pd.Series(dtype=float)


def over_images(values: pd.Series) -> Estimate:
    """The mean over images with its interval."""
    return statistics.of_values(values.dropna(), "this page")


def judgeable(book: Book, rows: pd.DataFrame, model: str, scale: float) -> str:
    """Why a network that draws other images than the one that it is shown, or none, is not judged; "" if it is."""
    if lacking := missing(book, rows, scale, model, "bicubic"):
        return lacking
    drawn = excess(rows, model, scale) <= SAME
    drawn = drawn and at(rows, model, "detail", scale) > SHARPER * at(rows, "bicubic", "detail", scale)
    return "" if drawn else f"not judged: at ×{scale:g} it draws other images, or none (no sharper than bicubic)"


def sharper(book: Book, rows: pd.DataFrame, model: str, than: str, scale: float = TRAINED) -> dict:
    """One line: the model's detail is closer to the original's than another's."""
    lacking, same = missing(book, rows, scale, model, than, "bicubic"), excess(rows, model, scale) <= SAME
    gap = over_images(by_image(rows, than, "softness", [scale]) - by_image(rows, model, "softness", [scale]))
    claim = f"{model} is closer to the original's sharpness than {than}{place(rows, scale)}: |1 − detail| less"
    said = FIGURE_1 if scale <= TRAINED else {"paper": "IDM", "place": "Section 1, Figure 2"}
    quote = "results generated by LIIF are constrained ... over-smoothing with high-frequency information lost"
    note = lacking or ("" if same else OTHER)
    return check(claim, 0.0, gap if same else None, at_least=True, strictly=True, quote=quote, note=note, **said)


def varied(book: Book, rows: pd.DataFrame, model: str, scale: float = TRAINED) -> dict:
    """One line: the model's draws differ by an 8-bit step or more."""
    lacking, same = missing(book, rows, scale, model, "bicubic"), excess(rows, model, scale) <= SAME
    diversity = at(rows, model, "diversity", scale) if same else math.nan
    note = lacking or ("needs two draws or more" if math.isnan(diversity) else "")
    note = note if same or lacking else OTHER
    claim = f"{model} draws different images{place(rows, scale)}: diversity"
    return check(claim, 1.0, diversity, unit="8-bit steps", at_least=True, note=note)


def listed(scales: list[float]) -> str:
    return ", ".join(f"×{scale:g}" for scale in scales) or "none in this run"


def elsewhere(rows: pd.DataFrame, scale: float = TRAINED) -> list[list[float]]:
    """The scales of a page below and beyond the one of training, those that there are; if there are none, no scale."""
    scales = sorted(float(s) for s in rows["scale"].unique())
    found = [[s for s in scales if s < scale], [s for s in scales if s > scale]]
    return [some for some in found if some] or [[]]


def falls(
    book: Book, rows: pd.DataFrame, model: str, *, holds: bool, whole: str = "", scale: float = TRAINED
) -> list[dict]:
    """A line for the scales below that of training and one for those beyond: by how many dB a model's PSNR over bicubic's falls
    from that scale to them. holds: it is claimed to fall by no more than the margin "a fall"; else by more than that. whole: of
    which model the claim is, where this one is a control of it."""
    limit, lines = published.margin("a fall"), []
    quote = "synthesizing fine image details ... across a continuous range of resolutions"
    quote = quote if holds else "corrupted output once the magnification changes (see Fig. 1(c))"
    for others in elsewhere(rows, scale):
        note = judgeable(book, rows, model, scale) or ("" if others else "no other scale in this run")
        over = [by_image(rows, model, "psnr", s) - by_image(rows, "bicubic", "psnr", s) for s in ([scale], others)]
        of = None if note else over_images(over[0] - over[1])
        claim = f"{model} {'holds' if holds else 'is lost'} at {listed(others)}: its PSNR over bicubic's falls by "
        claim += f"{'at most' if holds else 'more than'} {limit:g} dB from ×{scale:g}"
        how = {"at_most": True} if holds else {"at_least": True, "strictly": True}
        line = check(claim, limit, of, unit="dB", margin="a fall", quote=quote, note=note, **how, **FIGURE_1)
        lines.append(line)
    return lines


def against(
    book: Book, rows: pd.DataFrame, model: str, other: str, scale: float = TRAINED, *, control: bool = False
) -> list[dict]:
    """Lines that set one diffusion model against another by the same measures at every scale: PSNR, and nearness to the
    original's sharpness; at the scale of training, below and beyond it. control: the other one is ours, and the paper says
    nothing of it."""
    measures = {"psnr": ("PSNR", 1), "softness": ("nearness to the original's sharpness, |1 − detail| less", -1)}
    quote = "IDM exhibits state-of-the-art qualitative and quantitative results compared to the previous works"
    lines = []
    for scales in ([scale], *elsewhere(rows, scale)):
        for quantity, (words, sign) in measures.items():
            gap = sign * (by_image(rows, model, quantity, scales) - by_image(rows, other, quantity, scales))
            absent = [name for name in (model, other) if name not in set(rows["model"])]
            note = "; ".join(book.absent.get(name, f"needs {name}") for name in absent)
            note = note or ("" if len(gap.dropna()) else f"needs {listed(scales)} among the scales")
            claim = f"{model} above {other} at {listed(scales)}: {words}"
            line = check(
                claim, 0.0, None if note else over_images(gap), unit="dB" if quantity == "psnr" else "", at_least=True,
                strictly=True, quote="" if control else quote, note=note, **({} if control else FIGURE_1),
            )  # fmt: skip
            lines.append(line)
    return lines


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
    return same_image(f"{most} ancestral steps enlarge", beyond, unjudged(book, True, ""))


def few_steps_suffice(book: Book, table: pd.DataFrame, sampler: str) -> dict:
    """One line: the sampler with few steps is not far below the most ancestral steps."""
    most, few = asked(book, "ancestral"), asked(book, sampler, FEW)
    reference, some = drawn_with(book, table, "ancestral", most), drawn_with(book, table, sampler, few)
    same = above_bicubic(book, reference) <= SAME
    gap = some["psnr"].mean() - reference["psnr"].mean() if same else None
    claim = f"{sampler} with {few} steps within {NEAR:g} dB of {most} ancestral steps, or above"
    short = "" if len(some) else f"needs {FEW} steps or fewer among the steps"
    return check(claim, 0.0, gap, NEAR, unit="dB", at_least=True, note=unjudged(book, same, short))


def time_follows_steps(book: Book, table: pd.DataFrame) -> dict:
    """One line: DDIM with few steps is as many times faster as it has fewer. The seconds are a by-product of the draws, so
    that they tell the ratio, but no verdict follows."""
    most, few = asked(book, "ancestral"), asked(book, "ddim", FEW)
    seconds = [drawn_with(book, table, *how)["seconds"].mean() for how in (("ancestral", most), ("ddim", few))]
    claim = f"DDIM with {few} steps is as many times faster than {most} ancestral steps as it has fewer, less a fifth"
    note = unjudged(book, True, "") or "the draws did not have the machine to themselves"
    alone = math.nan, math.nan
    return check(claim, 0.8 * most / few, seconds[0] / seconds[1], at_least=True, unit="×", note=note, interval=alone)


# The scaling factor: `drawings.by_factor`


def told_its_own(book: Book, table: pd.DataFrame) -> dict:
    """`same_image` with the p that belongs to the scale."""
    some = of_first(book, table)
    beyond = above_bicubic(book, some[some["own"]])
    return same_image("told its own p, the network enlarges", beyond, unjudged(book, True, ""))


def depends_on_p(book: Book, table: pd.DataFrame) -> dict:
    """One line: detail changes with p."""
    some = of_first(book, table)
    same = above_bicubic(book, some[some["own"]]) <= SAME
    spread = some["detail"].max() - some["detail"].min() if same else None
    claim = "the result depends on p: largest less smallest detail"
    return check(claim, LEAST, spread, at_least=True, note=unjudged(book, same, ""))


def more_is_made_up(book: Book, table: pd.DataFrame) -> dict:
    """One line: draws differ more when told their own p than when told the smallest. Of a network that makes the
    difference from the enlarged image this is so by construction, and the line says so."""
    some = of_first(book, table)
    own, least = some[some["own"]], some.nsmallest(1, "p")
    same = above_bicubic(book, own) <= SAME
    enough = same and least["p"].mean() < own["p"].mean() and least["diversity"].mean() > 0
    grown = own["diversity"].mean() / least["diversity"].mean() if enough else None
    claim = "more is made up as p grows: diversity of draws told their own p, over that at the smallest p"
    residual = grown is not None and any(isinstance(m, Diffusion) and m.denoise_fn.residual for m in book.models[:1])
    why = (
        "true by construction: this network makes the difference from the enlarged image, which is there whatever p is"
    )
    return check(
        claim, 1.0, grown, unit="×", at_least=True, paper="IDM", place="Abstract", incomparable=why if residual else "",
        note=unjudged(book, same, "" if enough else "needs two draws and a smaller p"),
        quote="modulates the proportion of the LR information and generated features in the final output",
    )  # fmt: skip
