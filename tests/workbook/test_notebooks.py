"""Every notebook through the batch at smoke size, in a copy of the project on a machine without data sets; then what an edit
measures anew, counted by the files of the store."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from prose import RUNS

from srlib.util import paths
from srlib.workbook import plan, published
from srlib.workbook.claims import VERDICTS

PARTS = ("srlib", "notebooks", "profiles", "Snakefile", "data/weights")
LISTED = plan.listed("smoke")


def numbers(code: str, *, but_of: str = "") -> list:
    """The numbers in a cell that are no index, but for those in calls of one function."""

    def within(node: ast.AST) -> list:
        if isinstance(node, ast.Subscript):
            return within(node.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == but_of:
            return []
        found = [node.value] if isinstance(node, ast.Constant) and type(node.value) in (int, float) else []
        return found + [number for part in ast.iter_child_nodes(node) for number in within(part)]

    return within(ast.parse(code))


@pytest.mark.parametrize("path", sorted(paths.NOTEBOOKS.rglob("*.ipynb")), ids=lambda path: path.stem)
def test_cells_hold_no_thresholds_lists_of_models_and_surgery(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    _, *codes = ["".join(cell["source"]) for cell in cells]  # less the parameters
    for code in codes:
        kinds = {type(node) for node in ast.walk(ast.parse(code))}
        assert kinds.isdisjoint({ast.BitOr, ast.Lambda, ast.FunctionDef, ast.ClassDef}), code
        assert not re.search(r"(compact|edsr-baseline|rdn|swinir)-", code), code
        fractions = [number for number in numbers(code, but_of="srlib.upscale") if number % 1]  # which is shown there
        assert not fractions, code
        assert not re.search(r"\b(evaluate|cost)\.(?!mean_scores|growth)", code), "the store measures; pages read"
    assert numbers(codes[-1], but_of="claims.stated") == [], "its numbers are those of a paper's tables"


class Project:
    """A copy of the project."""

    def __init__(self, folder: Path):
        self.folder = folder
        for part in PARTS:
            source, target = paths.ROOT / part, folder / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
            else:
                shutil.copy(source, target)
        (folder / "no-data").mkdir()
        self.results = folder / "results" / "smoke"

    def run(self, *words: str) -> str:
        """`srlib reproduce smoke`; what it printed."""
        environment = os.environ | {"SRLIB_DATA": str(self.folder / "no-data"), "PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-m", "srlib", "reproduce", "smoke", *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stdout + done.stderr

    def measured(self) -> dict[str, str]:
        """The measurements in the store: name -> what each is of."""
        found = {}
        for path in (self.folder / "results" / "measurements").glob("*.json"):
            found[path.name] = " ".join(map(str, json.loads(path.read_text())["about"].values()))
        for path in (self.folder / "results" / "measurements").glob("*.png"):
            found[path.name] = "picture"
        return found

    def concluded(self) -> dict[str, int]:
        """When each notebook concluded."""
        return {name: (self.results / name / "run.json").stat().st_mtime_ns for name in LISTED}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Every notebook once."""
    made = Project(tmp_path_factory.mktemp("project"))
    made.run()
    return made


@pytest.mark.parametrize("name", LISTED)
def test_every_notebook_runs_and_concludes(project, name):
    place = project.results / name
    origin = json.loads((place / "run.json").read_text())
    assert origin["commit"]
    assert origin["seconds"] > 0
    assert origin["versions"]["torch"]
    assert origin["measured here"] == 0, "notebooks only read"
    checks = pd.read_csv(place / "checks.csv")
    assert len(checks)
    assert set(checks["verdict"]) <= set(VERDICTS)
    assert checks.loc[checks["verdict"] == "not measured", "note"].notna().all()
    for file in origin["files"]:
        assert (place / file).stat().st_size > 0
    assert '"output_type": "error"' not in (place / f"{Path(name).name}.ipynb").read_text()


@pytest.mark.parametrize("name", ["diif/table1", "diif/table3", "diif/table4"])
def test_costs_come_out(project, name):
    checks = pd.read_csv(project.results / name / "checks.csv")
    printed = checks[checks["claim"].str.startswith("cells that come out to the printed digits")]
    assert printed["verdict"].tolist() == ["confirmed"]


def test_every_results_table_has_the_schema(project):
    tables = [path for paper in ("diif", "diinn") for path in project.results.glob(f"{paper}/*/table[0-9].csv")]
    assert len(tables) == 9
    for path in tables:
        table = pd.read_csv(path)
        assert list(table.columns) == published.SCHEMA, path
        assert (table.loc[table["measured"].isna(), "note"].str.len() > 10).all(), path


def test_claims_gathers_the_other_notebooks(project):
    claims = pd.read_csv(project.results / "claims" / "claims.csv")
    assert set(claims["paper"]) == {"DIIF", "DIINN", "IDM", "LMF", "SRNO", "THERA"}
    assert {"diif/table1", "diif/table3", "diinn/tables", "diinn/table5"} <= set(claims["notebook"])


def test_what_an_edit_measures_anew(project):
    """One edit after another, each looking at what the ones before left. The graph is asked which pages would run again;
    that they do is in test_batch.py."""
    measured, concluded = project.measured(), project.concluded()
    assert "Nothing to be done" in project.run()
    assert project.measured() == measured
    assert project.concluded() == concluded

    project.edit("srlib/workbook/figures.py", 'axes[0].set_ylabel("mean step', 'axes[0].set_ylabel("the mean step')
    would = project.run("--dry-run")
    # it measures nothing; its own page, the one that reads all others, the one that takes the whole package (`import srlib`)
    again = {"diif/figure7", "claims", "quickstart"}
    jobs = set(re.findall(r"^Job \d+: (.+)$", would, re.MULTILINE))
    listed_since = {f"notebook {name}" for name in LISTED if name not in RUNS}  # they may draw what they like
    assert jobs - listed_since == {f"notebook {name}" for name in again}

    project.edit("srlib/models/metasr.py", "n, hidden = self.code_width,", "n, hidden = 1 * self.code_width,")
    project.run("--until", "measure")
    new = {name: of for name, of in project.measured().items() if name not in measured}
    assert len(new) > 3
    assert all("metasr" in of or of == "picture" for of in new.values()), new
    gone = [name for name in measured if name not in project.measured()]
    assert gone == [], "what was measured with the older code stays until it is pruned"
    assert sum(of == "picture" for of in new.values()) == 2, "Meta-SR's pictures of DIINN's Figure 4"
