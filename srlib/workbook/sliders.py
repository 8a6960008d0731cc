"""The sliders that people drag."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.render import png
from srlib.models.base import Model, Sampling
from srlib.models.catalogue import ModelName
from srlib.models.diffusion import Diffusion
from srlib.util.sizes import scaled_size


class Slider:
    """Models that have encoded one image, ready to decode it at any scale.

    image: RGB uint8 (h, w, 3), small (about 64 x 64), which the models enlarge.
    """

    def __init__(self, image: np.ndarray, models: Sequence[Model]):
        self.lr_size, self.models = image.shape[:2], models
        with torch.inference_mode():
            self.features = [m.encode(to_tensor(image, m.device)) for m in self.models]

    @torch.inference_mode()
    def at(self, scale: float) -> dict[str, tuple[np.ndarray, float]]:
        """model name -> (RGB uint8 image at this scale, seconds of decoding)."""
        size = scaled_size(self.lr_size, scale)
        result = {}
        for model, features in zip(self.models, self.features, strict=True):
            start = time.perf_counter()
            image = to_uint8(model.decode(features, size))
            result[model.name] = image, time.perf_counter() - start
        return result

    def widget(self, low: float = 1.0, high: float = 8.0, start: float = 3.0, panel: int = 300):
        """An ipywidgets box: the slider, and a panel of `panel` pixels per model whose pixels grow finer with the scale."""
        import ipywidgets as widgets

        slider = widgets.FloatSlider(
            start, min=low, max=high, step=0.1, description="scale ×", continuous_update=False, readout_format=".1f",
            layout=widgets.Layout(width="520px"),
        )  # fmt: skip
        captions = [widgets.HTML() for _ in self.models]
        pictures = [widgets.Image(format="png", width=panel, height=panel) for _ in self.models]
        for picture in pictures:
            picture.add_class("sr-image")
        crisp = widgets.HTML("<style>.sr-image { image-rendering: pixelated; }</style>")

        def draw(change=None) -> None:
            for caption, picture, (name, (image, seconds)) in zip(
                captions, pictures, self.at(slider.value).items(), strict=True
            ):
                title = f"<b style='color:{ModelName.of(name).colour}'>{ModelName.of(name).label}</b>"
                caption.value = f"{title} {image.shape[0]}×{image.shape[1]}, {1000 * seconds:.0f} ms"
                picture.value = png(image)

        slider.observe(draw, names="value")
        draw()
        columns = [widgets.VBox([c, p]) for c, p in zip(captions, pictures, strict=True)]
        return widgets.VBox([crisp, slider, widgets.HBox(columns)])


class DiffusionSlider:
    """A diffusion model that draws one image after another as scale and seed are dragged.

    image: RGB uint8 (h, w, 3), small (about 24 x 24), which the model enlarges.
    """

    def __init__(self, image: np.ndarray, model: Diffusion, *, steps: int = 20, sampler: str = "dpm-solver++"):
        self.model, self.steps, self.sampler = model, steps, sampler
        self.lr = to_tensor(image)

    def at(self, scale: float, seed: int) -> tuple[np.ndarray, float]:
        """(RGB uint8 image at this scale, seconds of sampling)."""
        start = time.perf_counter()
        size = scaled_size(tuple(self.lr.shape[-2:]), scale)
        image = self.model.render(self.lr, size, Sampling(self.steps, self.sampler, seed))
        return to_uint8(image), time.perf_counter() - start

    def widget(self, low: float = 1.0, high: float = 10.0, start: float = 8.0, panel: int = 384):
        """An ipywidgets box: sliders for scale and seed over a panel of `panel` pixels."""
        import ipywidgets as widgets

        wide = widgets.Layout(width="520px")
        plain = {"continuous_update": False, "layout": wide}
        scale = widgets.FloatSlider(
            start, min=low, max=high, step=0.1, description="scale ×", readout_format=".1f", **plain
        )
        seed = widgets.IntSlider(0, min=0, max=20, description="seed", **plain)
        caption, picture = widgets.HTML(), widgets.Image(format="png", width=panel, height=panel)
        picture.add_class("sr-image")
        crisp = widgets.HTML("<style>.sr-image { image-rendering: pixelated; }</style>")

        def draw(change=None) -> None:
            caption.value = "drawing…"
            image, seconds = self.at(scale.value, seed.value)
            title = f"<b style='color:{ModelName.of(self.model.name).colour}'>{ModelName.of(self.model.name).label}</b>"
            caption.value = f"{title} {image.shape[0]}×{image.shape[1]}, {self.steps} steps, {seconds:.1f} s"
            picture.value = png(image)

        for slider in (scale, seed):
            slider.observe(draw, names="value")
        draw()
        return widgets.VBox([crisp, scale, seed, caption, picture])
