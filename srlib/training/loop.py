"""Training: images resident in memory, crops and antialiased downsampling on the fly, resumable, deterministic by seed.

Regression models learn the image (L1), diffusion models the noise in it (`Diffusion.loss`). Every step draws from a generator
seeded with (seed, step), so a resumed run sees the same batches as an unbroken one.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import math
import re
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from srlib import data, weights
from srlib.imaging import resize
from srlib.imaging.files import to_tensor
from srlib.models.base import Batch, SRModel
from srlib.models.catalogue import ModelName, build, names
from srlib.util import paths, provenance
from srlib.util.atomic import whole
from srlib.util.devices import choose_device, device_name
from srlib.util.errors import unknown

RULES = 1  # one more whenever a change of this file, or of a model, would make of an interrupted run another one
LOGGED = ("step", "loss", "lr", "seconds")  # beside what `validation` says
VALIDATION = ("astronaut", "chelsea", "coffee", "rocket")  # embedded photographs, in no training or benchmark set


@dataclass(frozen=True)
class Settings:
    """What defines a training run. Batch, patch, scales and pixels are by default LIIF's; steps and rate suit small models.

    data: data set or folder. exclude: image names left out. patch: LR pixels a side. scales: (smallest, largest), drawn
    uniformly per batch, or with scale_step from that grid (DIINN draws 2, 3 or 4). pixels: HR pixels of each patch that are
    decoded, as whole output rows drawn at random (whole slices, as DIIF needs; LIIF draws the same number of single pixels).
    schedule: "cosine" to zero after 100 steps of warming up, "halving" at every fifth of the run, or "constant". precision:
    "auto" is bf16 autocast where the device has it, else float32. init: a model's name or weight file to start from: all of
    it if it is the same model, else its encoder. For an encoder that is trained already: it stays as it is for the first
    `frozen` steps, which then take half the time, and its learning rate is `lr` times encoder_rate. beta2: Adam's. ema: decay
    of an exponential moving average of the weights (less at first, `moving_average`), which is then what is scored and saved;
    0 is none. stop: end after this step, the learning rate still high; 0 is after `steps`.

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
            if not is_integer(getattr(self, name)) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive integer, got {getattr(self, name)!r}")
        if not is_integer(self.seed) or not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be an integer from 0 to 2**31 - 1, got {self.seed!r}")
        if not is_integer(self.stop) or not 0 <= self.stop <= self.steps:
            raise ValueError(f"stop must be a step of the {self.steps}, or 0 for the last, got {self.stop!r}")
        if not 0 <= self.lr < math.inf:
            raise ValueError(f"lr must be finite and not negative, got {self.lr!r}")
        if not is_integer(self.frozen) or not 0 <= self.frozen <= self.steps:
            raise ValueError(f"frozen must be a number of the {self.steps} steps, got {self.frozen!r}")
        if not 0 <= self.encoder_rate < math.inf:
            raise ValueError(f"encoder_rate must be finite and not negative, got {self.encoder_rate!r}")
        if not 0 < self.beta2 < 1:
            raise ValueError(f"beta2 must lie between 0 and 1, got {self.beta2!r}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be 0 (none) or a decay below 1, got {self.ema!r}")
        if self.scale_step < 0 or not math.isfinite(self.scale_step):
            raise ValueError(f"scale_step must be 0 (any scale) or positive, got {self.scale_step!r}")
        if len(self.scales) != 2 or not 0 < self.scales[0] <= self.scales[1] < math.inf:
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


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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

    def batch(self, settings: Settings, step: int) -> Batch:
        """Step -> LR (B, 3, p, p), HR (B, 3, S, S), both in [0, 1], and the output rows to decode (R,)."""
        g = generator(settings, step)
        size = round(settings.patch * draw_scale(settings, g))
        hr = self.crops(settings, size, g)
        lr = resize.antialiased_8bit(hr, (settings.patch, settings.patch))
        count = min(size, max(1, round(settings.pixels / size)))
        rows = torch.randperm(size, generator=g)[:count].sort().values
        return Batch(lr, hr, rows, g)

    def diffusion_batch(self, settings: Settings, step: int) -> Batch:
        """Step -> LR (B, 3, p, p) and HR (B, 3, S, S), both in [0, 1] and of the same crop, and the generator for the noise."""
        g = generator(settings, step)
        size = round(settings.patch * draw_scale(settings, g))
        crop = self.crops(settings, round(settings.patch * settings.scales[1]), g)
        lr, hr = (resize.antialiased_8bit(crop, (n, n)) for n in (settings.patch, size))
        return Batch(lr, hr, torch.arange(size), g)


