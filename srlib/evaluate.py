"""Evaluation protocols, each with a name, and the benchmark that applies one to models, data sets and scales."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from srlib import data, weights
from srlib.imaging import metrics, resize
from srlib.imaging.files import to_tensor, to_uint8
from srlib.models.base import Model, Sampling, SRModel
from srlib.models.diffusion import Diffusion, scheduler
from srlib.util.devices import synchronize
from srlib.util.errors import unknown
from srlib.util.sizes import Size, check_scale
from srlib.util.threads import side_by_side


@dataclass(frozen=True)
class Protocol:
    """How LR images are made and how results are scored.

    lr: "field" (MATLAB bicubic for x2, x3, x4, else PIL on the crop of LIIF) or "antialiased" (torch, of the whole image).
    The model "bicubic" follows: in the field, MATLAB's 8-bit imresize, and `PLAIN_GREY`; else torch's antialiased bicubic.
    channel: of PSNR and SSIM. crop: pixels left out on each side are ceil(scale) * crop[0] + crop[1].
    """

    name: str
    lr: str
    channel: str
    crop: tuple[int, int]

    def border(self, scale: float) -> int:
        return math.ceil(scale) * self.crop[0] + self.crop[1]


PROTOCOLS = {
    p.name: p
    for p in (
        Protocol("diinn", lr="antialiased", channel="rgb", crop=(0, 0)),
        Protocol("benchmark-y", lr="field", channel="y", crop=(1, 0)),
        Protocol("div2k", lr="field", channel="rgb", crop=(1, 6)),
    )
}

# Stored as one-channel grey where bicubic's luma tables were made, so its grey values are its luma there (0.09 dB on the
# set's mean). Networks are scored as LIIF's released evaluation does, which takes all images as RGB.
PLAIN_GREY = {("Set14", "bridge")}

Job = tuple[str, data.Picture, float]  # data set, image, scale
Pair = tuple[Tensor, Tensor]  # LR and HR, (1, 3, ., .) in [0, 1]

COLUMNS = ["model", "dataset", "image", "scale", "protocol", "psnr", "ssim", "lr_psnr", "seconds"]


def protocol_named(name: str) -> Protocol:
    if name not in PROTOCOLS:
        raise unknown("protocol", name, list(PROTOCOLS))
    return PROTOCOLS[name]


def benchmark_scale(scale: float) -> float:
    """One number for both axes, at least 1; ValueError otherwise."""
    vertical, horizontal = check_scale(scale)
    if vertical != horizontal or vertical < 1:
        raise ValueError(f"benchmarks need one scale for both axes, at least 1; got {scale!r}")
    return vertical


def make_pair(hr: np.ndarray, scale: float, protocol: str, provided: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """HR uint8 (H, W, 3) -> the protocol's LR and HR, float (1, 3, ., .) in [0, 1], both on 8-bit steps.

    diinn: LR = antialiased bicubic of the whole HR to (round(H/s), round(W/s)).
    benchmark-y, div2k: x2, x3, x4: the LR that comes with the set (`provided`), or MATLAB's bicubic, bit-exact, of the HR
    cropped to a multiple of the scale; other scales: LR = floor(H/s), HR cropped to round(floor(H/s) s), PIL's bicubic.
    """
    scale, rule = benchmark_scale(scale), protocol_named(protocol)
    height, width = hr.shape[:2]
    if rule.lr == "antialiased":
        whole = to_tensor(hr)
        size = tuple(max(1, round(n / scale)) for n in (height, width))
        return resize.antialiased_8bit(whole, size), whole
    low = tuple(math.floor(n / scale + 1e-9) for n in (height, width))
    if min(low) < 1:
        raise ValueError(f"an image of {height} x {width} pixels is too small for x{scale:g}")
    if provided is not None:
        low = provided.shape[:2]
    crop = hr[: round(low[0] * scale), : round(low[1] * scale)]
    if provided is not None:
        lr = provided
    elif scale in (2, 3, 4):
        lr = resize.matlab(crop, low)
    else:
        lr = resize.pil(crop, low)
    return to_tensor(lr), to_tensor(crop)


def benchmark(
    model: str | Path | SRModel,
    datasets: Sequence[str | Path],
    scales: Sequence[float],
    protocol: str,
    *,
    limit: int | None = None,
    device: torch.device | str = "cpu",
    precision: str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Super-resolve every image of the data sets at every scale and score it: one row per image and scale.

    Images are read ahead, and one is scored while the next is enlarged; no more than a few are held at a time.

    model: a name, a weight file, or a model (then its own device is used). datasets: names or folders. limit: only the
    first images of each set. precision: of products (`util.precision`), by default the model's own. A network with fixed
    scales is run at those only. SR images are clamped to [0, 1]; those of networks are not rounded to 8 bits (as LIIF
    does). Columns: model, dataset, image, scale, protocol, psnr (dB), ssim, lr_psnr (dB), seconds (of the forward pass,
    beside the scoring of the one before). Diffusion models are sampled as `Diffusion.forward` says, one draw.
    """
    protocol_named(protocol)
    model = (weights.load(model, device=device) if isinstance(model, (str, Path)) else model).in_precision(precision)
    scales = [benchmark_scale(s) for s in ([scales] if isinstance(scales, (int, float)) else scales)]
    scales = scales_of(model, scales, protocol)
    datasets = [datasets] if isinstance(datasets, (str, Path)) else datasets
    sets = {str(name): data.pictures(name)[:limit] for name in datasets}
    jobs = [(name, picture, scale) for name, pictures in sets.items() for picture in pictures for scale in scales]
    whole = lru_cache(maxsize=1)(lambda picture: picture.read())  # for all its scales

    def read(job: Job) -> tuple[Job, Pair]:
        name, picture, scale = job
        return job, make_pair(whole(picture), scale, protocol, data.provided_lr(name, picture.name, scale))

    def enlarge(ready: tuple[Job, Pair]) -> tuple[Job, Pair, Tensor, float]:
        (name, picture, scale), pair = ready
        bar.set_postfix_str(f"{name} {picture.name} x{scale:g}")
        return *ready, *enlarged(model, *pair, protocol)

    def judge(made: tuple[Job, Pair, Tensor, float]) -> dict:
        (name, picture, scale), *rest = made
        return row_of(model, picture.name, name, scale, protocol, *rest)

    with tqdm(total=len(jobs), desc=model.name, disable=not progress) as bar:
        rows = []
        for row in side_by_side(judge, map(enlarge, side_by_side(read, jobs, 1)), 1):
            rows.append(row)
            bar.update()
    return pd.DataFrame(rows, columns=COLUMNS)


