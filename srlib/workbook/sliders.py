"""A slider over scale and seed for diffusion models; that of the others is `srlib.demos.ScaleSlider`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np
import pandas as pd

from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.render import png
from srlib.models.base import Sampling, SRModel
from srlib.models.catalogue import ModelName, labels
from srlib.util.sizes import scaled_size

if TYPE_CHECKING:
    pass

Made = dict[str, tuple[np.ndarray, float]]  # model name -> (RGB uint8 image, seconds)
Strip = tuple[dict[str, dict[str, np.ndarray]], pd.DataFrame]  # rows for `figures.crops`, and times


class DiffusionSlider:
    """Diffusion models that draw one image after another as scale and seed are dragged.

    image: RGB uint8 (h, w, 3), small (about 24 x 24), which the models enlarge.
    """

    def __init__(self, image: np.ndarray, models: Sequence[SRModel], *, steps: int = 20, sampler: str = "dpm-solver++"):
        self.models, self.steps, self.sampler = models, steps, sampler
        self.lr = to_tensor(image)

    def at(self, scale: float, seed: int) -> Made:
        """Every model's image at this scale, and the seconds of sampling."""
        size, result = scaled_size(tuple(self.lr.shape[-2:]), scale), {}
        for model in self.models:
            start = time.perf_counter()
            image = to_uint8(model.render(self.lr, size, Sampling(self.steps, self.sampler, seed)))
            result[model.name] = image, time.perf_counter() - start
        return result

    def strip(self, scales: Sequence[float], seeds: Sequence[int], recorded: pd.DataFrame | None = None) -> Strip:
        """The images at several scales, each once, and seeds without a slider, and their times: model, scale, seed, rows,
        columns, seconds. recorded: the times of an earlier run, where a page is judged again; no images then."""
        if recorded is not None:
            return {}, recorded
        names, pictures, rows = labels([model.name for model in self.models]), {}, []
        for seed in seeds:
            for scale in dict.fromkeys(scales):
                for name, (image, seconds) in self.at(scale, seed).items():
                    pictures.setdefault(f"{names[name]}, seed {seed}", {})[f"×{scale:g}"] = image
                    rows.append((name, scale, seed, *image.shape[:2], seconds))
        return pictures, pd.DataFrame(rows, columns=["model", "scale", "seed", "rows", "columns", "seconds"])

    def widget(self, low: float = 1.0, high: float = 10.0, start: float = 8.0, panel: int = 384) -> widgets.VBox:
        """Sliders for scale and seed over a panel of `panel` pixels per model."""
        scale = scale_slider(low, high, start)
        seed = widgets.IntSlider(0, min=0, max=20, description="seed", continuous_update=False, layout=scale.layout)
        return dragged([scale, seed], self.models, lambda: self.at(scale.value, seed.value), panel)


def scale_slider(low: float, high: float, start: float) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        start, min=low, max=high, step=0.1, description="scale ×", continuous_update=False, readout_format=".1f",
        layout=widgets.Layout(width="520px"),
    )  # fmt: skip


def dragged(sliders: list, models: Sequence[SRModel], make: Callable[[], Made], panel: int) -> widgets.VBox:
    """Sliders over a panel for each model; whenever one of them is let go, `make` gives the new images."""
    titles = [f"<b style='color:{part.colour}'>{part.label}</b>" for part in (ModelName.of(m.name) for m in models)]
    captions = [widgets.HTML(title) for title in titles]
    pictures = [widgets.Image(format="png", width=panel, height=panel) for _ in models]
    for picture in pictures:
        picture.add_class("sr-image")
    crisp = widgets.HTML("<style>.sr-image { image-rendering: pixelated; }</style>")

    def draw(change: dict | None = None) -> None:
        for caption, title in zip(captions, titles, strict=True):
            caption.value = f"{title} …"
        for caption, title, picture, (image, seconds) in zip(captions, titles, pictures, make().values(), strict=True):
            caption.value = f"{title} {image.shape[0]}×{image.shape[1]}, {1000 * seconds:.0f} ms"
            picture.value = png(image)

    for slider in sliders:
        slider.observe(draw, names="value")
    draw()
    panels = widgets.HBox([widgets.VBox(pair) for pair in zip(captions, pictures, strict=True)])
    return widgets.VBox([crisp, *sliders, panels])
