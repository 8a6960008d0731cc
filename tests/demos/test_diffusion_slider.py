"""What the slider shows is what the model draws at its scale and seed."""

import numpy as np
import pytest
from conftest import tiny_idm

from srlib.demos import DiffusionSlider
from srlib.imaging.files import to_tensor, to_uint8
from srlib.models import Sampling


@pytest.fixture
def slider(rgb):
    return DiffusionSlider(rgb[:6, :4], [tiny_idm()], steps=2, high=3.0, start=2.0)


def answer(slider, **values):
    return slider.answer(slider.checked(slider.options["values"] | values), None, lambda: False)


def test_it_draws_by_scale_and_seed(slider, rgb):
    _, drawn = answer(slider, seed=1).pictures
    by_hand = slider.models[0].render(to_tensor(rgb[:6, :4]), (12, 8), Sampling(2, "dpm-solver++", 1))
    assert np.array_equal(drawn.image, to_uint8(by_hand))
    assert "seed 1\n12 × 8 pixels" in drawn.caption


def test_another_seed_is_another_draw(slider):
    first, second = (answer(slider, seed=seed).pictures[1].image for seed in (0, 3))
    assert not np.array_equal(first, second)


def test_beside_it_stands_what_the_model_sees(slider, rgb):
    seen = answer(slider, scale=2).pictures[0].image
    assert np.array_equal(seen[::2, ::2], rgb[:6, :4])


def test_a_newer_question_stops_it(slider):
    assert slider.answer(slider.options["values"], None, lambda: True) is None


def test_a_strip_of_seeds(slider):
    pictures, times = slider.strip([1.0, 2.0], seeds=[0, 1])
    assert list(pictures) == ["tiny-idm, seed 0", "tiny-idm, seed 1"]
    assert list(pictures["tiny-idm, seed 0"]) == ["×1", "×2"]
    assert list(times.columns) == ["model", "scale", "seed", "rows", "columns", "seconds"]
    assert list(times["seed"]) == [0, 0, 1, 1]


def test_a_strip_that_was_drawn_before_is_not_drawn_again(slider):
    _, times = slider.strip([1.0], seeds=[0])
    pictures, again = slider.strip([1.0, 2.0], seeds=[0, 1], recorded=times)
    assert pictures == {}
    assert again is times


def test_without_models_the_image_alone_is_shown(rgb):
    empty = DiffusionSlider(rgb, [])
    assert len(answer(empty).pictures) == 1
    pictures, times = empty.strip([2.0], seeds=[0])
    assert pictures == {}
    assert len(times) == 0
