"""Drawings of the book, as SVG made from data: what a decoder computes where, DIIF's slices, cost against quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape

import pandas as pd
import torch

from srlib.models import diif
from srlib.models.catalogue import ModelName
from srlib.models.geometry import group_starts
from srlib.site import census

PLACES = {
    "once": "image, row, column",
    "code": "per LR code",
    "slice": "per slice",
    "pixel": "per output pixel",
}
SHADES = {"once": "#8d8d8d", "code": "#0072b2", "slice": "#e69f00", "pixel": "#d55e00"}
WIDTH = 720


def svg(width: float, height: float, body: str, title: str) -> str:
    """title: what a reader who does not see it is told."""
    return (
        f'<figure class="plot drawn"><svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}">{body}</svg></figure>'
    )


def words(
    x: float, y: float, said: str, *, size: float = 12, anchor: str = "start", colour: str = "", bold: bool = False
) -> str:
    fill = f' fill="{colour}"' if colour else ""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"{fill}{weight}>{escape(said)}</text>'


def icon(place: str, x: float, y: float, side: float = 34) -> str:
    """A cell of the LR grid, and in it what the work is done for: the cell, one of its rows, one of its pixels."""
    cells = 4
    step = side / cells
    lines = "".join(f"M{x + i * step:g} {y:g}v{side:g}M{x:g} {y + i * step:g}h{side:g}" for i in range(cells + 1))
    area = {
        "once": "", "code": f"M{x:g} {y:g}h{side:g}v{side:g}h{-side:g}z",
        "slice": f"M{x:g} {y + step:g}h{side:g}v{step:g}h{-side:g}z",
        "pixel": f"M{x + 2 * step:g} {y + step:g}h{step:g}v{step:g}h{-step:g}z",
    }[place]  # fmt: skip
    return f'<path d="{area}" fill="{SHADES[place]}"/><path d="{lines}" class="thin"/>'


def amount(macs: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if macs >= size:
            return f"{macs / size:.3g} {unit}"
    return f"{macs:.3g}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "under 1 %"


@dataclass(frozen=True)
class Lane:
    """What is done at one resolution. sign(x, y): its icon. bars: words -> multiply-accumulates, each a bar."""

    label: str
    shade: str
    sign: Callable[[float, float], str]
    bars: dict[str, int]

    @property
    def macs(self) -> int:
        return sum(self.bars.values())


def lanes(groups: dict[str, list[Lane]], title: str) -> str:
    """Groups of lanes, each under its heading and all multiply-accumulates of it; bars of all groups are to one scale."""
    most = max(sum(lane.macs for lane in some) for some in groups.values())
    y, parts, told = 8, [], []
    for heading, some in groups.items():
        total = sum(lane.macs for lane in some)
        parts.append(words(0, y + 12, f"{heading}: {amount(total)}MAC", size=14, bold=True))
        told.append(f"{heading}: {amount(total)}MAC")
        y += 24
        for lane in some:
            height = max(46, 19 * len(lane.bars) + 8)
            parts.append(f'<rect x="0" y="{y}" width="{WIDTH}" height="{height}" class="lane"/>')
            parts.append(lane.sign(8, y + 6))
            parts.append(words(52, y + 20, lane.label, bold=True))
            parts.append(words(52, y + 36, percent(lane.macs / total), size=11))
            told.append(f"{lane.label} {percent(lane.macs / total)}")
            for i, (said, macs) in enumerate(lane.bars.items()):
                line, length = y + 6 + 19 * i, 260 * macs / most
                parts.append(words(186, line + 12, said, size=12))
                parts.append(
                    f'<rect x="376" y="{line + 1}" width="{max(length, 1):.1f}" height="13" fill="{lane.shade}"/>'
                )
                parts.append(words(382 + length, line + 12, amount(macs), size=11))
            y += height + 4
        y += 14
    return svg(WIDTH, y, "".join(parts), f"{title}. " + "; ".join(told))


def bars_of(products: list[census.Product]) -> dict[str, int]:
    """Like products together, in the order of their first use: "2 layers, 4 × 256 → 256" -> their multiply-accumulates."""
    alike: dict[tuple[str, str], list[int]] = {}
    for p in products:
        often = "" if p.place == "once" or round(p.times) == 1 else f"{round(p.times)} × "
        kind = "" if p.learnt else ", computed"
        alike.setdefault((f"{often}{p.inputs} → {p.outputs}", kind), []).append(p.macs)
    layers = {key: f"{len(macs)} layers, " if len(macs) > 1 else "" for key, macs in alike.items()}
    return {layers[key] + "".join(key): sum(macs) for key, macs in alike.items()}


def resolutions(name: str) -> str:
    """What a model's decoder computes at which resolution, by the equations and by the fast path, at ×8: one lane for LR codes,
    slices and pixels, in it every matrix product as a bar as long as its multiply-accumulates."""
    groups = {}
    for heading, literal in (("the equations as they stand", True), ("the fast path, same numbers", False)):
        products = census.take(name, literal=literal)
        groups[heading] = [
            Lane(PLACES[place], SHADES[place], partial(icon, place), bars_of(some))
            for place in census.PLACES
            if (some := [p for p in products if p.place == place])
        ]
    return lanes(groups, f"Matrix products of {ModelName.of(name).label} at ×8")


PARTS = {"condition": "conditioning", "network": "convolutions, attention", "implicit": "implicit function"}
ONCE = {"condition": "scaling factor", "network": "noise level", "implicit": "two layers made one"}


def square(side: int, x: float, y: float) -> str:
    """A square as large as its side among 128, one of 1 a dot."""
    wide = 34 * max(side, 12) / max(census.FACES)
    return f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{wide:g}" fill="{SHADES["pixel" if side > 1 else "once"]}"/>'


def levels(name: str) -> str:
    """What a diffusion model computes at which resolution for 16 × 16 -> 128 × 128: a lane for each level of its U-Net; what is
    done once an image, and what each step of sampling does by the equations and by the fast path."""
    literal, fast = (census.by_size(name, literal=literal) for literal in (True, False))
    phases = {
        "once an image": (literal, ("condition",)),
        "each step, the equations as they stand": (literal, ("network", "implicit")),
        "each step, the fast path, same numbers": (fast, ("network", "implicit")),
    }
    groups = {}
    for heading, (counted, kinds) in phases.items():
        groups[heading] = []
        for side in sorted({side for side, _ in counted}, reverse=True):
            names = PARTS if side > 1 else ONCE
            bars = {names[kind]: counted[side, kind] for kind in kinds if counted.get((side, kind), 0) >= 1e5}
            label = f"{side} × {side}" if side > 1 else "whatever the size"
            if bars:
                shade = SHADES["pixel" if side > 1 else "once"]
                groups[heading].append(Lane(label, shade, partial(square, side), bars))
    return lanes(groups, f"Matrix products of {ModelName.of(name).label}, 16 × 16 to 128 × 128")


def slices(n: int = 3, out: int = 12) -> str:
    """DIIF's grouping and slicing, drawn from the coordinates that the code computes: n × n LR codes, out × out pixels."""
    unit, pad = 26.0, 30
    side = out * unit
    starts = [int(i) for i in group_starts(n, out)]
    rows, columns = diif.axis(n, out, grouped=False), diif.axis(n, out, grouped=True)
    middle = n // 2
    top, left = starts[middle], starts[middle]
    chosen = top + 1  # the slice that is drawn
    colour = ModelName("", "diif").colour

    def at(code: int, coordinate: float) -> float:  # relative coordinate of a code -> place in the drawing
        return pad + (code + (coordinate + 1) / 2) * side / n

    parts = [f'<rect x="{pad}" y="{pad}" width="{side}" height="{side}" class="lane"/>']
    begin, end = starts[middle], starts[middle + 1]
    wide, x, y = (end - begin) * unit, pad + left * unit, pad + top * unit
    parts.append(f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{wide:g}" fill="{colour}" opacity=".16"/>')
    parts.append(
        f'<rect x="{pad + left * unit:g}" y="{pad + chosen * unit:g}" width="{(end - begin) * unit:g}" height="{unit:g}" '
        f'fill="{colour}" opacity=".55"/>'
    )
    for i in range(out + 1):
        bold = ' class="edge"' if i in starts else ' class="thin"'
        parts.append(f'<path d="M{pad + i * unit:g} {pad}v{side}M{pad} {pad + i * unit:g}h{side}"{bold}/>')
    for i in range(n):
        for j in range(n):
            parts.append(f'<circle cx="{at(i, 0.0):.1f}" cy="{at(j, 0.0):.1f}" r="5" fill="#0072b2"/>')
    edges = (-1.0, 1.0)
    for a in edges:
        for b in edges:
            x, y = at(middle, a), at(middle, b)
            parts.append(f'<path transform="translate({x - 7:.1f} {y - 7:.1f})" d="M7 0l7 7-7 7-7-7z" fill="#009e73"/>')
    y = at(int(rows.code[chosen]), float(rows.first[chosen]))
    for name, place in (("first", columns.first[middle]), ("last", columns.last[middle])):
        x = at(middle, float(place))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="#fff" stroke="#222" stroke-width="2"/>')
        parts.append(words(x, y - 9, name, size=12, anchor="middle", bold=True))
    right = pad + side + 28
    legend = [
        ("#0072b2", f"{n} × {n} LR codes, one a cell"),
        (colour, f"a group: the {end - begin} × {end - begin} pixels of a cell (Eq. 2)"),
        (colour, "a slice: one row of the group, τ = s (Eqs. 4, 6)"),
        ("#009e73", "the four vertices of the cell (Eqs. 10, 11)"),
        ("#222", "first and last coordinate of the slice (Eq. 8)"),
    ]
    for i, (shade, text) in enumerate(legend):
        parts.append(
            f'<rect x="{right}" y="{pad + 26 * i}" width="13" height="13" fill="{shade}" opacity="{".25" if i == 1 else "1"}"/>'
        )
        parts.append(words(right + 20, pad + 11 + 26 * i, text))
    count = [
        f"Here s = {out // n}:",
        f"{n * n} codes, {n * out} slices, {out * out} pixels.",
        "The coarse stage runs once a slice and vertex,",
        "the fine stage once a pixel.",
    ]
    parts += [words(right, pad + 180 + 19 * i, line) for i, line in enumerate(count)]
    return svg(
        WIDTH + 20,
        side + 2 * pad,
        "".join(parts),
        f"DIIF's groups and slices for {n} by {n} codes and {out} by {out} pixels: "
        + "; ".join(text for _, text in legend),
    )


def frontier(points: pd.DataFrame, cost: str) -> list[int]:
    """Rows that no other row beats in cost (less) and psnr (more), by growing cost."""
    kept, best = [], -torch.inf
    for index, row in points.sort_values([cost, "psnr"], ascending=[True, False]).iterrows():
        if row["psnr"] > best:
            kept.append(index)
            best = row["psnr"]
    return kept


def pareto(points: pd.DataFrame, cost: str, label: str, title: str) -> str:
    """Quality against cost: a point a method, and the line of those that no other beats. points: model, psnr and the cost."""
    import io

    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from srlib.workbook import figures

    figures.style()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "srlib", "font.family": "sans-serif"}):
        drawn, axis = plt.subplots(figsize=(7.2, 4.4))
        edge = points.loc[frontier(points, cost)]
        axis.plot(edge[cost], edge["psnr"], color="#999", linewidth=1.2, linestyle="--", zorder=1)
        placed, tall = [], max(points["psnr"].max() - points["psnr"].min(), 1e-6)
        for row in points.sort_values(cost).itertuples():
            part, x = ModelName.of(row.model), getattr(row, cost)
            axis.plot(x, row.psnr, "o", color=part.colour, markersize=8, zorder=2)
            crowded = any(x / other < 1.4 and abs(row.psnr - psnr) < 0.06 * tall for other, psnr in placed)
            place = (7, -14) if crowded else (7, 4)
            axis.annotate(part.label, (x, row.psnr), xytext=place, textcoords="offset points", fontsize=10)
            placed.append((x, row.psnr))
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        low, high = points[cost].min(), points[cost].max()
        axis.set_xlim(low / 1.25, high * 1.9)
        axis.set(xlabel=label, ylabel="luma PSNR, dB", title=title)
        text = io.StringIO()
        drawn.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(drawn)
    body = text.getvalue()
    body = body[body.index("<svg") :].replace("\n", " ")
    said = ", ".join(f"{ModelName.of(r.model).label} {r.psnr:.2f} dB" for r in points.itertuples())
    return f'<figure class="plot drawn mpl" role="img" aria-label="{escape(f"{title}: {said}")}">{body}</figure>'
