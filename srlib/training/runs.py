"""A run in its folder: what `srlib train` does, model by model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch


def train(
    name: str,
    changes: Mapping[str, object] | None = None,
    *,
    folder: str | Path | None = None,
    device: torch.device | str = "auto",
    like: str = "",
    from_nothing: bool = False,
    export: bool = False,
    restart: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Train a model, or each model of a suite in turn, or go on with its run; returns the weight files, one a model.

    name: a model's or a suite's. changes: the settings (fields of `Settings` but for `model`) that the user gave, and only
    those; the others come from the run that is there, else from the recipe, else from the defaults. folder: of one model's
    run; default runs/{model}. like: a model whose recipe is taken. from_nothing: train what `init` names by its own recipe
    first, in runs/{init}. export: then put weights and log into data/weights. restart: forget a run that is there. say: gets
    the settings, the estimate of the time and where things are, line by line.
    ValueError, OSError and FloatingPointError have one sentence each. KeyboardInterrupt: the state is saved, and its text says
    at which step.
    """
    raise NotImplementedError
