import numpy as np
import pytest
from conftest import tiny

import srlib
from srlib import cost
from srlib.models import DECODERS
from srlib.models.geometry import tiles


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
@pytest.mark.parametrize("scale", [1, 2.3, (0.4, 1.7), (3, 0.9)])
def test_tiles_do_not_change_the_image(decoder, scale):
    model = tiny(decoder).requires_grad_(False)
    image = np.random.default_rng(1).random((81, 93, 3), dtype=np.float32)
    whole = srlib.upscale(image, scale, model)
    tiled = srlib.upscale(image, scale, model, tile=40)
    assert np.abs(whole - tiled).max() < 1e-5


@pytest.mark.parametrize("n, out, reach", [(100, 250, 4), (600, 300, 34), (2000, 2000, 131), (7, 3, 4)])
def test_tiles_cover_every_pixel_once(n, out, reach):
    made = [k for t in tiles(n, out, reach, 4, 512) for k in range(t.out.start, t.out.stop)]
    assert made == list(range(out))
    assert all(t.seen.stop - t.seen.start <= 600 for t in tiles(n, out, reach, 4, 512))


def test_upscale_is_the_model_clamped():
    import torch

    model = tiny("diif").requires_grad_(False)
    image = np.random.default_rng(1).random((9, 8, 3), dtype=np.float32)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = model(tensor, (20, 31)).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    assert np.allclose(srlib.upscale(image, size=(20, 31), model=model), expected, atol=1e-6)


def test_memory_of_a_large_decode_is_bounded():
    """x30 of 128 x 128: the result alone is 169 MiB; activations add little to it."""
    model = srlib.load("compact-diif")
    assert cost.peak_memory(model, (128, 128), (3840, 3840)) < 1.0e9
