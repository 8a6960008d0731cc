"""Training: images resident in memory, crops and antialiased downsampling on the fly, resumable, deterministic by seed.

Regression models learn the image (L1), diffusion models the noise in it (`Diffusion.loss`). Every step draws from a generator
seeded with (seed, step), so a resumed run sees the same batches as an unbroken one.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from srlib import data, metrics, paths, provenance, resize, weights
from srlib.files import whole
from srlib.images import to_tensor
from srlib.models import ALL, Diffusion, Model, build, unknown

RULES = 1  # one more whenever a change of this file, or of a model, would make of an interrupted run another one
LOGGED = ("step", "loss", "lr", "seconds")  # beside what `validation` says
VALIDATION = ("astronaut", "chelsea", "coffee", "rocket")  # embedded photographs, in no training or benchmark set


@dataclass(frozen=True)
class Settings:
    """What defines a training run. The defaults are LIIF's recipe (METHODS of DIIF and LIIF) but for `steps`.

    data: data set or folder. exclude: image names left out. patch: LR pixels a side. scales: (smallest, largest), drawn
    uniformly per batch, or with scale_step from that grid (DIINN draws 2, 3 or 4). pixels: HR pixels of each patch that are
    decoded, as whole output rows drawn at random (whole slices, as DIIF needs; LIIF draws the same number of single pixels).
    schedule: "cosine" to zero, "halving" at every fifth of the run, or "constant". precision: "auto" is bf16 autocast where
    the device has it, else float32. init: a model's name or weight file to start from: all of it if it is the same model,
    else its encoder. For an encoder that is trained already: it stays as it is for the first `frozen` steps, which then take
    half the time, and its learning rate is `lr` times encoder_rate. beta2: Adam's. ema: decay of an exponential moving
    average of the weights (less at first, `moving_average`), which is then what is scored and saved; 0 is none. stop: end
    after this step, the learning rate still high; 0 is after `steps`.

    Diffusion models see whole crops of patch * scales[1] pixels, resized to patch and to patch * scale, as IDM's do.
    """

    model: str
    steps: int = 6000
    data: str = "bsd400"
    exclude: tuple[str, ...] = ("302003",)  # the photograph is also Set5's woman
    batch: int = 16
    patch: int = 48
    scales: tuple[float, float] = (1.0, 4.0)
    scale_step: float = 0.0
    pixels: int = 48 * 48
    lr: float = 1e-3
    frozen: int = 0
    encoder_rate: float = 1.0
    beta2: float = 0.999
    ema: float = 0.0
    schedule: str = "cosine"
    precision: str = "auto"
    seed: int = 0
    init: str = ""
    stop: int = 0

    def __post_init__(self):
        if self.schedule not in ("cosine", "halving", "constant"):
            raise ValueError(f"schedule must be 'cosine', 'halving' or 'constant', got {self.schedule!r}")
        if self.precision not in ("auto", "bf16", "float32"):
            raise ValueError(f"precision must be 'auto', 'bf16' or 'float32', got {self.precision!r}")
        for name in ("steps", "batch", "patch", "pixels"):
            if int(getattr(self, name)) != getattr(self, name) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive integer, got {getattr(self, name)!r}")
        if int(self.stop) != self.stop or not 0 <= self.stop <= self.steps:
            raise ValueError(f"stop must be a step of the {self.steps}, or 0 for the last, got {self.stop!r}")
        if not 0 <= self.lr < math.inf:
            raise ValueError(f"lr must be finite and not negative, got {self.lr!r}")
        if int(self.frozen) != self.frozen or not 0 <= self.frozen <= self.steps:
            raise ValueError(f"frozen must be a number of the {self.steps} steps, got {self.frozen!r}")
        if not 0 <= self.encoder_rate < math.inf:
            raise ValueError(f"encoder_rate must be finite and not negative, got {self.encoder_rate!r}")
        if not 0 < self.beta2 < 1:
            raise ValueError(f"beta2 must lie between 0 and 1, got {self.beta2!r}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be 0 (none) or a decay below 1, got {self.ema!r}")
        if self.scale_step < 0 or not math.isfinite(self.scale_step):
            raise ValueError(f"scale_step must be 0 (any scale) or positive, got {self.scale_step!r}")
        if not (0 < self.scales[0] <= self.scales[1] < math.inf):
            raise ValueError(f"scales must be (smallest, largest), positive and finite, got {self.scales!r}")

    @property
    def end(self) -> int:
        """The step after which the run is complete."""
        return self.stop or self.steps

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        if self.schedule == "halving":
            return self.lr * 0.5 ** (5 * step // self.steps)
        if self.schedule == "constant":
            return self.lr
        warm = min(1.0, (step + 1) / 100)
        return self.lr * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))


class Images:
    """A training set in memory: uint8 tensors (3, H, W) on the device."""

    def __init__(self, settings: Settings, device: torch.device, progress: bool):
        need = round(settings.patch * settings.scales[1])
        self.images = []
        pictures = data.pictures(settings.data, exclude=settings.exclude)
        for picture in tqdm(pictures, desc=f"reading {settings.data}", disable=not progress):
            image = picture.read()
            if min(image.shape[:2]) < need:
                raise ValueError(
                    f"{picture.name} has {image.shape[0]} x {image.shape[1]} pixels; patch {settings.patch} at scale "
                    f"{settings.scales[1]:g} needs {need} on each side"
                )
            self.images.append(torch.from_numpy(image).permute(2, 0, 1).contiguous().to(device))

    def crops(self, settings: Settings, size: int, g: torch.Generator) -> Tensor:
        """A batch of random crops (B, 3, size, size) in [0, 1], flipped and transposed at random."""

        def integer(high: int) -> int:
            return int(torch.randint(high, (), generator=g))

        crops = []
        for _ in range(settings.batch):
            image = self.images[integer(len(self.images))]
            top, left = integer(image.shape[1] - size + 1), integer(image.shape[2] - size + 1)
            crop = image[:, top : top + size, left : left + size]
            flips = [axis for axis in (1, 2) if integer(2)]
            crop = crop.flip(flips) if flips else crop
            crops.append(crop.transpose(1, 2) if integer(2) else crop)
        return torch.stack(crops).float().div_(255)

    def batch(self, settings: Settings, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Step -> LR (B, 3, p, p), HR (B, 3, S, S), both in [0, 1], and the output rows to decode (R,)."""
        g = generator(settings, step)
        size = round(settings.patch * draw_scale(settings, g))
        hr = self.crops(settings, size, g)
        lr = resize.antialiased_8bit(hr, (settings.patch, settings.patch))
        count = min(size, max(1, round(settings.pixels / size)))
        rows = torch.randperm(size, generator=g)[:count].sort().values
        return lr, hr, rows

    def zooms(self, settings: Settings, step: int) -> tuple[Tensor, Tensor, torch.Generator]:
        """Step -> LR (B, 3, p, p) and HR (B, 3, S, S), both in [0, 1] and of the same crop, and the generator for the noise."""
        g = generator(settings, step)
        size = round(settings.patch * draw_scale(settings, g))
        whole = self.crops(settings, round(settings.patch * settings.scales[1]), g)
        return *(resize.antialiased_8bit(whole, (n, n)) for n in (settings.patch, size)), g


