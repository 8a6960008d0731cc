"""Profiles say what each notebook is about, and every entry is checked."""

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from srlib.util import paths
from srlib.workbook import plan


@pytest.mark.parametrize("name", plan.profiles())
def test_every_record_of_every_profile_is_a_plan(name):
    for notebook in plan.listed(name):
        made = plan.plan(notebook, name)
        assert made.profile == name
        for blocks in made.blocks.values():
            for block in blocks:
                assert made.named(block) or notebook in ("bicubic_check",), notebook


def test_every_listed_notebook_exists():
    for notebook in plan.listed():
        assert (paths.NOTEBOOKS / f"{notebook}.ipynb").is_file(), notebook


def test_a_profile_takes_over_what_it_does_not_say():
    quick, smoke = plan.plan("diif/table2", "quick"), plan.plan("diif/table2", "smoke")
    assert quick.blocks["scores"][-1]["datasets"] == ["Set5"]
    assert smoke.blocks["scores"][-1]["datasets"] == ["Set5"]
    assert smoke.limit == 1
    assert (quick.limit, quick.embedded) == (0, 2)
    assert quick.limit == 0  # of benchmark sets; the embedded photographs are no set
    assert plan.plan("quickstart", "smoke").options["scale"] == 4.0
    assert "train" not in plan.listed("paper")


def test_a_notebook_that_no_profile_lists_has_an_empty_plan():
    made = plan.plan("my/own", "quick", {"models": ["bicubic"]})
    assert made.models == ("bicubic",)
    assert not any(made.blocks.values())


def test_changes_are_set_in_every_block():
    made = plan.plan("diinn/tables", "quick", {"datasets": ["B100"], "limit": 2, "models": ["bicubic"]})
    assert [block["datasets"] for block in made.blocks["scores"]] == [["B100"]] * 3
    assert made.limit == 2
    assert made.models == ("bicubic",)
    assert plan.plan("diinn/tables").blocks["scores"][0]["datasets"] != ["B100"]  # the profile is as it was
    assert plan.plan("diinn/table4", changes={"repeats": 9}).blocks["times"][0]["repeats"] == 9
    assert plan.plan("quickstart", changes={"image": "chelsea"}).options["image"] == "chelsea"
    assert plan.plan("diif/table2", files=["a.pth"]).models[-1] == "a.pth"


def test_other_data_sets_are_taken_whole_unless_a_limit_is_given():
    made = plan.plan("diif/table2", "quick", {"datasets": ["Set14"]})
    assert [block["datasets"] for block in made.blocks["scores"]] == [["Set14"]] * 2
    assert made.limit == 0
    assert plan.plan("diif/table2", "quick", {"datasets": ["Set14"], "limit": 3}).limit == 3


def test_other_scales_leave_the_costs_beside_scores_as_they_are():
    made = plan.plan("diinn/table5", "quick", {"scales": [2, 3]})
    assert made.blocks["scores"][0]["scales"] == [2, 3]
    assert made.blocks["counts"][0]["scales"] == [4]
    assert plan.plan("diif/table3", "quick", {"scales": [2]}).blocks["counts"][0]["scales"] == [2]


@pytest.mark.parametrize(
    "notebook, changes, says",
    [
        ("diif/table2", {"dataset": ["Set5"]}, "unknown parameter of diif/table2 'dataset'; nearest: datasets"),
        ("diif/table2", {"models": "metods"}, "unknown group of models 'metods'; nearest: methods"),
        ("diif/table2", {"datasets": "Set5"}, "datasets is a list"),
        ("quickstart", {"scale": "big"}, "scale is a float"),
        ("quickstart", {"repeats": 3}, "has no repeats to change"),
        ("diif/table2", {"scores": 3}, "scores is a list"),
        ("diif/table2", {"scores": [3]}, "each of scores is a dict"),
        ("diif/table2", {"models": 3}, "models is a list"),
        ("diif/table2", {"scores": [{"protocl": "diinn"}]}, "unknown entry in scores of diif/table2 'protocl'"),
    ],
)
def test_what_is_not_known_is_refused(notebook, changes, says):
    with pytest.raises(ValueError, match=says):
        plan.plan(notebook, "quick", changes)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ValueError, match="unknown profile 'quik'; nearest: quick"):
        plan.profile("quik")


