"""Decoding in bf16: near float32, the same bits for any number of threads, and nothing of it left behind."""

import pytest
import torch
from conftest import tiny, tiny_idm

from srlib.models import DECODERS
from srlib.util import precision

SIZE = (23, 31)
METHODS = ("bicubic", *DECODERS)


@pytest.fixture(autouse=True)
def native(monkeypatch):
    """Taken to be native, so that it runs here whatever the processor; emulated it has the same numbers, but for rounding."""
    monkeypatch.setattr(precision, "native_bf16", lambda device: True)


def image(height=9, width=11):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("decoder", METHODS)
def test_it_is_near_float32(decoder):
    model = tiny(decoder).requires_grad_(False)
    low = model.in_precision("bf16")
    with torch.inference_mode():
        expected, made = model(image(), SIZE), low(image(), SIZE)
    assert made.dtype == torch.float32
    assert made.isfinite().all()
    assert (made - expected).std() < 0.04 * expected.std()


@pytest.mark.parametrize("decoder", ["liif", "lte", "diif", "dlte", "diinn"])
def test_one_decode_and_its_model_agree(decoder):
    """The features are the same; then a whole model differs by its encoder alone."""
    model = tiny(decoder).requires_grad_(False)
    features = model.encode(image())
    low = model.in_precision("bf16")
    assert torch.equal(model.decode(features, SIZE, precision="bf16"), low.decode(features, SIZE))
    assert not torch.equal(model.decode(features, SIZE, precision="bf16"), model.decode(features, SIZE))


def test_the_model_itself_stays_as_it_was():
    model = tiny("liif").requires_grad_(False)
    features = model.encode(image())
    before = model.decode(features, SIZE)
    low = model.in_precision("bf16")
    low.decode(features, SIZE)
    assert (model.precision, low.precision) == ("float32", "bf16")
    assert low.decoder is model.decoder
    assert torch.equal(model.decode(features, SIZE), before)
    assert torch.equal(low.in_precision("float32").decode(features, SIZE), before)
    assert low.in_precision(None) is low
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("decoder", ["liif", "diif", "diinn"])
def test_bits_are_the_same_for_any_number_of_threads(decoder):
    model = tiny(decoder).requires_grad_(False).in_precision("bf16")
    features = model.encode(image(30, 9))
    made = [model.decode(features, (70, 23), queries=60, threads=count) for count in (1, 3)]
    assert torch.equal(*made)


def test_the_equations_one_by_one_can_be_rounded_too():
    model = tiny("liif").requires_grad_(False)
    features = model.encode(image())
    rough, exact = (model.decode(features, SIZE, literal=True, precision=kind) for kind in ("bf16", None))
    assert 0 < (rough - exact).abs().max() < 0.05


def test_a_model_that_draws_is_refused():
    assert tiny_idm().in_precision("float32")
    with pytest.raises(ValueError, match=r"'bf16' is for models that encode and decode; tiny-idm draws in float32"):
        tiny_idm().in_precision("bf16")
