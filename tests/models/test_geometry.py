import math
from fractions import Fraction

import pytest
import torch

from srlib.models import geometry
from srlib.util import sizes

PAIRS = [(1, 1), (3, 9), (5, 8), (8, 5), (7, 31), (48, 123), (16, 3), (2, 60), (9, 9)]


@pytest.mark.parametrize("n, out", PAIRS)
def test_owner_is_the_nearest_code(n, out):
    """Against the definition, in exact fractions; a centre on a boundary belongs to the later cell."""
    for k, owner in enumerate(geometry.nearest_code(n, out).tolist()):
        centre = Fraction(2 * k + 1, 2 * out) * n  # in LR pixels
        assert owner <= centre < owner + 1


@pytest.mark.parametrize("n, out", PAIRS)
def test_group_starts_follow_the_formula_and_agree_with_owners(n, out):
    starts = geometry.group_starts(n, out).tolist()
    assert starts == [math.ceil(Fraction(i * out, n) - Fraction(1, 2)) for i in range(n + 1)]
    owners = geometry.nearest_code(n, out).tolist()
    for i in range(n):
        assert owners[starts[i] : starts[i + 1]] == [i] * (starts[i + 1] - starts[i])


def test_relative_spans_a_cell():
    owner = geometry.nearest_code(4, 12)
    relative = geometry.relative(torch.arange(12), 12, owner, 4)
    assert torch.allclose(relative, torch.tensor([-2 / 3, 0, 2 / 3], dtype=torch.float64).repeat(4))


def test_centres():
    assert geometry.centres(4).tolist() == [-0.75, -0.25, 0.25, 0.75]


@pytest.mark.parametrize("size", [(0, 4), (4, -1), (2.5, 4), (4,), 7, "ab", (math.nan, 4), None, (True, 3)])
def test_bad_sizes_are_refused(size):
    with pytest.raises(ValueError, match="two positive integers"):
        sizes.check_size(size)


@pytest.mark.parametrize("scale", [0, -2, math.nan, math.inf, "2", True, 10**400, (2, 0), (1, 2, 3), None])
def test_bad_scales_are_refused(scale):
    with pytest.raises(ValueError, match="positive finite"):
        sizes.check_scale(scale)


def test_absurd_scales_are_refused():
    with pytest.raises(ValueError, match="too large"):
        sizes.scaled_size((5, 5), 1e308)


def test_scaled_size_rounds_half_up_and_never_vanishes():
    assert sizes.scaled_size((5, 5), 2.5) == (13, 13)
    assert sizes.scaled_size((5, 9), (0.01, 2)) == (1, 18)


@pytest.mark.parametrize("rows, columns, queries", [(10, 7, 20), (1, 1, 1), (5, 100, 3)])
def test_bands_cover_every_row_once(rows, columns, queries):
    assert [r for a, b in geometry.bands(rows, columns, queries) for r in range(a, b)] == list(range(rows))
