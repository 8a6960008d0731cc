"""Notebooks in batch: strict parameters, tracebacks that stay, scratch notebooks anywhere."""

import json

import nbformat
import pandas as pd
import pytest

from srlib.util import paths
from srlib.workbook import execute, plan


def notebook(path, *cells, parameters='changes = {}\nprofile = "quick"\nout = ""\nanswer = 1'):
    """A notebook file with these code cells after its parameters."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    made.cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    made.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)
    return path


def test_unknown_names_are_an_error_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown parameter of quickstart 'scal'; nearest: scale"):
        execute.checked("quickstart", {"scal": 2.0})
    with pytest.raises(ValueError, match="unknown notebook.*nearest: quickstart"):
        execute.checked("quikstart", {})
    with pytest.raises(ValueError, match="profile is a str"):
        execute.checked("quickstart", {"profile": 3})
    with pytest.raises(ValueError, match="unknown profile 'quik'"):
        execute.checked("quickstart", {"profile": "quik"})


def test_what_is_no_parameter_changes_the_record():
    values = execute.checked("quickstart", {"scale": 3, "profile": "smoke", "models": ["bicubic"]})
    assert values["changes"] == {"scale": 3, "models": ["bicubic"]}
    assert values["profile"] == "smoke"
    assert values["weights"] == []


@pytest.mark.parametrize("place", ["diif/mine", "scratch.ipynb"])
def test_a_copy_takes_the_changes_of_the_record_that_it_opens(tmp_path, monkeypatch, place):
    page = execute.locate("diif/table2").read_text()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path / "notebooks")
    path = tmp_path / (place if place.endswith(".ipynb") else f"notebooks/{place}.ipynb")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    assert execute.checked(place, {"datasets": ["embedded"]})["changes"] == {"datasets": ["embedded"]}
    with pytest.raises(ValueError, match="unknown parameter of diif/table2 'dataset'; nearest: datasets"):
        execute.checked(place, {"dataset": ["embedded"]})


def test_a_record_is_one_that_a_cell_opens(tmp_path):
    cells = ("# workbook.open('old', profile)", "book = workbook.open(\n    notebook='mine', profile=profile)")
    assert execute.opened(notebook(tmp_path / "a.ipynb", *cells)) == "mine"
    assert execute.opened(notebook(tmp_path / "b.ipynb", cells[0])) == ""


def test_changes_without_a_record_are_refused_before_a_folder_is_made(tmp_path):
    path = notebook(tmp_path / "scratch.ipynb", "1 + 1")
    with pytest.raises(
        ValueError, match=r'opens no record that datasets could change: .* workbook.open\("NAME", ...\)'
    ):
        execute.execute(str(path), tmp_path / "out", {"datasets": ["embedded"]}, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_failed_notebook_leaves_its_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    notebook(tmp_path / "deep" / "broken.ipynb", "raise RuntimeError(f'no {answer}')")
    folder = tmp_path / "out" / "deep" / "broken"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")  # of an earlier run: must not pass for this one
    with pytest.raises(Exception, match="no 42"):
        execute.execute("deep/broken", folder, {"answer": 42}, progress=False)
    left = (folder / "broken.ipynb").read_text()
    assert '"ename": "RuntimeError"' in left
    assert '"evalue": "no 42"' in left
    assert '"traceback"' in left
    assert not (folder / "run.json").exists()
    states = execute.summary(tmp_path / "out", ["deep/broken", "absent"])["state"].tolist()
    assert states == ["FAILED, traceback in its .ipynb", "not run"]


def test_a_scratch_notebook_runs_from_anywhere(tmp_path, monkeypatch):
    cells = (
        "from srlib import workbook\nbook = workbook.open('mine', profile, changes, out=out)",
        "from srlib.workbook import claims\nbook.conclude(claims.check('one', 1.0, float(answer), 0.0))",
    )
    path = notebook(tmp_path / "scratch.ipynb", *cells)
    content = execute.execute(str(path), tmp_path / "out", {"answer": 1}, progress=False)
    assert content["notebook"] == "mine"
    assert pd.read_csv(tmp_path / "out" / "checks.csv")["verdict"].tolist() == ["confirmed"]


def test_a_notebook_without_a_conclusion_is_not_done(tmp_path):
    path = notebook(tmp_path / "short.ipynb", "1 + 1")
    with pytest.raises(RuntimeError, match="ran but did not conclude"):
        execute.execute(str(path), tmp_path / "out", progress=False)


def test_a_copied_notebook_writes_to_a_folder_of_its_own(monkeypatch):
    from srlib.workbook import book

    monkeypatch.setenv("JPY_SESSION_NAME", str(paths.NOTEBOOKS / "diif" / "table2-Copy1.ipynb"))
    assert book.running("diif/table2") == "diif/table2-Copy1"
    monkeypatch.setenv("JPY_SESSION_NAME", "/elsewhere/mine.ipynb")
    assert book.running("diif/table2") == "mine"
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert book.running("diif/table2") == "diif/table2"


def test_a_page_depends_on_its_cells_its_record_and_the_code_it_uses(tmp_path, monkeypatch):
    before = execute.digest("diif/figure7")
    assert execute.digest("diif/figure7") == before
    assert execute.digest("diif/figure7", "smoke") != before
    assert execute.digest("diif/figure6") != before
    path = tmp_path / "diif" / "figure7.ipynb"
    path.parent.mkdir()
    text = execute.locate("diif/figure7").read_text()
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    path.write_text(text)
    assert execute.digest("diif/figure7") == before
    path.write_text(text.replace("Seams", "The seams"))
    assert execute.digest("diif/figure7") != before


@pytest.mark.parametrize("name", plan.listed())
def test_listed_notebooks_are_committed_clean_and_thin(name):
    """What notebooks/README.md, "Your own notebook", asks for."""
    page = nbformat.read(execute.locate(name), as_version=4)
    assert execute.opened(execute.locate(name)) == name
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    assert page.metadata.kernelspec.name == "python3"
    for cell in code:
        assert not cell.outputs
        assert cell.execution_count is None
        assert "\ndef " not in f"\n{cell.source}", "helper functions belong into srlib"
    assert "measured, interval, verdict" in page.cells[-2].source
    assert code[-1].source.count("\n") < 15
    assert "book.conclude(" in code[-1].source


def test_the_summary_reads_what_lies_there(tmp_path):
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "quickstart" / "run.json").write_text(json.dumps({"seconds": 3}))
    pd.DataFrame({"verdict": ["confirmed", "confirmed", "not measured"]}).to_csv(tmp_path / "quickstart" / "checks.csv")
    table = execute.summary(tmp_path).set_index("notebook")
    assert list(table.index) == plan.listed()
    assert table.loc["quickstart", ["state", "confirmed", "not measured"]].tolist() == ["done", 2, 1]
    assert table.loc["claims", "state"] == "not run"
