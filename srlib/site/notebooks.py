"""A page for each notebook: its own cells, each with what it left in the results folder, or with its outputs if the run has the
executed notebook."""

from __future__ import annotations

import fnmatch
import json
import re
from html import escape
from pathlib import Path

import pandas as pd

from srlib.site import html
from srlib.site.results import Run
from srlib.util import paths
from srlib.workbook import plan, published

SAVES = re.compile(r'\b(?:book|pictures|sliders)?\.?(table|figure|animation|conclude)\(\s*(?:f?"([^"]*)"|(\w+))?')
LINES = 12  # of a table that a page shows; all of them are in the CSV
ROWS = {"images", "profiles", "shares"}  # tables of which a page only says where they are
CODE_LINK = re.compile(r"\[([^\]]+)\]\([^):]*\.py\)")  # to a file of the code, which the site does not have as a page
WARNINGS = re.compile(r"warning|traceback|it/s|s/it", re.IGNORECASE)


def names(source: str) -> list[tuple[str, str]]:
    """What a cell saves, in its order: (kind, name); {...} in a name stands for anything."""
    found = []
    for kind, literal, variable in SAVES.findall(source):
        if kind == "conclude":
            found.append(("table", "checks"))
        elif literal:
            found.append((kind, re.sub(r"{[^}]*}", "*", literal)))
        elif variable and kind == "figure":
            found.append((kind, "*"))
    return found


def shared(run: Run, notebook: str) -> dict[int, list[Path]]:
    """Which of a notebook's files each of its code cells made: cell -> files. A name with a * gets what no other cell names."""
    cells = source(notebook)["cells"]
    wanted = {i: names("".join(cell["source"])) for i, cell in enumerate(cells) if cell["cell_type"] == "code"}
    exact = {name for saved in wanted.values() for _, name in saved if "*" not in name}
    result: dict[int, list[Path]] = {}
    for i, saved in wanted.items():
        for kind, name in saved:
            suffixes = {"table": (".csv",), "figure": (".png", ".svg"), "animation": (".gif",)}[kind]
            files = [path for path in run.files(notebook, *suffixes) if fnmatch.fnmatch(path.stem, name)]
            files = [path for path in files if "*" not in name or path.stem not in exact]
            if name == "table*":  # diinn/tables saves three at once
                files = [path for path in files if path.suffix == ".csv"]
            result.setdefault(i, []).extend(path for path in files if path not in result.get(i, []))
    return result


def source(notebook: str) -> dict:
    return json.loads((paths.NOTEBOOKS / f"{notebook}.ipynb").read_text())


def executed(run: Run, notebook: str) -> dict | None:
    path = run.folder / notebook / f"{Path(notebook).name}.ipynb"
    return json.loads(path.read_text()) if path.is_file() else None


def page(run: Run, notebook: str) -> dict:
    """The notebook as the site shows it: code folded away, pictures and tables as HTML, at the end how it was made."""
    own, done = source(notebook), executed(run, notebook)
    files, cells, title = shared(run, notebook), [], html.title_of(notebook)
    outputs = {}
    if done:  # the batch may have put a cell of parameters in; cells are told apart by their id
        outputs = {cell.get("id"): cell.get("outputs", []) for cell in done["cells"] if cell["cell_type"] == "code"}
    after = ""
    for i, cell in enumerate(own["cells"]):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            after = next((line.lstrip("# ") for line in reversed(text.splitlines()) if line.startswith("#")), after)
            cells.append(markdown(CODE_LINK.sub(r"\1", text)))
            if i == 0 and (run.folder / (film := f"{notebook}/{Path(notebook).name}.webp")).is_file():
                words = "A recording; where Python runs, try it yourself: make demo"
                cells.append(markdown(html.figure(run, film, words, depth=notebook.count("/") + 1)))
            continue
        left = sorted(files.get(i, []), key=lambda path: path.suffix == ".csv")  # pictures first
        shown = [of_file(run, notebook, path, f"{title}: {after}" if after else title, text) for path in left]
        if done:
            shown = [part for part in shown if part.startswith("<figure")]
            shown = [of_output(one, pictures=not shown) for one in outputs.get(cell.get("id"), [])] + shown
        body = "\n".join(part for part in shown if part)
        cells.append(code(text, body))
    cells.append(markdown("## How this was made\n\n" + html.made(run, notebook, depth=notebook.count("/") + 1)))
    cells = [cell | {"id": f"cell-{i:02d}"} for i, cell in enumerate(cells)]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def markdown(text: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(text: str, body: str) -> dict:
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": body}}
    return {
        "cell_type": "code", "execution_count": None, "source": text,
        "metadata": {"tags": ["hide-input"]}, "outputs": [output] if body else [],
    }  # fmt: skip


def of_file(run: Run, notebook: str, path: Path, about: str, cell: str) -> str:
    """A figure, or the first lines of a table, as HTML."""
    depth = notebook.count("/") + 1
    if path.suffix != ".csv":
        return html.figure(
            run, f"{notebook}/{path.name}", f"{about}: {path.stem.replace('_', ' ')}", depth=depth, caption=""
        )
    link = html.download(f"{notebook}/{path.name}", depth=depth)
    if path.stem in ROWS:
        return f'<p class="file">All rows: {link}</p>'
    frame = pd.read_csv(path, keep_default_na=path.stem != "checks")
    if path.stem in ("checks", "claims"):
        return html.checks(frame) + f'<p class="file">{link}</p>'
    if set(published.SCHEMA) <= set(frame):
        quantities = list(dict.fromkeys(frame["quantity"]))
        return (
            "\n".join(html.beside(frame[frame["quantity"] == name], name) for name in quantities)
            + f'<p class="file">{link}</p>'
        )
    more = f"{LINES} of {len(frame)} rows: " if len(frame) > LINES else ""
    return html.table(frame.head(LINES)) + f'<p class="file">{more}{link}</p>'


def of_output(output: dict, *, pictures: bool) -> str:
    """An output of an executed notebook as HTML: its tables and its words, and its pictures where no file has them. No
    warnings, bars or widgets."""
    if output["output_type"] == "stream":
        text = "".join(output["text"]).strip()
        return (
            "" if output["name"] == "stderr" or WARNINGS.search(text) else f"<pre>{escape(text)}</pre>" if text else ""
        )
    data = output.get("data", {})
    if "application/vnd.jupyter.widget-view+json" in data:
        return "<p class='file'>Here is a slider where Python runs: open the notebook in JupyterLab.</p>"
    if "text/html" in data:
        return f'<div class="scroll">{"".join(data["text/html"])}</div>'
    if "image/png" in data:
        return (
            f'<figure><img alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}"></figure>'
            if pictures
            else ""
        )
    return ""


def listed(run: Run) -> list[str]:
    """The notebooks that get a page: all of the profile, whether this run has their results or not."""
    return plan.listed(run.profile) if run.profile in plan.profiles() else plan.listed()
