"""Inside DIIF: what one output pixel is made of, and what linear, constant and fixed slicing cost.

All numbers are the library's: the slicing of `srlib.models.diif` and `diif_fixed`, the vertices' weights of its Eq 11, the MACs
that `srlib.cost` counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from srlib import cost
from srlib.demos.page import check_decoders
from srlib.demos.photographs import Encodings, Photograph
from srlib.demos.stage import Answer, Picture, Stage, choose, rectangle, slide, table
from srlib.imaging import metrics, windows
from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.windows import Window
from srlib.models.base import Model
from srlib.models.catalogue import ModelName
from srlib.models.diif import DIIF, axis, largest_group, reference_rows
from srlib.models.diif_fixed import INTERVAL, FixedSliceDIIF
from srlib.models.geometry import group_starts, nearest_code
from srlib.models.layers import linears
from srlib.util.sizes import Size, scaled_size
from srlib.workbook import pictures

KINDS = {"linear": "linear (DIIF)", "constant": "constant (cs)", "fixed": "fixed (w/o ds)"}
CELL, GROUP, SLICE, VERTEX = "#ffffff", "#56b4e9", "#e69f00", "#d55e00"


def slicing(model: Model) -> str:
    """How a model cuts its groups: "linear", "constant" or "fixed". ValueError for other decoders than DIIF's."""
    if isinstance(model.decoder, FixedSliceDIIF):
        return "fixed"
    if not isinstance(model.decoder, DIIF) or not model.decoder.ensemble:
        raise ValueError(f"{model.name} is not a DIIF with slice ensemble")
    return model.decoder.slicing


@dataclass(frozen=True)
class Vertex:
    """row, column: of the vertex, in LR pixels. weight: its share of the slice vector (Eq 11)."""

    row: int
    column: int
    weight: float


@dataclass(frozen=True)
class Inside:
    """What an output pixel belongs to. pixel, code: (row, column). group: its output pixels, (top, left, bottom, right), ends
    excluded. slice: those of its slice, (row, column) each. number, slices: which slice of how many in a group. vertices:
    of the cell, none for fixed slicing, which takes LIIF's four nearest codes instead."""

    pixel: Size
    code: Size
    group: tuple[int, int, int, int]
    slice: list[tuple[int, int]]
    number: int
    slices: int
    vertices: list[Vertex]