def generator(settings: Settings, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(settings.seed * 2**32 + step)


def draw_scale(settings: Settings, g: torch.Generator) -> float:
    low, high = settings.scales
    if settings.scale_step:
        count = math.floor((high - low) / settings.scale_step + 1e-9) + 1
        return low + settings.scale_step * int(torch.randint(count, (), generator=g))
    return low + (high - low) * float(torch.rand((), generator=g))


def objective(model: SRModel, settings: Settings, images: Images, step: int, device: torch.device) -> Tensor:
    """The loss of one step."""
    batch = images.diffusion_batch(settings, step) if model.whole_crops else images.batch(settings, step)
    model.encoder.requires_grad_(step >= settings.frozen)
    with autocast(settings, device):
        return model.loss(batch)


def arithmetic(settings: Settings, device: torch.device) -> str:
    """ "bf16" (autocast) if asked for, or if "auto" and the device multiplies bf16 natively; else "float32"."""
    if settings.precision != "auto":
        return settings.precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "float32"


def autocast(settings: Settings, device: torch.device) -> contextlib.AbstractContextManager:
    if arithmetic(settings, device) == "bf16":
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


def validation(model: SRModel, device: torch.device) -> Callable[[SRModel], dict[str, float]]:
    """A function that scores models like this one on the embedded photographs."""
    pairs = validation_pairs(model.validation_scales(), device)

    def score(model: SRModel) -> dict[str, float]:
        model.eval()
        scores = model.validate(pairs)
        model.train()
        return scores

    return score


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
    FloatingPointError if the loss is no number; what is saved is then from before.
    """
    device, folder = torch.device(device), Path(folder)
    model = build(settings.model, seed=settings.seed).to(device).train()
    folder.mkdir(parents=True, exist_ok=True)
    if model.whole_crops:
        if settings.frozen or settings.scales[1] <= 1:
            raise ValueError("a diffusion model learns as a whole (frozen = 0), at scales up to one above 1")
        model.trained_scale = settings.scales[1]
    if not model.whole_crops or device.type == "cuda":  # on a CPU group norm's backward pass is 20 times slower so
        model.to(memory_format=torch.channels_last)
    groups = [{"params": list(model.encoder.parameters())}, {"params": list(model.decoder.parameters())}]
    optimizer = torch.optim.Adam(groups, lr=settings.lr, betas=(0.9, settings.beta2))
    if not resume:
        (folder / "state.pt").unlink(missing_ok=True)
    state, origin = folder / "state.pt", {}
    if settings.init and not state.exists():
        origin = start_from(settings.init, model)
    average = AveragedModel(model, multi_avg_fn=moving_average(settings.ema)) if settings.ema else None
    done = read_state(state, settings, model, optimizer, average) if state.exists() else Progress(origin=origin)
    images = Images(settings, device, progress) if done.step < settings.end else None
    score, best = validation(model, device), average.module if average else model
    file = folder / f"{settings.model}.safetensors"
    if done.step < settings.end:
        file.unlink(missing_ok=True)  # of a shorter or another run
        done.commits = list(dict.fromkeys([*done.commits, provenance.commit()]))

    def save() -> None:
        done.losses = finite(done.losses, done.step, settings)
        done.seconds = time.monotonic() - started
        write_state(folder, settings, model, optimizer, average, done)

    started, saved = time.monotonic() - done.seconds, time.monotonic()
    end = min(settings.end, stop_at or settings.end)
    bar = tqdm(total=settings.end, initial=done.step, desc=settings.model, disable=not progress, smoothing=0.02)
    try:
        while done.step < end:
            for group, factor in zip(optimizer.param_groups, (settings.encoder_rate, 1.0), strict=True):
                group["lr"] = factor * settings.rate(done.step)
            torch.manual_seed(settings.seed * 2**32 + 2**31 + done.step)  # dropout draws from torch's own generator
            loss = objective(model, settings, images, done.step, device)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            if average:
                average.update_parameters(model)
            done.losses.append(loss.detach())
            done.step += 1
            bar.update()
            if done.step % log_every == 0 or done.step == settings.end:
                mean = float(np.mean(finite(done.losses, done.step, settings)))
                row = {"step": done.step, "loss": mean, "lr": settings.rate(done.step - 1)}
                if done.step % valid_every == 0 or done.step == settings.end:
                    row |= (scores := score(best))
                    said = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
                    bar.set_postfix_str(f"loss {mean:.4f}, {said}")
                done.log.append(row | {"seconds": round(time.monotonic() - started, 1)})
                done.losses = []
            if time.monotonic() - saved > save_every:
                save()
                saved = time.monotonic()
    finally:
        bar.close()
    if images is None and file.exists():
        return pd.DataFrame(done.log)
    save()
    if done.step == settings.end:
        last = done.log[-1]
        weights.save(
            best,
            file,
            training=asdict(settings)
            | {
                "init": paths.shown(settings.init) if settings.init else "",
                "arithmetic": arithmetic(settings, device),
                "seconds": last["seconds"],
                "device": device_name(device),
            },
            data={"set": settings.data, "without": list(settings.exclude)} | done.origin,
            metrics={"validation": "embedded photographs"} | {k: v for k, v in last.items() if k not in LOGGED},
            commit=", ".join(done.commits),
        )
    return pd.DataFrame(done.log)


def start_from(init: str, model: SRModel) -> dict:
    """Fill a model with the weights that `init` names, or its encoder if that is another model: {"init": their origin}."""
    before = weights.load(init)
    tensors = before.state_dict()
    if before.name not in (model.name, *ModelName.of(model.name).aliases):
        encoder = {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
        fresh = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("encoder.")}
        tensors = encoder | fresh
    weights.fill(model, tensors, init)
    if model.whole_crops == before.whole_crops:  # what the encoder was trained to see
        model.configure(before.config())
    return {"init": before.origin | weights.training_of(init)}


def finite(losses: Sequence[Tensor | float], step: int, settings: Settings) -> list[float]:
    """Losses as numbers. FloatingPointError if one is NaN or infinite: what comes after it is worth nothing."""
    numbers = [float(x) for x in losses]
    if not all(map(math.isfinite, numbers)):
        raise FloatingPointError(
            f"the loss is NaN or infinite at or before step {step}; start over with a lower lr (now {settings.lr}): "
            "--restart, or resume=False"
        )
    return numbers


def moving_average(decay: float) -> Callable:
    """torch's exponential moving average, its decay at step n no more than (1 + n) / (10 + n): the first weights are soon
    forgotten, of which 0.999 alone would keep 3 % for 3,500 steps."""

    def update(averages, current, n) -> None:
        get_ema_multi_avg_fn(min(decay, (1 + int(n)) / (10 + int(n))))(averages, current, n)

    return update


@dataclass
class Progress:
    """How far a run is. losses: of the steps since the last line of the log. commits: of the code that ran. origin: of the
    weights that it started from."""

    step: int = 0
    log: list[dict] = field(default_factory=list)
    losses: list[Tensor | float] = field(default_factory=list)
    seconds: float = 0.0
    commits: list[str] = field(default_factory=list)
    origin: dict = field(default_factory=dict)


def write_state(
    folder: Path,
    settings: Settings,
    model: SRModel,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    done: Progress,
) -> None:
    """state.pt and log.csv, each whole or not at all."""
    state = {
        "rules": RULES,
        "settings": asdict(settings),
        "config": model.config(),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average.state_dict() if average else {},
        "done": asdict(done),
    }
    with whole(folder / "state.pt") as temporary:
        torch.save(state, temporary)
    if done.log:
        with whole(folder / "log.csv") as temporary:
            pd.DataFrame(done.log).to_csv(temporary, index=False, float_format="%.6g")


def read_state(
    path: Path,
    settings: Settings,
    model: SRModel,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
) -> Progress:
    """Fill model, optimizer and average from state.pt. ValueError for other settings, or a file that is none of ours."""

    def damaged(error: Exception) -> ValueError:
        return ValueError(f"{path}: damaged checkpoint ({type(error).__name__}); remove it to start over")

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before, rules = dict(state["settings"]), state["rules"]
    except Exception as error:
        raise damaged(error) from error
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
    try:
        model.configure(state["config"])
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if average:
            average.load_state_dict(state["average"])
        return Progress(**state["done"])
    except Exception as error:
        raise damaged(error) from error


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
    """The settings in recipes.toml for a model, without `model` itself: its suite's, and its own on top. Without a recipe, only
    the scale of a network that has one."""
    for suite in suites().values():
        for name in (model, *ModelName.of(model).aliases):
            if name in suite["models"]:
                settings = suite["settings"] | suite.get(name, {})
                return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    only = re.search(r"-x(\d\d?)$", model)
    return {"scales": (float(only[1]),) * 2} if only else {}


def by_recipe(model: str, changes: dict | None = None) -> Settings:
    """The settings of a model's recipe with some of them changed. ValueError for a name that is no setting."""
    known = [option.name for option in dataclasses.fields(Settings)]
    for name in changes or {}:
        if name not in known or name == "model":
            raise unknown("setting", name, [k for k in known if k != "model"])
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in (changes or {}).items()}
    return Settings(model, **recipe(model) | changes)


