import numpy as np
import pytest
from conftest import tiny

import srlib
from srlib import cost
from srlib.models import DECODERS


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
@pytest.mark.parametrize("scale", [2.3, (0.4, 1.7), (3, 0.9)])
def test_strips_do_not_change_the_image(decoder, scale):
    model = tiny(decoder).requires_grad_(False)
    image = np.random.default_rng(1).random((41, 13, 3), dtype=np.float32)
    whole = srlib.upscale(image, scale, model)
    strips = srlib.upscale(image, scale, model, strip_pixels=13 * 5)
    assert np.abs(whole - strips).max() < 1e-5


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
