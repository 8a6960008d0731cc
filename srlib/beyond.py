"""Beyond bicubic: models on LR images that were blurred, noisy or a JPEG file, and on photographs as they are."""

from __future__ import annotations

import math

import numpy as np
import torch
from skimage.measure import blur_effect
from torch import Tensor

from srlib import data
from srlib.imaging import metrics
from srlib.imaging.degrade import degraded_pair
from srlib.imaging.files import to_tensor, to_uint8
from srlib.models.base import SRModel
from srlib.util.sizes import scaled_size


@torch.inference_mode()
def enlarged(model: SRModel, lr: Tensor, size: tuple[int, int]) -> Tensor:
    """(1, 3, h, w) in [0, 1] -> (1, 3, H, W) in [0, 1] on the CPU."""
    return model(lr.to(model.device), size).clamp(0, 1).cpu()


def scores(model: SRModel, dataset: str, scale: float, degradation: str, limit: int = 0) -> list[dict]:
    """Every image of a data set, made small with a degradation (`degrade.DEGRADATIONS`) and enlarged again, a row each: image,
    psnr in dB and ssim, both of the luma, `scale` pixels cropped. limit: only the first images."""
    rows = []
    for picture in data.pictures(dataset)[: limit or None]:
        lr, hr = degraded_pair(picture.read(), scale, degradation)
        pair = enlarged(model, lr, tuple(hr.shape[-2:])), hr
        crop = math.ceil(scale)
        values = {
            name: of(*pair, channel="y", crop=crop) for name, of in (("psnr", metrics.psnr), ("ssim", metrics.ssim))
        }
        rows.append({"image": picture.name, **values})
    return rows


def look(model: SRModel, image: np.ndarray, scale: float, degradation: str = "") -> tuple[dict, np.ndarray]:
    """One photograph (H, W, 3) uint8, enlarged as it is, or made small with a degradation first: what can be measured of the
    result, and the result, uint8.

    blur: `no_reference_blur`. consistency: MSE x 1e5 between what the model was shown and the result shrunk to its size. psnr:
    of the luma in dB, where there was an original, else NaN.
    """
    if degradation:
        lr, hr = degraded_pair(image, scale, degradation)
        size = tuple(hr.shape[-2:])
    else:
        lr, hr, size = to_tensor(image), None, scaled_size(image.shape[:2], scale)
    sr = enlarged(model, lr, size)
    row = {"blur": no_reference_blur(sr), "consistency": 1e5 * metrics.consistency(sr, lr)}
    row["psnr"] = math.nan if hr is None else metrics.psnr(sr, hr, channel="y", crop=math.ceil(scale))
    return row, to_uint8(sr)


def no_reference_blur(image: Tensor) -> float:
    """How blurred an image (1, 3, H, W) in [0, 1] is, without an original: 0 is not at all, 1 is as much as can be.

    Crete et al. 2007, scikit-image's `blur_effect` on the luma: by how much blurring it once more, over 11 pixels, lessens the
    differences between neighbouring pixels. It compares results of one photograph and one size; noise, ringing and false edges
    are sharp to it.
    """
    return float(blur_effect(metrics.channels(image, "grey")[0, 0].numpy()))
