"""Suites of runs with seeds: what waits for what, failures, resuming."""

import pandas as pd
import pytest

from srlib import cli, training
from srlib.training import suite
from srlib.training.search import TRIALS
from srlib.util import paths

pytestmark = pytest.mark.usefixtures("tiny_suites")


def test_a_suite_trains_what_each_run_starts_from_first():
    tasks = {task.name: task for task in suite.tasks("tiny", 2, search=False)}
    assert set(tasks) == {f"compact-{m}{s}" for m in ("x16", "liif", "metasr") for s in ("", "-seed1")}
    assert tasks["compact-liif-seed1"].after == ("compact-x16",)
    assert tasks["compact-liif"].command()[-5:] == ["srlib", "train", "compact-liif", "--device", "auto"]
    assert tasks["compact-liif-seed1"].command()[-1] == "--seed=1"
    with_search = {task.name: task for task in suite.tasks("tiny-rest", 1, search=True)}
    assert with_search["compact-liif"].after == ("compact-x16", "search for compact-liif")
    assert with_search["search for compact-liif"].command()[-1] == "--search"
    with pytest.raises(ValueError, match="suite"):
        suite.tasks("large", 1, search=False)


def test_changes_go_to_every_run_and_search_and_are_what_train_understands(tmp_path, monkeypatch):
    changes = {"steps": 3, "frozen": 0, "exclude": (), "scales": (2.0, 3.0), "init": "", "encoder_rate": 0.5}
    search, run = suite.tasks("tiny-rest", 1, True, changes, "cpu", tmp_path)[:2]
    assert (search.steps, run.steps) == (3 * TRIALS, 3)
    assert (search.folder, run.folder) == (tmp_path / "search" / "compact-liif", tmp_path / "compact-liif")
    asked = []
    monkeypatch.setattr("srlib.training.command.runs.train", lambda *words, **more: asked.append((words, more)))
    monkeypatch.setattr("srlib.training.command.find", lambda *words, **more: asked.append((words, more)))
    for task in (run, search):
        cli.main(task.command()[3:])
    assert asked[0][0] == ("compact-liif", changes)
    assert asked[1] == (
        ("compact-liif", {k: v for k, v in changes.items() if k != "steps"}),
        {"steps": 3, "device": "cpu"},
    )
    with pytest.raises(ValueError, match="say how many, not which"):
        suite.tasks("tiny", 2, False, {"seed": 4})


class Run:
    """A run that is over at once; one of them fails."""

    def __init__(self, task, *_):
        self.code = int(task.name == "compact-metasr-seed1")
        if not self.code:
            changes = {"seed": task.seed} if task.seed else {}
            training.train(task.model, changes, device="cpu", progress=False, say=lambda line: None)

    def poll(self):
        return self.code


def test_a_suite_goes_on_after_a_failure_and_begins_nothing_twice(monkeypatch):
    monkeypatch.setattr(suite, "POLL", 0.0)
    told, begun = [], []
    monkeypatch.setattr(suite, "begin", lambda task, *_: begun.append(task.name) or Run(task))
    failed = suite.train_suite("tiny", seeds=2, jobs=2, fixed=False, progress=False, say=told.append)
    assert failed == ["compact-metasr-seed1"]
    assert any("FAILED" in line for line in told)
    table = pd.read_csv(paths.RUNS / "suite.csv").set_index("run")["state"]
    assert table.value_counts().to_dict() == {"complete": 5, "failed": 1}
    begun.clear()
    suite.train_suite("tiny", seeds=2, jobs=2, fixed=False, progress=False, say=told.append)
    assert begun == ["compact-metasr-seed1"]


def test_a_work_tree_that_git_does_not_make_is_a_sentence(tmp_path, monkeypatch):
    from srlib.util import provenance

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "commit", lambda: "abc")
    with pytest.raises(
        ValueError, match="git makes no work tree .*: .*not a git repository.*; or train from this one: --here"
    ):
        suite.tree(fixed=True)