def test_a_profile_with_an_unknown_entry_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("profile: own\nlike: quick\nnotebok: {}\n")
    with pytest.raises(ValueError, match="notebok: no such entry"):
        plan.profile(path)


@pytest.mark.parametrize(
    "text, says",
    [
        ("profile: own\nnotebooks: [\n", "own.yaml, line 3: no YAML"),
        ("profile: own\nlike: quick\nabout: \x01\n", "own.yaml, line 3: no YAML"),
        ("profile: own\nabout: !!python/name:os.system x\n", "own.yaml, line 2: no YAML"),
        ("", "own.yaml, line 1: a profile is names with"),
        ("- a\n", "own.yaml, line 1: a profile is names with"),
        ("profile: own\nnotebooks: 3\n", "own.yaml, line 2: notebooks is names with"),
        ("profile: own\nlike: [quick]\n", "own.yaml, line 2: like is a name"),
        ("profile: own\nlike: quick\ngroups:\n  mine: bicubic\n", "own.yaml, line 4: mine is a list"),
        ("profile: own\nnotebooks:\n  train: x\n", "own.yaml, line 3: train is names with"),
        ("profile: own\nnotebooks:\n  train:\n    models: {a: b}\n", "line 4: models of train is a list or a name"),
        ("profile: own\nnotebooks:\n  train:\n    scores: 3\n", "line 4: scores of train is a list"),
        ("profile: own\nnotebooks:\n  train:\n    scores: [3]\n", "line 4: each of scores of train is names with"),
        ("like: quick\n", "own.yaml: it has no entry profile"),
        ("profile: own\n", "own.yaml: it has no entry notebooks"),
    ],
)
def test_a_file_that_is_no_profile_is_told_with_its_line(tmp_path, text, says):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        plan.plan("train", path)


def test_a_profile_may_leave_entries_empty(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("profile: 3\nlike: quick\nnotebooks:\n")
    assert plan.listed(path) == plan.listed()
    assert plan.profile(path)["profile"] == "3"


def test_a_profile_of_ones_own(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("profile: own\nlike: quick\nnotebooks:\n  mine: {models: [bicubic]}\n  train: {skip: true}\n")
    assert plan.plan("mine", path).models == ("bicubic",)
    assert "train" not in plan.listed(path)


def test_a_listed_notebook_is_one_record(tmp_path):
    """In a copy of the project: a notebook, its record, its line of the index; then all that is asked of what is listed."""
    for part in paths.ROOT.glob("[!.]*"):
        if part.name in ("srlib", "notebooks", "profiles", "tests"):
            shutil.copytree(
                part, tmp_path / part.name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            )
        else:
            (tmp_path / part.name).symlink_to(part)
    page = nbformat.read(paths.NOTEBOOKS / "quickstart.ipynb", as_version=4)
    for cell in page.cells:
        cell.source = cell.source.replace('workbook.open("quickstart"', 'workbook.open("mine"')
    nbformat.write(page, tmp_path / "notebooks" / "mine.ipynb")
    with (tmp_path / "profiles" / "quick.yaml").open("a") as profile:
        profile.write("  mine: {title: a notebook of my own, models: [bicubic]}\n")

    def run(*words):
        environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{tmp_path / 'tests'}"}
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert run("tests/test_index.py").returncode == 0
    files = ("test_readme.py", "test_index.py", "workbook/test_plan.py", "workbook/test_execute.py")
    asked = "mine or quick or test_plan or test_index or listed or reference or whole or summary"
    flags = (
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=--import-mode=importlib",
        "-k",
        f"({asked}) and not one_record",
    )
    done = run("-m", "pytest", *flags, *(f"tests/{file}" for file in files), "-rA")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "test_listed_notebooks_are_committed_clean_and_thin[mine]" in done.stdout
