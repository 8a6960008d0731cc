"""Drawn and enlarged pictures: their numbers by hand, and what gives them another name."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny, tiny_idm

from srlib import data, evaluate
from srlib.imaging import metrics, render
from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.upscale import upscale
from srlib.models import Sampling
from srlib.util import paths
from srlib.util.sizes import scaled_size
from srlib.workbook import measure, store
from srlib.workbook.measure import Drawn, Enlarged, Lab, PathError, apart

EYE, FACE = ("chelsea", (70, 120, 40, 40)), ("astronaut", (60, 200, 40, 40))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A lab with a tiny model of each kind and a store of its own."""
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path / "measurements")
    return Lab(loaded={"idm": tiny_idm(), "liif": tiny("liif").requires_grad_(False)})


def drawn(model="idm", pictures=(EYE,), **changes):
    options = {"lr_side": 8, "scale": 2.0, "steps": 2, "sampler": "ddim", "draws": 1}
    return Drawn(model, pictures, **options | changes)


def seen(picture, scale=2.0, side=8):
    """LR and original of a part of a photograph, by hand."""
    name, (top, left, height, width) = picture
    lr, truth = render.views(data.embedded(name)[top : top + height, left : left + width], side, [scale])
    return lr, truth[scale]


def test_each_draw_is_measured_by_itself(lab):
    kept = drawn(draws=2).ask(lab)
    lr, hr = seen(EYE)
    for seed, row in enumerate(kept.rows[:2]):
        sr = lab.model("idm").render(lr, (16, 16), Sampling(2, "ddim", seed))
        assert row["image"] == "chelsea"
        assert row["seed"] == seed
        assert row["p"] == pytest.approx(1 / 7)
        assert row["psnr"] == pytest.approx(metrics.psnr(sr, hr), abs=1e-6)
        assert row["ssim"] == pytest.approx(metrics.ssim(sr, hr), abs=1e-6)
        assert row["consistency"] == pytest.approx(1e5 * metrics.consistency(sr, lr), rel=1e-5)
        assert row["detail"] == pytest.approx(metrics.detail(sr, hr), rel=1e-5)
        assert row["seconds"] > 0
        assert np.array_equal(apart(kept)[seed], to_uint8(sr))


def test_the_paths_are_compared_on_a_patch(lab):
    ask = PathError("liif", "embedded", "chelsea", "benchmark-y", 4.0, (2, 3, 6, 5), (13, 11))
    (row,) = ask.ask(lab).rows
    small, _ = evaluate.make_pair(data.embedded("chelsea"), 4.0, "benchmark-y")
    assert row["error"] == evaluate.path_error(lab.model("liif"), small[..., 2:8, 3:8], (13, 11))
    assert 0 < row["error"] < 1e-5
    names = {
        store.digest(some.named(lab)) for some in (ask, replace(ask, patch=(2, 3, 6, 6)), replace(ask, size=(13, 12)))
    }
    assert len(names) == 3


def test_all_draws_together_have_a_mean_and_a_diversity(lab):
    *_, whole = drawn(draws=3).ask(lab).rows
    lr, hr = seen(EYE)
    draws = torch.cat([lab.model("idm").render(lr, (16, 16), Sampling(2, "ddim", seed)) for seed in range(3)])
    assert whole["seed"] is None
    assert whole["psnr"] == pytest.approx(metrics.psnr(draws.mean(dim=0), hr[0]), abs=1e-6)
    assert whole["diversity"] == pytest.approx(255 * float(draws.double().std(dim=0).mean()), rel=1e-6)


def test_of_one_draw_diversity_is_not_known(lab):
    assert drawn().ask(lab).rows[-1]["diversity"] is None
    assert drawn("liif").ask(lab).rows[-1]["diversity"] == 0.0  # another seed is the same image


