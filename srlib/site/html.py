"""Pieces of pages: tables, figures, lists of claims, and how a result was made. Each is one line of HTML.

depth: how many folders deep the page lies that gets the piece; links lead up from there. Results lie in data/.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
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
        return escape("" if value is None else str(value))
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
    lines = []
    for row in frame.itertuples(index=False):
        cells = [
            f"<td{' class=n' if c in numeric else ''}>{value if c in raw else number(value, digits.get(c))}</td>"
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
    sets = list(dict.fromkeys(name for name, _ in columns))
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


def interval(row: pd.Series) -> str:
    """' [low, high]', or nothing where the run has no interval."""
    low, high = (pd.to_numeric(row.get(name, math.nan), errors="coerce") for name in ("low", "high"))
    return f" [{number(low)}, {number(high)}]" if pd.notna(low) and pd.notna(high) and low < high else ""


def checks(frame: pd.DataFrame) -> str:
    """What a notebook concluded, line by line."""
    lines = []
    for _, row in frame.astype(object).fillna("").iterrows():
        measured = number(pd.to_numeric(row["measured"], errors="coerce"))
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
    """How many claims have which verdict, a row a paper."""
    count = run.claims.groupby(["paper", "verdict"]).size().unstack(fill_value=0)
    head = "".join(f'<th scope="col">{verdict(name)}</th>' for name in VERDICTS if name in count)
    lines = [
        f'<tr><th scope="row">{paper}</th>'
        + "".join(f'<td class="n">{count.loc[paper, name]}</td>' for name in VERDICTS if name in count) + "</tr>"
        for paper in [*PAPERS, *sorted(set(count.index) - set(PAPERS))] if paper in count.index
    ]  # fmt: skip
    return scroll(f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>", "verdicts")


def forest(run: Run, paper: str = "", *, depth: int) -> str:
    """The picture of all claims: of each what was measured with its interval, the paper's value, what the claim demands, and
    the verdict by colour and shape. Claims of a paper in dB, and those in times, share an axis; each other one has its own."""
    some = run.claims if not paper else run.claims[run.claims["paper"] == paper]
    shares = some["unit"].isin(["cells", "pairs"]) & (some["demanded"] > 0)
    some = some.assign(divisor=some["demanded"].where(shares, 1.0))
    for name in ("value", "demanded", "printed", "low", "high"):
        some[f"at_{name}"] = some[name] / some["divisor"]
    parts = []
    for name, of_paper in some.groupby("paper", sort=False):
        reaches = {}
        for unit, rows in of_paper.groupby("unit"):
            for key, members in rows.groupby(rows["claim"].map(lambda text: "lr" if "lr_psnr" in text else "")):
                away = (
                    members[["at_value", "at_printed", "at_low", "at_high"]].sub(members["at_demanded"], axis=0).abs()
                )
                reaches[unit, key] = max(away.max().max(), 1e-9)
        lines = []
        for _, row in of_paper.iterrows():
            key = row["unit"], "lr" if "lr_psnr" in row["claim"] else ""
            own = row[["at_value", "at_printed", "at_low", "at_high"]].astype(float).sub(row["at_demanded"]).abs().max()
            reach = max(own, abs(row["at_demanded"]) / 20) if not row["unit"] else reaches[key]
            lines.append(forest_row(row, reach, depth))
        head = f'<h4 class="forest-paper">{name}</h4>' if not paper else ""
        parts.append(f'{head}<ul class="forest">{"".join(lines)}</ul>')
    legend = "".join(f"<li>{verdict(name)}</li>" for name in VERDICTS if name in set(some["verdict"]))
    printed = (
        '<svg class="mark" viewBox="0 0 12 12" aria-hidden="true"><path d="M6 2v8M2.5 2h7" class="printed"/></svg>'
    )
    demanded = '<svg class="mark" viewBox="0 0 12 12" aria-hidden="true"><path d="M6 0v12" class="demanded"/></svg>'
    legend += f"<li>{printed} the paper's value</li><li>{demanded} what the claim demands</li>"
    return f'<ul class="legend">{legend}</ul>{"".join(parts)}'


WIDTH = 220  # of a row's drawing


def forest_row(row: pd.Series, reach: float, depth: int) -> str:
    reach = reach if reach and not math.isnan(reach) else 1.0

    def x(value: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - 10) * max(-1.0, min(1.0, (value - row["at_demanded"]) / reach)), 1)

    colour, path = VERDICTS.get(row["verdict"], VERDICTS["not measured"])
    drawn = [f'<path d="M0 10h{WIDTH}" class="axis"/>']
    if not math.isnan(row["at_demanded"]):
        drawn.append(f'<path d="M{WIDTH / 2} 1v18" class="demanded"/>')
        if not math.isnan(row["at_printed"]):
            drawn.append(f'<path d="M{x(row["at_printed"])} 3v14m-3.5 -14h7" class="printed"/>')
        if row["at_low"] < row["at_high"]:
            a, b = x(row["at_low"]), x(row["at_high"])
            drawn.append(f'<path d="M{a} 10H{b}M{a} 6v8M{b} 6v8" stroke="{colour}" stroke-width="1.6" fill="none"/>')
        if not math.isnan(row["at_value"]):
            rule = ' fill-rule="evenodd"' if row["verdict"] == "not measured" else ""
            drawn.append(f'<path transform="translate({x(row["at_value"]) - 6} 4)" d="{path}" fill="{colour}"{rule}/>')
    value = number(row["value"]) if not math.isnan(row["value"]) else "not measured"
    unit = f" {row['unit']}" if row["unit"] and not math.isnan(row["value"]) else ""
    told = (
        f"paper {row['printed']:+g}".replace("-", "−")
        if not math.isnan(row["printed"])
        else f"expected {row['expected']}"
    )
    href, place = section(row["notebook"], depth), title_of(row["notebook"]).removeprefix(row["paper"]).lstrip(": ")
    return (
        f'<li><span class="what"><small>{escape(place)}</small> <a href="{href}">{escape(short(row["claim"]))}</a></span>'
        f'<svg viewBox="0 0 {WIDTH} 20" width="{WIDTH}" height="20" aria-hidden="true">{"".join(drawn)}</svg>'
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
    import re

    text = (paths.ROOT / "README.md").read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if not found:
        raise ValueError(f"README.md has no section {heading!r}")
    return re.sub(r"\[([^\]]+)\]\((?!https://)[^)]+\)", r"\1", found[1]).strip()
