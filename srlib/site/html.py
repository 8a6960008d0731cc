"""Pieces of pages: tables, figures, lists of claims, and how a result was made. Each is one line of HTML.

depth: how many folders deep the page lies that gets the piece; links lead up from there. Results lie in data/.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from srlib.models.catalogue import ModelName
from srlib.site.results import PAPERS, Missing, Run, short
from srlib.util import paths
from srlib.workbook import plan, published

# verdict -> colour (Okabe-Ito, darkened for text) and the path of its mark in a box of 12 x 12
VERDICTS = {
    "confirmed": ("#00704f", "M6 1a5 5 0 1 0 .01 0z"),
    "contradicted": ("#b8400a", "M1.5 1.5h9v9h-9z"),
    "not confirmed": ("#b8400a", "M1.5 1.5h9v9h-9z"),
    "inconclusive": ("#8a6100", "M6 1l5.4 9.6H.6z"),
    "not comparable": ("#0a5e99", "M6 .4L11.6 6 6 11.6.4 6z"),
    "not measured": ("#6b6b6b", "M6 1a5 5 0 1 0 .01 0zM6 2.6a3.4 3.4 0 1 1-.01 0z"),
}
QUANTITIES = {
    "psnr": "PSNR, dB", "ssim": "SSIM", "lr_psnr": "LR-PSNR, dB", "params_M": "Parameters, millions",
    "decoder_params_K": "Parameters of the decoder, K as the paper counts", "macs_T": "MACs, T as the paper prints them",
    "runtime_s": "Running time, seconds", "runtime_ms": "Running time, milliseconds",
}  # fmt: skip
DIGITS = published.DIGITS | {"runtime_s": 3, "runtime_ms": 1}
CHAPTERS = {"diif", "diinn", "idm", "later"}  # folders of notebooks that have one in book/papers


def title_of(notebook: str) -> str:
    """What a notebook is about, as its record in the profile says."""
    return plan.profile("quick")["notebooks"].get(notebook, {}).get("title", notebook)


def up(depth: int) -> str:
    return "../" * depth


def anchor(notebook: str) -> str:
    """The anchor of a notebook's section in its paper's chapter."""
    return notebook.replace("/", "-").replace("_", "-")


def section(notebook: str, depth: int) -> str:
    """Where a notebook's results are discussed: a section of a chapter, or its own page."""
    paper = {"bicubic_check": "diinn"}.get(notebook, notebook.partition("/")[0])
    if paper in CHAPTERS and notebook != "idm/slider":
        return f"{up(depth)}papers/{paper}.html#{anchor(notebook)}"
    return f"{up(depth)}notebooks/{notebook}.html"


def number(value: object, digits: int | None = None) -> str:
    """A number as people read it; – for none. digits: decimals, by default as many as it takes for four figures."""
    if isinstance(value, str) or value is None or not isinstance(value, (int, float, np.generic)):
        return escape("" if value is None else plain(str(value)))
    value = float(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if digits is None and value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}".replace("-", "−")
    if digits is None:
        digits = max(0, min(6, 3 - math.floor(math.log10(abs(value))))) if value else 0
    return f"{value:,.{digits}f}".replace("-", "−").replace(",", "\u202f")


def plain(text: str) -> str:
    """Words as they are; of a list as Python writes it into a CSV, its members."""
    return re.sub(r"""['"]""", "", text[1:-1]).rstrip(",") if re.fullmatch(r"[(\[]'.*'\,?[)\]]", text) else text


def mark(verdict: str) -> str:
    """The mark of a verdict: a shape and a colour of its own."""
    colour, path = VERDICTS.get(verdict, VERDICTS["not measured"])
    rule = ' fill-rule="evenodd"' if verdict == "not measured" else ""
    return f'<svg class="mark" viewBox="0 0 12 12" aria-hidden="true"><path d="{path}" fill="{colour}"{rule}/></svg>'


def verdict(name: str) -> str:
    return f'<span class="verdict v-{name.replace(" ", "-")}">{mark(name)} {escape(name)}</span>'


