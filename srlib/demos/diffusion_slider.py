"""A slider over scale and seed: a diffusion model draws one of many images that shrink to the same small one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from srlib.demos.stage import Answer, Picture, Stage, slide
from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.render import squares
from srlib.models.base import Sampling, SRModel
from srlib.models.catalogue import ModelName, labels
from srlib.util.sizes import scaled_size

Strip = tuple[dict[str, dict[str, np.ndarray]], pd.DataFrame]  # rows for `figures.crops`, and times


class DiffusionSlider(Stage):
    """Diffusion models that draw as scale and seed are dragged, side by side.

    image: RGB uint8 (h, w, 3), small (about 16 x 16), which the models enlarge. models: without any, the image alone is shown.
    steps, sampler: of `models.Sampling`. low, high, start: scales. panel: CSS pixels of a picture's width.
    """

    def __init__(
        self,
        image: np.ndarray,
        models: Sequence[SRModel],
        *,
        steps: int = 20,
        sampler: str = "dpm-solver++",
        low: float = 1.0,
        high: float = 10.0,
        start: float = 8.0,
        panel: int = 384,
    ):
        self.models, self.steps, self.sampler, self.panel = list(models), steps, sampler, panel
        self.lr, self.names = to_tensor(image), labels([model.name for model in models])
        controls = [slide("scale", "scale", low, high, 0.1, "×"), slide("seed", "seed", 0, 20, 1)]
        hint = "Drag scale and seed. A draw takes a second or two."
        values = {"scale": start, "seed": 0}
        super().__init__(controls, values, longest=max(image.shape[:2]), hint=hint, uploads=False)

    def draw(self, model: SRModel, scale: float, seed: int) -> tuple[np.ndarray, float]:
        """One image, RGB uint8, and the seconds of sampling."""
        size = scaled_size((self.lr.shape[-2], self.lr.shape[-1]), scale)
        start = time.perf_counter()
        image = to_uint8(model.render(self.lr, size, Sampling(self.steps, self.sampler, seed)))
        return image, time.perf_counter() - start

    def answer(self, values: dict, point: tuple[float, float] | None, stale: Callable[[], bool]) -> Answer | None:
        scale, seed = float(values["scale"]), int(values["seed"])
        h, w = self.lr.shape[-2:]
        seen = squares(self.lr, scaled_size((h, w), scale))
        pictures = [Picture(seen, f"what the model sees\n{h} × {w} pixels", width=self.panel // 2)]
        for model in self.models:
            if stale():
                return None
            image, seconds = self.draw(model, scale, seed)
            said = f"{image.shape[0]} × {image.shape[1]} pixels, {seconds:.1f} s"
            name, colour = self.names[model.name], ModelName.of(model.name).colour
            pictures.append(Picture(image, f"{name}, seed {seed}\n{said}", name, colour, self.panel))
        return Answer(pictures)

    def strip(self, scales: Sequence[float], seeds: Sequence[int], recorded: pd.DataFrame | None = None) -> Strip:
        """The images at several scales, each once, and seeds without a slider, and their times: model, scale, seed, rows,
        columns, seconds. recorded: the times of an earlier run, where a page is judged again; no images then."""
        if recorded is not None:
            return {}, recorded
        pictures, rows = {}, []
        for seed in seeds:
            for scale in dict.fromkeys(scales):
                for model in self.models:
                    image, seconds = self.draw(model, scale, seed)
                    pictures.setdefault(f"{self.names[model.name]}, seed {seed}", {})[f"×{scale:g}"] = image
                    rows.append((model.name, scale, seed, *image.shape[:2], seconds))
        return pictures, pd.DataFrame(rows, columns=["model", "scale", "seed", "rows", "columns", "seconds"])