def inside(model: Model, lr: Size, size: Size, pixel: Size) -> Inside:
    """What output pixel (row, column) of an image of this size belongs to."""
    kind = slicing(model)
    code = tuple(int(nearest_code(n, out)[k]) for n, out, k in zip(lr, size, pixel, strict=True))
    (top, bottom), (left, right) = (
        group_starts(n, out)[i : i + 2].tolist() for n, out, i in zip(lr, size, code, strict=True)
    )
    columns = range(left, right)
    if kind == "linear":  # Eq 6: a slice is a row of the group
        number, slices, members = pixel[0] - top, bottom - top, [(pixel[0], k) for k in columns]
    elif kind == "constant":  # Eq 7: a slice is the group
        number, slices, members = 0, 1, [(j, k) for j in range(top, bottom) for k in columns]
    else:  # Eq 4 with tau = 4, in the raster of the largest group
        down, across = (largest_group(n, out) for n, out in zip(lr, size, strict=True))
        number = ((pixel[0] - top) * across + pixel[1] - left) // INTERVAL
        slices = -(-down * across // INTERVAL)
        places = range(number * INTERVAL, (number + 1) * INTERVAL)
        members = [(top + place // across, left + place % across) for place in places]
    vertices = [] if kind == "fixed" else vertex_weights(model.decoder, lr, size, pixel, code)
    return Inside(pixel, code, (top, left, bottom, right), members, number, slices, vertices)


def vertex_weights(decoder: DIIF, lr: Size, size: Size, pixel: Size, code: Size) -> list[Vertex]:
    """The vertices of a pixel's cell with their shares S_v / S (Eq 11): what the decoder's own slice ensemble makes of
    slice vectors that each name their vertex."""
    rows = axis(lr[0], size[0], grouped=decoder.slicing == "constant")
    columns = axis(lr[1], size[1], grouped=True)
    places = [(y, x) for y in decoder.sides for x in decoder.sides]
    names = torch.eye(len(places))  # vertex by vertex

    def slice_vectors(k: torch.Tensor) -> torch.Tensor:
        return names[None, None, :, None].expand(1, len(k), -1, lr[1], -1)

    shares = reference_rows(slice_vectors, rows, columns, decoder.sides, lambda z: z[..., : len(places)])
    found = shares(torch.tensor([pixel[0]]))[0, 0, pixel[1]].tolist()
    corners = [tuple(n + (side > 0) for n, side in zip(code, place, strict=True)) for place in places]
    return [Vertex(*corner, weight) for corner, weight in zip(corners, found, strict=True)]


def evaluations(model: Model, lr: Size, size: Size) -> dict[str, int]:
    """How often each network of the decoder runs for an image: "coarse" and "fine"; with fixed slicing its only one, "mlp"."""
    kind = slicing(model)
    if kind == "fixed":
        down, across = (largest_group(n, out) for n, out in zip(lr, size, strict=True))
        return {"mlp": 4 * lr[0] * lr[1] * -(-down * across // INTERVAL)}  # LIIF's ensemble of four
    rows, columns = axis(lr[0], size[0], grouped=kind == "constant"), axis(lr[1], size[1], grouped=True)
    return {"coarse": len(rows.code) * len(columns.code) * len(model.decoder.sides) ** 2, "fine": size[0] * size[1]}


def costs(models: Sequence[Model], lr: Size, size: Size) -> pd.DataFrame:
    """A row for each model: slicing, model, coarse, fine, mlp (evaluations), macs (counted), macs_expected (evaluations
    times what one of them multiplies)."""
    rows = []
    for model in models:
        times = evaluations(model, lr, size)
        one = {name: sum(layer.weight.numel() for layer in linears(getattr(model.decoder, name))) for name in times}
        macs = cost.count_macs(model, lr, size, part="decoder")
        expected = sum(times[name] * one[name] for name in times)
        rows.append(
            {"slicing": slicing(model), "model": model.name, "rows": size[0], "columns": size[1], **times}
            | {"macs": macs, "macs_expected": expected}
        )
    columns = ["slicing", "model", "rows", "columns", "coarse", "fine", "mlp", "macs", "macs_expected"]
    return pd.DataFrame(rows).reindex(columns=columns)


class InsideDIIF(Stage):
    """One pixel of DIIF, and the three ways of slicing.

    models: of DIIF's decoders, one for each slicing at most. images: names of scikit-image's photographs, made `longest` pixels
    long. part: LR pixels of the part that is shown, a side.
    """

    def __init__(
        self,
        models: Sequence[Model],
        images: Sequence[str] = ("chelsea", "astronaut", "coffee"),
        *,
        longest: int = 64,
        part: int = 8,
        high: float = 16.0,
        start: float = 8.0,
        centre: tuple[float, float] = (0.42, 0.38),
    ):
        check_decoders(models)
        self.models, self.part, self.centre = {slicing(model): model for model in models}, part, centre
        self.encodings, self.counted = Encodings(), {}
        kinds = {kind: KINDS[kind] for kind in KINDS if kind in self.models}
        controls = [
            choose("image", "image", images),
            choose("slicing", "slicing", kinds),
            slide("scale", "scale", 1.0, high, 0.1, "×"),
        ]
        hint = "Point at a pixel of the large picture, or drag over it; the arrow keys go from pixel to pixel."
        super().__init__(
            controls, {"image": images[0], "slicing": next(iter(kinds)), "scale": start}, longest=longest, hint=hint
        )

    def window(self, size: Size, scale: float) -> Window:
        middle = tuple(n * at for n, at in zip(size, self.centre, strict=True))
        side = max(1, round(self.part * scale))
        return Window.around(size, scale, middle, (side, side))

    def answer(self, values: dict, point: tuple[float, float] | None, stale: Callable[[], bool]) -> Answer | None:
        photograph, scale = self.photograph(values["image"]), float(values["scale"])
        model = self.models[values["slicing"]]
        window = self.window(photograph.size, scale)
        made = windows.decode(model, self.encodings.of(photograph, model), window, stop=stale)
        if made is None:
            return None
        image = to_uint8(made)
        within = point or (0.45, 0.55)
        pixel = tuple(
            first + int(at * (end - first))
            for at, (first, end) in zip(within, (window.rows, window.columns), strict=True)
        )
        here = inside(model, photograph.size, window.size, pixel)
        label, colour = ModelName.of(model.name).label, ModelName.of(model.name).colour
        result = Picture(
            image, f"{label}\n{image.shape[0]} × {image.shape[1]} pixels", width=448, colour=colour, pointed=True,
            marks=self.marks(here, window),
        )  # fmt: skip
        steps = Picture(pictures.step_picture(image), self.seams(image, scale), width=220, colour=colour)
        return Answer([result, steps], self.words(here, photograph, window, values["slicing"]))

    def seams(self, image, scale: float) -> str:
        said = "seams: steps between pixels, × 8"
        if scale.is_integer() and scale >= 3:
            return f"{said}\nstep into a cell / steps beside it: {metrics.seam(to_tensor(image), int(scale)):.2f}"
        return f"{said}\n(a number at whole scales from ×3)"

    def marks(self, here: Inside, window: Window) -> list[dict]:
        """Cell, group, slice, pixel and vertices, in pixels of the shown part."""
        (y, x), (sy, sx) = (
            (window.rows[0], window.columns[0]),
            (b / a for a, b in zip(window.lr, window.size, strict=True)),
        )
        cell = [here.code[0] * sy - y, here.code[1] * sx - x, (here.code[0] + 1) * sy - y, (here.code[1] + 1) * sx - x]
        top, left, bottom, right = here.group
        marks = [
            {
                "kind": "rect",
                "x": column - x,
                "y": row - y,
                "width": 1,
                "height": 1,
                "fill": SLICE,
                "fill-opacity": 0.6,
            }
            for row, column in here.slice
        ]
        marks.append(rectangle(top - y, left - x, bottom - y, right - x, GROUP, **{"stroke-width": 3}))
        marks.append(rectangle(*cell, CELL, **{"stroke-dasharray": "4 3"}))
        row, column = here.pixel
        marks.append(rectangle(row - y, column - x, row + 1 - y, column + 1 - x, "#000"))
        largest = 0.25 * min(sy, sx)
        for vertex in here.vertices:
            radius = 0.05 * min(sy, sx) + largest * vertex.weight
            place = {"cx": vertex.column * sx - x, "cy": vertex.row * sy - y, "r": radius}
            look = {"fill": VERTEX, "fill-opacity": 0.9, "stroke": "#fff", "stroke-width": 1}
            marks.append({"kind": "circle", **place, **look})
        return marks

    def words(self, here: Inside, photograph: Photograph, window: Window, kind: str) -> str:
        """What the pixel belongs to, and the costs of all ways of slicing at this scale."""
        top, left, bottom, right = here.group
        rows = [
            ("output pixel", f"row {here.pixel[0]}, column {here.pixel[1]}"),
            ("LR cell (dashed)", f"row {here.code[0]}, column {here.code[1]}"),
            ("coordinate group (blue)", f"{bottom - top} × {right - left} pixels"),
            ("slice (orange)", f"{here.number + 1} of {here.slices}, {len(here.slice)} pixels"),
        ]
        text = "<h4>This pixel</h4>" + table(["what", "where"], rows)
        if here.vertices:
            reads = " × ".join([str(self.models[kind].decoder.kernel)] * 2)
            rows = [(f"row {v.row}, column {v.column}", f"{v.weight:.3f}") for v in here.vertices]
            text += f"<h4>Vertices (circles), each reading {reads} codes</h4>" + table(["vertex", "weight"], rows)
        else:
            text += "<p>Fixed slicing has no vertices: four codes around the slice's mean coordinate answer, as in LIIF.</p>"
        key = photograph.size, window.size
        if key not in self.counted:
            self.counted = {key: costs(list(self.models.values()), *key)}
        found = self.counted[key]
        number = lambda value: "" if pd.isna(value) else f"{int(value):,}"  # noqa: E731
        rows = [
            (KINDS[row.slicing], number(row.coarse), number(row.fine), number(row.mlp), f"{row.macs / 1e6:,.1f}")
            for row in found.itertuples()
        ]
        h, w = window.size
        text += f"<h4>The whole image, {h} × {w} pixels</h4>"
        head = ["slicing", "coarse stages", "fine stages", "MLPs", "decoder MMAC"]
        return text + table(head, rows, on=list(found["slicing"]).index(kind))


def by_scale(demo: InsideDIIF, scales: Sequence[float]) -> pd.DataFrame:
    """`costs` of the demo's first image at several scales."""
    lr = demo.photograph(demo.options["values"]["image"]).size
    parts = [costs(list(demo.models.values()), lr, scaled_size(lr, scale)).assign(scale=scale) for scale in scales]
    return pd.concat(parts, ignore_index=True)


def side_by_side(demo: InsideDIIF, scale: float) -> dict[str, dict[str, np.ndarray]]:
    """Rows for `figures.crops`: the shown part by each way of slicing, and its steps."""
    photograph, rows = demo.photograph(demo.options["values"]["image"]), {"picture": {}, "steps, × 8": {}}
    for kind, model in demo.models.items():
        window = demo.window(photograph.size, scale)
        image = to_uint8(windows.decode(model, demo.encodings.of(photograph, model), window))
        rows["picture"][KINDS[kind]], rows["steps, × 8"][KINDS[kind]] = image, pictures.step_picture(image)
    return rows
