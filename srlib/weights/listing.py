"""The weights on this machine and those that authors have published, in words."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from srlib.models.catalogue import names, without_seed
from srlib.util import paths
from srlib.util.atomic import sha256
from srlib.util.errors import unknown
from srlib.weights import ours, registry
from srlib.weights.loading import advice, find, load, locate, trainings
from srlib.weights.ours import header

COLUMNS = ["model", "file", "MB", "commit", "trained"]


def at_hand(wanted: Sequence[str] = ()) -> pd.DataFrame:
    """The models with weights, or those wanted: model, file, MB, commit, how it was trained. ValueError for unknown names."""
    for name in wanted:
        if without_seed(name)[0] not in (*names(), *registry.released()):
            raise unknown("model", name, [*names(), *registry.released()])
    rows = []
    for name in wanted or [one for plain in names() for one in trainings(plain)]:
        one = registry.released().get(name)
        path = one.found if one and without_seed(name)[0] not in names() else find(name)
        if path is not None:
            rows.append((name, paths.shown(path), round(path.stat().st_size / 1e6, 2), *told(path)))
        elif wanted:
            rows.append((name, "none at hand", None, "", advice(name)))
    return pd.DataFrame(rows, columns=COLUMNS)


def published() -> pd.DataFrame:
    """The files that authors have published: name, whose, MB, SHA-256 (its first digits), licence, the tables that they fill,
    whether at hand."""
    rows = []
    for one in registry.released().values():
        tables: dict[str, list[str]] = {}
        for row in one.rows():
            paper, _, number = row.partition(":")[0].partition(" Table ")
            tables.setdefault(paper, []).append(number)
        fills = "; ".join(
            f"{paper} {', '.join(dict.fromkeys(n))}" if n != [""] else paper for paper, n in tables.items()
        )
        state = "at hand" if one.found else "to fetch" if one.url or one.drive else "by hand"
        size, state = round(one.size / 1e6, 1) or None, state if one.readable else "not read"
        rows.append((one.name, one.by, size, one.sha256[:8], one.licence or "not known", fills, state))
    return pd.DataFrame(rows, columns=["name", "published by", "MB", "SHA-256", "licence", "tables", "state"])


def pages() -> dict[str, str]:
    """Where each of those who published files did so: the page, or what their pages have in common."""
    theirs: dict[str, list[str]] = {}
    for one in registry.released().values():
        theirs.setdefault(one.by, []).append(one.page.removeprefix("https://"))
    return {by: f"https://{os.path.commonpath(pages)}" for by, pages in theirs.items()}


def fetch(name: str, *, progress: bool = True) -> bool:
    """Have a name's weights at hand if they are published; whether they were downloaded just now. A file without a known
    SHA-256 is read once, so that it is not something else. ValueError, OSError: see `registry.fetch`."""
    one = registry.released().get(name)
    if one is None or one.found or (name in names() and find(name)):
        return False
    path = registry.fetch(name, progress=progress)
    if one.readable and not one.sha256 and (held := load(path).architecture) != one.model:
        raise ValueError(f"{paths.shown(path)}: holds {held}, where {one.by} published {one.model}")
    return True


def told(path: Path) -> tuple[str, str]:
    """The commit and the training that a file's header names; others say so."""
    if path.suffix != ".safetensors":
        called = path.stem in registry.released()
        whose = f"called as the file that {registry.released()[path.stem].by} published" if called else "by others"
        return "", f"{whose}: srlib weights --check says what it is"
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
    """What a weight file is, read whole: model, parameters, where it comes from, how it was trained; whether it is a published
    file, and the table rows that it fills. ValueError with what is known of it if it is damaged or not read."""
    path = locate(str(path))
    digest = sha256(path)
    one = registry.known(digest)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # the remark comes below
        try:
            model = load(path)
        except ValueError as error:
            said = registry.remark(path, digest)
            said = said or (f"it is the file that {one.by} published as {one.name}" if one else "")
            raise ValueError(f"{error}{said and '; '}{said}") from error
    facts: dict[str, object] = {"model": model.architecture, "parameters": sum(p.numel() for p in model.parameters())}
    facts |= {name: value for name, value in model.origin.items() if value and name != "known"}
    if one:
        facts |= {"published": f"as {one.name} by {one.by}, {one.page}", "note": one.note}
        facts |= {"fills": "; ".join(one.rows()) or "no row of the papers' tables here"}
    else:
        facts |= unconfirmed(path, model.architecture)
    if remark := registry.remark(path, digest, holds=model.architecture):
        facts["but"] = remark
    if path.suffix == ".safetensors":
        entries = header(path)
        facts |= {name: entries[name] for name in ("training", "data", "metrics") if name in entries}
    return {name: value for name, value in facts.items() if value != ""}


def unconfirmed(path: Path, model: str) -> dict[str, str]:
    """Of a file that its SHA-256 does not tell: which published files hold the same model, whether it can be one of them, and
    the rows that it would fill."""
    if path.suffix == ".safetensors":
        rows = registry.rows_of(model)
        return {"would fill, as a training of your own": "; ".join(rows)} if rows else {}
    called = registry.called(path)
    same = [one for one in registry.released().values() if one.model == model]
    same = [called] if called in same else same
    told = ["not a file that is known here"]
    if others := [f"{one.name} ({one.sha256[:8]}...)" for one in same if one.sha256]:
        told.append(f"its SHA-256 is not that of {' or '.join(others)}")
    if bare := [one.name for one in same if not one.sha256]:
        told.append(f"no SHA-256 of {' or '.join(bare)} is known, so it may be that file")
    rows = [row for one in same for row in one.rows()] if same else registry.rows_of(model)
    would = "; ".join(dict.fromkeys(rows)) or "no row of the papers' tables here"
    return {"published": "; ".join(told), "would fill, if it is its authors'": would}


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