def scales_of(model: SRModel, scales: Sequence[float], protocol: str) -> list[float]:
    """Those of the scales that a model makes. ValueError if the protocol does not suit a network with fixed scales."""
    if model.scales is None:
        return list(scales)
    if protocol_named(protocol).lr == "antialiased":
        raise ValueError(
            f"{model.name} makes whole multiples of its input only, and protocol {protocol!r} does not crop images to "
            "them; score it with benchmark-y or div2k"
        )
    return [s for s in scales if s in model.scales]


def score(
    model: SRModel, image: str, dataset: str, hr8: np.ndarray, scale: float, protocol: str, provided: np.ndarray | None
) -> dict:
    """One row of `benchmark`."""
    pair = make_pair(hr8, scale, protocol, provided)
    made = pair, *enlarged(model, *pair, protocol)
    (row,) = side_by_side(lambda of: row_of(model, image, dataset, scale, protocol, *of), [made], 1)  # by one thread
    return row


def matlabs(model: SRModel, protocol: str) -> bool:
    """Whether a protocol means MATLAB's bicubic by the model "bicubic"."""
    return model.architecture == "bicubic" and PROTOCOLS[protocol].lr == "field"


@torch.inference_mode()
def enlarged(model: SRModel, lr: Tensor, hr: Tensor, protocol: str) -> tuple[Tensor, float]:
    """LR (1, 3, h, w) at the size of HR, clamped to [0, 1], on the CPU; and the seconds of the forward pass."""
    size, on_device = tuple(hr.shape[-2:]), lr.to(model.device)
    synchronize(model.device)
    start = time.perf_counter()
    sr = to_tensor(resize.matlab(to_uint8(lr), size)) if matlabs(model, protocol) else model(on_device, size)
    synchronize(model.device)
    seconds = time.perf_counter() - start
    return sr.clamp(0, 1).cpu(), seconds


