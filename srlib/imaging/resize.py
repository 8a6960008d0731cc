"""Three bicubics, kept apart by name because papers mix them up: MATLAB's, PIL's and torch's antialiased one."""

from __future__ import annotations

import math

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from srlib.util.sizes import Size, check_size


def matlab(image: np.ndarray, size: Size) -> np.ndarray:
    """MATLAB's older `imresize(image, size, 'bicubic')` on uint8 (H, W, 3), bit for bit.

    a = -1/2 with antialiasing, replicated border, rows first, 8-bit rounding (half away from zero) after each pass:
    so were made the LR files of Set5, Set14 and B100 that the field shares.
    """
    rows, columns = check_size(size)
    return matlab_axis(matlab_axis(image, rows).swapaxes(0, 1), columns).swapaxes(0, 1).copy()


def matlab_axis(image: np.ndarray, out: int) -> np.ndarray:
    n = image.shape[0]
    scale = out / n
    width = 4 / min(scale, 1)
    centre = np.arange(1, out + 1) / scale + 0.5 * (1 - 1 / scale)
    index = np.floor(centre - width / 2)[:, None] + np.arange(math.ceil(width) + 2)
    x = np.abs((centre[:, None] - index) * min(scale, 1))
    weight = np.where(x <= 1, (1.5 * x - 2.5) * x * x + 1, np.where(x <= 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))
    weight /= weight.sum(axis=1, keepdims=True)
    index = np.clip(index, 1, n).astype(np.int64) - 1
    result = np.zeros((out, *image.shape[1:]))
    for tap in range(index.shape[1]):
        result += weight[:, tap].reshape(-1, *[1] * (image.ndim - 1)) * image[index[:, tap]]
    return np.clip(np.floor(result + 0.5), 0, 255).astype(np.uint8)


def pil(image: np.ndarray, size: Size) -> np.ndarray:
    """PIL's antialiased bicubic on uint8 (H, W, 3), with its own 8-bit arithmetic."""
    rows, columns = check_size(size)
    return np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BICUBIC))


def antialiased(image: Tensor, size: Size) -> Tensor:
    """torch's bicubic with antialias=True (a = -1/2, weights renormalised at the border), float (B, C, H, W), unclamped."""
    return F.interpolate(image, check_size(size), mode="bicubic", antialias=True, align_corners=False)


def antialiased_8bit(image: Tensor, size: Size) -> Tensor:
    """`antialiased`, clamped to [0, 1] and rounded to 8-bit steps: what a stored LR file holds."""
    return antialiased(image * 255, size).clamp_(0, 255).round_().div_(255)
