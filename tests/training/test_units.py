"""Dead units: counted where they are, whatever decoder it is, and told where weights are listed."""

import pytest
import torch
from conftest import tiny

from srlib import training
from srlib.models import DECODERS
from srlib.training import units
from srlib.weights import ours

PAIRS = {2: [(torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(0)), torch.rand(1, 3, 20, 20))]}


def kill(model, layer: str, unit: int) -> None:
    """Make a unit of a layer never positive."""
    part = model.decoder.get_submodule(layer)
    with torch.no_grad():
        part.weight[unit] = 0.0
        part.bias[unit] = -1.0


@pytest.mark.parametrize(
    "decoder, layers",
    [
        ("liif", ["mlp.0", "mlp.2", "mlp.4", "mlp.6"]),
        ("diif", ["coarse.0", "coarse.2", "fine.0", "fine.2"]),
        ("dlte", ["coarse.0", "coarse.2", "fine.0", "fine.2"]),
        ("diinn", ["modulation.0", "modulation.1", "modulation.2", "modulation.3"]),
        ("metasr", ["filters.0"]),
    ],
)
def test_a_dead_unit_is_found_in_its_layer(decoder, layers):
    model = tiny(decoder)
    assert training.health(model, PAIRS)["layer"].tolist() == layers
    for layer in layers:
        for unit in range(model.decoder.get_submodule(layer).out_features):
            kill(model, layer, unit)
        table = training.health(model, PAIRS).set_index("layer")
        assert table.loc[layer, "dead"] == table.loc[layer, "units"]


WITHOUT = {"lmf-lte", "srno", "thera-air", "thera-plus"}  # decoders in which no hidden units are counted


@pytest.mark.parametrize("decoder", [name for name in DECODERS if not name.startswith("liif-")])
def test_every_decoder_can_be_looked_at(decoder):
    table = training.health(tiny(decoder), PAIRS)
    assert bool(len(table)) == (decoder not in WITHOUT)
    assert not len(table) or units.largest(table) < 0.9


def test_the_model_is_left_as_it_was():
    model = tiny("liif").train()
    training.health(model, PAIRS)
    assert model.training
    assert not any(part._forward_hooks for part in model.modules())


def test_models_without_rectified_layers_have_none():
    assert len(training.health(tiny("x2"), PAIRS)) == 0
    assert units.largest(training.health(tiny("x2"), PAIRS)) == 0.0


def test_many_dead_units_are_said():
    assert ours.many_dead({"fine.0": "6 of 64"}) == ""
    assert ours.many_dead({"fine.0": "7 of 64", "fine.2": "0 of 64"}) == "dead: 7 of 64 units of fine.0"
