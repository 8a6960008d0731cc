from dataclasses import fields, replace

import pytest
import torch

import srlib
from srlib import training
from srlib.models import names
from srlib.training import Settings, settings

SUITES = {
    "first": {
        "models": ["compact-liif", "compact-x2"],
        "settings": {"steps": 500, "frozen": 300, "scales": [2.0, 3.0], "exclude": []},
        "compact-x2": {"lr": 0.5},
    }
}


@pytest.fixture
def suites(monkeypatch):
    monkeypatch.setattr(settings, "suites", lambda: SUITES)


@pytest.mark.parametrize(
    "name, value",
    [
        ("schedule", "linear"), ("precision", "fp16"), ("steps", 0), ("steps", None), ("steps", "many"), ("batch", 1.5),
        ("batch", 16.0), ("patch", True), ("scales", (0, 4)), ("scales", (4,)), ("scales", (1, 2, 3)), ("scales", None),
        ("scales", (4.0, 1.0)), ("seed", 1.5), ("seed", 2**31), ("stop", 0.5), ("stop", 6001), ("frozen", 6001),
        ("encoder_rate", -1.0), ("beta2", 1.0), ("ema", 1.0), ("lr", -1.0), ("lr", float("nan")), ("lr", "1e-3"),
        ("scale_step", -1.0), ("exclude", "302003"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be .*, got "):
        Settings("compact-liif", **{name: value})


def test_every_setting_says_what_it_is():
    assert all(option.metadata["help"] for option in fields(Settings) if option.name != "model")


def test_the_cosine_warms_up_and_ends_at_nothing():
    cosine = Settings("m", steps=1000)
    assert cosine.rate(0) < 2e-5
    assert cosine.rate(100) == pytest.approx(1e-3, rel=0.05)
    assert cosine.rate(999) < 1e-7


def test_other_schedules():
    halving = Settings("m", steps=1000, schedule="halving")
    assert [halving.rate(step) for step in (0, 199, 200, 999)] == [1e-3, 1e-3, 5e-4, 1e-3 / 16]
    assert Settings("m", steps=1000, schedule="constant").rate(999) == 1e-3


RECIPES = [model for suite in training.suites().values() for model in suite["models"]]


def test_no_model_has_two_recipes():
    assert len(set(RECIPES)) == len(RECIPES)


@pytest.mark.parametrize("model", RECIPES)
def test_a_recipe_is_of_a_model_and_starts_from_another_recipes(model):
    init = training.by_recipe(model).init
    assert model in names()
    assert not init or init in RECIPES
    with torch.device("meta"):
        srlib.build(model)


@pytest.mark.parametrize("suite", training.suites().values())
def test_a_suites_exceptions_are_its_own_models(suite):
    assert set(suite) - {"models", "settings"} <= set(suite["models"])


def test_either_name_of_a_model_finds_its_recipe():
    assert training.recipe("compact-diinn-f") == training.recipe("compact-diinn") != {}


def test_without_a_recipe_there_is_only_the_scale_of_a_network_that_has_one():
    assert training.recipe("rdn-lte") == {}
    assert training.recipe("rdn-x3") == {"scales": (3.0, 3.0)}
    assert training.recipe("rdn-x3-seed1") == {"scales": (3.0, 3.0)}
    assert training.recipe("my-x3") == {}  # a name that is of nothing here says nothing of its scale


def test_changes_come_on_top_of_the_recipe():
    found = training.by_recipe("compact-x234", {"steps": 5, "scales": [2, 3]})
    assert (found.steps, found.scales, found.scale_step) == (5, (2, 3), 1.0)


@pytest.mark.parametrize("name", ["stpes", "model"])
def test_a_recipe_can_be_changed_by_known_settings_only(name):
    with pytest.raises(ValueError, match="unknown setting"):
        training.by_recipe("compact-x234", {name: 5})


def test_an_unknown_model_has_no_settings():
    with pytest.raises(ValueError, match="nearest: compact-liif"):
        training.by_recipe("compact-lif", {"steps": 5})


def test_a_model_without_a_recipe_is_not_trained_unasked(suites):
    with pytest.raises(
        ValueError, match=r"rdn-liif has no recipe .* like \(--like\) one of compact-liif.* or give the steps"
    ):
        training.by_recipe("rdn-liif")
    with pytest.raises(ValueError, match="rdn-lte has no recipe"):
        training.by_recipe("rdn-liif", {"steps": 5}, like="rdn-lte")
    assert training.by_recipe("rdn-liif", {"steps": 5}) == Settings("rdn-liif", steps=5)


def test_a_model_can_be_trained_like_another(suites):
    assert training.by_recipe("rdn-liif", like="compact-liif") == replace(
        training.by_recipe("compact-liif"), model="rdn-liif"
    )


def test_a_network_keeps_its_scale_whosever_its_recipe_is(suites):
    found = training.by_recipe("compact-x4", like="compact-x2")
    assert found.scales == (4.0, 4.0)
    assert found.lr == 0.5


def test_an_odd_value_is_said_to_be_the_recipes(suites):
    with pytest.raises(ValueError, match=r"frozen must .*got 300 \(steps: given, frozen: the recipe of first\)"):
        training.by_recipe("compact-liif", {"steps": 200})
    with pytest.raises(ValueError, match=r"frozen must .*got 7000 \(steps: the default, frozen: given\)"):
        settings.made("rdn-liif", {"frozen": 7000}, given=["frozen"])


def test_what_is_not_the_default_is_described_with_whose_it_is(suites):
    found = training.by_recipe("rdn-liif", {"seed": 3, "batch": 16}, like="compact-liif")
    assert settings.described(found, {"seed", "batch"}, "compact-liif") == [
        "rdn-liif, the recipe of first: steps 500, exclude (), scales (2.0, 3.0), frozen 300",
        "rdn-liif, given: batch 16, seed 3",
    ]


def test_differences_say_whose_each_value_is(suites):
    before, now = Settings("compact-liif", lr=0.1, frozen=0, stop=5), training.by_recipe("compact-liif")
    assert settings.differences(before, now) == [
        "steps was 6000 (given), now 500 (the recipe of first)",
        "exclude was ('302003',) (given), now () (the recipe of first)",
        "scales was (1.0, 4.0) (given), now (2.0, 3.0) (the recipe of first)",
        "lr was 0.1 (given), now 0.001 (the default)",
        "frozen was 0 (given), now 300 (the recipe of first)",
    ]
    assert settings.differences(now, replace(now, stop=7)) == []