def scroll(table: str, label: str) -> str:
    """A table in a box of its own, which scrolls where the page is narrow."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">{table}</div>'


def table(
    frame: pd.DataFrame, label: str = "table", digits: dict[str, int] | None = None, raw: Iterable[str] = ()
) -> str:
    """A table as it is. raw: columns that are HTML already."""
    digits, raw = digits or {}, set(raw)
    numeric = {name for name in frame if pd.api.types.is_numeric_dtype(frame[name]) and frame[name].dtype != bool}
    head = "".join(f'<th scope="col"{" class=n" if c in numeric else ""}>{escape(str(c))}</th>' for c in frame)

    def shown(column: str, value: object) -> str:
        as_it_is = column == "scale" and column in numeric and pd.notna(value)
        return f"{value:.6g}" if as_it_is else number(value, digits.get(column))

    lines = []
    for row in frame.itertuples(index=False):
        cells = [
            f"<td{' class=n' if c in numeric else ''}>{value if c in raw else shown(c, value)}</td>"
            for c, value in zip(frame, row, strict=True)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return scroll(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>", label)


def beside(frame: pd.DataFrame, quantity: str, *, only_measured: bool = False) -> str:
    """One quantity of a results table as the paper prints it: a row per method, a column per data set and scale; measured
    numbers, and below them the published ones. Why a cell is empty, or differs, stands in its note."""
    some = frame[(frame["quantity"] == quantity) & (frame["measured"].notna() | frame["published"].notna())]
    if only_measured:
        some = some[some["measured"].notna()]
    if some.empty:
        return ""
    digits = DIGITS.get(quantity, 2)
    some = some.assign(
        dataset=some["dataset"].astype(object).fillna(""),
        model=some["model"].astype(object).fillna(""),
        scale=some["scale"].astype(float),
    )
    columns = list(some[["dataset", "scale"]].drop_duplicates().itertuples(index=False, name=None))
    measured = set(some.loc[some["measured"].notna(), "dataset"])
    sets = sorted(dict.fromkeys(name for name, _ in columns), key=lambda name: name not in measured)  # these first
    columns = [(name, scale) for name in sets for scale in sorted({s for d, s in columns if d == name})]
    cells = {(r.method, r.dataset, r.scale): r for r in some.itertuples()}
    over = "".join(
        f'<th scope="colgroup" colspan="{sum(d == name for d, _ in columns)}">{escape(name)}</th>' for name in sets
    )
    over = f"<tr><td></td>{over}</tr>" if any(sets) else ""
    head = "".join(f'<th scope="col" class="n">×{scale:.3g}</th>' for _, scale in columns)
    lines, notes = [], {}
    for method, rows in some.groupby("method", sort=False):
        models = [name for name in dict.fromkeys(rows["model"]) if name]
        colour = ModelName.of(models[0]).colour if models else "transparent"
        name = f'<span class="swatch" style="background:{colour}"></span>{escape(str(method))}'
        name += "".join(f"<br><small>{escape(', '.join(models))}</small>" if models and models != [method] else "")
        line = []
        for column in columns:
            line.append(value_cell(cells.get((method, *column)), digits, notes))
        lines.append(f'<tr><th scope="row">{name}</th>{"".join(line)}</tr>')
    label = QUANTITIES.get(quantity, quantity)
    caption = f"{label}: measured here, and below in small print the published value"
    head = f"<thead>{over}<tr><td></td>{head}</tr></thead>"
    body = f"<table><caption>{caption}</caption>{head}<tbody>{''.join(lines)}</tbody></table>"
    return scroll(body, caption) + listed(notes)


def costs(frame: pd.DataFrame, *quantities: str) -> str:
    """Several costs at one scale in one table, a column each: measured, and in small print the published value."""
    some = frame[frame["quantity"].isin(quantities) & (frame["measured"].notna() | frame["published"].notna())]
    if some.empty:
        return ""
    here = [name for name in quantities if (some["quantity"] == name).any()]
    head = "".join(f'<th scope="col" class="n">{QUANTITIES.get(name, name)}</th>' for name in here)
    lines, notes = [], {}
    for method, rows in some.groupby("method", sort=False):
        models = list(dict.fromkeys(rows["model"].dropna()))
        colour = ModelName.of(models[0]).colour if models else "transparent"
        line = ""
        for name in here:
            cell = next(rows[rows["quantity"] == name].itertuples(), None)
            line += value_cell(cell, DIGITS.get(name, 2), notes)
        lines.append(
            f'<tr><th scope="row"><span class="swatch" style="background:{colour}"></span>{escape(str(method))}</th>{line}</tr>'
        )
    caption = "Measured here, and below in small print the published value"
    body = f"<table><caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return scroll(body, caption) + listed(notes)


def value_cell(cell: object, digits: int, notes: dict[str, int]) -> str:
    """A measured number above its published one, with the number of its note; notes gets those that are new."""
    if cell is None:
        return "<td></td>"
    note = cell.note if isinstance(cell.note, str) else ""
    if note and note != "the fast path":
        notes.setdefault(note, len(notes) + 1)
    sign = f'<sup class="note">{notes[note]}</sup>' if note in notes else ""
    printed = f"<br><small>{number(cell.published, digits)}</small>" if pd.notna(cell.published) else ""
    return f'<td class="n">{number(cell.measured, digits)}{sign}{printed}</td>'


def listed(notes: dict[str, int]) -> str:
    """The notes of a table, folded away."""
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<details class="notes"><summary>Notes ({len(notes)})</summary><ol>{lines}</ol></details>' if notes else ""


def ends(row: pd.Series) -> tuple[float, float]:
    """The interval of what was measured; NaN where the run has none."""
    return tuple(pd.to_numeric(row.get(name, math.nan), errors="coerce") for name in ("low", "high"))


def fitting(row: pd.Series) -> int | None:
    """Decimals that show the width of the interval by two figures, and the value and the lower end of a ratio by one; None
    without an interval."""
    low, high = ends(row)
    if not low < high or row["unit"] in ("cells", "pairs"):
        return None
    value = abs(pd.to_numeric(row["measured"], errors="coerce"))
    least = min([high - low, *([low] if row["unit"] in ("times", "×") and low > 0 else [])])
    digits = max(0, 1 - math.floor(math.log10(least)))
    return digits if not value or round(value, digits) else 1 - math.floor(math.log10(value))


def interval(row: pd.Series) -> str:
    """' [low, high]', or nothing where the run has no interval."""
    low, high = ends(row)
    digits = fitting(row)
    return f" [{number(low, digits)}, {number(high, digits)}]" if low < high else ""


def checks(frame: pd.DataFrame) -> str:
    """What a notebook concluded, line by line."""
    lines = []
    for _, row in frame.astype(object).fillna("").iterrows():
        measured = number(pd.to_numeric(row["measured"], errors="coerce"), fitting(row))
        unit = f" {escape(str(row['unit']))}" if row["measured"] != "" and row["unit"] else ""
        why = "; ".join(str(row[name]) for name in ("likely cause", "cause", "note") if row.get(name))
        cause = f"<br><small>{escape(why)}</small>" if why else ""
        paper = f'<span class="paper">{escape(row["paper"])}</span> ' if row.get("paper") else ""
        printed = row.get("published", "")
        printed = f"<br><small>paper {number(float(printed))}</small>" if printed != "" else ""
        where = ". ".join(
            f"“{one}”" if name == "quote" else one for name in ("place", "quote") if (one := row.get(name))
        )
        where = f"<br><small>{escape(where)}</small>" if where else ""
        claim = str(row["claim"])
        if len(claim) > 160:  # a long list of exceptions folds away
            head = short(claim)
            claim = f"{escape(head)}<details><summary>in full</summary>{escape(claim)}</details>"
        else:
            claim = escape(claim)
        lines.append(
            f"<tr><td>{paper}{claim}{where}</td><td>{escape(str(row['expected']))}{printed}</td><td>{measured}{unit}{interval(row)}</td>"
            f"<td>{verdict(row['verdict'])}{cause}</td></tr>"
        )
    head = "<tr><th>what was expected</th><th>expected</th><th>measured, 95 % interval</th><th>verdict</th></tr>"
    if not frame.columns.isin(["low"]).any():
        head = head.replace(", 95 % interval", "")
    return scroll(f'<table class="checks"><thead>{head}</thead><tbody>{"".join(lines)}</tbody></table>', "claims")


def figure(run: Run, file: str, alt: str, *, depth: int, caption: str | None = None) -> str:
    """A picture of the run at twice the density. file: below the results folder. Missing if the run has none."""
    path = run.folder / file
    if not path.is_file():
        raise Missing(f"{file} is not in this run")
    place, size = f"{up(depth)}data/{file}", ""
    if path.suffix != ".svg":
        with Image.open(path) as image:
            recording = path.suffix == ".gif" or path.stem == path.parent.name
            density = 1 if recording else 2
            size = f' width="{image.width // density}" height="{image.height // density}"'
    words = alt if caption is None else caption
    below = f"<figcaption>{escape(words)}</figcaption>" if words else ""
    picture = f'<img src="{place}" alt="{escape(alt)}"{size} loading="lazy">'
    return f'<figure class="plot"><a href="{place}">{picture}</a>{below}</figure>'


def download(file: str, *, depth: int) -> str:
    return f'<a href="{up(depth)}data/{file}" download><code>{escape(Path(file).name)}</code></a>'


def made(run: Run, notebook: str, *, depth: int) -> str:
    """How a notebook's results were made: command, parameters, commit, device, weights, seconds, files to download."""
    origin = run.origin(notebook)
    if not origin:
        return "<p>This run has no results of this notebook.</p>"
    parameters = origin.get("plan") or origin.get("parameters", {})
    known = {
        key: value for key, value in parameters.items() if value not in ([], {}, "") and key not in ("out", "device")
    }
    weights = "<br>".join(
        f"<code>{escape(name)}</code> {one.get('sha256', '')[:12]}, trained at {escape(str(one.get('commit', 'unknown')))}"
        for name, one in origin.get("weights", {}).items()
    )
    versions = ", ".join(f"{name} {version}" for name, version in origin.get("versions", {}).items())
    at = ", ".join(origin.get("measured at", [])) or origin["commit"]
    files = " ".join(download(f"{notebook}/{path.name}", depth=depth) for path in run.files(notebook, ".csv", ".json"))
    count = len(origin.get("measurements", []))
    rows = {
        "Command": f"<code>srlib run {notebook} --profile {run.profile}</code>",
        "Parameters": f"<pre>{escape(json.dumps(known, ensure_ascii=False, indent=1))}</pre>",
        "Commit": f"{escape(origin['commit'])}; measured at {escape(at)}",
        "Date": escape(origin["date"]),
        "Device": escape(", ".join(origin.get("measured on", [])) or origin["device"]),
        "Versions": escape(versions),
        "Weights": weights or "none: nothing here depends on trained weights",
        "Seconds": f"{number(origin['seconds'])} for the page"
        + (f"; {count} measurements from the store" if count else ""),
        "Download": files,
    }
    body = "".join(f'<tr><th scope="row">{name}</th><td>{text}</td></tr>' for name, text in rows.items())
    return scroll(f'<table class="made"><tbody>{body}</tbody></table>'.replace("\n", "&#10;"), "how this was made")


