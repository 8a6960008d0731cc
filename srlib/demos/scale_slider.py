"""The scale slider: one image, any scale from x1 to x30, any two methods with a wipe or all side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from srlib.demos.page import check_decoders
from srlib.demos.photographs import Encodings, Photograph
from srlib.demos.stage import Answer, Picture, Stage, choose, rectangle, slide
from srlib.imaging import metrics, windows
from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.windows import Window
from srlib.models.base import Model
from srlib.models.catalogue import ModelName, labels
from srlib.util.sizes import Size

Strip = tuple[dict[str, dict[str, np.ndarray]], pd.DataFrame]  # rows for `figures.crops`, and times
TRUTH = "#1a7f37"


class ScaleSlider(Stage):
    """A part of an image at the scale that is dragged.

    models: to choose from, of any scale. images: names of scikit-image's photographs. longest: a photograph is made so
    small, in pixels of its longer side, before it is enlarged, so that the truth is known up to the scale that undoes
    this. part: LR pixels of the part that is shown, as long as it fits into `panel` output pixels; beyond, the part grows
    smaller instead.
    """

    def __init__(
        self,
        models: Sequence[Model],
        images: Sequence[str] = ("astronaut", "chelsea", "coffee", "rocket"),
        *,
        longest: int = 128,
        part: int = 64,
        panel: int = 384,
        low: float = 1.0,
        high: float = 30.0,
        start: float = 3.0,
        centre: tuple[float, float] = (0.5, 0.5),
    ):
        check_decoders(models)
        self.models, self.part, self.panel, self.centre = {m.name: m for m in models}, part, panel, centre
        self.encodings = Encodings()
        self.truth = lru_cache(maxsize=2)(Photograph.truth)
        names = labels([model.name for model in models])
        self.names = {model.name: names[model.name] for model in models}
        both = [models[0].name, models[-1].name]
        controls = [
            choose("image", "image", images),
            slide("scale", "scale", low, high, 0.01, "×"),
            choose("layout", "show", {"wipe": "two with a wipe", "grid": "all side by side"}),
            choose("left", "left", self.names),
            choose("right", "right", self.names),
        ]
        values = {"image": images[0], "scale": start, "layout": "wipe", "left": both[0], "right": both[1]}
        hint = "Drag the scale. Point at the small picture to look elsewhere."
        super().__init__(controls, values, longest=longest, hint=hint)

    def window(self, size: Size, scale: float, centre: tuple[float, float]) -> Window:
        """The part of an LR image of this size that is shown; centre: 0 to 1."""
        side = max(1, min(self.panel, round(self.part * scale)))
        middle = tuple(n * at for n, at in zip(size, centre, strict=True))
        return Window.around(size, scale, middle, (side, side))

    def answer(self, values: dict, point: tuple[float, float] | None, stale: Callable[[], bool]) -> Answer | None:
        photograph = self.photograph(values["image"])
        window = self.window(photograph.size, float(values["scale"]), point or self.centre)
        truth = self.truth(photograph, window.size)
        truth = None if truth is None else truth[slice(*window.rows), slice(*window.columns)]
        pictures = [self.overview(photograph, window)]
        wipe = values["layout"] == "wipe"
        for name in dict.fromkeys([values["left"], values["right"]]) if wipe else self.models:
            if (made := self.picture(self.models[name], photograph, window, truth, stale)) is None:
                return None
            pictures.append(made)
        if truth is not None and not wipe:
            pictures.append(Picture(truth, "original\nshrunk to this size", "original", TRUTH, self.panel))
        return Answer(pictures, layout="wipe" if len(pictures) == 3 and wipe else "row")

    def overview(self, photograph: Photograph, window: Window) -> Picture:
        h, w = photograph.size
        caption = f"what the models see\n{h} × {w} pixels"
        return Picture(photograph.lr, caption, width=160, marks=[rectangle(*window.box, "#fff")], pointed=True)

    def picture(
        self, model: Model, photograph: Photograph, window: Window, truth: np.ndarray | None, stale: Callable[[], bool]
    ) -> Picture | None:
        """One method's result, with its time and, where the truth is known, its PSNR on RGB of the shown part."""
        features = self.encodings.of(photograph, model)
        start = time.perf_counter()
        made = windows.decode(model, features, window, stop=stale)
        if made is None:
            return None
        image, seconds = to_uint8(made), time.perf_counter() - start
        said = f"{image.shape[0]} × {image.shape[1]} pixels, {1000 * seconds:.0f} ms"
        if truth is not None and not np.array_equal(image, truth):
            said += f", {metrics.psnr(to_tensor(image), to_tensor(truth)):.2f} dB"
        label = self.names[model.name]
        colour = ModelName.of(model.name).colour
        return Picture(image, f"{label}\n{said}", label, colour, self.panel)

    def strip(self, scales: Sequence[float], recorded: pd.DataFrame | None = None) -> Strip:
        """The shown part of the first image at several scales, each once, without a slider, and the times: model, scale, rows,
        columns, seconds, psnr (dB on RGB; empty where the truth is not known). recorded: the times of an earlier run, where a
        page is judged again; no images then."""
        if recorded is not None:
            return {}, recorded
        photograph, pictures, rows = self.photograph(self.options["values"]["image"]), {}, []
        for scale in dict.fromkeys(scales):
            window = self.window(photograph.size, scale, self.centre)
            truth = self.truth(photograph, window.size)
            truth = None if truth is None else truth[slice(*window.rows), slice(*window.columns)]
            for name, model in self.models.items():
                features = self.encodings.of(photograph, model)
                start = time.perf_counter()
                image = to_uint8(windows.decode(model, features, window))
                seconds = time.perf_counter() - start
                pictures.setdefault(self.names[name], {})[f"×{scale:g}"] = image
                psnr = None if truth is None else float(metrics.psnr(to_tensor(image), to_tensor(truth)))
                rows.append((name, scale, *image.shape[:2], seconds, psnr))
            if truth is not None:
                pictures.setdefault("original", {})[f"×{scale:g}"] = truth
        return pictures, pd.DataFrame(rows, columns=["model", "scale", "rows", "columns", "seconds", "psnr"])