def generator(settings: Settings, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(settings.seed * 2**32 + step)


def draw_scale(settings: Settings, g: torch.Generator) -> float:
    low, high = settings.scales
    if settings.scale_step:
        count = round((high - low) / settings.scale_step) + 1
        return low + settings.scale_step * int(torch.randint(count, (), generator=g))
    return low + (high - low) * float(torch.rand((), generator=g))


def objective(model: Model | Diffusion, settings: Settings, images: Images, step: int, device: torch.device) -> Tensor:
    """The loss of one step."""
    if isinstance(model, Diffusion):
        lr, hr, g = images.zooms(settings, step)
        with autocast(settings, device):
            return model.loss(lr, hr, model.scaling_factor(lr.shape[-2:], hr.shape[-2:]), g)
    lr, hr, rows = images.batch(settings, step)
    lr = lr.contiguous(memory_format=torch.channels_last)
    with autocast(settings, device):
        with torch.set_grad_enabled(step >= settings.frozen):
            features = model.encode(lr)
        sr = model.decode(features, hr.shape[-2:], rows=rows)
    return (sr.float() - hr[:, :, rows.to(device)]).abs().mean()


def autocast(settings: Settings, device: torch.device) -> contextlib.AbstractContextManager:
    """bf16 autocast if asked for, or if "auto" and the device multiplies bf16 natively."""
    has = (
        torch.cuda.is_bf16_supported()
        if device.type == "cuda"
        else torch.cpu.get_capabilities().get("avx512_bf16", False)
    )
    if settings.precision == "bf16" or (settings.precision == "auto" and has):
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def validation_pairs(scales: Sequence[int], device: torch.device) -> dict[int, list[tuple[Tensor, Tensor]]]:
    """Central crops of about 256 x 256 pixels of four embedded photographs, and their LR images at each scale."""
    pairs: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for scale in scales:
        side = 256 // scale * scale
        for name in VALIDATION:
            image = data.embedded(name)
            top, left = ((n - side) // 2 for n in image.shape[:2])
            hr = np.ascontiguousarray(image[top : top + side, left : left + side])
            lr = resize.pil(hr, (side // scale, side // scale))
            pairs.setdefault(scale, []).append((to_tensor(lr, device), to_tensor(hr, device)))
    return pairs


def validation(model: Model | Diffusion, device: torch.device) -> Callable[[Model | Diffusion], dict[str, float]]:
    """A function that scores models like this one on the embedded photographs. Regression: mean luma PSNR at x2 and x4, or at
    the scales that the model has, `scale` pixels cropped: {'psnr_x2': dB, ...}. Diffusion: {'validation_loss':
    its objective} at the trained scale, over noise levels and noise that are the same each time."""
    if isinstance(model, Diffusion):
        side = 16 * round(model.trained_scale)
        pairs = validation_pairs([round(model.trained_scale)], device)[round(model.trained_scale)]
        pairs = [(lr[..., :16, :16], hr[..., :side, :side]) for lr, hr in pairs]
    else:
        by_scale = validation_pairs(getattr(model.decoder, "scales", (2, 4)), device)

    @torch.no_grad()
    def score(model: Model | Diffusion) -> dict[str, float]:
        model.eval()
        if isinstance(model, Diffusion):
            draws = [(lr, hr, torch.Generator().manual_seed(i)) for i in range(8) for lr, hr in pairs]
            p = model.scaling_factor(*(image.shape[-2:] for image in pairs[0]))
            scores = {"validation_loss": float(np.mean([float(model.loss(lr, hr, p, g)) for lr, hr, g in draws]))}
        else:
            scores = validate(model, by_scale)
        model.train()
        return scores

    return score


@torch.no_grad()
def validate(model: Model, pairs: dict[int, list[tuple[Tensor, Tensor]]]) -> dict[str, float]:
    """Mean luma PSNR of the pairs at each scale, `scale` pixels cropped: {'psnr_x2': dB, ...}."""
    return {
        f"psnr_x{scale}": float(
            np.mean(
                [metrics.psnr(model(lr, hr.shape[-2:]).clamp(0, 1), hr, channel="y", crop=scale) for lr, hr in some]
            )
        )
        for scale, some in pairs.items()
    }


@torch.random.fork_rng()  # torch's own generator is as it was, afterwards
def fit(
    settings: Settings,
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    resume: bool = True,
    progress: bool = True,
    log_every: int = 50,
    valid_every: int = 500,
    save_every: float = 30,
    stop_at: int | None = None,
) -> pd.DataFrame:
    """Train a model, or go on with an interrupted run in `folder`; returns the log (step, loss, lr, what `validation` says,
    seconds).

    folder: gets state.pt (every `save_every` seconds and at the end; to resume), log.csv and, when the run is
    complete, {model}.safetensors. A run killed at any moment loses at most `save_every` seconds plus one step.
    resume: False forgets a run that is there. stop_at: leave after this step, as an interruption would.
    ValueError if the folder holds a run with other settings; only `stop` may change, so that a run can go on past it.
    """
    device, folder = torch.device(device), Path(folder)
    model = build(settings.model, seed=settings.seed).to(device).train()
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, Diffusion):
        if settings.frozen or settings.scales[1] <= 1:
            raise ValueError("a diffusion model learns as a whole (frozen = 0), at scales up to one above 1")
        model.trained_scale = settings.scales[1]
    if isinstance(model, Model) or device.type == "cuda":  # on a CPU group norm's backward pass is 20 times slower so
        model.to(memory_format=torch.channels_last)
    groups = [{"params": list(model.encoder.parameters())}, {"params": list(model.decoder.parameters())}]
    optimizer = torch.optim.Adam(groups, lr=settings.lr, betas=(0.9, settings.beta2))
    if not resume:
        (folder / "state.pt").unlink(missing_ok=True)
    origin = {}
    if settings.init:
        before = weights.load(settings.init)
        if before.name == model.name:
            weights.fill(model, before.state_dict(), settings.init)
        else:
            encoder = {name: tensor for name, tensor in before.state_dict().items() if name.startswith("encoder.")}
            fresh = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("encoder.")}
            weights.fill(model, encoder | fresh, settings.init)
        origin = {"init": before.origin | weights.training_of(settings.init)}
    average = AveragedModel(model, multi_avg_fn=moving_average(settings.ema)) if settings.ema else None
    step, log, losses, spent, commits = read_state(folder / "state.pt", settings, model, optimizer, average)
    images = Images(settings, device, progress) if step < settings.end else None
    score, best = validation(model, device), average.module if average else model
    file = folder / f"{settings.model}.safetensors"
    if step < settings.end:
        file.unlink(missing_ok=True)  # of a shorter or another run
        commits = list(dict.fromkeys([*commits, provenance.commit()]))

    def save() -> None:
        seconds = time.monotonic() - started
        write_state(folder, settings, model, optimizer, average, step, log, losses, seconds, commits)

    started, saved = time.monotonic() - spent, time.monotonic()
    end = min(settings.end, stop_at or settings.end)
    bar = tqdm(total=settings.end, initial=step, desc=settings.model, disable=not progress, smoothing=0.02)
    try:
        while step < end:
            for group, factor in zip(optimizer.param_groups, (settings.encoder_rate, 1.0), strict=True):
                group["lr"] = factor * settings.rate(step)
            torch.manual_seed(settings.seed * 2**32 + 2**31 + step)  # dropout draws from torch's own generator
            loss = objective(model, settings, images, step, device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if average:
                average.update_parameters(model)
            losses.append(loss.detach())
            step += 1
            bar.update()
            if step % log_every == 0 or step == settings.end:
                mean = float(np.mean([float(x) for x in losses]))
                if not math.isfinite(mean):
                    raise FloatingPointError(f"the loss is {mean} at step {step}; lower lr (now {settings.lr})")
                row = {"step": step, "loss": mean, "lr": settings.rate(step - 1)}
                if step % valid_every == 0 or step == settings.end:
                    row |= (scores := score(best))
                    said = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
                    bar.set_postfix_str(f"loss {mean:.4f}, {said}")
                log.append(row | {"seconds": round(time.monotonic() - started, 1)})
                losses = []
            if time.monotonic() - saved > save_every:
                save()
                saved = time.monotonic()
    finally:
        bar.close()
    if images is None and file.exists():
        return pd.DataFrame(log)
    save()
    if step == settings.end:
        last = log[-1]
        weights.save(
            best,
            file,
            training=asdict(settings)
            | {
                "init": paths.shown(settings.init) if settings.init else "",
                "seconds": last["seconds"],
                "device": provenance.device_name(device),
            },
            data={"set": settings.data, "without": list(settings.exclude)} | origin,
            metrics={"validation": "embedded photographs"} | {k: v for k, v in last.items() if k not in LOGGED},
            commit=", ".join(commits),
        )
    return pd.DataFrame(log)


def moving_average(decay: float) -> Callable:
    """torch's exponential moving average, its decay at step n no more than (1 + n) / (10 + n): the first weights are soon
    forgotten, of which 0.999 alone would keep 3 % for 3,500 steps."""

    def update(averages, weights, n) -> None:
        get_ema_multi_avg_fn(min(decay, (1 + int(n)) / (10 + int(n))))(averages, weights, n)

    return update


def write_state(
    folder: Path,
    settings: Settings,
    model: Model,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    step: int,
    log: list[dict],
    losses: list[Tensor | float],
    seconds: float,
    commits: list[str],
) -> None:
    """state.pt and log.csv, each whole or not at all. `losses`: of the steps since the last line of the log."""
    state = {
        "rules": RULES,
        "settings": asdict(settings),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state_dict() if average else {},
        "step": step,
        "log": log,
        "losses": [float(x) for x in losses],
        "seconds": seconds,
        "commits": commits,
    }
    with whole(folder / "state.pt") as temporary:
        torch.save(state, temporary)
    if log:
        with whole(folder / "log.csv") as temporary:
            pd.DataFrame(log).to_csv(temporary, index=False, float_format="%.6g")


def read_state(
    path: Path,
    settings: Settings,
    model: Model | Diffusion,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
) -> tuple[int, list[dict], list[float], float, list[str]]:
    """Fill model, optimizer and average from state.pt if it is there: (step, log, losses, seconds, commits of the code).

    ValueError for other settings.
    """
    if not path.exists():
        return 0, [], [], 0.0, []
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before, rules = state["settings"], state.get("rules")
    except Exception as error:
        raise ValueError(f"{path}: damaged checkpoint ({type(error).__name__}); remove it to start over") from error
    now = asdict(settings)
    if differing := [
        f"{k} was {before.get(k)!r}, now {now[k]!r}" for k in now if before.get(k) != now[k] and k != "stop"
    ]:
        raise ValueError(
            f"{path} is a run with other settings ({'; '.join(differing)}); use another folder or remove it"
        )
    if rules != RULES:
        raise ValueError(
            f"{path} was begun by a version of srlib that trained otherwise; use another folder or remove it"
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if average:
        average.load_state_dict(state["average"])
    return state["step"], state["log"], state["losses"], state["seconds"], state["commits"]


@torch.no_grad()
def ship(folder: str | Path, name: str, to: str | Path = paths.WEIGHTS) -> Path:
    """Put a complete run's weights and log into `to`: in half precision where that changes the validation by less than 0.005 dB
    (the loss of a diffusion model by less than 0.0001).

    FileNotFoundError if the run in `folder` is not complete.
    """
    file = Path(folder) / f"{name}.safetensors"
    model, header = weights.load(file), weights.header(file)
    score = validation(model, torch.device("cpu"))
    single = score(model)
    for tensor in model.state_dict().values():
        tensor.copy_(tensor.half())
    halved = score(model)
    cost = max(abs(halved[name] - single[name]) for name in halved)
    half = cost < (1e-4 if "validation_loss" in halved else 0.005)
    path = Path(to) / file.name
    weights.save(
        model if half else weights.load(file), path, half=half, training=header["training"], data=header["data"],
        metrics=header["metrics"] | {"half precision": f"{half}: changes them by {cost:.1g}"}, commit=header["commit"],
    )  # fmt: skip
    with whole(path.with_suffix(".csv")) as temporary:
        temporary.write_bytes((Path(folder) / "log.csv").read_bytes())
    return path


def suites() -> dict[str, dict]:
    """recipes.toml: suites of models that are trained alike."""
    return tomllib.loads(paths.RECIPES.read_text())


def recipe(model: str) -> dict:
    """The settings in recipes.toml for a model, without `model` itself: its suite's, and its own on top. Empty if none."""
    for suite in suites().values():
        if model in suite["models"]:
            settings = suite["settings"] | suite.get(model, {})
            return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return {}


def by_recipe(model: str, changes: dict | None = None) -> Settings:
    """The settings of a model's recipe with some of them changed. ValueError for a name that is no setting."""
    known = [field.name for field in dataclasses.fields(Settings)]
    for name in changes or {}:
        if name not in known or name == "model":
            raise unknown("setting", name, [k for k in known if k != "model"])
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in (changes or {}).items()}
    return Settings(model, **recipe(model) | changes)


def from_nothing(settings: Settings, *, device: torch.device | str = "cpu", progress: bool = True) -> Settings:
    """Train the model that `settings.init` names by its own recipe, in runs/{init}; the settings that start from there.

    A run that is there is gone on with, or taken as it is if it is complete.
    """
    if settings.init not in ALL:
        return settings
    before = from_nothing(by_recipe(settings.init), device=device, progress=progress)
    folder = paths.ROOT / "runs" / before.model
    fit(before, folder, device=device, progress=progress)
    return dataclasses.replace(settings, init=str(folder / f"{before.model}.safetensors"))


def arguments(defaults: dict) -> Iterator[tuple[str, dict]]:
    """Command-line options from the fields of Settings, with a model's recipe as defaults."""
    for field in dataclasses.fields(Settings):
        default = defaults.get(field.name, None if field.default is dataclasses.MISSING else field.default)
        if field.name in ("exclude", "scales"):
            yield field.name, {"nargs": "*", "type": float if field.name == "scales" else str, "default": default}
        else:
            kind = {"int": int, "float": float}.get(str(field.type), str)
            yield field.name, {"type": kind, "default": default, "required": field.default is dataclasses.MISSING}


def main(words: list[str]) -> int:
    """python -m srlib train --model compact-diif [--steps 6000 ...]: train by its recipe, or resume, in runs/{model}."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--model", default="")
    name = first.parse_known_args(words)[0].model
    if name in suites():
        if any(w.startswith("--folder") for w in words):
            print("a suite's runs lie in runs/{model} each; --folder is for one model", file=sys.stderr)
            return 1
        rest = [w for i, w in enumerate(words) if w not in ("--model", f"--model={name}") and words[i - 1] != "--model"]
        return max(main(["--model", model, *rest]) for model in suites()[name]["models"])
    parser = argparse.ArgumentParser(
        prog="python -m srlib train",
        description="Train a model, or all of a suite, by the recipe in srlib/recipes.toml, or resume its run. "
        f"Suites: {', '.join(suites())}.",
    )
    for option, how in arguments(recipe(name)):
        parser.add_argument(f"--{option}", **how)
    parser.add_argument("--folder", help="default: runs/{model}")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--from-nothing", action="store_true", help="train what `init` names by its own recipe first, in runs/{init}"
    )
    parser.add_argument("--ship", action="store_true", help="then put weights and log into data/weights")
    choice = vars(parser.parse_args(words))
    folder, device, whole_way, shipped = (choice.pop(k) for k in ("folder", "device", "from_nothing", "ship"))
    choice |= {"exclude": tuple(choice["exclude"]), "scales": tuple(choice["scales"])}
    try:
        settings, device = Settings(**choice), provenance.choose_device(device)
        settings = from_nothing(settings, device=device) if whole_way else settings
        folder = Path(folder or paths.ROOT / "runs" / settings.model)
        fit(settings, folder, device=device)
        print(f"weights, log and state are in {paths.shown(folder)}")
        if shipped:
            print(f"shipped as {paths.shown(ship(folder, settings.model))}")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
