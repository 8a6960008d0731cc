"""A window is the same part of the whole image, for every decoder."""

import pytest
import torch
from conftest import tiny

from srlib.imaging import windows
from srlib.imaging.files import to_uint8
from srlib.imaging.windows import Window
from srlib.models import DECODERS

LR = torch.rand(1, 3, 23, 31, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("decoder", ["bicubic", *(name for name in DECODERS if name != "diif-wo-ds"), "diif-wo-ds"])
@pytest.mark.parametrize("scale, centre", [(0.6, (5, 9)), (2, (0, 31)), (3.7, (11.3, 16.2)), (17.1, (23, 4))])
@torch.inference_mode()
def test_a_window_equals_decode(decoder, scale, centre):
    """Within one 8-bit step of the same rows and columns of the whole."""
    model = tiny(decoder)
    features = model.encode(LR)
    window = Window.around((23, 31), scale, centre, (40, 24))
    if model.decoder.whole and window.box != (0, 0, 23, 31):
        with pytest.raises(ValueError, match="sees the whole image"):
            windows.decode(model, features, window)
        return
    whole = to_uint8(model.decode(features, window.size, rows=torch.arange(*window.rows), threads=1))
    alone = to_uint8(windows.decode(model, features, window))
    step = alone.astype(int) - whole[:, slice(*window.columns)]
    assert abs(step).max() <= 1


@pytest.mark.parametrize("decoder", ["liif", "diif"])
@torch.inference_mode()
def test_a_window_on_every_device_is_the_cpus(decoder, device):
    model, window = tiny(decoder), Window.around((23, 31), 3.7, (11.3, 16.2), (40, 24))
    whole = model.decode(model.encode(LR), window.size)[:, :, slice(*window.rows), slice(*window.columns)]
    alone = windows.decode(model.to(device), model.encode(LR.to(device)), window)
    assert torch.allclose(alone.cpu(), whole, atol=1e-4)


@pytest.mark.parametrize("centre", [(-5, -5), (0, 0), (11, 15), (23, 31), (99, 99)])
def test_a_window_lies_in_the_image(centre):
    window = Window.around((23, 31), 4, centre, (50, 60))
    assert window.shape == (50, 60)
    assert all(
        0 <= first < end <= out for (first, end), out in zip((window.rows, window.columns), window.size, strict=True)
    )


def test_a_small_image_is_its_own_window():
    window = Window.around((23, 31), 1, (11, 15), (50, 60))
    assert (window.shape, window.box) == ((23, 31), (0, 0, 23, 31))


@pytest.mark.parametrize("times", [2, 3, 8])
def test_a_coarser_window_covers_it(times):
    window = Window.around((23, 31), 7.3, (4, 20), (50, 60))
    coarse = window.coarser(times)
    assert all(a <= b + 1e-9 for a, b in zip(coarse.box[:2], window.box[:2], strict=True))
    assert all(a >= b - 1e-9 for a, b in zip(coarse.box[2:], window.box[2:], strict=True))
    assert all(n <= whole / times + 2 for n, whole in zip(coarse.shape, window.shape, strict=True))


def test_zoom_has_an_end():
    with pytest.raises(ValueError, match="beyond ×4228.13, the largest shown"):
        Window.around((23, 31), 5000, (4, 20), (50, 60))


def test_stopped_it_is_nothing():
    model = tiny("diif")
    window = Window.around((23, 31), 4, (11, 15), (50, 60))
    assert windows.decode(model, model.encode(LR), window, stop=lambda: True) is None