@torch.inference_mode()
def row_of(
    model: SRModel,
    image: str,
    dataset: str,
    scale: float,
    protocol: str,
    pair: Pair,
    sr: Tensor,
    seconds: float,
) -> dict:
    """A row of `benchmark` of what `enlarged` made of a pair (LR, HR)."""
    (lr, hr), rule = pair, PROTOCOLS[protocol]
    grey = matlabs(model, protocol) and rule.channel == "y" and (dataset, image) in PLAIN_GREY
    border = rule.border(scale)
    psnr, ssim = metrics.psnr_and_ssim(sr, hr, channel="grey" if grey else rule.channel, crop=border)
    return {
        "model": model.name,
        "dataset": dataset,
        "image": image,
        "scale": scale,
        "protocol": protocol,
        "psnr": psnr,
        "ssim": ssim,
        "lr_psnr": metrics.lr_psnr(sr, hr, lr.shape[-2:]),
        "seconds": seconds,
    }


@torch.inference_mode()
def seams(model: SRModel, dataset: str | Path, scale: int, protocol: str, *, limit: int | None = None) -> pd.DataFrame:
    """Seams between the cells of the LR pixels (`metrics.seam`) in every image of a data set, enlarged by a model as
    `benchmark` does, and in the original: image, seam, original. ValueError for a scale that is no whole number of 3 or
    more."""
    if scale != int(scale) or scale < 3:
        raise ValueError(f"seams are looked for at whole scales of 3 or more, got {scale!r}")
    rows = []
    for picture in tqdm(data.pictures(dataset)[:limit], desc=f"seams of {model.name}", delay=2):
        lr, hr = make_pair(picture.read(), scale, protocol, data.provided_lr(str(dataset), picture.name, scale))
        sr = model(lr.to(model.device), hr.shape[-2:]).clamp(0, 1).cpu()
        rows.append((picture.name, metrics.seam(sr, int(scale)), metrics.seam(hr, int(scale))))
    return pd.DataFrame(rows, columns=["image", "seam", "original"])


