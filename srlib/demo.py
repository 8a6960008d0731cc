"""What people look at: one picture enlarged by several models, and the scale slider."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlib import evaluate, resize
from srlib.coords import Size, owners, scaled_size
from srlib.cost import device_of
from srlib.files import whole
from srlib.images import to_tensor, to_uint8
from srlib.models import Diffusion, Model
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
    able = [model for model in models if scale in getattr(model.decoder, "scales", (scale,))]
    return squares(small, hr.shape[:2]), {m.name: upscale(lr, size=hr.shape[:2], model=m) for m in able}, hr


def squares(lr: Tensor, size: Size) -> np.ndarray:
    """An LR image (1, 3, h, w) in [0, 1] drawn at `size` as large squares: RGB uint8."""
    rows, columns = (owners(n, out) for n, out in zip(lr.shape[-2:], size, strict=True))
    return to_uint8(lr)[rows][:, columns]


def views(photograph: np.ndarray, side: int, scales: Sequence[float]) -> tuple[Tensor, dict[float, Tensor]]:
    """A photograph, RGB uint8, seen at several sizes: (LR (1, 3, h, w) with `side` rows, {scale: the truth at that scale}), in
    [0, 1]. All are shrunk from the photograph itself, as IDM's training images are. ValueError if it is too small."""
    full = to_tensor(photograph)
    lr_size = side, max(1, round(side * full.shape[-1] / full.shape[-2]))
    sizes = {scale: scaled_size(lr_size, scale) for scale in scales}
    if max(rows for rows, _ in sizes.values()) > full.shape[-2]:
        raise ValueError(f"{full.shape[-2]} rows are too few for {side} rows at ×{max(scales):g}; choose a larger part")
    return resize.antialiased_8bit(full, lr_size), {s: resize.antialiased_8bit(full, n) for s, n in sizes.items()}


def render(
    model: Model | Diffusion, lr: Tensor, size: Size, *, steps: int = 50, sampler: str = "ddim", seed: int = 0
) -> Tensor:
    """Any model, any size: lr (B, 3, h, w) -> (B, 3, H, W) in [0, 1]. A network with a fixed scale makes that, which is then
    resized (antialiased bicubic); a diffusion model draws with `seed`."""
    lr = lr.to(device_of(model))
    if isinstance(model, Diffusion):
        return model.sample(lr, size, steps, sampler, torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        scale = max(getattr(model.decoder, "scales", (None,)))
        own = size if scale is None else tuple(n * scale for n in lr.shape[-2:])
        made = model(lr, own)
        return (made if own == tuple(size) else resize.antialiased(made, size)).clamp(0, 1)


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
        image = render(self.model, self.lr, size, steps=self.steps, sampler=self.sampler, seed=seed)
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
            title = f"<b style='color:{colour(self.model.name)}'>{label(self.model.name)}</b>"
            caption.value = f"{title} {image.shape[0]}×{image.shape[1]}, {self.steps} steps, {seconds:.1f} s"
            picture.value = png(image)

        for slider in (scale, seed):
            slider.observe(draw, names="value")
        draw()
        return widgets.VBox([crisp, scale, seed, caption, picture])


def animate(frames: Sequence[np.ndarray], path: str | Path, *, seconds: float = 4.0) -> None:
    """RGB uint8 images as a GIF that takes `seconds`, the last one held for a while."""
    pictures = [Image.fromarray(frame) for frame in frames]
    times = [int(1000 * seconds / len(frames))] * (len(frames) - 1) + [1500]
    with whole(path) as temporary:
        pictures[0].save(temporary, format="gif", save_all=True, append_images=pictures[1:], duration=times, loop=0)


def png(image: np.ndarray) -> bytes:
    """RGB uint8 as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="png")
    return buffer.getvalue()
