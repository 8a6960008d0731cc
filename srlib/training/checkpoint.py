"""A run on disk: what state.pt holds, whether it may be gone on with, and what a run starts from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from srlib import weights
from srlib.models.base import SRModel
from srlib.models.catalogue import ModelName
from srlib.training.settings import Settings, differences
from srlib.util import paths
from srlib.util.atomic import whole

RULES = 1  # one more whenever a change of training, or of a model, would make of an interrupted run another one


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
    folder: Path,
    settings: Settings,
    model: SRModel,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
) -> Progress:
    """Fill model, optimizer and average from state.pt. ValueError for other settings, or a file that is none of ours."""
    state, before = opened(folder)
    check_same(folder, before, settings)
    if state.get("rules") != RULES:
        raise ValueError(
            f"{state_of(folder)} was begun by a version of srlib that trained otherwise; use another folder or start over "
            "(--restart)"
        )
    try:
        model.configure(state.get("config") or state["normalisation"])  # its name in older runs
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        if average:
            average.load_state_dict(state["average"])
        return Progress(**state["done"])
    except Exception as error:
        raise damaged(folder, error) from error


def begun(folder: Path) -> tuple[Settings, int] | None:
    """The settings of the run in a folder and the steps that are done; None without a run. ValueError if it is damaged."""
    if not state_of(folder).exists():
        return None
    state, settings = opened(folder, mmap=True)
    try:
        return settings, int(state["done"]["step"])
    except Exception as error:
        raise damaged(folder, error) from error


def check_same(folder: Path, before: Settings, now: Settings, like: str = "") -> None:
    """ValueError that names what differs between a run's settings and those it is to go on with, and whose each value is."""
    if differing := differences(before, now, like):
        raise ValueError(
            f"{paths.shown(folder)} holds a run with other settings: {'; '.join(differing)}; give what it was begun with, use "
            "another folder or start over (--restart)"
        )


def opened(folder: Path, mmap: bool = False) -> tuple[dict, Settings]:
    try:
        state = torch.load(state_of(folder), map_location="cpu", weights_only=True, mmap=mmap)
        return state, Settings(**state["settings"])
    except Exception as error:  # torch raises many kinds
        raise damaged(folder, error) from error


def state_of(folder: Path) -> Path:
    return folder / "state.pt"


def damaged(folder: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{paths.shown(state_of(folder))}: damaged checkpoint ({type(error).__name__}); start over (--restart) or remove it"
    )


def start_from(init: str, model: SRModel) -> dict:
    """Fill a model with the weights that `init` names, or its encoder if that is another model: {"init": their origin}."""
    before = weights.load(init)
    tensors = before.state_dict()
    if before.architecture not in (model.architecture, *ModelName.of(model.architecture).aliases):
        encoder = {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
        fresh = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("encoder.")}
        tensors = encoder | fresh
    weights.fill(model, tensors, init)
    if model.whole_crops == before.whole_crops:  # what the encoder was trained to see
        model.configure(before.config())
    return {"init": before.origin | weights.training_of(init)}
