"""The command `srlib train`: an option for each field of `Settings`, of its type and with its help."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, TypedDict, get_type_hints

from cyclopts import Group, Parameter

from srlib.training import runs
from srlib.training.search import STEPS
from srlib.training.search import search as find
from srlib.training.settings import Settings, suites

GROUP = Group("Settings", help="In place of the recipe's, or of these defaults.", sort_key=1)
HINTS = get_type_hints(Settings)


def option(field: dataclasses.Field) -> object:
    """A field's type, with its help."""
    default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
    about = f"{field.metadata['help']} [default: {default}]" if default != "" else field.metadata["help"]
    negative = "no-" if field.name == "exclude" else ()  # --no-exclude leaves no image out
    return Annotated[HINTS[field.name], Parameter(help=about, group=GROUP, negative_iterable=negative)]


FIELDS = [field for field in dataclasses.fields(Settings) if field.name != "model"]
# those that were given, no others
Given = TypedDict("Given", {field.name: option(field) for field in FIELDS}, total=False)


def train(
    model: str,
    /,
    *,
    like: str | None = None,
    folder: Path | None = None,
    device: str = "auto",
    from_nothing: bool = False,
    export: bool = False,
    search: bool = False,
    restart: bool = False,
    settings: Annotated[Given | None, Parameter(name="*")] = None,
) -> None:
    """Train a model.

    Args:
        model: A model's name, or a suite's: all of its models.
        like: Take the recipe of this model.
        folder: Of the run; by default runs/MODEL.
        device: auto, cpu or cuda.
        from_nothing: First train what init names, by its own recipe, in runs/INIT.
        export: Then put weights and log into data/weights.
        search: Instead search for its settings, by short trials judged on the validation photographs (runs/search/MODEL);
            --steps is then the length of a trial.
        restart: Forget a run of this model that is there.
    """
    if search:
        given = dict(settings or {})
        steps = given.pop("steps", STEPS)
        for name in suites()[model]["models"] if model in suites() else [model]:
            find(name, given, steps=steps, device=device)
        return
    runs.train(
        model, settings or {}, folder=folder, device=device, like=like or "", from_nothing=from_nothing, export=export,
        restart=restart,
    )  # fmt: skip


def suite(
    name: str = "compact",
    /,
    *,
    seeds: int = 3,
    jobs: int = 2,
    search: bool = False,
    here: bool = False,
    device: str = "auto",
    settings: Annotated[Given | None, Parameter(name="*")] = None,
) -> int:
    """Train every model of a suite, or of all suites whose names begin so, with several seeds, unattended.

    The same command goes on after an interruption; runs/suite.csv says how far each run is.

    Args:
        name: A suite of srlib/training/recipes.toml, or the beginning of several: compact.
        seeds: How many trainings of each model, seeds 0, 1, ...
        jobs: How many side by side, each by one thread.
        search: First search for each model's settings, all with the same budget.
        here: Train from this work tree and not from one at a fixed commit, runs/tree.
        device: auto, cpu or cuda: all of them on this one.
    """
    from srlib.training.suite import train_suite

    failed = train_suite(name, seeds=seeds, jobs=jobs, search=search, fixed=not here, changes=settings, device=device)
    if failed:
        print(f"not complete: {', '.join(failed)}")
    return int(bool(failed))
