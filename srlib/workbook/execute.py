"""Run notebooks in batch: a strict papermill runner, and the table of what was reproduced.

python -m srlib run NOTEBOOK --out FOLDER [-p NAME VALUE ...]    one notebook
python -m srlib run --summary FOLDER                             what lies in a results folder
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import time
from pathlib import Path

import pandas as pd

from srlib.util import atomic, paths
from srlib.util.errors import unknown


def notebooks() -> list[str]:
    return sorted(p.stem for p in paths.NOTEBOOKS.glob("*.ipynb"))


def checked(notebook: str, parameters: dict) -> dict:
    """All parameters of a notebook, the given ones in place of its defaults.

    ValueError for an unknown notebook or parameter, with the nearest names, or a value of another kind than the default.
    """
    import papermill

    if notebook not in notebooks():
        raise unknown("notebook", notebook, notebooks())
    declared = papermill.inspect_notebook(str(paths.NOTEBOOKS / f"{notebook}.ipynb"))
    if not declared:
        raise ValueError(f"{notebook}.ipynb has no cell tagged 'parameters'")
    values = {name: ast.literal_eval(entry["default"]) for name, entry in declared.items()}
    for name, value in parameters.items():
        if name not in values:
            raise unknown(f"parameter of {notebook}", name, list(values))
        default = values[name]
        number = isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
        if not (isinstance(value, type(default)) or number):
            raise ValueError(f"{notebook}: {name} is a {type(default).__name__} ({default!r}), got {value!r}")
        values[name] = value
    return values


def execute(notebook: str, out: str | Path, parameters: dict | None = None, *, progress: bool = True) -> dict:
    """Run one notebook with papermill; its results and executed copy land in `out`. Returns run.json's content.

    Raises papermill's PapermillExecutionError if a cell fails; {notebook}.ipynb in `out` then holds the traceback.
    """
    import papermill

    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    values = checked(notebook, (parameters or {}) | {"out": str(out)})
    origin = out / "run.json"
    origin.unlink(missing_ok=True)  # a folder with run.json is a finished one
    started = time.monotonic()
    papermill.execute_notebook(
        str(paths.NOTEBOOKS / f"{notebook}.ipynb"), str(out / f"{notebook}.ipynb"), values, kernel_name="python3",
        progress_bar=progress, cwd=str(Path.cwd()),  # relative paths mean what they mean to the caller
        extra_arguments=["--IPKernelApp.log_level=50"],  # or it warns of plain TCP, on the loopback
    )  # fmt: skip
    if not origin.exists():
        raise RuntimeError(f"{notebook}.ipynb ran but did not conclude: no {origin}")
    content = json.loads(origin.read_text())
    content["parameters"] = values | {"out": paths.shown(out)}
    content["seconds"] = round(time.monotonic() - started, 1)
    atomic.write_json(origin, content)
    return content


def summary(folder: str | Path, names: list[str] | None = None) -> pd.DataFrame:
    """What was reproduced in a results folder: notebook, state, seconds, checks by verdict, and where it lies."""
    rows = []
    for name in names or notebooks():
        place = Path(folder) / name
        row = {
            "notebook": name,
            "state": "not run",
            "seconds": None,
            "confirmed": "",
            "not confirmed": "",
            "not measured": "",
        }
        if (place / "run.json").exists():
            row |= {"state": "done", "seconds": json.loads((place / "run.json").read_text())["seconds"]}
            verdicts = pd.read_csv(place / "checks.csv")["verdict"].value_counts()
            row |= {v: int(verdicts.get(v, 0)) for v in ("confirmed", "not confirmed", "not measured")}
        elif (place / f"{name}.ipynb").exists():
            failed = '"output_type": "error"' in (place / f"{name}.ipynb").read_text()
            row["state"] = "FAILED, traceback in its .ipynb" if failed else "not finished"
        rows.append(row | {"results": paths.shown(place.resolve())})
    return pd.DataFrame(rows)


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m srlib run", description="Run a notebook with strict parameters.")
    parser.add_argument("notebook", nargs="?", help=", ".join(notebooks()))
    parser.add_argument("--out", help="folder for its results; default results/interactive/NOTEBOOK")
    parser.add_argument(
        "-p",
        nargs="+",
        action="append",
        default=[],
        metavar="NAME VALUE",
        help="or NAME=VALUE; Python literals or text",
    )
    parser.add_argument("--json", default="{}", help="parameters as a JSON object")
    parser.add_argument("--summary", metavar="FOLDER", help="print what lies in a results folder")
    return parser.parse_args(words)


def literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def pair(words: list[str]) -> tuple[str, object]:
    """-p NAME VALUE or -p NAME=VALUE."""
    name, *rest = words[0].split("=", 1) if len(words) == 1 else words
    if len(rest) != 1:
        raise ValueError(f"-p takes NAME VALUE or NAME=VALUE, got {' '.join(words)!r}")
    return name, literal(rest[0])


def main(words: list[str]) -> int:
    choice = parse(words or ["--help"])
    if choice.summary:
        with pd.option_context("display.width", 200, "display.max_colwidth", 60):
            print(summary(choice.summary).to_string(index=False, na_rep=""))
        return 0
    try:
        parameters = json.loads(choice.json) | dict(map(pair, choice.p))
        out = choice.out or paths.RESULTS / "interactive" / str(choice.notebook)
        content = execute(str(choice.notebook), out, parameters)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except Exception as error:  # a failed cell: the traceback is in the executed notebook
        print(f"{choice.notebook} failed: {type(error).__name__}: {str(error)[-2000:]}", file=sys.stderr)
        return 1
    print(f"{choice.notebook}: {content['seconds']} s, results in {paths.shown(Path(out).resolve())}")
    return 0
