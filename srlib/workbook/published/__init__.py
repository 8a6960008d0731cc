"""The papers' own numbers, as data, and measured numbers beside them in one tidy schema.

DIIF: Z. He, Z. Jin, "Dynamic Implicit Image Function for Efficient Arbitrary-Scale Image Representation",
arXiv 2306.12321, Tables 1-4. DIINN: Q. H. Nguyen, W. J. Beksi, "Single Image Super-Resolution via a Dual Interactive
Implicit Neural Network", WACV 2023, Tables 1-5. Beside the tables lie what else is known of their cells: exceptions.csv,
tolerances.csv, diinn_parameters.csv; and what the papers say of pairs of methods, by place: claims.csv, with the
margins that it names, margins.csv.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from srlib.models.catalogue import ALIASES, ModelName
from srlib.util import paths

# "field" 1 is bicubic's luma PSNR with MATLAB-made LR images, as super-resolution papers have printed it for a decade.
TABLES = {("diif", n) for n in (1, 2, 3, 4)} | {("diinn", n) for n in (1, 2, 3, 4, 5)} | {("field", 1), ("thera", 1)}

# What every results table of the notebooks looks like: one row per number. `model` is what was measured for the paper's
# `method`; an empty `measured` says in `note` what would fill it.
SCHEMA = [
    "paper", "table", "method", "model", "dataset", "scale", "quantity", "unit", "published", "measured", "gap", "agrees",
    "note",
]  # fmt: skip

UNITS = {
    "psnr": "dB", "ssim": "", "lr_psnr": "dB", "params_M": "10⁶", "decoder_params_K": "K", "macs_T": "T", "runtime_s": "s",
    "runtime_ms": "ms",
}  # fmt: skip
DIGITS = {"psnr": 2, "ssim": 4, "lr_psnr": 2, "params_M": 3, "decoder_params_K": 0, "macs_T": 3}  # decimals as printed
COSTS = ("params_M", "decoder_params_K", "macs_T")  # follow from the architecture alone, so they must agree

# DIIF's Table 4 names -> decoders here
ABLATIONS = {
    "LIIF": "liif",
    "DIIF (w/o ds)": "diif-wo-ds",
    "DIIF (w/o se)": "diif-wo-se",
    "DIIF (x4 only)": "diif-x4only",
    "DIIF (cs)": "diif-cs",
    "DIIF": "diif",
    "DIIF (c4+f3)": "diif-c4f3",
    "DIIF (c2+f5)": "diif-c2f5",
}
ENCODERS = {"EDSR-baseline": "edsr-baseline", "RDN": "rdn"}


def table(paper: str, number: int) -> pd.DataFrame:
    """A published table as printed, one row per method (and data set and scale). Empty cells are NaN.

    ValueError for a table that is not here.
    """
    if (paper, number) not in TABLES:
        known = ", ".join(f"{p} {n}" for p, n in sorted(TABLES))
        raise ValueError(f"no published table {paper!r} {number!r}; known: {known}")
    frame = pd.read_csv(paths.PUBLISHED / f"{paper}_table{number}.csv")
    frame.attrs["source"] = f"{paper.upper()}, Table {number}"
    return frame


def exceptions() -> pd.DataFrame:
    """Printed costs that do not follow from the architecture: paper, table, method, quantity, scale (empty: all of them), value
    (what does follow, in the table's unit), why. Any other number in such a cell is a disagreement."""
    return pd.read_csv(paths.PUBLISHED / "exceptions.csv")


def tolerances() -> pd.DataFrame:
    """How near bicubic's scores must come to the printed ones: paper, dataset, quantity, within, why (they may be further)."""
    return pd.read_csv(paths.PUBLISHED / "tolerances.csv", keep_default_na=False)


def statements(paper: str, number: int) -> pd.DataFrame:
    """What a paper says of pairs of methods beside one of its tables: place, quote, claim, better, worse, quantity,
    scales ("in" scale, "out" of scale, "larger"), kind ("above", "not inferior", "at most"), margin, remark, incomparable."""
    told = pd.read_csv(paths.PUBLISHED / "claims.csv", keep_default_na=False)
    return told[(told["paper"] == paper) & (told["table"] == number)]


def margins() -> pd.DataFrame:
    """How much counts as nothing, by name: name, within, unit, why."""
    return pd.read_csv(paths.PUBLISHED / "margins.csv")


def margin(name: str) -> float:
    """A margin by its name."""
    return float(margins().set_index("name").loc[name, "within"])


def gaps(printed: pd.DataFrame, better: str, worse: str, quantity: str) -> pd.Series:
    """Printed differences of two decoders, cell by cell: index (encoder, dataset, scale). printed: from `cells`."""
    some = printed[printed["quantity"] == quantity].assign(decoder=lambda rows: rows["decoder"].replace(ALIASES))
    value = some.set_index(["decoder", "encoder", "dataset", "scale"])["published"]
    pair = [value.get(ALIASES.get(name, name)) for name in (better, worse)]
    return pd.Series(dtype=float) if any(one is None for one in pair) else (pair[0] - pair[1]).dropna()


def released_parameters() -> dict[str, int]:
    """Parameters of the decoder in the checkpoints that DIINN's authors released, by the variant's letter."""
    return pd.read_csv(paths.PUBLISHED / "diinn_parameters.csv").set_index("variant")["decoder_parameters"].to_dict()


def who(paper: str, number: int, method: str, scale: float) -> tuple[str, str]:
    """The paper's encoder and decoder behind a row's name. EDSR and RDN alone have a sub-pixel tail for their scale."""
    if method == "Bicubic":
        return "", "bicubic"
    if (paper, number) == ("diif", 4):
        return "edsr-baseline", ABLATIONS[method]
    if paper == "diinn":
        decoder = {"Meta-SR": "metasr", "LIIF": "liif", "DIINN": "diinn"}.get(method, f"diinn-{method}")
        return "rdn", ALIASES.get(decoder, decoder)
    name = next(name for name in ENCODERS if method.startswith(name))
    rest = method.removeprefix(name).removeprefix("-").lower()
    return ENCODERS[name], rest.replace(" ", "-") or f"x{scale:g}"


def cells(paper: str, number: int) -> pd.DataFrame:
    """A published table, tidy: method, encoder, decoder, dataset, scale, quantity, published. Empty cells are left out.

    number: 0 stands for the text of a paper none of whose tables is here; it has no cells.
    """
    if not number:
        return pd.DataFrame(columns=["method", "dataset", "scale", "quantity", "published", "encoder", "decoder"])
    frame = table(paper, number).rename(columns={"variant": "method"})
    frame = frame.drop(columns=["modulation_inputs", "positional_init"], errors="ignore")
    if "output_size" in frame:  # DIINN Table 4: from 48 x 48
        frame["scale"] = frame.pop("output_size") / 48
    scale = frame.pop("scale") if "scale" in frame else pd.Series(16.0, frame.index)
    dataset = frame.pop("dataset") if "dataset" in frame else pd.Series("", frame.index)
    frame = frame.assign(scale=scale.astype(float), dataset=dataset.replace("DIV2K", "DIV2K-valid"))
    tidy = frame.melt(["method", "dataset", "scale"], var_name="quantity", value_name="published").dropna()
    by_scale = tidy["quantity"].str.startswith("psnr_x")  # DIIF's Tables 1 and 4: a column per scale, DIV2K validation
    tidy.loc[by_scale, "scale"] = tidy.loc[by_scale, "quantity"].str.removeprefix("psnr_x").astype(float)
    tidy.loc[by_scale, ["quantity", "dataset"]] = "psnr", "DIV2K-valid"
    pairs = [who(paper, number, method, scale) for method, scale in zip(tidy["method"], tidy["scale"], strict=True)]
    return tidy.assign(encoder=[e for e, _ in pairs], decoder=[d for _, d in pairs]).reset_index(drop=True)


def join_published(
    measured: pd.DataFrame, paper: str, number: int, *, stand_in: str = "", needs: dict[str, str] | None = None
) -> pd.DataFrame:
    """Measured numbers beside a published table, in SCHEMA; gap = measured - published.

    measured: model, dataset ("" for costs), scale, quantity, measured. A model on the `compact` encoder stands beside the
    paper's row on `stand_in` ("" for the table's only encoder). Rows that were not measured stay, and their note says what
    would fill them: needs, a sentence for each data set and model that is missing. Measured rows that the paper does not
    have stay as well. agrees: whether a cost comes out to the printed digits; the note then explains the known exceptions.
    """
    rows, needs = cells(paper, number), {first_name(name): sentence for name, sentence in (needs or {}).items()}
    encoders = [e for e in rows["encoder"].unique() if e]
    stand_in = stand_in or (encoders[0] if encoders else "")
    parts = [ModelName.of(m) for m in measured["model"]]  # a released file may be of no name here
    measured = measured.assign(
        encoder=[stand_in if part.encoder == "compact" else part.encoder for part in parts],
        decoder=[ALIASES.get(part.decoder, part.decoder) for part in parts],
        scale=measured["scale"].astype(float),
    )
    rows["place"] = range(len(rows))
    rows["key"], measured["key"] = rows["scale"].round(4), measured["scale"].round(4)
    on = ["encoder", "decoder", "dataset", "key", "quantity"]
    result = rows.merge(measured.drop(columns="scale"), "outer", on, sort=False)
    result["scale"] = result["scale"].fillna(result["key"])
    result["method"] = result["method"].fillna(result["model"])
    result["gap"] = result["measured"] - result["published"]
    digits = result["quantity"].map(DIGITS | ({"macs_T": 2} if (paper, number) == ("diif", 3) else {}))
    close = result["gap"].abs() <= 0.5 * 10.0**-digits + 1e-9
    small = result["model"].fillna("").map(lambda name: ModelName.of(name).encoder == "compact").astype(bool)
    cost = result["quantity"].isin(COSTS) & result["gap"].notna() & ~small
    result["agrees"] = close.astype(object).where(cost)
    result["note"] = [note(row, paper, number, needs) for row in result.itertuples()]
    result = result.assign(paper=paper, table=number, unit=result["quantity"].map(UNITS))
    return result.sort_values("place", kind="stable", ignore_index=True)[SCHEMA]  # as printed; what is not, last


def note(row, paper: str, number: int, needs: dict[str, str]) -> str:
    """Why a row's cell is empty and what fills it, or why it does not agree."""
    if row.agrees is False:
        return exception(paper, number, row)
    if pd.notna(row.measured):
        return "the fast path" if row.quantity.startswith("runtime") else ""
    model = f"{row.encoder}-{row.decoder}".lstrip("-")
    here = [sentence for name, sentence in needs.items() if name in (row.dataset, model)]
    where = f" on {row.dataset}" if row.dataset else ""
    return (
        "; ".join(here)
        or f"not part of this run: {model}{where} at ×{row.scale:g}; add it to models, data sets and scales"
    )


def exception(paper: str, number: int, row) -> str:
    """Why a row's cost is a known exception; "" if it is none, or is another number than the one known."""
    known = exceptions().set_index(["paper", "table", "method", "quantity"])
    known = known[known.index == (paper, number, row.method, row.quantity)]
    known = known[known["scale"].isna() | (known["scale"] == row.scale)]
    return "; ".join(known.loc[np.isclose(row.measured, known["value"], rtol=5e-4, atol=0), "why"])


def first_name(model: str) -> str:
    """A model under the first of its names, as the tables have it: 'rdn-diinn-f' -> 'rdn-diinn'. Other words stay."""
    part = ModelName.of(model)
    return str(ModelName(part.encoder, ALIASES.get(part.decoder, part.decoder)))


def at_scales(measured: pd.DataFrame, paper: str, number: int) -> pd.DataFrame:
    """The measured rows at the scales of a published table."""
    return measured[measured["scale"].isin(cells(paper, number)["scale"])]


def printed_bicubic(table: pd.DataFrame) -> pd.DataFrame:
    """The cells of bicubic's rows that are printed, of a table of `join_published`."""
    return table[(table["method"] == "Bicubic") & table["published"].notna()]


def within_tolerance(table: pd.DataFrame) -> pd.DataFrame:
    """The cells of a table of `join_published` that are printed and have a tolerance (`tolerances`), with their `within` and
    `why`."""
    return table[table["published"].notna()].merge(tolerances(), on=["paper", "dataset", "quantity"])


def tidy_scores(scores: pd.DataFrame, *quantities: str) -> pd.DataFrame:
    """Mean scores of the benchmark as `join_published` wants them; of some quantities, or of psnr, ssim and lr_psnr."""
    return scores.melt(
        ["model", "dataset", "scale"], list(quantities or ("psnr", "ssim", "lr_psnr")), "quantity", "measured"
    )


def tidy_costs(counts: pd.DataFrame) -> pd.DataFrame:
    """Counts of `cost.sweep` in the units that DIIF's tables print."""
    units = counts[["model", "scale"]].assign(
        dataset="",
        params_M=counts["parameters"] / 1e6,
        decoder_params_K=counts["decoder_parameters"].map(printed_kilo),
        macs_T=counts["macs"].map(printed_macs),
    )
    return units.melt(["model", "dataset", "scale"], list(COSTS), "quantity", "measured")


def tidy_times(times: pd.DataFrame, path: str, quantity: str = "runtime_s") -> pd.DataFrame:
    """Times of `cost.sweep_time` along one path, in the unit of `quantity`."""
    some = times[times["path"] == path]
    seconds = some["seconds"] * (1000 if quantity == "runtime_ms" else 1)
    return some[["model", "scale"]].assign(dataset="", quantity=quantity, measured=seconds)


def printed_macs(macs: float) -> float:
    """MACs in the "T" that DIIF's tables print: 1e12 from 1 T up; below, (1e9 MACs) / 1024."""
    return macs / 1e12 if macs >= 1e12 else macs / 1e9 / 1024


def macs_of(printed: float) -> float:
    """What `printed_macs` printed, back in multiply-accumulates."""
    return printed * 1e12 if printed >= 1 else printed * 1024 * 1e9


def printed_kilo(parameters: int) -> float:
    """Decoder parameters in the "K" that DIIF's tables print: (millions of parameters) x 1024."""
    return parameters / 1e6 * 1024


def agreement(table: pd.DataFrame) -> tuple[int, int, str]:
    """(cells that agree, cells compared less known exceptions, the exceptions in words) of a table's costs."""
    compared = table[table["agrees"].notna()]
    known = compared[(compared["agrees"] == False) & (compared["note"] != "")]  # noqa: E712
    words = "; ".join(f"{r.method} ×{r.scale:g} {r.quantity}: {r.note}" for r in known.itertuples())
    return int(np.sum(compared["agrees"] == True)), len(compared) - len(known), words  # noqa: E712
