"""The weights on this machine, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from srlib.models.catalogue import names, without_seed
from srlib.util import paths
from srlib.util.errors import unknown
from srlib.weights import ours
from srlib.weights.loading import find, load, locate, trainings
from srlib.weights.ours import header

COLUMNS = ["model", "file", "MB", "commit", "trained"]


def at_hand(wanted: Sequence[str] = ()) -> pd.DataFrame:
    """The models with weights, or those wanted: model, file, MB, commit, how it was trained. ValueError for unknown names."""
    for name in wanted:
        if without_seed(name)[0] not in names():
            raise unknown("model", name, names())
    rows = []
    for name in wanted or [one for plain in names() for one in trainings(plain)]:
        if (path := find(name)) is not None:
            rows.append((name, paths.shown(path), round(path.stat().st_size / 1e6, 2), *told(path)))
        elif wanted:
            rows.append((name, "none at hand", None, "", ""))
    return pd.DataFrame(rows, columns=COLUMNS)


def told(path: Path) -> tuple[str, str]:
    """The commit and the training that a file's header names; others say so."""
    if path.suffix != ".safetensors":
        return "", "by others: srlib weights --check says what it is"
    try:
        entries = header(path)
    except ValueError as error:
        return "", str(error)
    said = entries.get("training", {})
    start = f", from {said['init']}" if said.get("init") else ""
    words = [f"{said['steps']} steps on {said['data']}{start}"] if {"steps", "data"} <= said.keys() else []
    words += [f"seed {said['seed']}"] if said.get("seed") else []
    return entries["commit"], "; ".join([*words, *filter(None, [dead(entries)])])


def dead(entries: Mapping[str, object]) -> str:
    """The words for weights whose header tells of many dead units in a layer."""
    units = entries.get("metrics", {}).get("dead units", {})
    return ours.many_dead(units) if isinstance(units, dict) else ""


def describe(path: str | Path) -> dict[str, object]:
    """What a weight file is, read whole: model, parameters, where it comes from, how it was trained. ValueError if damaged."""
    model, path = load(path), locate(str(path))
    facts: dict[str, object] = {"model": model.architecture, "parameters": sum(p.numel() for p in model.parameters())}
    facts |= {name: value for name, value in model.origin.items() if value}
    if path.suffix == ".safetensors":
        entries = header(path)
        facts |= {name: entries[name] for name in ("training", "data", "metrics") if name in entries}
    return facts


def known(training: Mapping[str, object]) -> dict[str, object]:
    """What is known of an older run though its header does not say it: its threads, which the device's name tells, and
    what every run did before it was a setting."""
    threads = re.search(r"(\d+) threads", str(training.get("device", "")))
    return {"warmup": 100, "clip": 0.0, "initial": "own"} | ({"threads": int(threads[1])} if threads else {})


def renewed(wanted: Sequence[str] = ()) -> list[str]:
    """Renew the headers of our weights at hand, or of those wanted (`ours.renew`): the dead units of each layer, measured now.
    Returns the models whose header was changed."""
    from srlib.training import units  # which loads weights itself

    changed = []
    for name in wanted or [one for plain in names() for one in trainings(plain)]:
        path = find(name)
        if path is not None and path.suffix == ".safetensors":
            told = header(path).get("metrics", {})
            table = {} if "dead units" in told else {"dead units": units.shares(units.health(load(name)))}
            if ours.renew(path, training=known(header(path).get("training", {})), metrics=table):
                changed.append(name)
    return changed
