"""The leaderboard: every score of a run beside the published ones, with what it costs."""

from __future__ import annotations

from html import escape

import pandas as pd

from srlib import cost
from srlib.models import names
from srlib.models.catalogue import ALIASES, ModelName
from srlib.site import census, html
from srlib.site.results import Run
from srlib.util.sizes import scaled_size
from srlib.workbook import published

PROTOCOLS = {
    ("diif", 1): "div2k", ("diif", 2): "benchmark-y", ("diif", 4): "div2k", ("diinn", 1): "diinn", ("diinn", 2): "diinn",
    ("diinn", 3): "diinn", ("diinn", 5): "diinn", ("field", 1): "benchmark-y",
}  # fmt: skip
PRINTED = {name: label for label, name in published.ENCODERS.items()}  # encoders as the papers call them
KEY = ["decoder", "dataset", "at", "protocol"]


def printed() -> pd.DataFrame:
    """Every published PSNR: encoder, decoder, dataset, scale, protocol, published, source."""
    parts = []
    for (paper, number), protocol in PROTOCOLS.items():
        cells = published.cells(paper, number).query("quantity == 'psnr'")
        source = f"{paper.upper()} Table {number}" if paper != "field" else "as the field prints it"
        parts.append(cells.assign(protocol=protocol, source=source))
    rows = pd.concat(parts, ignore_index=True)
    rows["decoder"] = rows["decoder"].replace(ALIASES)
    rows["at"] = rows["scale"].round(3)
    return rows.drop_duplicates([*KEY, "encoder"], ignore_index=True)


def parameters(model: str) -> float:
    """In millions; NaN for what is not built here."""
    return cost.count_parameters(census.encoded(model)[0]) / 1e6 if model in names() else float("nan")


def macs(model: str, scale: float, *, literal: bool) -> float:
    """Thousands of multiply-accumulates an output pixel, encoder included, counted for an LR image of 48 × 48; NaN for what is
    not built here, and at a scale that a network does not make."""
    known = model in names()
    own = census.encoded(model)[0].scales if known else None
    if not known or (own is not None and scale not in own):
        return float("nan")
    rows, columns = scaled_size((census.SIDE, census.SIDE), scale)
    return census.macs(model, scale, literal=literal) / (rows * columns) / 1e3


def times(run: Run) -> pd.DataFrame:
    """Seconds an output megapixel of the fast path, by model and scale, from what the run has timed: model, at, seconds, of."""
    parts = []
    if run.has("claims/points"):
        points = run.table("claims/points").drop_duplicates(["model", "scale"])
        parts.append(points.assign(rows=128 * points["scale"], columns=128 * points["scale"], of="128 × 128 input"))
    for name in ("diif/table3/times", "diif/table1/times", "diinn/table4/times"):
        if run.has(name):
            rows = run.table(name).query("path == 'fast'")
            parts.append(
                rows.assign(
                    of=[
                        f"{round(r / s)} × {round(c / s)} input"
                        for r, c, s in zip(rows["rows"], rows["columns"], rows["scale"], strict=True)
                    ]
                )
            )
    if not parts:
        return pd.DataFrame(columns=["model", "at", "seconds", "of"])
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.assign(seconds=rows["seconds"] / (rows["rows"] * rows["columns"]) * 1e6, at=rows["scale"].round(3))
    return rows.drop_duplicates(["model", "at"])[["model", "at", "seconds", "of"]]


def board(run: Run) -> pd.DataFrame:
    """A row a model, data set, scale and protocol: measured psnr, ssim, lr_psnr, images, notebook; published psnr, and whose;
    parameters, macs_literal, macs_fast, seconds. A small model stands beside its method's published row on the paper's first
    encoder; published rows without a measured one stay."""
    scores, paper = run.scores, printed()
    parts = [ModelName.of(name) for name in scores["model"]]
    scores = scores.assign(
        encoder=[part.encoder for part in parts], decoder=[ALIASES.get(part.decoder, part.decoder) for part in parts],
        at=scores["scale"].round(3),
    )  # fmt: skip
    by_key = dict(iter(paper.groupby(KEY)))
    taken, lines = set(), []
    for row in scores.to_dict("records"):
        some = by_key.get(tuple(row[k] for k in KEY))
        if some is not None and row["encoder"] not in ("compact", ""):
            some = some[some["encoder"] == row["encoder"]]
        said = {"published": float("nan"), "source": ""}
        if some is not None and len(some):
            first = some.iloc[0]
            taken.add(first.name)
            encoder = PRINTED.get(first["encoder"], "")
            said = {"published": first["published"], "source": f"{first['source']}{', ' + encoder if encoder else ''}"}
        lines.append(row | said)
    for row in paper.drop(index=list(taken)).to_dict("records"):
        lines.append(row | {"model": f"{row['encoder']}-{row['decoder']}".lstrip("-"), "psnr": float("nan")})
    rows = pd.DataFrame(lines)
    rows = rows.reindex(columns=list(dict.fromkeys([*rows, "ssim", "lr_psnr", "images", "notebook"])))
    rows["method"] = [ModelName.of(name).label for name in rows["model"]]
    rows["parameters"] = [parameters(name) for name in rows["model"]]
    for path, literal in (("macs_literal", True), ("macs_fast", False)):
        rows[path] = [
            macs(*row, literal=literal) for row in rows[["model", "scale"]].itertuples(index=False, name=None)
        ]
    rows = rows.merge(times(run), "left", ["model", "at"], suffixes=("_busy", ""))
    order = {"benchmark-y": 0, "diinn": 1, "div2k": 2}
    rows["order"] = rows["protocol"].map(order)
    return rows.sort_values(
        ["order", "dataset", "scale", "psnr"], ascending=[True, True, True, False], ignore_index=True
    )


