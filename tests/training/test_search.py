"""The search: the same trials for every model, judged on validation alone, resumable."""

import pandas as pd
import pytest

from srlib import training
from srlib.training import settings
from srlib.training.search import TRIALS, better

pytestmark = pytest.mark.usefixtures("tiny_suites")


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
