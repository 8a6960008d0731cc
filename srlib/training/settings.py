"""What defines a training run: settings, and the recipes that say them for a model or a suite of models."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd

from srlib.models.catalogue import ModelName
from srlib.util import paths
from srlib.util.errors import unknown


def setting(default: object, about: str):
    """A field with its help text, `metadata["help"]`."""
    return field(default=default, metadata={"help": about})


@dataclass(frozen=True)
class Settings:
    """What defines a training run. Batch, patch, scales and pixels are by default LIIF's; steps and rate suit small models.

    Regression models decode whole output rows drawn at random (whole slices, as DIIF needs; LIIF draws the same number of
    single pixels). Diffusion models see whole crops of patch * scales[1] pixels, resized to patch and to patch * scale, as
    IDM's do. An encoder that is trained already may stay as it is for the first `frozen` steps, which then take half the time.
    ValueError for values that cannot be.
    """

    model: str
    steps: int = setting(6000, "how many steps the schedule of rates spans")
    data: str = setting("bsd400", "data set or folder of images")
    exclude: tuple[str, ...] = setting(("302003",), "image names left out")  # the photograph is also Set5's woman
    batch: int = setting(16, "images a step")
    patch: int = setting(48, "LR pixels a side")
    scales: tuple[float, float] = setting((1.0, 4.0), "smallest and largest, drawn uniformly, one a step")
    scale_step: float = setting(0.0, "distance between the scales that are drawn (DIINN: 1); 0 is any scale")
    pixels: int = setting(48 * 48, "HR pixels of each patch that are decoded")
    lr: float = setting(1e-3, "Adam's learning rate")
    frozen: int = setting(0, "steps for which the encoder stays as it is")
    encoder_rate: float = setting(1.0, "the encoder's learning rate over lr")
    beta2: float = setting(0.999, "Adam's")
    warmup: int = setting(100, "steps in which the cosine's rate rises from zero")
    clip: float = setting(0.0, "largest norm of a step's gradients, longer ones are shortened to it; 0 is no limit")
    initial: str = setting(
        "own", "first weights of the decoder's layers: own (each decoder's), or torch (torch's default)"
    )
    ema: float = setting(0.0, "decay of a moving average of the weights, which is then scored and saved; 0 is none")
    schedule: str = setting(
        "cosine", "cosine: to zero, after warming up; halving: at every fifth of the run; or constant"
    )
    precision: str = setting("auto", "auto: bf16 autocast where the device has it, else float32; or bf16, or float32")
    seed: int = setting(0, "of the fresh weights and of all that is drawn")
    init: str = setting("", "model or weight file to start from: all of it if it is the same model, else its encoder")
    stop: int = setting(0, "end after this step, the learning rate still high; 0 is after steps")

    def __post_init__(self):
        def need(good: bool, name: str, expected: str) -> None:
            if not good:
                raise ValueError(f"{name} must be {expected}, got {getattr(self, name)!r}")

        need(self.schedule in ("cosine", "halving", "constant"), "schedule", "'cosine', 'halving' or 'constant'")
        need(self.precision in ("auto", "bf16", "float32"), "precision", "'auto', 'bf16' or 'float32'")
        for name in ("steps", "batch", "patch", "pixels"):
            need(is_integer(getattr(self, name)) and getattr(self, name) >= 1, name, "a positive integer")
        need(self.initial in ("own", "torch"), "initial", "'own' or 'torch'")
        need(is_integer(self.warmup) and self.warmup >= 0, "warmup", "an integer, not negative")
        need(is_integer(self.seed) and 0 <= self.seed < 2**31, "seed", "an integer from 0 to 2**31 - 1")
        for name in ("frozen", "stop"):
            value = getattr(self, name)
            need(is_integer(value) and 0 <= value <= self.steps, name, f"an integer from 0 to steps, {self.steps}")
        for name in ("lr", "encoder_rate", "scale_step", "clip"):
            value = getattr(self, name)
            need(is_number(value) and 0 <= value < math.inf, name, "finite and not negative")
        need(is_number(self.beta2) and 0 < self.beta2 < 1, "beta2", "between 0 and 1")
        need(is_number(self.ema) and 0 <= self.ema < 1, "ema", "0 (none) or a decay below 1")
        pair = isinstance(self.scales, tuple) and len(self.scales) == 2 and all(map(is_number, self.scales))
        good = pair and 0 < self.scales[0] <= self.scales[1] < math.inf
        need(good, "scales", "(smallest, largest), positive and finite")
        need(isinstance(self.exclude, tuple), "exclude", "a tuple of image names")

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
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        return self.lr * warm * 0.5 * (1 + math.cos(math.pi * step / self.steps))


DEFAULTS = {option.name: option.default for option in dataclasses.fields(Settings) if option.name != "model"}


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    return is_integer(value) or isinstance(value, float)


def suites() -> dict[str, dict]:
    """recipes.toml: suites of models that are trained alike."""
    return tomllib.loads(paths.RECIPES.read_text())


def suite_of(model: str) -> str:
    """The suite that a model is in, or "" if none."""
    known = (model, *ModelName.of(model).aliases)
    return next((suite for suite, said in suites().items() if not set(known).isdisjoint(said["models"])), "")


def recipe(model: str, like: str = "") -> dict[str, object]:
    """The settings in recipes.toml for a model, or for the one that it is to be trained like: its suite's, and its own on top.
    A network with a scale of its own has that scale, whosever the recipe is; without a recipe it has only that."""
    only = ModelName.of(model).scale
    own_scale = {"scales": (float(only),) * 2} if only else {}
    if not (suite := suite_of(like or model)):
        return own_scale
    said = suites()[suite]
    named = next(name for name in (like or model, *ModelName.of(like or model).aliases) if name in said["models"])
    return as_settings(said["settings"] | said.get(named, {})) | own_scale


def as_settings(said: Mapping[str, object]) -> dict[str, object]:
    """Lists, as TOML and the command line have them, made tuples. ValueError for a name that is no setting."""
    for name in said:
        if name not in DEFAULTS:
            raise unknown("setting", name, list(DEFAULTS))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}


def by_recipe(model: str, changes: Mapping[str, object] | None = None, like: str = "") -> Settings:
    """The settings of a model's recipe, or of that of the model `like`, with some of them changed.

    ValueError for an unknown model or setting, a value that cannot be, and a model without a recipe if `changes` do not say
    the steps: nobody should train for hours unasked.
    """
    for name in filter(None, (model, like)):
        ModelName.parse(name)
    changes = as_settings(changes or {})
    if "data" in changes and changes["data"] != DEFAULTS["data"]:
        changes = {"exclude": ()} | changes  # the image left out by default is one of the default set's
    if not suite_of(like or model) and (like or "steps" not in changes):
        known = [name for said in suites().values() for name in said["models"]]
        near = difflib.get_close_matches(model, known, n=3, cutoff=0.0)
        raise ValueError(
            f"{like or model} has no recipe in {paths.shown(paths.RECIPES)}: say whose to take, like (--like) one of "
            f"{', '.join(near)}, or give the steps"
        )
    return made(model, recipe(model, like) | changes, changes, like)


def made(model: str, said: Mapping[str, object], given: Iterable[str], like: str = "") -> Settings:
    """Settings of what is said, the rest by default. A ValueError tells whose each value is that it names."""
    try:
        return Settings(model, **said)
    except ValueError as error:
        whose = owners(model, DEFAULTS | dict(said), given, like)
        named = ", ".join(f"{name}: {whose[name]}" for name in whose if re.search(rf"\b{name}\b", str(error)))
        raise ValueError(f"{error} ({named})") from error


def owners(model: str, values: Mapping[str, object], given: Iterable[str] = (), like: str = "") -> dict[str, str]:
    """Whose each setting's value is: "given", "the recipe of ..." or "the default"."""
    theirs, suite = recipe(model, like), suite_of(like or model)
    recipes = f"the recipe of {suite}" if suite else "its scale"
    found = {name: recipes if name in theirs else "the default" for name in DEFAULTS}
    expected = DEFAULTS | theirs
    return {name: "given" if name in given or values[name] != expected[name] else found[name] for name in DEFAULTS}


