"""What a slider shows is what the models make at its scale and seed."""

import ipywidgets
import numpy as np
import pytest
from conftest import tiny_idm

from srlib.imaging.files import to_uint8
from srlib.models import Sampling
from srlib.workbook import sliders


def parts(widget, kind):
    """All widgets of a kind in a box, from top to bottom."""
    if isinstance(widget, kind):
        return [widget]
    return [part for child in getattr(widget, "children", ()) for part in parts(child, kind)]


@pytest.fixture
def drawing(rgb):
    return sliders.DiffusionSlider(rgb[:6, :4], [tiny_idm()], steps=2)


def test_a_diffusion_slider_draws_by_scale_and_seed(drawing):
    (image, seconds) = drawing.at(2.0, 1)["tiny-idm"]
    by_hand = drawing.models[0].render(drawing.lr, (12, 8), Sampling(2, "dpm-solver++", 1))
    assert np.array_equal(image, to_uint8(by_hand))
    assert seconds > 0


def test_moving_scale_and_seed_draws_again(drawing):
    box = drawing.widget(1.0, 3.0, 2.0)
    (scale,), (seed,) = parts(box, ipywidgets.FloatSlider), parts(box, ipywidgets.IntSlider)
    (picture,), caption = parts(box, ipywidgets.Image), parts(box, ipywidgets.HTML)[1]
    assert "12×8" in caption.value
    before = bytes(picture.value)
    seed.value = 3
    assert bytes(picture.value) != before
    scale.value = 3.0
    assert "18×12" in caption.value


def test_a_strip_of_seeds(drawing):
    pictures, times = drawing.strip([1.0, 2.0], seeds=[0, 1])
    assert list(pictures) == ["tiny-idm, seed 0", "tiny-idm, seed 1"]
    assert list(pictures["tiny-idm, seed 0"]) == ["×1", "×2"]
    assert list(times.columns) == ["model", "scale", "seed", "rows", "columns", "seconds"]
    assert list(times["seed"]) == [0, 0, 1, 1]


def test_a_strip_that_was_drawn_before_is_not_drawn_again(drawing):
    _, times = drawing.strip([1.0], seeds=[0])
    pictures, again = drawing.strip([1.0, 2.0], seeds=[0, 1], recorded=times)
    assert pictures == {}
    assert again is times


def test_without_models_there_is_a_slider_all_the_same(rgb):
    empty = sliders.DiffusionSlider(rgb, [])
    assert parts(empty.widget(), ipywidgets.Image) == []
    pictures, times = empty.strip([2.0], seeds=[0])
    assert pictures == {}
    assert len(times) == 0