def claims(run: Run, notebook: str, *, depth: int) -> str:
    """The paper's claims that a notebook carries, with their verdicts."""
    some = run.claims[run.claims["notebook"] == notebook]
    return checks(some) if len(some) else ""


def tally(run: Run) -> str:
    """How many claims of which paper have which verdict."""
    count = run.claims.groupby(["verdict", "paper"]).size().unstack(fill_value=0)
    here = [paper for paper in [*PAPERS, *sorted(set(count) - set(PAPERS))] if paper in count]
    head = "".join(f'<th scope="col" class="n">{escape(paper)}</th>' for paper in here)
    lines = [
        f'<tr><th scope="row">{verdict(name)}</th>'
        + "".join(f'<td class="n">{count.loc[name, paper]}</td>' for paper in here) + "</tr>"
        for name in VERDICTS if name in count.index
    ]  # fmt: skip
    return scroll(f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>", "verdicts")


def forest(run: Run, paper: str = "", *, depth: int) -> str:
    """The picture of all claims: of each what was measured with its interval, the paper's value, where the claim holds, and
    the verdict by colour and shape. Every line has a scale of its own, and says it: a thousandth of an SSIM is seen as well as
    five dB."""
    some = run.claims if not paper else run.claims[run.claims["paper"] == paper]
    parts = []
    for name, of_paper in some.groupby("paper", sort=False):
        head = f'<h4 class="forest-paper">{name}</h4>' if not paper else ""
        lines = "".join(forest_row(row, depth) for _, row in of_paper.iterrows())
        parts.append(f'{head}<ul class="forest">{lines}</ul>')
    signs = {
        '<path d="M0 3h22v6H0z" class="bar"/><path d="M11 1v10" class="at"/>': "measured, 95 % interval",
        '<path d="M11 1l4 5-4 5-4-5z" class="printed"/>': "the paper's value",
        '<path d="M9 0h13v12H9z" class="holds"/><path d="M9 0v12" class="demanded"/>': "the claim holds here",
    }
    legend = "".join(f"<li>{verdict(name)}</li>" for name in VERDICTS if name in set(some["verdict"]))
    legend += "".join(
        f'<li><svg class="sign" viewBox="0 0 22 12" width="22" height="12" aria-hidden="true">{drawn}</svg> {said}</li>'
        for drawn, said in signs.items()
    )
    return f'<ul class="legend">{legend}</ul>{"".join(parts)}'


WIDTH, HEIGHT = 220, 27  # of a row's drawing


@dataclass(frozen=True)
class Axis:
    """The scale of one claim: centre lies in the middle, reach away from it the two ends. log: of factors, of which reach is
    one."""

    centre: float
    reach: float
    log: bool

    def __call__(self, value: float) -> float:
        """Where a value is drawn; what lies beyond an end, at that end."""
        away = math.log(value / self.centre) / math.log(self.reach) if self.log else (value - self.centre) / self.reach
        return round(WIDTH / 2 + (WIDTH / 2 - 12) * max(-1.0, min(1.0, away)), 1)

    @property
    def ends(self) -> tuple[float, float]:
        if self.log:
            return self.centre / self.reach, self.centre * self.reach
        return self.centre - self.reach, self.centre + self.reach

    def said(self, value: float) -> str:
        digits = 2 if self.log else max(0, -math.floor(math.log10(self.reach)) + 1)
        text = f"{value:.{digits}f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


FARTHEST = 20.0  # factor on an axis of times; an interval that goes on has an arrow


def axis_of(row: pd.Series) -> Axis:
    """The scale of a claim: a round number, as far as the farthest of its interval, its bounds and the paper's value. In the
    middle is no difference, or else what the claim demands."""
    told = [row[name] for name in ("value", "low", "high", "printed", "demanded", "least", "most")]
    told = [value for value in map(float, told) if math.isfinite(value)]
    centre = 0.0 if row["unit"] == "dB" or math.isnan(row["demanded"]) else float(row["demanded"])
    if row["unit"] in ("times", "×") and min(told, default=0) > 0:
        away = max(max(value / centre, centre / value) for value in told)
        return Axis(centre, min(rounded(max(away, 1.2)), FARTHEST), log=True)
    away = max((abs(value - centre) for value in told), default=0.0)
    return Axis(centre, rounded(away or 1.0), log=False)


def rounded(value: float) -> float:
    """The next round number that is not smaller."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step for m in (1, 1.2, 1.5, 2, 3, 4, 5, 7, 10) if (step := m * power) >= value * (1 - 1e-9))


def forest_row(row: pd.Series, depth: int) -> str:
    at, known = axis_of(row), not math.isnan(row["value"])
    colour, path = VERDICTS.get(row["verdict"], VERDICTS["not measured"])
    bounds = [row["least"], row["most"]]
    drawn = []
    if any(map(math.isfinite, bounds)):  # an end without a bound holds up to the edge
        left, right = (at(b) if math.isfinite(b) else edge for b, edge in zip(bounds, (0, WIDTH), strict=True))
        right = max(right, left + 1.5)
        drawn.append(f'<path d="M{left} 1H{right}V17H{left}z" class="holds"/>')
    drawn.append(f'<path d="M0 9h{WIDTH}M{at(at.ends[0])} 7v4M{at(at.ends[1])} 7v4" class="axis"/>')
    if not math.isnan(row["demanded"]):
        drawn += [f'<path d="M{at(b)} 1v16" class="demanded"/>' for b in bounds if math.isfinite(b)]
        if at.centre == 0:
            drawn.append(f'<path d="M{at(0)} 3v12" class="zero"/>')
    if row["low"] < row["high"]:
        a, b = at(row["low"]), at(row["high"])
        middle, wide = (a + b) / 2, max(b - a, 3)
        drawn.append(f'<path d="M{middle - wide / 2:g} 5h{wide:g}v8h{-wide:g}z" fill="{colour}" class="bar"/>')
        if row["high"] > at.ends[1] * (1 + 1e-9):
            drawn.append(f'<path d="M{b} 3l8 6-8 6z" fill="{colour}"/>')
        drawn.append(f'<path d="M{at(row["value"])} 2v14" class="at"/>')
    elif known:
        rule = ' fill-rule="evenodd"' if row["verdict"] == "not measured" else ""
        drawn.append(
            f'<path transform="translate({at(row["value"]) - 4.8:g} 4.2) scale(.8)" d="{path}" fill="{colour}"{rule}/>'
        )
    if not math.isnan(row["printed"]):
        drawn.append(f'<path d="M{at(row["printed"])} 3l4 6-4 6-4-6z" class="printed"/>')
    count = row["unit"] in ("cells", "pairs")  # there are no more than all
    labels = [at.ends[0], at.centre, *([] if count else [at.ends[1]])]
    drawn += [f'<text x="{at(v)}" y="26" text-anchor="middle">{at.said(v)}</text>' for v in labels]
    digits = fitting(row)
    value = number(row["value"], digits) if known else "not measured"
    unit = f" {row['unit']}" if row["unit"] and known else ""
    printed = not math.isnan(row["printed"])
    told = f"paper {number(row['printed'], digits)}" if printed else f"expected {row['expected']}"
    href = section(row["notebook"], depth)
    where = row.get("place") or title_of(row["notebook"]).removeprefix(row["paper"]).lstrip(": ")
    where = where.removesuffix(", printed numbers").split(", ")[-1]
    return (
        f'<li><span class="what"><small>{escape(where)}</small> <a href="{href}">{escape(short(row["claim"]))}</a></span>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">{"".join(drawn)}</svg>'
        f'<span class="value">{value}{escape(unit)}{interval(row)} <small>{escape(told)}</small></span>'
        f"{verdict(row['verdict'])}</li>"
    )


def headline(run: Run) -> str:
    """The table of results: luma PSNR of every model on the four sets at ×2, ×3, ×4, one row a method."""
    sets, scales = ("Set5", "Set14", "B100", "Urban100"), (2, 3, 4)
    some = run.scores[(run.scores["protocol"] == "benchmark-y") & run.scores["scale"].isin(scales)]
    sets = [name for name in sets if name in set(some["dataset"])]
    if some.empty or not sets:
        raise Missing("no luma PSNR of the benchmark sets is in this run")
    own = [ModelName.of(name) for name in some["model"]]
    some = some.assign(
        method=[part.label.partition(" ×")[0] for part in own], colour=[part.colour for part in own],
    )  # fmt: skip
    head = "".join(f'<th scope="colgroup" colspan="{len(scales)}">{name}</th>' for name in sets)
    under = "".join(f'<th scope="col" class="n">×{scale}</th>' for _ in sets for scale in scales)
    best = some.groupby(["dataset", "scale"])["psnr"].max()
    lines = []
    for method, rows in some.groupby("method", sort=False):
        cells = rows.drop_duplicates(["dataset", "scale"]).set_index(["dataset", "scale"])["psnr"]
        line = ""
        for key in ((name, scale) for name in sets for scale in scales):
            text = number(cells[key], 2) if key in cells else "–"
            line += f'<td class="n">{f"<b>{text}</b>" if key in cells and cells[key] == best[key] else text}</td>'
        swatch = f'<span class="swatch" style="background:{rows["colour"].iloc[0]}"></span>'
        lines.append(f'<tr><th scope="row">{swatch}{method}</th>{line}</tr>')
    thead = f"<tr><td></td>{head}</tr><tr><td></td>{under}</tr>"
    return scroll(f"<table><thead>{thead}</thead><tbody>{''.join(lines)}</tbody></table>", "luma PSNR in dB")


def readme(heading: str) -> str:
    """A section of README.md, its links to files as plain words."""
    text = (paths.ROOT / "README.md").read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not found:
        raise ValueError(f"README.md has no section {heading!r}")
    return re.sub(r"\[([^\]]+)\]\((?!https://)[^)]+\)", r"\1", found[1]).strip()