def mean_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the images of each model, data set, scale and protocol, with the number of images; over the seeds too, where
    the rows have a column of them.

    ValueError if an image was scored twice: two models of one name, or rows of two runs.
    """
    by_seed = ["seed"] if "seed" in rows else []
    twice = rows.duplicated(["model", *by_seed, "dataset", "scale", "protocol", "image"])
    if twice.any():
        one = rows[twice].iloc[0]
        raise ValueError(
            f"{one['model']} has more than one row for {one['image']} of {one['dataset']} at x{one['scale']:g}: two models of "
            "one name? Give each a name of its own: weights=['long=a.safetensors', 'short=b.safetensors']"
        )
    groups = rows.groupby(["model", "dataset", "scale", "protocol"], sort=False)
    return groups.agg(
        psnr=("psnr", "mean"), ssim=("ssim", "mean"), lr_psnr=("lr_psnr", "mean"), seconds=("seconds", "mean"),
        images=("image", "nunique"), **({"seeds": ("seed", "nunique")} if by_seed else {}),
    ).reset_index()  # fmt: skip


@torch.no_grad()
def path_error(model: Model, lr: Tensor, size: Size) -> float:
    """The largest difference between a model's two paths for LR images (B, 3, h, w), over the output's standard deviation."""
    features = model.encode(lr.to(model.device))
    fast, literal = (model.decode(features, size, literal=flag) for flag in (False, True))
    return float((fast - literal).abs().max() / literal.std())


def draw(model: SRModel, lr: Tensor, size: Size, sampling: Sampling, scaling_factor: float | None = None) -> Tensor:
    """Results for LR images (n, 3, h, w), (n, 3, H, W) in [0, 1] on the CPU; of a diffusion model one draw each, all from one
    noise. scaling_factor: what a diffusion model is told in place of the p that belongs to the sizes."""
    if scaling_factor is None:
        return model.render(lr, size, sampling).cpu()
    noise = torch.Generator().manual_seed(sampling.seed)
    lr = lr.to(model.device)
    return model.sample(lr, size, sampling.steps, sampling.sampler, noise, scaling_factor=scaling_factor).cpu()


def measures(sr: Tensor, hr: Tensor, lr: Tensor) -> dict[str, float]:
    """PSNR in dB and SSIM on RGB; consistency: MSE x 1e5 between the LR image and the result shrunk to its size; detail: mean
    gradient over the original's. Images (3, ., .) in [0, 1]."""
    return {
        "psnr": metrics.psnr(sr, hr),
        "ssim": metrics.ssim(sr, hr),
        "consistency": 1e5 * metrics.consistency(sr, lr),
        "detail": metrics.detail(sr, hr),
    }


def drawings(
    model: SRModel, lr: Tensor, hr: Tensor, *, steps: int, sampler: str, draws: int, scaling_factor: float | None = None
) -> tuple[list[dict], Tensor]:
    """Draw LR images (n, 3, h, w) with seeds 0, 1, ... and measure the results against the originals (n, 3, H, W).

    A regression model answers once. Rows: one per seed and image (its number): image, seed, p (the scaling factor that a
    diffusion model was told), `measures`, seconds an image; then one per image with seed None: psnr of the mean of the draws,
    and their diversity, None where there is one draw only. The results: (seeds x n, 3, H, W), all images of a seed together.
    """
    size, rows, made = tuple(hr.shape[-2:]), [], []
    told = {}
    if model.draws:
        scheduler(sampler, steps)  # the first one loads diffusers, which is not to count as time of sampling
        told["p"] = model.scaling_factor(tuple(lr.shape[-2:]), size) if scaling_factor is None else scaling_factor
    for seed in range(draws if model.draws else 1):
        start = time.perf_counter()
        made.append(draw(model, lr, size, Sampling(steps, sampler, seed), scaling_factor))
        seconds = (time.perf_counter() - start) / len(lr)
        for i, images in enumerate(zip(made[-1], hr, lr, strict=True)):
            rows.append({"image": i, "seed": seed, **told, **measures(*images), "seconds": seconds})
    results = torch.stack(made)
    for i in range(len(lr)):
        diversity = metrics.diversity(results[:, i]) if len(results) > 1 else None if model.draws else 0.0
        mean = metrics.psnr(results[:, i].mean(dim=0), hr[i])
        rows.append({"image": i, "seed": None, "psnr": mean, "diversity": diversity})
    return rows, results.flatten(0, 1)


def way(model: Diffusion, lr: Tensor, size: Size, steps: int, sampler: str) -> tuple[list[dict], Tensor]:
    """From noise to image: rows with the noise level after each step, and the images there (steps, 3, H, W) in [0, 1]. lr
    (1, 3, h, w); seed 0."""
    frames: list[tuple[float, Tensor]] = []
    noise = torch.Generator().manual_seed(0)
    model.sample(lr.to(model.device), size, steps, sampler, noise, frames=frames)
    return [{"noise level": a} for a, _ in frames], torch.cat([((x + 1) / 2).clamp(0, 1) for _, x in frames]).cpu()
