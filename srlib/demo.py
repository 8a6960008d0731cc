"""What people look at: one picture enlarged by several models, and the scale slider."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from srlib import evaluate
from srlib.coords import owners, scaled_size
from srlib.cost import device_of
from srlib.images import to_tensor, to_uint8
from srlib.models import Model
from srlib.report import colour, label
from srlib.upscale import upscale


def enlarge(
    models: Sequence[Model], original: np.ndarray, scale: float, protocol: str = "benchmark-y"
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Shrink a photograph, RGB uint8, as the protocol does and enlarge it with each model that can.

    Returns what they saw (drawn as large squares, at the size of the result), {model name: its result}, and the original.
    """
    small, target = evaluate.make_pair(original, scale, protocol)
    lr, hr = to_uint8(small), to_uint8(target)
    rows, columns = (owners(n, out) for n, out in zip(lr.shape[:2], hr.shape[:2], strict=True))
    able = [model for model in models if scale in getattr(model.decoder, "scales", (scale,))]
    return lr[rows][:, columns], {m.name: upscale(lr, size=hr.shape[:2], model=m) for m in able}, hr


class Slider:
    """Models that have encoded one image, ready to decode it at any scale.

    image: RGB uint8 (h, w, 3), small (about 64 x 64), which the models enlarge.
    """

    def __init__(self, image: np.ndarray, models: Sequence[Model]):
        self.lr_size, self.models = image.shape[:2], models
        with torch.inference_mode():
            self.features = [m.encode(to_tensor(image, device_of(m))) for m in self.models]

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
                title = f"<b style='color:{colour(name)}'>{label(name)}</b>"
                caption.value = f"{title} {image.shape[0]}×{image.shape[1]}, {1000 * seconds:.0f} ms"
                picture.value = png(image)

        slider.observe(draw, names="value")
        draw()
        columns = [widgets.VBox([c, p]) for c, p in zip(captions, pictures, strict=True)]
        return widgets.VBox([crisp, slider, widgets.HBox(columns)])


def png(image: np.ndarray) -> bytes:
    """RGB uint8 as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()
