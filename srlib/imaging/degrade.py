"""LR images that no bicubic made: blur, noise and JPEG, each named and repeatable."""

from __future__ import annotations

import io
import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from srlib.imaging.files import to_tensor
from srlib.imaging.resize import antialiased
from srlib.util.errors import unknown


@dataclass(frozen=True)
class Degradation:
    """What happens on the way from HR to LR, in this order.

    blur: standard deviation of a Gaussian on the HR image, in LR pixels. (Antialiased bicubic shrinks.) noise: standard
    deviation of white Gaussian noise, in 8-bit steps, each channel by itself. jpeg: quality of the file; 0 is none.
    """

    name: str
    about: str
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0


DEGRADATIONS = {
    d.name: d
    for d in (
        Degradation("bicubic", "antialiased bicubic and nothing else"),
        Degradation("blur", "out of focus: Gaussian, σ 1 LR pixel", blur=1.0),
        Degradation("noise", "noise, σ 10 of 255", noise=10.0),
        Degradation("jpeg", "JPEG, quality 50", jpeg=50),
        Degradation("all", "blur σ 0.5 LR pixels, noise σ 5, JPEG quality 75", blur=0.5, noise=5.0, jpeg=75),
    )
}


def named(name: str) -> Degradation:
    if name not in DEGRADATIONS:
        raise unknown("degradation", name, list(DEGRADATIONS))
    return DEGRADATIONS[name]


def degraded_pair(hr: np.ndarray, scale: float, name: str) -> tuple[Tensor, Tensor]:
    """HR uint8 (H, W, 3) -> LR and HR, float (1, 3, ., .) in [0, 1], both on 8-bit steps.

    LR has floor(H / s) rows, and HR is cropped to round(floor(H / s) s), as LIIF does. The noise's seed is the checksum of the
    cropped HR image, so that it is the same on every machine and for every method. ValueError for an unknown name, or an image
    without a pixel at this scale.
    """
    how = named(name)
    low = tuple(math.floor(n / scale + 1e-9) for n in hr.shape[:2])
    if min(low) < 1:
        raise ValueError(f"an image of {hr.shape[0]} x {hr.shape[1]} pixels is too small for x{scale:g}")
    crop = np.ascontiguousarray(hr[: round(low[0] * scale), : round(low[1] * scale)])
    seen = crop.astype(np.float64)
    if how.blur:
        seen = gaussian_filter(seen, (how.blur * scale, how.blur * scale, 0), mode="nearest")
    lr = antialiased(torch.from_numpy(seen).permute(2, 0, 1)[None], low)[0].permute(1, 2, 0).numpy()
    if how.noise:
        lr = lr + how.noise * np.random.default_rng(zlib.crc32(crop.tobytes())).standard_normal(lr.shape)
    lr = np.clip(np.round(lr), 0, 255).astype(np.uint8)
    return to_tensor(through_jpeg(lr, how.jpeg) if how.jpeg else lr), to_tensor(crop)


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """What is left of an image in a JPEG file, colours at half the resolution (4:2:0)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file).convert("RGB"))
