import numpy as np
import pytest
import torch
from PIL import Image

import srlib
from srlib import data
from srlib.imaging import render
from srlib.imaging.files import to_tensor, to_uint8
from srlib.models import Sampling


def test_views_show_one_photograph_at_every_size():
    photograph = data.embedded("chelsea")[:160, :120]
    lr, truth = render.views(photograph, 16, [2.0, 3.7, 10.0])
    assert lr.shape == (1, 3, 16, 12)
    assert {s: tuple(t.shape[-2:]) for s, t in truth.items()} == {
        2: (32, 24),
        3.7: (59, 44),
        10: (160, 120),
    }
    assert torch.equal(truth[10.0], to_tensor(photograph))
    assert all(abs(float(t.mean() - lr.mean())) < 0.01 for t in truth.values())
    with pytest.raises(ValueError, match="160 rows are too few for 16 rows at ×11"):
        render.views(photograph, 16, [2.0, 11.0])
    large = render.squares(lr, (32, 24))
    assert (large[::2, ::2] == to_uint8(lr)).all()
    assert (large[::2] == large[1::2]).all()


def test_any_model_renders_any_size():
    lr = torch.rand(1, 3, 6, 5)
    regression, fixed, diffusion = (srlib.build(name, seed=0) for name in ("compact-diif", "compact-x2", "sr3-small"))
    assert regression.render(lr, (9, 8)).shape == fixed.render(lr, (9, 8)).shape == (1, 3, 9, 8)
    assert torch.equal(fixed.render(lr, (12, 10)), fixed(lr, (12, 10)).clamp(0, 1))
    a, b, c = (diffusion.render(lr, (9, 8), Sampling(steps=2, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_an_animation_shows_every_frame(tmp_path):
    frames = [np.full((8, 6, 3), 50 * i, np.uint8) for i in range(4)]
    render.animate(frames, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 4
        assert gif.size == (6, 8)
