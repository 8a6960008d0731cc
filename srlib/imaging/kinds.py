"""Kinds of pictures: what a user passes, taken apart for a model, and the way back to the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from srlib.imaging.files import HOWTO, Metadata, eight_bits, is_deep, load, metadata
from srlib.imaging.saving import to_pil


@dataclass(frozen=True)
class Kind:
    """How numbers are kept: top is the value that means 1, which is 255, 65535 or 1."""

    top: float
    dtype: np.dtype
    grey: bool
    alpha: bool

    @property
    def channels(self) -> int:
        return (1 if self.grey else 3) + self.alpha

    def store(self, piece: Tensor) -> np.ndarray:
        """Float RGB (3, r, W) -> (r, W, 3), or (r, W, 1) for grey, clamped, in the dtype that came in."""
        values = piece.detach().float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        values = values.mean(axis=2, keepdims=True) if self.grey else values
        return self.rounded(values)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Values in [0, 1] in the dtype that came in."""
        return values.astype(self.dtype) if self.dtype.kind == "f" else np.round(values * self.top).astype(self.dtype)


@dataclass(frozen=True)
class Opened:
    """A picture taken apart.

    rgb: float32 (H, W, 3) in [0, 1]. alpha: float32 (H, W), or None. kind: of its numbers. finish: gives a result
    (H, W, channels) in the kind of picture that came in. said: what a file says beside its pixels.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    kind: Kind
    finish: Callable[[np.ndarray], object]
    said: Metadata = field(default_factory=Metadata)

    def without_alpha(self) -> Opened:
        return replace(self, alpha=None, kind=replace(self.kind, alpha=False))


def open_any(image: object) -> Opened:
    """What a user passes to `upscale`, taken apart.

    Taken: paths; PIL images; NumPy arrays (H, W, 3), (H, W, 4) with alpha, grey (H, W), (H, W, 1), (H, W, 2) with alpha, of
    uint8, uint16, bool or float in [0, 1]. ValueError or TypeError says what came and what is needed.
    """
    if isinstance(image, (str, Path)):
        return open_file(image)
    if isinstance(image, Image.Image):
        return open_pil(image)
    if isinstance(image, np.ndarray):
        return open_array(image)
    raise TypeError(f"expected a path, a NumPy array or a PIL image, got {type(image).__name__}. {HOWTO}")


def open_file(path: str | Path) -> Opened:
    """A file; of 8 bits it comes back as a PIL image, of 16 bits as an array, for Pillow has no such colour."""
    pixels, said = load(path)
    finish = without_axis if pixels.dtype == np.uint16 else partial(to_pil, said=said)
    return replace(open_array(pixels), finish=finish, said=said)


def open_pil(image: Image.Image) -> Opened:
    """A PIL image: RGB and grey with and without alpha, palettes, 1-bit, CMYK, 16-bit grey."""
    if 0 in image.size:
        raise ValueError(f"the image is empty: {image.size[0]} x {image.size[1]} pixels")
    if image.mode.startswith("I;16"):
        pixels = np.asarray(image).astype(np.uint16)[..., None]
    elif is_deep(image):
        what = (
            f"mode {image.mode}" if image.mode in ("I", "F") else "16-bit samples, of which Pillow reads the upper half"
        )
        raise ValueError(f"the image has {what}; pass the file's path, or an array. {HOWTO}")
    else:
        pixels = eight_bits(image)
    said = metadata(image, pixels.shape[2])
    return replace(open_array(pixels), finish=partial(to_pil, said=said), said=said)


def open_array(image: np.ndarray) -> Opened:
    """An array; channels come last."""
    shape, dtype = image.shape, image.dtype
    if 0 in shape:
        raise ValueError(f"the image is empty: an array of shape {shape}")
    if not (image.ndim == 2 or (image.ndim == 3 and shape[2] in (1, 2, 3, 4))):
        hint = "; channels come last" if image.ndim == 3 and shape[0] in (1, 2, 3, 4) else ""
        hint = "; pass one image at a time" if image.ndim == 4 else hint
        raise ValueError(f"got an array of shape {shape}{hint}. {HOWTO}")
    if dtype.kind == "f":
        if not np.isfinite(image).all():
            raise ValueError("the image has NaN or infinite values; expected floats in [0, 1]")
        if image.min() < -1e-3 or image.max() > 1 + 1e-3:
            raise ValueError(
                f"float values range over [{image.min():.4g}, {image.max():.4g}], expected [0, 1]; "
                "divide 8-bit values by 255, or pass them as uint8"
            )
    elif dtype not in (np.uint8, np.uint16, np.bool_):
        raise ValueError(f"got an array of {dtype}; {HOWTO}")
    top = float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0
    planes = image.reshape(*shape[:2], -1)
    alpha = planes[..., -1] if planes.shape[2] in (2, 4) else None
    colour = planes if alpha is None else planes[..., :-1]
    rgb = unit(np.broadcast_to(colour, (*shape[:2], 3)), top)
    kind = Kind(top, dtype, colour.shape[2] == 1, alpha is not None)
    finish = without_axis if image.ndim == 2 else np.asarray
    return Opened(rgb, None if alpha is None else unit(alpha, top), kind, finish)


def without_axis(result: np.ndarray) -> np.ndarray:
    """(H, W, 1) -> (H, W)."""
    return result[..., 0] if result.shape[2] == 1 else result


def unit(values: np.ndarray, top: float) -> np.ndarray:
    """float32 in [0, 1]; of floats, without what rounding put beyond."""
    return (values.astype(np.float32) / np.float32(top)).clip(0, 1)


def fill_hidden(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) with those of fully transparent pixels taken from the nearest pixel that shows."""
    hidden = alpha == 0
    if hidden.all() or not hidden.any():
        return rgb
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return rgb[tuple(nearest)]
