import signal

import pytest

import srlib
from srlib import training
from srlib.training import loop, runs, settings
from srlib.util import paths

SMALL = {"data": "embedded", "exclude": [], "batch": 2, "patch": 12, "pixels": 200, "precision": "float32", "steps": 2}
SUITES = {
    "start": {"models": ["compact-x16"], "settings": SMALL | {"scales": [16.0, 16.0], "data": "nothing"}},
    "rest": {
        "models": ["compact-liif", "compact-diif-x4only"],
        "settings": SMALL | {"init": "compact-x16", "seed": 5, "frozen": 1},
        "compact-diif-x4only": {"scales": [4.0, 4.0]},
    },
}


@pytest.fixture
def said():
    return []


@pytest.fixture
def train(tmp_path, monkeypatch, tiny_encoder, said):
    """`train` with the suites above, runs in tmp_path/runs, exports to tmp_path/weights, and its lines in `said`."""
    monkeypatch.setattr(settings, "suites", lambda: SUITES)
    monkeypatch.setattr(runs, "suites", lambda: SUITES)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
    return lambda name, changes=None, **options: training.train(
        name, changes, device="cpu", progress=False, say=said.append, **options
    )


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C in the first step, once."""
    step = loop.make_step

    def first(*words):
        monkeypatch.setattr(loop, "make_step", step)
        signal.raise_signal(signal.SIGINT)
        return step(*words)

    monkeypatch.setattr(loop, "make_step", first)


def header(file):
    return srlib.weights.header(file)


def test_a_suite_is_trained_alike_and_from_nothing(tmp_path, train):
    files = train("rest", {"batch": 3}, from_nothing=True)
    assert files == [tmp_path / "runs" / model / f"{model}.safetensors" for model in SUITES["rest"]["models"]]
    liif, only = map(header, files)
    start = header(tmp_path / "runs" / "compact-x16" / "compact-x16.safetensors")
    assert [start["training"]["batch"], start["training"]["data"]] == [2, "embedded"]
    assert [liif["training"]["batch"], liif["training"]["seed"]] == [3, 5]
    assert [liif["training"]["scales"], only["training"]["scales"]] == [[1.0, 4.0], [4.0, 4.0]]
    assert liif["data"]["init"]["tensors"] == only["data"]["init"]["tensors"] == start["tensors"]


def test_a_suite_has_no_folder(train, tmp_path):
    with pytest.raises(ValueError, match="rest is a suite, whose runs lie in"):
        train("rest", folder=tmp_path)


def test_what_a_run_starts_from_must_be_there(train):
    with pytest.raises(FileNotFoundError, match="no weights for compact-x16"):
        train("compact-liif")


def test_a_finished_run_is_found_by_name(train):
    train("start", {"data": "embedded"})
    train("compact-liif")
    assert srlib.load("compact-liif").origin["file"] == "compact-liif.safetensors"


def test_settings_and_whose_they_are_come_first(train, said):
    train("compact-liif-wo-cell", {"beta2": 0.9, "init": ""}, like="compact-liif")
    assert said[:2] == [
        "compact-liif-wo-cell, the recipe of rest: steps 2, data embedded, exclude (), batch 2, patch 12, pixels 200, "
        "frozen 1, precision float32, seed 5",
        "compact-liif-wo-cell, given: beta2 0.9, init ",
    ]


def test_a_model_without_a_recipe_is_not_trained_unasked(train):
    with pytest.raises(ValueError, match="compact-lte has no recipe"):
        train("compact-lte")


def test_a_run_goes_on_without_its_settings(train, said, interrupted):
    with pytest.raises(KeyboardInterrupt, match="stopped at step 1 of 2; the same command goes on"):
        train("compact-liif", {"beta2": 0.9, "init": ""})
    said.clear()
    (file,) = train("compact-liif")
    assert said[0].endswith("compact-liif, at step 1 of 2, with the settings that it was begun with")
    assert header(file)["training"]["beta2"] == 0.9


def test_the_same_command_goes_on(train, interrupted):
    words = {"changes": {"data": "embedded"}, "like": "compact-liif", "from_nothing": True}
    with pytest.raises(KeyboardInterrupt, match="stopped at step 1 of 2"):  # of what it starts from
        train("compact-lte", **words)
    (file,) = train("compact-lte", **words)
    assert train("compact-lte", **words) == [file]


def test_some_of_a_runs_settings_are_enough_if_they_agree(train, interrupted):
    with pytest.raises(KeyboardInterrupt):
        train("compact-liif", {"beta2": 0.9, "init": ""})
    with pytest.raises(ValueError, match=r"beta2 was 0.9 \(given\), now 0.8 \(given\)"):
        train("compact-liif", {"beta2": 0.8})
    (file,) = train("compact-liif", {"beta2": 0.9})
    assert header(file)["training"]["init"] == ""


def test_other_recipes_are_told_from_what_was_given(train, interrupted):
    with pytest.raises(KeyboardInterrupt):
        train("compact-lte", {"batch": 3, "steps": 2, "data": "embedded", "exclude": [], "patch": 12})
    with pytest.raises(ValueError, match=r"batch was 3 \(given\), now 2 \(the recipe of rest\)"):
        train("compact-lte", like="compact-liif")


def test_a_run_can_be_forgotten(train):
    (file,) = train("compact-liif", {"beta2": 0.9, "init": ""})
    train("compact-liif", {"init": ""}, restart=True)
    assert header(file)["training"]["beta2"] == 0.999


def test_a_complete_run_is_exported_without_its_settings(tmp_path, train, said):
    train("compact-liif", {"beta2": 0.9, "init": ""})
    said.clear()
    assert train("compact-liif", export=True) == [tmp_path / "weights" / "compact-liif.safetensors"]
    assert "complete" in said[0]
    assert header(tmp_path / "weights" / "compact-liif.safetensors")["training"]["beta2"] == 0.9
    assert (tmp_path / "weights" / "compact-liif.csv").exists()


def test_one_model_can_have_a_folder(tmp_path, train):
    assert train("compact-liif", {"init": ""}, folder=tmp_path / "x") == [tmp_path / "x" / "compact-liif.safetensors"]


def test_an_unknown_name_is_answered_with_the_nearest(train):
    with pytest.raises(ValueError, match="nearest: compact-liif"):
        train("compact-lif")


def test_each_seed_has_a_run_and_weights_of_its_own(tmp_path, train):
    train("start", {"data": "embedded"})
    (first,) = train("compact-liif")
    (second,) = train("compact-liif", {"seed": 2}, export=True)
    assert first == tmp_path / "runs" / "compact-liif" / "compact-liif.safetensors"
    assert second == tmp_path / "weights" / "compact-liif-seed2.safetensors"
    told = header(second)
    assert told["training"]["seed"] == 2
    assert told["training"]["init"] == "compact-x16"  # all seeds begin with the same encoder
    assert told["data"]["init"]["training"]["seed"] == 0
    assert told["training"]["search"] == "none"
    assert srlib.weights.trainings("compact-liif") == ["compact-liif", "compact-liif-seed2"]
    assert srlib.load("compact-liif-seed2").name == "compact-liif-seed2"