def from_nothing(settings: Settings, *, device: torch.device | str = "cpu", progress: bool = True) -> Settings:
    """Train the model that `settings.init` names by its own recipe, in runs/{init}; the settings that start from there.

    A run that is there is gone on with, or taken as it is if it is complete.
    """
    if settings.init not in names():
        return settings
    same = {name: getattr(settings, name) for name in ("data", "exclude", "precision")}
    before = from_nothing(by_recipe(settings.init, same), device=device, progress=progress)
    folder = paths.ROOT / "runs" / before.model
    fit(before, folder, device=device, progress=progress)
    return dataclasses.replace(settings, init=str(folder / f"{before.model}.safetensors"))


def arguments(defaults: dict) -> Iterator[tuple[str, dict]]:
    """Command-line options from the fields of Settings, with a model's recipe as defaults."""
    for option in dataclasses.fields(Settings):
        default = defaults.get(option.name, None if option.default is dataclasses.MISSING else option.default)
        if option.name == "exclude":
            yield option.name, {"nargs": "*", "type": str, "default": default}
        elif option.name == "scales":
            yield option.name, {"nargs": 2, "type": float, "default": default, "metavar": ("SMALLEST", "LARGEST")}
        else:
            kind = {"int": int, "float": float}.get(str(option.type), str)
            yield option.name, {"type": kind, "default": default, "required": option.default is dataclasses.MISSING}


def main(words: list[str]) -> int:
    """python -m srlib train --model compact-diif [--steps 6000 ...]: train by its recipe, or resume, in runs/{model}."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
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
        allow_abbrev=False,
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
    parser.add_argument("--restart", action="store_true", help="forget a run of this model that is there")
    choice = vars(parser.parse_args(words))
    options = ("folder", "device", "from_nothing", "ship", "restart")
    folder, device, whole_way, shipped, restart = (choice.pop(name) for name in options)
    choice |= {"exclude": tuple(choice["exclude"]), "scales": tuple(choice["scales"])}
    try:
        settings, device = Settings(**choice), choose_device(device)
        settings = from_nothing(settings, device=device) if whole_way else settings
        folder = Path(folder or paths.ROOT / "runs" / settings.model)
        fit(settings, folder, device=device, resume=not restart)
        print(f"weights, log and state are in {paths.shown(folder)}")
        if shipped:
            print(f"shipped as {paths.shown(ship(folder, settings.model))}")
    except (ValueError, OSError, FloatingPointError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
