"""Scores on degraded images, and what can be said of a photograph without an original."""

import math

import torch
from conftest import tiny

from srlib import beyond, data
from srlib.imaging import metrics
from srlib.imaging.degrade import degraded_pair
from srlib.models import build


def test_scores_are_of_the_degraded_pair(set5):
    model = build("bicubic")
    rows = beyond.scores(model, "Set5", 3, "noise")
    assert [row["image"] for row in rows] == ["a", "b"]
    lr, hr = degraded_pair(data.pictures("Set5")[0].read(), 3, "noise")
    expected = metrics.psnr(model(lr, hr.shape[-2:]).clamp(0, 1), hr, channel="y", crop=3)
    assert rows[0]["psnr"] == expected
    assert len(beyond.scores(model, "Set5", 3, "noise", limit=1)) == 1


def test_degradation_costs_bicubic_something(set5):
    plain, *others = (
        beyond.scores(build("bicubic"), "Set5", 2, how)[0]["psnr"]
        for how in ("bicubic", "blur", "noise", "jpeg", "all")
    )
    assert all(other < plain for other in others)


def test_a_photograph_as_it_is_has_no_psnr():
    image = data.embedded("chelsea")[:40, :50]
    row, picture = beyond.look(tiny("liif"), image, 2)
    assert picture.shape == (80, 100, 3)
    assert math.isnan(row["psnr"])
    assert beyond.look(tiny("liif"), image, 2, "noise")[0]["psnr"] > 0


def test_blur_grows_with_blur():
    image = torch.from_numpy(data.embedded("chelsea")[:120, :120]).permute(2, 0, 1)[None].float() / 255
    softer = torch.nn.functional.avg_pool2d(image, 5, stride=1, padding=2)
    assert 0 < beyond.no_reference_blur(image) < beyond.no_reference_blur(softer) < 1
