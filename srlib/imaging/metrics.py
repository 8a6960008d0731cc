"""PSNR, SSIM and LR-PSNR. Images are float tensors (B, 3, H, W) or (3, H, W) in [0, 1]; results are floats."""

from __future__ import annotations

import math

import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from srlib.imaging.resize import antialiased
from srlib.util.sizes import Size

LUMA = (65.738 / 256, 129.057 / 256, 25.064 / 256)  # BT.601, studio range: white is 0.859
CHANNELS = {"rgb": None, "y": LUMA, "grey": tuple(w / sum(LUMA) for w in LUMA)}


def check_pair(a: Tensor, b: Tensor, crop: int) -> tuple[Tensor, Tensor]:
    """Both as (B, 3, H, W) float64 without `crop` border pixels. ValueError if they do not match or nothing is left."""
    a, b = (x if x.ndim == 4 else x[None] for x in (a, b))
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3:
        raise ValueError(
            f"expected two RGB images of one size, (B, 3, H, W), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if crop < 0 or min(a.shape[-2:]) <= 2 * crop:
        raise ValueError(f"cropping {crop} pixels on each side leaves nothing of {a.shape[-2]} x {a.shape[-1]} pixels")
    inside = slice(crop, -crop or None)
    return a[..., inside, inside].double(), b[..., inside, inside].double()


def channels(x: Tensor, channel: str) -> Tensor:
    """(B, 3, H, W) -> what is compared: "rgb" itself, "y" studio-range luma less its offset, "grey" luma with white at 1."""
    if channel not in CHANNELS:
        raise ValueError(f"channel must be one of {', '.join(CHANNELS)}, got {channel!r}")
    weights = CHANNELS[channel]
    if weights is None:
        return x
    return (x * torch.tensor(weights, dtype=x.dtype, device=x.device).view(3, 1, 1)).sum(dim=1, keepdim=True)


def psnr(a: Tensor, b: Tensor, *, channel: str = "rgb", crop: int = 0) -> float:
    """Peak signal-to-noise ratio in dB, peak 1, over all pixels, channels and images; infinite for equal images.

    channel: "rgb"; "y", the luma (BT.601, studio range) that super-resolution tables use; or "grey", the same weights with
    white at 1, for a grey image. crop: border pixels left out on each side.
    """
    return decibels(*(channels(x, channel) for x in check_pair(a, b, crop)))


def ssim(a: Tensor, b: Tensor, *, channel: str = "rgb", crop: int = 0) -> float:
    """Structural similarity (Wang et al. 2004): 11 x 11 Gaussian, sigma 1.5, its 5-pixel border left out of the mean.

    channel: as for `psnr`; "rgb" is the mean over the three channels. NaN below 11 x 11 pixels.
    """
    return similarity(*(channels(x, channel) for x in check_pair(a, b, crop)))


def psnr_and_ssim(a: Tensor, b: Tensor, *, channel: str = "rgb", crop: int = 0) -> tuple[float, float]:
    """`psnr` and `ssim` of one pair, from one luma."""
    a, b = (channels(x, channel) for x in check_pair(a, b, crop))
    return decibels(a, b), similarity(a, b)


def decibels(a: Tensor, b: Tensor) -> float:
    mse = float((a - b).square().mean())
    return -10 * math.log10(mse) if mse > 0 else math.inf


def similarity(a: Tensor, b: Tensor) -> float:
    if min(a.shape[-2:]) < 11:
        return math.nan
    values = [
        structural_similarity(
            x.cpu().numpy(), y.cpu().numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for x, y in zip(a.float(), b.float(), strict=True)
    ]  # fmt: skip
    return float(sum(values) / len(values))


def lr_psnr(sr: Tensor, hr: Tensor, lr_size: Size) -> float:
    """Low-resolution consistency in dB (DIINN, Section 4.1): PSNR of SR and HR, both brought to the LR size by
    antialiased bicubic, neither clamped nor rounded."""
    sr, hr = check_pair(sr, hr, 0)
    return psnr(antialiased(sr, lr_size), antialiased(hr, lr_size))


def jumps(image: Tensor, scale: int) -> dict[str, list[float]]:
    """How the step between neighbouring pixels depends on their place in the LR cell: {"rows": ..., "columns": ...}.

    image (B, 3, H, W) at an integer scale. Entry p of each list: the mean absolute difference between pixel p of a cell
    and the one before it, in 8-bit steps; entry 0 crosses from one cell into the next. A smooth image has flat lists;
    seams between groups of pixels show as a peak at 0.
    """
    result = {}
    for name, axis in (("rows", -2), ("columns", -1)):
        step = image.double().diff(dim=axis).abs().mul(255)
        place = (torch.arange(step.shape[axis]) + 1) % scale
        result[name] = [float(step.index_select(axis, (place == p).nonzero()[:, 0]).mean()) for p in range(scale)]
    return result


def seam(image: Tensor, scale: int) -> float:
    """How much the step into an LR cell stands out from those beside it, mean of both axes (`jumps`): 1 is no seam.

    image (B, 3, H, W) at an integer scale of 3 or more."""
    return sum(j[0] / ((j[1] + j[-1]) / 2) for j in jumps(image, scale).values()) / 2


def consistency(sr: Tensor, lr: Tensor) -> float:
    """Mean squared error between the LR image and the result brought to its size by antialiased bicubic (SR3, Section 4;
    tables print it times 1e5). 0 means that the result is an enlargement of exactly this image."""
    lr, sr = (x if x.ndim == 4 else x[None] for x in (lr, sr))
    lr, small = check_pair(lr, antialiased(sr, lr.shape[-2:]), 0)
    return float((small - lr).square().mean())


def diversity(samples: Tensor) -> float:
    """How much several results for one image, (n, 3, H, W), differ: standard deviation, mean over pixels, in 8-bit steps.

    ValueError for fewer than two."""
    if samples.ndim != 4 or len(samples) < 2:
        raise ValueError(f"expected at least two images, (n, 3, H, W), got {tuple(samples.shape)}")
    return float(samples.double().std(dim=0).mean() * 255)


def detail(a: Tensor, b: Tensor) -> float:
    """Sharpness of `a` relative to `b`: ratio of the mean lengths of the luma gradient; 1 is as sharp, below 1 smoother."""
    lengths = []
    for x in check_pair(a, b, 0):
        y = channels(x, "grey")
        dy, dx = y.diff(dim=-2)[..., :-1], y.diff(dim=-1)[..., :-1, :]
        lengths.append(float((dy**2 + dx**2).sqrt().mean()))
    return lengths[0] / lengths[1] if lengths[1] else math.nan