def differences(before: Settings, now: Settings, like: str = "") -> list[str]:
    """What differs between the settings of a run that was begun and those it is to go on with, and whose each value is. `stop`
    may differ: a run can go on past it."""
    one, other = asdict(before), asdict(now)
    theirs, ours = owners(before.model, one), owners(now.model, other, like=like)
    lines = [f"model was {before.model}, now {now.model}"] if before.model != now.model else []
    return lines + [
        f"{name} was {one[name]!r} ({theirs[name]}), now {other[name]!r} ({ours[name]})"
        for name in DEFAULTS
        if one[name] != other[name] and name != "stop"
    ]


def described(settings: Settings, given: Iterable[str] = (), like: str = "") -> list[str]:
    """What is not the default, a line for each whose it is."""
    lines: dict[str, list[str]] = {}
    values = asdict(settings)
    for name, whose in owners(settings.model, values, given, like).items():
        if whose != "the default":
            lines.setdefault(whose, []).append(f"{name} {values[name]}")
    return [f"{settings.model}, {whose}: {', '.join(said)}" for whose, said in lines.items()]


def searched(model: str, runs: Path | None = None) -> Path:
    """The table of the search for a model's settings, `srlib.training.search`. runs: where, by default runs/."""
    return (runs or paths.RUNS) / "search" / model / "trials.csv"


def chosen(model: str, runs: Path | None = None) -> dict[str, object]:
    """The settings that the search for a model chose; none without a search. runs: as for `searched`."""
    if not (path := searched(model, runs)).is_file():
        return {}
    table = pd.read_csv(path)
    if len(table) < int(table["of"].iloc[0]) or not table["chosen"].any():  # interrupted, or about to choose
        return {}
    best = table[table["chosen"]].iloc[0]
    return {name: type(DEFAULTS[name])(best[name]) for name in SEARCHED}


SEARCHED = ("lr", "warmup", "clip", "initial")  # what a search varies


def search_said(settings: Settings) -> str:
    """What a header says of the search behind a run's settings."""
    found = chosen(settings.model)
    if not found or any(getattr(settings, name) != value for name, value in found.items()):
        return "none"
    table = pd.read_csv(searched(settings.model))
    return f"{len(table)} trials of {int(table['steps'].iloc[0])} steps, judged on the validation photographs"
