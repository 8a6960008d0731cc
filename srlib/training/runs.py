"""Runs in their folders: what `srlib train` does, model by model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from tqdm.auto import tqdm

from srlib.models.catalogue import names, with_seed, without_seed
from srlib.training.checkpoint import begun, check_same
from srlib.training.export import export as export_run
from srlib.training.loop import fit
from srlib.training.settings import Settings, as_settings, by_recipe, described, made, suites
from srlib.util import paths
from srlib.util.devices import choose_device


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
    say: Callable[[str], None] = tqdm.write,
) -> list[Path]:
    """Train a model, or each model of a suite in turn, or go on with its run; returns the weight files, one a model.

    name: a model's or a suite's. changes: the settings (fields of `Settings` but for `model`) that the user gave, and only
    those; the others come from the run that is there, else from the recipe, else from the defaults. folder: of one model's
    run; default runs/{model}, of a seed that is given runs/{model}-seed{n}. like: a model whose recipe is taken.
    from_nothing: train what `init` names by its own recipe first, in runs/{init}. export: then put weights and log into
    data/weights. restart: forget a run that is there. say: gets the settings, the estimate of the time and where things
    are, line by line.
    ValueError, OSError and FloatingPointError have one sentence each. KeyboardInterrupt: the state is saved, and its text says
    at which step.
    """
    models = suites()[name]["models"] if name in suites() else [name]
    if folder and name in suites():
        raise ValueError(f"{name} is a suite, whose runs lie in runs/{{model}} each; a folder is for one model")
    device, written = choose_device(str(device)), []
    for model in models:
        called = with_seed(model, int((changes or {}).get("seed") or 0))
        place = Path(folder or paths.RUNS / called)
        settings = chosen(model, changes or {}, place, like, from_nothing, restart, say)
        if from_nothing:
            settings = start_from_nothing(settings, device=device, progress=progress, say=say)
        fit(settings, place, device=device, resume=not restart, progress=progress, say=say)
        say(f"weights, log and state are in {paths.shown(place)}")
        written.append(place / f"{model}.safetensors")
        if export:
            written[-1] = export_run(called, folder=place)
            say(f"exported as {paths.shown(written[-1])}")
    return written


def chosen(
    model: str,
    changes: Mapping[str, object],
    folder: Path,
    like: str,
    from_nothing: bool,
    restart: bool,
    say: Callable[[str], None],
) -> Settings:
    """The settings of a run: those that a run in the folder was begun with, else by recipe; with the changes. Says whose they
    are. ValueError if they are not those of the run that is there."""
    before = None if restart else begun(folder)
    if before is None or like:
        settings = by_recipe(model, changes, like)
    else:
        said = {name: value for name, value in asdict(before[0]).items() if name != "model"}
        settings = made(model, said | as_settings(changes), changes)
    if before is not None:
        check_same(folder, before[0], own_start(settings) if from_nothing else settings, like)
        state = "complete" if before[1] >= settings.end else f"at step {before[1]} of {settings.end}"
        say(f"{model}: the run in {paths.shown(folder)}, {state}, with the settings that it was begun with")
    for line in described(settings, changes, like):
        say(line)
    return settings


def start_from_nothing(
    settings: Settings,
    *,
    device: torch.device | str = "cpu",
    progress: bool = True,
    say: Callable[[str], None] | None = None,
) -> Settings:
    """Train the model that `settings.init` names by its own recipe, in runs/{init}; the settings that start from there.

    A run that is there is gone on with, or taken as it is if it is complete.
    """
    if own_start(settings) == settings:
        return settings
    same = {name: getattr(settings, name) for name in ("data", "exclude", "precision")}
    plain, seed = without_seed(settings.init)
    same |= {"seed": seed} if seed else {}
    before = start_from_nothing(by_recipe(plain, same), device=device, progress=progress, say=say)
    for line in described(before) if say else ():
        say(line)
    fit(before, paths.RUNS / settings.init, device=device, progress=progress, say=say)
    return own_start(settings)


def own_start(settings: Settings) -> Settings:
    """The same settings, starting from the run in runs/{init} if `init` is a model's name."""
    if (plain := without_seed(settings.init)[0]) not in names():
        return settings
    return replace(settings, init=str(paths.RUNS / settings.init / f"{plain}.safetensors"))
