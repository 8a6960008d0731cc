"""What people look at: one picture enlarged by several models, or seen at several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from srlib import evaluate
from srlib.imaging import resize
from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.upscale import upscale
from srlib.models.base import SRModel
from srlib.models.geometry import nearest_code
from srlib.util.atomic import whole
from srlib.util.sizes import Size, scaled_size


def enlarge(
    models: Sequence[SRModel], original: np.ndarray, scale: float, protocol: str = "benchmark-y"
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Shrink a photograph, RGB uint8, as the protocol does and enlarge it with each model that can.

    Returns what they saw (drawn as large squares, at the size of the result), {model name: its result}, and the original.
    """
    small, target = evaluate.make_pair(original, scale, protocol)
    lr, hr = to_uint8(small), to_uint8(target)
    able = [model for model in models if model.scales is None or scale in model.scales]
    return squares(small, hr.shape[:2]), {m.name: upscale(lr, size=hr.shape[:2], model=m) for m in able}, hr


def squares(lr: Tensor, size: Size) -> np.ndarray:
    """An LR image (1, 3, h, w) in [0, 1] drawn at `size` as large squares: RGB uint8."""
    rows, columns = (nearest_code(n, out) for n, out in zip(lr.shape[-2:], size, strict=True))
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


def animate(frames: Sequence[np.ndarray], path: str | Path, *, seconds: float = 4.0) -> None:
    """RGB uint8 images as a GIF that takes `seconds`, the last one held for a while."""
    pictures = [Image.fromarray(frame) for frame in frames]
    times = [int(1000 * seconds / len(frames))] * (len(frames) - 1) + [1500]
    with whole(path) as temporary:
        pictures[0].save(temporary, format="gif", save_all=True, append_images=pictures[1:], duration=times, loop=0)
