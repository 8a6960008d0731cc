"""What a slider shows is what the models make at its scale; PSNR where the truth is known."""

import numpy as np
import pytest
import torch
from conftest import tiny

from srlib.demos import ScaleSlider
from srlib.imaging import metrics
from srlib.imaging.files import to_tensor, to_uint8


@pytest.fixture
def slider():
    return ScaleSlider([tiny("bicubic"), tiny("diif")], ["chelsea", "coffee"], longest=32, part=12, panel=96)


def answer(slider, **values):
    return slider.answer(slider.checked(slider.options["values"] | values), None, lambda: False)


@pytest.mark.parametrize("scale", [1, 2.5, 8, 29.7])
def test_it_decodes_what_it_shows(slider, scale):
    overview, left, right = answer(slider, scale=scale).pictures
    photograph = slider.photograph("chelsea")
    window = slider.window(photograph.size, scale, slider.centre)
    for picture, model in zip((left, right), slider.models.values(), strict=True):
        with torch.inference_mode():
            whole = to_uint8(model(to_tensor(photograph.lr), window.size))
        step = picture.image.astype(int) - whole[slice(*window.rows), slice(*window.columns)]
        assert abs(step).max() <= 1
    assert np.array_equal(overview.image, photograph.lr)


def test_no_more_is_decoded_than_the_panel_has_pixels(slider):
    assert answer(slider, scale=8).pictures[1].image.shape == (96, 96, 3)
    assert answer(slider, scale=30).pictures[1].image.shape == (96, 96, 3)


def test_psnr_is_of_the_shown_part(slider):
    picture = answer(slider, scale=3).pictures[2]
    photograph = slider.photograph("chelsea")
    window = slider.window(photograph.size, 3, slider.centre)
    truth = photograph.truth(window.size)[slice(*window.rows), slice(*window.columns)]
    assert f"{metrics.psnr(to_tensor(picture.image), to_tensor(truth)):.2f} dB" in picture.caption


def test_beyond_the_photograph_there_is_no_psnr(slider):
    assert all("dB" not in picture.caption for picture in answer(slider, scale=20).pictures)


def test_all_side_by_side(slider):
    made = answer(slider, layout="grid")
    assert [picture.caption.split("\n")[0] for picture in made.pictures][1:] == ["Bicubic", "tiny-diif", "original"]


def test_two_with_a_wipe(slider):
    assert answer(slider).layout == "wipe"
    assert answer(slider, right="bicubic").layout == "row", "one method twice needs none"


@pytest.mark.parametrize("values", [{"scale": 31}, {"image": "nothing"}, {"left": "@own"}, {"image": "@own"}])
def test_values_that_no_control_has_are_refused(slider, values):
    with pytest.raises(ValueError, match="from 1 to 30|unknown"):
        answer(slider, **values)


def test_a_strip_shows_each_scale_once(slider):
    pictures, times = slider.strip([1.0, 2.5, 2.5])
    assert list(pictures) == ["Bicubic", "tiny-diif", "original"]
    assert list(times.columns) == ["model", "scale", "rows", "columns", "seconds", "psnr"]
    assert list(times["scale"]) == [1.0, 1.0, 2.5, 2.5]


def test_a_newer_question_stops_it(slider):
    assert slider.answer(slider.options["values"], None, lambda: True) is None