COLUMNS = {
    "method": "Method", "dataset": "Set", "scale": "Scale", "psnr": "PSNR, dB", "published": "Published, dB",
    "parameters": "Parameters, M", "macs_literal": "kMAC a pixel, equations", "macs_fast": "kMAC a pixel, fast",
    "seconds": "Seconds a megapixel", "ssim": "SSIM", "lr_psnr": "LR-PSNR, dB", "protocol": "Protocol", "model": "Model",
}  # fmt: skip
DIGITS = {
    "psnr": 2,
    "published": 2,
    "ssim": 4,
    "lr_psnr": 2,
    "parameters": 3,
    "macs_literal": 0,
    "macs_fast": 0,
    "seconds": 2,
}
FILTERS = ("method", "dataset", "scale", "protocol")
SHOWN = {"protocol": "benchmark-y", "scale": "4"}  # what is chosen at first, where a script runs


def table(rows: pd.DataFrame, *, depth: int) -> str:
    """The leaderboard as a table that sorts by its heads and has a choice for each of method, set, scale and protocol; without
    a script it is the whole table."""
    head = "".join(
        f'<th scope="col" aria-sort="none" data-key="{key}"{" class=n" if key in DIGITS or key == "scale" else ""}>'
        f'<button type="button">{label}</button></th>'
        for key, label in COLUMNS.items()
    )
    lines = []
    for row in rows.itertuples():
        cells = []
        for key in COLUMNS:
            value = getattr(row, key)
            if key == "method":
                part = ModelName.of(row.model)
                text = f'<span class="swatch" style="background:{part.colour}"></span>{escape(str(value))}'
                cells.append(f'<th scope="row" data-v="{escape(str(value))}">{text}</th>')
                continue
            if key == "scale":
                cells.append(f'<td class="n" data-v="{value:g}">×{value:.4g}</td>')
                continue
            if key not in DIGITS:
                cells.append(f"<td>{escape(str(value))}</td>")
                continue
            known = pd.notna(value)
            text = html.number(value, DIGITS[key]) if known else "–"
            if key == "published" and known:
                text = f'<span title="{escape(row.source)}">{text}</span>'
            if key == "psnr" and known:
                text = f'<a href="{html.up(depth)}notebooks/{row.notebook}.html" title="{int(row.images)} images">{text}</a>'
            if key == "seconds" and known:
                text = f'<span title="{escape(str(row.of))}">{text}</span>'
            cells.append(f'<td class="n"{f" data-v={float(value):.6g}" if known else ""}>{text}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    choices = []
    for key in FILTERS:
        values = sorted(rows[key].unique()) if key == "scale" else list(dict.fromkeys(rows[key]))
        options = "".join(
            f'<option value="{v if key != "scale" else format(v, "g")}"'
            f"{' selected' if (format(v, 'g') if key == 'scale' else v) == SHOWN.get(key) else ''}>"
            f"{'×' + format(v, '.4g') if key == 'scale' else escape(str(v))}</option>"
            for v in values
        )
        choices.append(
            f'<label>{COLUMNS[key]} <select data-key="{key}"><option value="">all</option>{options}</select></label>'
        )
    find = '<label>Find <input type="search" data-key="any"></label><output></output>'
    form = f'<form class="filters" hidden>{"".join(choices)}{find}</form>'
    body = f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return f'<div class="board">{form}{html.scroll(body, "leaderboard")}</div>'


def front(
    rows: pd.DataFrame,
    scale: float = 4,
    protocol: str = "benchmark-y",
    sets: tuple[str, ...] = ("Set5", "Set14", "B100", "Urban100"),
) -> pd.DataFrame:
    """Points of the Pareto picture: of each model measured on all of the sets that any was, its mean PSNR and its costs."""
    some = rows[
        (rows["scale"] == scale) & (rows["protocol"] == protocol) & rows["dataset"].isin(sets) & rows["psnr"].notna()
    ]
    some = some.groupby("model", sort=False).agg(
        psnr=("psnr", "mean"), count=("psnr", "size"), macs_literal=("macs_literal", "first"), macs_fast=("macs_fast", "first"),
        seconds=("seconds", "first"),
    )  # fmt: skip
    return some[some["count"] == some["count"].max()].reset_index() if len(some) else some.reset_index()
