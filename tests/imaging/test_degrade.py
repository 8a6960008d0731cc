"""Degradations are what their names say, and the same every time."""

import numpy as np
import pytest
import torch

from srlib import data
from srlib.imaging import resize
from srlib.imaging.degrade import DEGRADATIONS, degraded_pair


@pytest.fixture(scope="module")
def hr():
    return data.embedded("astronaut")[:101, 200:290]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_sizes_steps_and_repetition(hr, name):
    lr, crop = degraded_pair(hr, 3, name)
    assert lr.shape == (1, 3, 33, 30)
    assert crop.shape == (1, 3, 99, 90)
    assert torch.equal(lr * 255, (lr * 255).round())
    assert torch.equal(lr, degraded_pair(hr.copy(), 3, name)[0])


def test_plain_bicubic_is_torchs(hr):
    lr, crop = degraded_pair(hr, 3, "bicubic")
    assert (lr - resize.antialiased_8bit(crop, (33, 30))).abs().max() <= 1.01 / 255


def test_noise_has_its_size():
    flat = np.full((400, 400, 3), 128, np.uint8)
    noise = degraded_pair(flat, 2, "noise")[0] * 255 - 128
    assert float(noise.std()) == pytest.approx(10, rel=0.02)
    assert abs(float(noise.mean())) < 0.1


def test_blur_is_a_gaussian_of_one_lr_pixel():
    point = np.zeros((120, 120, 3), np.uint8)
    point[60:63, 60:63] = 255
    lr = degraded_pair(point, 3, "blur")[0][0, 0].double()
    y = torch.arange(40.0, dtype=torch.float64)
    rows = lr.sum(dim=1) / lr.sum()
    variance = float((rows * (y - (rows * y).sum()) ** 2).sum())
    assert variance == pytest.approx(
        1, abs=0.15
    )  # 1, and what 8-bit rounding, the shape of the point and bicubic leave


def test_jpeg_is_a_jpeg(hr):
    plain, jpeg = (degraded_pair(hr, 2, name)[0] for name in ("bicubic", "jpeg"))
    difference = (plain - jpeg).abs().mean() * 255
    assert 1 < difference < 20


def test_an_unknown_name_and_a_small_image_are_refused(hr):
    with pytest.raises(ValueError, match="unknown degradation 'nois'; nearest: noise"):
        degraded_pair(hr, 2, "nois")
    with pytest.raises(ValueError, match="too small for x9"):
        degraded_pair(hr[:5], 9, "noise")
