"""Suites of runs with seeds: what waits for what, failures, resuming."""

import pandas as pd
import pytest

from srlib import training
from srlib.training import suite
from srlib.util import paths

pytestmark = pytest.mark.usefixtures("tiny_suites")


def test_a_suite_trains_what_each_run_starts_from_first():
    tasks = {task.name: task for task in suite.tasks("tiny", 2, search=False)}
    assert set(tasks) == {f"compact-{m}{s}" for m in ("x16", "liif", "metasr") for s in ("", "-seed1")}
    assert tasks["compact-liif-seed1"].after == ("compact-x16",)
    assert tasks["compact-liif"].command()[-3:] == ["srlib", "train", "compact-liif"]
    assert tasks["compact-liif-seed1"].command()[-2:] == ["--seed", "1"]
    with_search = {task.name: task for task in suite.tasks("tiny-rest", 1, search=True)}
    assert with_search["compact-liif"].after == ("compact-x16", "search for compact-liif")
    assert with_search["search for compact-liif"].command()[-1] == "--search"
    with pytest.raises(ValueError, match="suite"):
        suite.tasks("large", 1, search=False)


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
