"""Run notebooks in batch: a strict papermill runner, and the table of what was reproduced."""

from __future__ import annotations

import ast
import contextlib
import datetime
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from srlib.util import atomic, paths
from srlib.util.errors import unknown
from srlib.workbook import plan, store


def notebooks() -> list[str]:
    """Every notebook file below notebooks/, whether a profile lists it or not."""
    found = sorted(paths.NOTEBOOKS.rglob("*.ipynb"))
    names = [path.relative_to(paths.NOTEBOOKS).with_suffix("").as_posix() for path in found]
    return [name for name in names if ".ipynb_checkpoints" not in name]


def locate(notebook: str) -> Path:
    """The file of a notebook, by its name below notebooks/ or by its path. ValueError with the nearest names."""
    for path in (paths.NOTEBOOKS / f"{notebook}.ipynb", Path(notebook)):
        if path.suffix == ".ipynb" and path.is_file():
            return path
    raise unknown("notebook", notebook, notebooks())


OPENS = re.compile(r"""^[^#\n]*\bworkbook\.open\(\s*(?:notebook\s*=\s*)?(["'])(.+?)\1""", re.MULTILINE)


def opened(path: Path) -> str:
    """The name of the record that a notebook's cells open, `workbook.open("NAME", ...)`, which a copy keeps; "" for none."""
    cells = json.loads(path.read_text())["cells"]
    found = OPENS.search("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))
    return found[2] if found else ""


def checked(notebook: str, parameters: dict) -> dict:
    """All parameters of a notebook, the given ones in place of its defaults.

    What is no parameter of the notebook goes into its `changes`, if it has them: models, datasets, scales, options of the
    record that it opens. ValueError for an unknown notebook or parameter, with the nearest names, a value of another kind than
    the default, and for changes where no record is opened.
    """
    import papermill

    path = locate(notebook)
    declared = papermill.inspect_notebook(str(path))
    if not declared:
        raise ValueError(f"{notebook}: no cell is tagged 'parameters'")
    values = {name: ast.literal_eval(entry["default"]) for name, entry in declared.items()}
    rest = {name: value for name, value in parameters.items() if name not in values}
    for name, value in parameters.items():
        if name in values:
            plan.check_kind(notebook, name, values[name], value)
            values[name] = value
    if "changes" in values:
        values["changes"] = values["changes"] | rest
        if record := opened(path):
            plan.plan(record, values["profile"], values["changes"])  # ValueError for what it does not know
        elif rest:
            raise ValueError(
                f'{notebook} opens no record that {", ".join(rest)} could change: its cells have no workbook.open("NAME", ...)'
            )
    elif rest:
        raise unknown(f"parameter of {notebook}", next(iter(rest)), list(values))
    return values


def digest(notebook: str, profile: str = "quick") -> str:
    """A digest of what a notebook's page depends on beside its measurements: its cells, its record, the code it uses."""
    from srlib.workbook.measure import CODE  # here, as what runs a notebook needs no torch

    cells = json.loads(locate(notebook).read_text())["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    whole = plan.profile(profile)
    roots = [*CODE.roots_in(text), "srlib.workbook.book:Book"]
    record = [whole["notebooks"].get(notebook, {}), whole.get("groups", {})]
    prose = ["".join(cell["source"]) for cell in cells]
    tables = [atomic.sha256(path) for path in sorted(paths.PUBLISHED.glob("*.csv"))]
    return store.digest({"cells": prose, "code": CODE.digest(roots), "record": record, "tables": tables})


def execute(notebook: str, out: str | Path = "", parameters: dict | None = None, *, progress: bool = True) -> dict:
    """Run one notebook with papermill; its results and executed copy land in `out`. Returns run.json's content.

    out: by default results/interactive/{notebook}. Raises papermill's PapermillExecutionError if a cell fails;
    {name}.ipynb in `out` then holds the traceback. RuntimeError if it ends without a conclusion.
    """
    import papermill

    path = locate(notebook)
    inside = path.resolve().is_relative_to(paths.NOTEBOOKS)
    name = path.resolve().relative_to(paths.NOTEBOOKS).with_suffix("").as_posix() if inside else path.stem
    folder = Path(out or paths.RESULTS / "interactive" / name).resolve()
    values = checked(notebook, parameters or {})  # what is refused leaves no folder
    folder.mkdir(parents=True, exist_ok=True)
    values |= {"out": str(folder)} if "out" in values else {}
    origin = folder / "run.json"
    origin.unlink(missing_ok=True)  # a folder with run.json is a finished one
    started = time.monotonic()
    papermill.execute_notebook(
        str(path), str(folder / path.name), values, kernel_name="python3",
        progress_bar=progress, cwd=str(Path.cwd()),  # relative paths mean what they mean to the caller
        extra_arguments=["--IPKernelApp.log_level=50"],  # or it warns of plain TCP, on the loopback
    )  # fmt: skip
    if not origin.exists():
        raise RuntimeError(f"{path.name} ran but did not conclude: no {origin}")
    content = json.loads(origin.read_text())
    content["parameters"] = values | {"out": paths.shown(folder)}
    content["seconds"] = round(time.monotonic() - started, 1)
    atomic.write_json(origin, content)
    return content


def read(path: Path, needed: Sequence[str] = ()) -> dict:
    """A plan. ValueError if it is none, or lacks an entry that is needed."""
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no plan ({error}); srlib reproduce writes one") from error
    if lacking := [name for name in needed if not isinstance(content, dict) or name not in content]:
        raise ValueError(f"{path}: no plan (it has no {', '.join(lacking)}); srlib reproduce writes one")
    return content


def run_planned(name: str, path: Path) -> dict:
    """Run one notebook of a plan, which may only read measurements; run.json's content."""
    content = read(path, ("profile", "from", "device"))
    parameters = {"profile": content["from"], "device": content["device"]}
    with environment(store.ONLY_READ, "1"):
        return execute(name, paths.RESULTS / content["profile"] / name, parameters, progress=False)


# Notebooks whose tables, figures and verdicts follow from rows that lie in their results folder; the page of claims comes last.
JUDGED = (
    "diif/table1", "diif/table2", "diif/table3", "diif/table4", "diif/figure7", "diinn/tables", "diinn/table4", "diinn/table5",
    "idm/scales", "idm/x16", "idm/sampling", "idm/scaling_factor", "idm/slider", "scale_slider", "later/methods", "speed",
    "claims",
)  # fmt: skip


def judge(folder: str | Path, names: Sequence[str] = ()) -> list[str]:
    """Judge again what lies in a results folder: its tables, figures and verdicts, from the rows that were measured
    then, without running a model. The profile is the one that the folder's run.json names. Returns the notebooks that
    were judged.

    ValueError for a notebook whose rows are not kept, FileNotFoundError where they are missing.
    """
    import papermill

    folder = Path(folder).resolve()
    for name in names:
        if name not in JUDGED:
            raise unknown("notebook that can be judged from its rows", name, JUDGED)
    done = []
    for name in names or JUDGED:
        place = folder / name
        if not (place / "run.json").is_file():
            continue
        told = json.loads((place / "run.json").read_text()).get("profile") or folder.name
        profile = told if told in plan.profiles() else "quick"
        values = checked(name, {"profile": profile} | ({"results": str(folder)} if name == "claims" else {}))
        values |= {"out": str(place)}
        with tempfile.TemporaryDirectory() as page, environment(store.ROWS, str(folder)):
            papermill.execute_notebook(
                str(locate(name)), f"{page}/page.ipynb", values, kernel_name="python3", progress_bar=False,
                extra_arguments=["--IPKernelApp.log_level=50"],
            )  # fmt: skip
        done.append(name)
    return done


@contextlib.contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """An environment variable, and afterwards as before."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def summary(folder: str | Path, names: list[str] | None = None) -> pd.DataFrame:
    """What was reproduced in a results folder: notebook, state, seconds, checks by verdict, and where it lies."""
    from srlib.workbook.claims import VERDICTS

    rows = []
    for name in names or plan.listed():
        place = Path(folder) / name
        page = place / f"{Path(name).name}.ipynb"
        row = {"notebook": name, "state": "not run", "seconds": None} | dict.fromkeys(VERDICTS, "")
        if (place / "run.json").exists():
            row |= {"state": "done", "seconds": json.loads((place / "run.json").read_text())["seconds"]}
            verdicts = pd.read_csv(place / "checks.csv")["verdict"].value_counts()
            row |= {v: int(verdicts.get(v, 0)) for v in VERDICTS}
        elif page.exists():
            failed = '"output_type": "error"' in page.read_text()
            row["state"] = "FAILED, traceback in its .ipynb" if failed else "not finished"
        rows.append(row | {"results": paths.shown(place.resolve())})
    return pd.DataFrame(rows)


def minutes(folder: str | Path) -> pd.DataFrame:
    """How long each finished notebook of a results folder took: notebook, minutes, device.

    The minutes of its measurements, whichever notebook asked for them first, and of its page. The last row, "all", is from the
    start of the first measurement to the end of the last page: what the run took, if the store was empty before; its device is
    that of times, which have all cores, where any were taken.
    """
    rows, starts, ends, whole = [], [], [], ""
    for origin in sorted(Path(folder).rglob("run.json")):
        told = json.loads(origin.read_text())
        kept = [
            one
            for name in told["measurements"]
            for path in store.folder().glob(f"{name}.*")
            for one in store.sound(path)
        ]
        spans = [(one.origin["date"], one.origin["seconds"]) for one in kept] + [(told["date"], told["seconds"])]
        for date, seconds in spans:
            ends.append(datetime.datetime.fromisoformat(date))
            starts.append(ends[-1] - datetime.timedelta(seconds=seconds))
        whole = next((one.origin["device"] for one in kept if one.kind == "time"), whole)
        rows.append((told["notebook"], sum(seconds for _, seconds in spans) / 60, told["device"]))
    if rows:
        rows.append(("all", (max(ends) - min(starts)).total_seconds() / 60, whole or rows[0][2]))
    return pd.DataFrame(rows, columns=["notebook", "minutes", "device"]).round(1)
