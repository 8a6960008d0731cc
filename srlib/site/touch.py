"""Pictures one can touch: a wipe between two methods, a lens on the same place in all of them, a slider over scales.

Their files come from the notebook `touch`; book/_static/book.js moves them, by mouse, finger and keyboard."""

from __future__ import annotations

import json
from html import escape

import pandas as pd

from srlib.models.catalogue import ModelName, labels
from srlib.site import html
from srlib.site.results import Run

SHOWN = 640  # CSS pixels that a picture is wide at most


def named(models: list[str]) -> dict[str, str]:
    """What each picture is called: the method, with EDSR at its own scale, and the LR image and the original."""
    return labels([m for m in models if m not in ("lr", "original")]) | {"lr": "LR image", "original": "Original"}


def of(run: Run, image: str = "") -> dict[str, pd.DataFrame]:
    """Photograph -> its pictures, in the order of the notebook; or of one photograph alone."""
    kept = run.table("touch/pictures")
    found = dict(iter(kept.groupby("image", sort=False)))
    return {image: found[image]} if image else found


def data(run: Run, depth: int, image: str = "") -> dict:
    """What the script needs: photograph -> [{label, file, psnr, width, height}]."""
    result = {}
    for name, rows in of(run, image).items():
        called = named(list(rows["model"]))
        result[name] = [
            {
                "label": called[row.model],
                "file": f"{html.up(depth)}data/touch/{row.file}",
                "psnr": "" if pd.isna(row.psnr) else f"{row.psnr:.2f} dB",
                "width": int(row.columns),
                "height": int(row.rows),
                "colour": "#444" if row.model in ("lr", "original") else ModelName.of(row.model).colour,
            }
            for row in rows.itertuples()
            if row.model not in ("compact-x2", "compact-x3")
        ]
    return result


def script(name: str, value: object) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" class="{name}">{text}</script>'


def pick(label: str, key: str, options: list[str], chosen: str) -> str:
    listed = "".join(f"<option{' selected' if name == chosen else ''}>{escape(name)}</option>" for name in options)
    return f'<label>{label} <select data-key="{key}">{listed}</select></label>'


def alt(picture: dict, image: str, scale: str = "×4") -> str:
    score = f", luma PSNR {picture['psnr']} of the whole photograph" if picture["psnr"] else ""
    return f"Part of the photograph {image}, {picture['label']}, {scale}{score}"


def wipe(run: Run, *, depth: int, image: str = "", left: str = "Bicubic", right: str = "DIIF") -> str:
    """Two methods in one frame, with an edge between them that moves. image: only this photograph."""
    pictures = data(run, depth, image)
    first = image or next(iter(pictures))
    by = {picture["label"]: picture for picture in pictures[first]}
    left, right = (name if name in by else next(iter(by)) for name in (left, right))
    a, b = by[left], by[right]
    choices = "" if image else pick("Photograph", "image", list(pictures), first)
    choices += pick("Left", "left", list(by), left) + pick("Right", "right", list(by), right)
    size = f'width="{a["width"]}" height="{a["height"]}"'
    return (
        f'<div class="touch wipe" style="--ratio:{a["width"]}/{a["height"]}">{script("pictures", pictures)}'
        f'<form class="filters">{choices}</form>'
        f'<div class="frame"><img class="under" src="{b["file"]}" alt="{escape(alt(b, first))}" {size}>'
        f'<img class="over" src="{a["file"]}" alt="{escape(alt(a, first))}" {size}>'
        f'<span class="edge-line" aria-hidden="true"></span>'
        f'<input type="range" min="0" max="100" value="50" aria-label="Edge between the left and the right method"></div>'
        f'<p class="caption"><span class="of-left"></span><span class="of-right"></span></p></div>'
    )


def lens(run: Run, *, depth: int) -> str:
    """One place of a photograph by all methods at once."""
    pictures = data(run, depth)
    first = next(iter(pictures))
    base = (
        next(p for p in pictures[first] if p["label"] == "Bicubic")
        if any(p["label"] == "Bicubic" for p in pictures[first])
        else pictures[first][0]
    )
    tiles = "".join(
        f'<figure><div class="tile" role="img" aria-label="{escape(alt(p, first))}, magnified"></div>'
        f'<figcaption><span class="swatch" style="background:{p["colour"]}"></span>'
        f'<span class="name">{escape(p["label"])}</span></figcaption></figure>'
        for p in pictures[first]
    )
    return (
        f'<div class="touch lens" style="--ratio:{base["width"]}/{base["height"]}">{script("pictures", pictures)}'
        f'<form class="filters">{pick("Photograph", "image", list(pictures), first)}'
        f'<label>Left to right <input type="range" data-key="x" min="0" max="100" value="30"></label>'
        f'<label>Top to bottom <input type="range" data-key="y" min="0" max="100" value="28"></label></form>'
        f'<div class="frame"><img src="{base["file"]}" alt="{escape(alt(base, first))}" '
        f'width="{base["width"]}" height="{base["height"]}">'
        f'<span class="glass" aria-hidden="true"></span></div><div class="tiles">{tiles}</div></div>'
    )


def strip(run: Run, *, depth: int) -> str:
    """One patch by a few methods, at the scale that a slider says."""
    rows = run.table("touch/strip")
    models, scales = list(dict.fromkeys(rows["model"])), sorted(rows["scale"].unique())
    called, place = labels(models), f"{html.up(depth)}data/touch/"
    files = {
        called[model]: {
            f"{row.scale:g}": {"file": f"{place}{row.file}", "size": f"{row.columns} × {row.rows}"}
            for row in some.itertuples()
        }
        for model, some in rows.groupby("model", sort=False)
    }
    start = min(range(len(scales)), key=lambda i: abs(scales[i] - 4))
    panels = "".join(
        f'<figure data-model="{escape(name)}"><img src="{of_scale[f"{scales[start]:g}"]["file"]}" '
        f'alt="The patch by {escape(name)} at ×{scales[start]:g}" width="200" height="200">'
        f'<figcaption><span class="swatch" style="background:{ModelName.of(model).colour}"></span>{escape(name)}, '
        f'<span class="size">{of_scale[f"{scales[start]:g}"]["size"]}</span></figcaption></figure>'
        for (name, of_scale), model in zip(files.items(), models, strict=True)
    )
    return (
        f'<div class="touch strip">{script("pictures", {"scales": [float(s) for s in scales], "files": files})}'
        f'<form class="filters"><label>Scale '
        f'<input type="range" data-key="scale" min="0" max="{len(scales) - 1}" value="{start}" '
        f'aria-valuetext="×{scales[start]:g}"> <output>×{scales[start]:g}</output></label></form>'
        f'<div class="panels">{panels}</div></div>'
    )
