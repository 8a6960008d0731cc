"""What a decoder computes at which resolution is what it says, and adds up to what `cost` counts."""

import pytest
import torch

from srlib import cost
from srlib.models import build
from srlib.site import census


@pytest.mark.parametrize("literal", [True, False])
@pytest.mark.parametrize(
    "name", ["edsr-baseline-dlte", "edsr-baseline-metasr", "edsr-baseline-x4", "rdn-diif", "compact-diif-wo-ds"]
)
def test_it_counts_as_cost_does(name, literal):
    with torch.device("meta"):
        model = build(name)
    size = (4 * census.SIDE, 4 * census.SIDE)
    assert census.macs(name, 4, literal=literal) == cost.count_macs(
        model, (census.SIDE, census.SIDE), size, literal=literal
    )


def told(name: str, literal: bool) -> list[tuple]:
    return [(p.inputs, p.outputs, p.place, round(p.times)) for p in census.take(name, literal=literal)]


def test_diif_works_by_slices_and_pixels():
    """Eqs 8, 9 and 11: four vertices a slice, once a pixel."""
    assert told("edsr-baseline-diif", True) == [
        (1030, 256, "slice", 4), (256, 256, "slice", 4), (258, 256, "pixel", 1), (256, 256, "pixel", 1), (256, 3, "pixel", 1)
    ]  # fmt: skip


def test_its_fast_path_does_the_first_layer_once_a_code():
    assert told("edsr-baseline-diif", False) == [
        (1024, 256, "code", 1), (256, 256, "slice", 4), (256, 256, "slice", 2), (256, 256, "pixel", 1), (256, 3, "pixel", 1)
    ]  # fmt: skip


def test_constant_order_has_one_slice_a_code():
    assert {place for *_, place, _ in told("edsr-baseline-diif-cs", True)} == {"code", "pixel"}


def test_meta_sr_multiplies_computed_matrices():
    assert [p.learnt for p in census.take("edsr-baseline-metasr", literal=True)] == [True, True, False]


def test_srno_sums_over_all_pixels():
    """Galerkin-type attention: two layers of 16 heads, in each a product into the sum and one with it."""
    (sums,) = (p for p in census.take("edsr-baseline-srno", literal=True) if not p.learnt)
    assert (sums.inputs, sums.outputs, sums.place, sums.times) == (16, 16, "pixel", 2 * 16 * 2)


@pytest.mark.parametrize("literal", [True, False])
def test_a_diffusion_model_is_counted_level_by_level(literal):
    with torch.device("meta"):
        model = build("idm-small")
    counted = census.by_size("idm-small", literal=literal)
    at_the_end = sum(macs for (side, kind), macs in counted.items() if side == 128 and kind == "implicit")
    assert (at_the_end > 0) == literal  # the fast path works at the resolution that it enlarges
    assert {side for side, _ in counted} == {128, 64, 32, 16, 1}
    if not literal:
        assert sum(counted.values()) == cost.count_macs(model, census.FACE, census.FACES, literal=False)