def test_pictures_drawn_together_come_from_one_noise(lab):
    kept = drawn(pictures=(EYE, FACE), draws=2).ask(lab)
    lr = torch.cat([seen(picture)[0] for picture in (EYE, FACE)])
    both = [lab.model("idm").sample(lr, (16, 16), 2, "ddim", torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    assert [row["image"] for row in kept.rows] == ["chelsea", "astronaut"] * 3
    assert [row["seed"] for row in kept.rows] == [0, 0, 1, 1, None, None]
    by_hand = [to_uint8(sr) for draws in both for sr in draws]
    assert all(np.array_equal(a, b) for a, b in zip(apart(kept), by_hand, strict=True))


def test_a_factor_is_told_in_place_of_its_own(lab):
    own, same, other = (drawn(factor=factor).ask(lab) for factor in (None, 1 / 7, 1.25))
    assert np.array_equal(own.picture, same.picture)
    assert not np.array_equal(own.picture, other.picture)
    assert other.rows[0]["p"] == 1.25


def test_the_way_ends_at_the_picture(lab):
    kept = drawn(steps=3, frames=True).ask(lab)
    levels = [row["noise level"] for row in kept.rows]
    assert len(levels) == 3
    assert levels == sorted(levels)
    assert levels[-1] == 1.0
    assert np.array_equal(apart(kept)[-1], drawn(steps=3).ask(lab).picture)


def test_a_regression_model_answers_once(lab):
    kept = drawn("liif", draws=3).ask(lab)
    assert [row["seed"] for row in kept.rows] == [0, None]
    assert "p" not in kept.rows[0]
    assert kept.rows[1]["psnr"] == pytest.approx(kept.rows[0]["psnr"])
    expected = lab.model("liif").render(seen(EYE)[0], (16, 16))
    assert np.array_equal(kept.picture, to_uint8(expected))
    names = {
        store.digest(request.named(lab)) for request in (drawn("liif"), drawn("liif", steps=9, sampler="ancestral"))
    }
    assert len(names) == 1


def test_what_is_too_small_for_ssim_has_none(lab):
    assert drawn("liif", lr_side=4).ask(lab).rows[0]["ssim"] is None


def test_a_drawing_is_made_once(lab):
    first, again = (drawn().ask(lab) for _ in range(2))
    assert len(lab.measured) == 1
    assert first.rows == again.rows
    assert np.array_equal(first.picture, again.picture)


def test_the_name_of_a_drawing_says_what_it_depends_on(lab):
    changes = (
        {}, {"lr_side": 9}, {"scale": 2.1}, {"steps": 3}, {"sampler": "ancestral"}, {"draws": 2}, {"factor": 0.5},
        {"frames": True}, {"pictures": (FACE,)}, {"pictures": (EYE, FACE)}, {"pictures": (("chelsea", (70, 121, 40, 40)),)},
    )  # fmt: skip
    names = {store.digest(drawn(**change).named(lab)) for change in changes}
    assert len(names) == len(changes)
    other = Lab(loaded={"idm": tiny_idm(seed=1)})
    assert store.digest(drawn().named(other)) not in names


def test_an_unknown_image_is_named(lab):
    with pytest.raises(ValueError, match="no image 'cat' in embedded; it has"):
        drawn(pictures=(("cat", (0, 0, 40, 40)),)).ask(lab)


ENLARGED = Enlarged("liif", "Set5", "a", "diinn", 4.0, 4.0)


def test_an_enlarged_picture_is_the_models_at_the_size_of_the_original(lab, set5):
    kept = ENLARGED.ask(lab)
    small, whole = evaluate.make_pair(measure.photograph("Set5", "a").read(), 4.0, "diinn")
    expected = upscale(to_uint8(small), size=tuple(whole.shape[-2:]), model=lab.model("liif"))
    assert kept.rows == []
    assert kept.picture.shape == (97, 83, 3)
    assert np.array_equal(kept.picture, expected)


def test_a_picture_may_be_enlarged_by_another_factor_than_it_was_shrunk(lab, set5):
    small, _ = evaluate.make_pair(measure.photograph("Set5", "a").read(), 4.0, "diinn")
    kept = replace(ENLARGED, scale=2.5).ask(lab)
    assert kept.picture.shape[:2] == scaled_size(tuple(small.shape[-2:]), 2.5)
    assert np.array_equal(kept.picture, upscale(to_uint8(small), scale=2.5, model=lab.model("liif")))


def test_the_name_of_an_enlarged_picture_says_what_it_depends_on(lab, set5):
    changes = {}, {"image": "b"}, {"protocol": "benchmark-y"}, {"shrink": 3.0}, {"scale": 3.0}
    names = {store.digest(replace(ENLARGED, **change).named(lab)) for change in changes}
    assert len(names) == len(changes)
    other = Lab(loaded={"liif": tiny("liif", seed=1).requires_grad_(False)})
    assert store.digest(ENLARGED.named(other)) not in names


def test_a_picture_survives_the_store(lab, set5):
    kept = ENLARGED.ask(lab)
    assert np.array_equal(store.find("enlarged", ENLARGED.named(lab)).picture, kept.picture)
    assert to_tensor(kept.picture).shape == (1, 3, 97, 83)
