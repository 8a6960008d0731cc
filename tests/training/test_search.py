"""The search: the same trials for every model, judged on validation alone, resumable; and suites of runs with seeds."""

import pandas as pd
import pytest

from srlib import training
from srlib.training import runs, settings, suite, units
from srlib.training.search import TRIALS, better
from srlib.util import paths

SMALL = {"data": "embedded", "exclude": [], "batch": 2, "patch": 12, "pixels": 200, "precision": "float32", "steps": 4}
SUITES = {
    "tiny-start": {"models": ["compact-x16"], "settings": SMALL | {"scales": [16.0, 16.0]}},
    "tiny-rest": {
        "models": ["compact-liif", "compact-metasr"],
        "settings": SMALL | {"init": "compact-x16", "frozen": 2},
    },
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, tiny_encoder, one_photograph):
    monkeypatch.setattr(units, "SIDE", 12)
    monkeypatch.setattr(settings, "suites", lambda: SUITES)
    for place in (suite, runs):
        monkeypatch.setattr(place, "suites", lambda: SUITES)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))


def test_a_search_has_the_same_trials_and_keeps_the_best(tmp_path):
    told = []
    table = training.search(
        "compact-liif", {"init": "", "frozen": 0}, steps=2, device="cpu", progress=False, say=told.append
    )
    assert len(table) == TRIALS
    assert table["chosen"].sum() == 1
    assert table["lr"].iloc[:3].tolist() == pytest.approx([1e-4, 3e-4, 1e-3])
    assert (table["steps"] == 2).all()
    assert {"psnr_x2", "psnr_x4", "dead"} <= set(table)
    best = table[table["chosen"]].iloc[0]
    assert settings.chosen("compact-liif") == pytest.approx(
        {"lr": best["lr"], "warmup": best["warmup"], "clip": best["clip"], "initial": best["initial"]}
    )
    seconds = pd.read_csv(settings.searched("compact-liif"))["seconds"].tolist()
    again = training.search(
        "compact-liif", {"init": "", "frozen": 0}, steps=2, device="cpu", progress=False, say=told.append
    )
    assert again["seconds"].tolist() == pytest.approx(seconds, rel=1e-4)  # nothing was trained again


@pytest.mark.parametrize(
    "one, other, best",
    [
        ({"psnr_x2": 30.0, "dead": 0.0}, {"psnr_x2": 31.0, "dead": 0.05}, 1),
        ({"psnr_x2": 30.0, "dead": 0.0}, {"psnr_x2": 31.0, "dead": 0.5}, 0),
        ({"psnr_x2": 31.0, "dead": 0.6}, {"psnr_x2": 30.0, "dead": 0.5}, 1),
        ({"validation_loss": 0.2, "dead": 0.0}, {"validation_loss": 0.1, "dead": 0.0}, 1),
    ],
)
def test_a_healthy_trial_comes_before_a_better_one(one, other, best):
    assert better(one, other) is (one, other)[best]


def test_an_interrupted_search_has_chosen_nothing(tmp_path):
    path = settings.searched("compact-liif")
    path.parent.mkdir(parents=True)
    pd.DataFrame([{"of": 6, "lr": 1e-3, "warmup": 0, "clip": 0.0, "initial": "own", "chosen": False}]).to_csv(path)
    assert settings.chosen("compact-liif") == {}


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
