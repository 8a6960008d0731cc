import json
import os
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
import yaml

from srlib.util import paths
from srlib.workbook import published

PROFILES = {p.stem: yaml.safe_load(p.read_text()) for p in (paths.ROOT / "profiles").glob("*.yaml")}


def test_unknown_parameters_are_an_error_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"unknown parameter of quickstart 'scal'; nearest: scale"):
        run.checked("quickstart", {"scal": 2.0})
    with pytest.raises(ValueError, match="unknown notebook.*nearest: quickstart"):
        run.checked("quikstart", {})
    with pytest.raises(ValueError, match="models is a list"):
        run.checked("quickstart", {"models": "bicubic"})
    values = run.checked("quickstart", {"scale": 3})
    assert values["scale"] == 3 and values["image"] == "stereo_motorcycle"
    assert run.main(["quickstart", "-p", "scal", "2"]) == 2


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_fit_the_notebooks(profile):
    assert PROFILES[profile]["profile"] == profile
    assert set(PROFILES[profile]["notebooks"]) == set(run.notebooks()) - ({"train"} if profile == "paper" else set())
    for name, parameters in PROFILES[profile]["notebooks"].items():
        run.checked(name, parameters)


def test_a_failed_notebook_leaves_its_traceback(tmp_path, monkeypatch):
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    parameters = nbformat.v4.new_code_cell('out = ""\nanswer = 1', metadata={"tags": ["parameters"]})
    notebook.cells = [parameters, nbformat.v4.new_code_cell("raise RuntimeError(f'no {answer}')")]
    nbformat.write(notebook, tmp_path / "broken.ipynb")
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")  # of an earlier run: must not pass for this one
    assert run.main(["broken", "--out", str(tmp_path / "out"), "-p", "answer", "42"]) == 1
    left = (tmp_path / "out" / "broken.ipynb").read_text()
    assert '"ename": "RuntimeError"' in left and '"evalue": "no 42"' in left and '"traceback"' in left
    assert not (tmp_path / "out" / "run.json").exists()
    assert run.summary(tmp_path / "out" / "..", ["out"])["state"].tolist() == ["not run"]
    (tmp_path / "out").rename(tmp_path / "broken")
    assert run.summary(tmp_path, ["broken"])["state"].str.contains("FAILED").all()


def test_checks():
    verdict = lambda **k: report.check("x", 1.0, within=0.1, **k)["verdict"]  # noqa: E731
    assert [verdict(measured=m) for m in (1.05, 1.2, 0.8, None, float("nan"))] == [
        "confirmed", "not confirmed", "not confirmed", "not measured", "not measured",
    ]  # fmt: skip
    assert (
        verdict(measured=9.0, at_least=True) == "confirmed" and verdict(measured=0.5, at_least=True) == "not confirmed"
    )


def test_a_comparison_says_what_was_compared():
    rows = [
        ("a-diif", "Set5", 2, 30.1),
        ("a-diif", "Set5", 3, 28.0),
        ("a-diif", "B100", 2, 27.0),
        ("a-liif", "Set5", 2, 30.0),
    ]
    scores = pd.DataFrame([*rows, ("a-liif", "B100", 2, 27.1)], columns=["model", "dataset", "scale", "psnr"])
    index = pd.MultiIndex.from_tuples([("Set5", 2), ("Urban100", 2)], names=["dataset", "scale"])
    printed = pd.Series([0.05, 0.3], index)
    line = report.compare(scores, "a-diif", "a-liif", "better", paper="P", printed=printed)
    assert line["claim"] == "better: a-diif less a-liif, mean over Set5, B100 ×2 (paper, Set5 ×2: +0.05)"
    assert line["verdict"] == "confirmed" and float(line["measured"]) == pytest.approx(0) and line["paper"] == "P"
    some = report.compare(scores[scores["dataset"] == "B100"], "a-diif", "a-liif", printed=printed, limit=1, paper="P")
    assert some["verdict"] == "not confirmed" and some["paper"] == ""  # part of a set confirms no paper
    assert "first 1 images" in some["claim"] and "(paper, Set5, Urban100 ×2: +0.17)" in some["claim"]
    cause = lambda scores, **k: report.compare(scores, "a-diif", "a-lte", **k)["likely cause"]  # noqa: E731
    assert cause(scores, needs={"a-lte": "train it"}) == "train it"
    assert cause(scores, needs={"Set14": "fetch it"}) == "needs a-lte among the models"
    assert cause(scores.iloc[:0], needs={"Set14": "fetch it"}) == "fetch it"  # the set is missing, not the model


def test_models_of_one_method_are_told_apart():
    assert list(report.labels(["idm", "idm-small", "compact-liif", "rdn-liif", "compact-x2"]).values()) == [
        "IDM (full size)", "IDM (small)", "LIIF (compact)", "LIIF (rdn)", "EDSR ×2",
    ]  # fmt: skip
    assert report.labels(["rdn-x2", "edsr-baseline-x2"]) == {"rdn-x2": "RDN ×2", "edsr-baseline-x2": "EDSR ×2"}
    assert report.labels(["idm-small", "sr3-small"]) == {"idm-small": "IDM", "sr3-small": "SR3"}


def test_a_network_that_draws_another_image_is_told_apart():
    near, far, none = (report.same_image("x", c, 50.0, "why") for c in (140.0, 160.0, None))
    assert near[0]["verdict"] == "confirmed" and near[1] is True
    assert far[0]["verdict"] == "not confirmed" and far[0]["measured"] == "110" and far[1] is False
    assert none[0]["verdict"] == "not measured" and none[1] is False


def test_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), files.whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with files.whole(path) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


def test_notebooks_are_committed_clean():
    for name in run.notebooks():
        notebook = nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)
        assert notebook.metadata.kernelspec.name == "python3"
        for cell in notebook.cells:
            if cell.cell_type == "code":
                assert not cell.outputs and cell.execution_count is None, name
        assert "Expected, measured, gap" in notebook.cells[-2].source


def workflow(*words, data):
    """Run the smoke profile's workflow."""
    call = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        "profiles/smoke.yaml",
        "--cores",
        "all",
        "--nolock",
        *words,
    ]
    environment = os.environ | {"SRLIB_DATA": str(data)}
    return subprocess.run(call, cwd=paths.ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def no_sets(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def smoke(no_sets):
    """Every notebook once, through the workflow, on a machine without data sets."""
    done = workflow("--forceall", "--keep-going", data=no_sets)
    assert done.returncode == 0, done.stderr[-5000:]
    return paths.RESULTS / "smoke"


@pytest.mark.parametrize("name", run.notebooks())
def test_every_notebook_runs_and_concludes(smoke, name):
    origin = json.loads((smoke / name / "run.json").read_text())
    assert origin["commit"] and origin["seconds"] > 0 and origin["versions"]["torch"]
    given = PROFILES["smoke"]["notebooks"][name]
    assert {k: origin["parameters"][k] for k in given} == given
    checks = pd.read_csv(smoke / name / "checks.csv")
    assert len(checks) and set(checks["verdict"]) <= set(report.VERDICTS)
    assert (checks.loc[checks["verdict"] == "not measured", "likely cause"].notna()).all()
    for file in origin["files"]:
        assert (smoke / name / file).stat().st_size > 0
        if file.endswith(".csv"):
            empty = len(pd.read_csv(smoke / name / file)) == 0  # only where weights are missing, and the page says so
            assert not empty or (checks["verdict"] == "not measured").all()
    text = (smoke / name / f"{name}.ipynb").read_text()
    assert '"output_type": "error"' not in text


@pytest.mark.parametrize("name", ["diif_table1", "diif_table3", "diif_table4"])
def test_costs_come_out(smoke, name):
    checks = pd.read_csv(smoke / name / "checks.csv")
    printed = checks[checks["claim"].str.startswith("cells that come out to the printed digits")]
    assert len(printed) == 1 and (printed["verdict"] == "confirmed").all()


def test_an_unchanged_notebook_is_not_run_again(smoke, no_sets):
    before = {p: p.stat().st_mtime_ns for p in smoke.glob("*/run.json")}
    done = workflow(data=no_sets)
    assert done.returncode == 0 and "Nothing to be done" in done.stderr
    assert before and {p: p.stat().st_mtime_ns for p in smoke.glob("*/run.json")} == before


def test_summary_lists_every_notebook(smoke, capsys):
    table = run.summary(smoke)
    assert set(table["notebook"]) == set(run.notebooks()) and (table["state"] == "done").all()
    assert run.main(["--summary", str(smoke)]) == 0 and "diif_table3" in capsys.readouterr().out


def test_every_results_table_has_the_schema(smoke):
    tables = [path for path in smoke.glob("*/table*.csv") if path.parent.name.startswith(("diif", "diinn"))]
    assert len(tables) == 9
    for path in tables:
        table = pd.read_csv(path)
        assert list(table.columns) == published.SCHEMA
        assert (table.loc[table["measured"].isna(), "note"].str.len() > 10).all(), path


def test_claims_gathers_the_other_notebooks(smoke):
    claims = pd.read_csv(smoke / "claims" / "claims.csv")
    assert set(claims["paper"]) == {"DIIF", "DIINN", "IDM"} and set(claims["verdict"]) <= set(report.VERDICTS)
    assert {"diif_table1", "diif_table3", "diinn_tables", "diinn_table5"} <= set(claims["notebook"])
