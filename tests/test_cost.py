import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny

from srlib import cost
from srlib.models import ModelName


def test_macs_by_hand():
    """LIIF: encoder on 9 pixels, and 4 evaluations of the MLP for each of 6 x 6 outputs."""
    model = tiny("liif")
    encoder = 9 * (27 * 8 + 3 * 72 * 8)
    mlp = 76 * 16 + 3 * 16 * 16 + 16 * 3
    assert cost.count_macs(model, (3, 3), (6, 6)) == encoder + 36 * 4 * mlp
    fast = encoder + 9 * 72 * 16 + 36 * 4 * (mlp - 76 * 16)
    assert cost.count_macs(model, (3, 3), (6, 6), literal=False) == fast


def test_diif_macs_by_hand():
    """Coarse: 4 vertices of each of 6 x 3 slices; fine: each pixel."""
    model = tiny("diif")
    encoder = 9 * (27 * 8 + 3 * 72 * 8)
    coarse, fine = (16 * 8 + 6) * 16 + 16 * 16, 18 * 16 + 16 * 16 + 16 * 3
    assert cost.count_macs(model, (3, 3), (6, 6)) == encoder + 4 * 6 * 3 * coarse + 36 * fine
    fast = encoder + 16 * 128 * 16 + 4 * 6 * 3 * 16 * 16 + 2 * 6 * 3 * 16 * 16 + 36 * (16 * 16 + 16 * 3)
    assert cost.count_macs(model, (3, 3), (6, 6), literal=False) == fast


def test_growth_finds_the_terms():
    s = np.array([2.0, 4.0, 8.0, 16.0])
    costs = pd.DataFrame({"model": "m", "scale": s, "macs": 5 + 3 * s + 2 * s**2})
    row = cost.growth(costs).iloc[0]
    assert np.allclose(row[["fixed", "per_s", "per_s2"]].to_numpy(float), [5, 3, 2])
    assert row["worst_error"] < 1e-9
    assert 1.8 < row["exponent"] < 2


def test_parts_of_the_macs_add_up():
    model = tiny("lte")
    parts = [cost.count_macs(model, (4, 5), (9, 11), part=part) for part in ("encoder", "decoder", "all")]
    assert parts[0] + parts[1] == parts[2]
    assert parts[0] == 20 * 9 * (27 * 8 // 9 + 3 * 8 * 8)
    with pytest.raises(ValueError, match="part must be"):
        cost.count_macs(model, (4, 5), (9, 11), part="head")


def test_a_time_is_a_positive_number():
    timing = cost.time_forward(tiny("diif").requires_grad_(False), (8, 8), (16, 16), 3)
    assert timing.median > 0
    assert timing.spread >= 0


def test_one_time_has_no_spread():
    assert cost.time_forward(tiny("diif").requires_grad_(False), (8, 8), (16, 16), 1, literal=True).spread == 0


@pytest.fixture(scope="module")
def memory():
    """Peak memory that a 2048 x 2048 image adds, in units of its own 50 MB."""
    added = cost.peak_memory(tiny("diif").requires_grad_(False), (16, 16), (2048, 2048))
    if math.isnan(added):
        pytest.skip("this system does not tell")
    return added / (2048**2 * 12)


def test_memory_holds_the_result(memory):
    """Nearly: the system counts pages roughly, and may take some of the libraries' back meanwhile."""
    assert memory > 0.8


def test_memory_holds_little_else(memory):
    """One layer's activations of all pixels at once would be 5 times the result, the literal path's more."""
    assert memory < 4


def test_memory_of_a_small_image_is_small(memory):
    assert cost.peak_memory(tiny("diif").requires_grad_(False), (16, 16), (32, 32)) < 2048**2 * 12 / 4


def test_bad_requests_are_refused():
    model = tiny("liif")
    with pytest.raises(ValueError, match="part must be"):
        cost.count_parameters(model, "head")
    with pytest.raises(ValueError, match="lr_size must be two positive"):
        cost.count_macs(model, (0, 4), (8, 8))
    with pytest.raises(ValueError, match="at least 1"):
        cost.time_forward(model, (4, 4), (8, 8), 0)


def test_bench_runs(monkeypatch, device):
    built = []
    monkeypatch.setattr(cost, "build", lambda name: built.append(tiny("diif").requires_grad_(False)) or built[-1])
    table = cost.bench([("edsr-baseline-diif", 2)], repeats=1, device=device)
    assert built[0].device.type == device
    assert (table[["literal_s", "fast_s", "speedup", "of_gemm_rate"]] > 0).all(axis=None)
    assert torch.is_grad_enabled()


def test_every_method_is_timed_once_and_its_memory_too():
    """The later ones as well; variants are timed only, and whoever compiles takes the methods alone."""
    methods = {"metasr", "liif", "lte", "diif", "dlte", "diinn", "lmf", "lmf-lte", "srno", "thera-air", "thera-plus"}
    assert methods <= {ModelName.of(name).decoder for name, _ in cost.CASES}
    assert {ModelName.of(name).decoder for name, _ in cost.METHODS} == methods
    assert {ModelName.of(name).decoder for name in cost.LARGE} <= methods
    assert len(set(cost.CASES)) == len(cost.CASES)


def test_what_compiling_brings_is_a_row_a_case(monkeypatch):
    """With stand-ins for torch.compile: a call without effect, and one that cannot."""
    asked = []

    def compiler(function, **words):
        asked.append(words)
        if len(asked) == 2:
            raise RuntimeError("cannot\nsecond line")
        return function

    cases = (("compact-liif", 2), ("compact-diif", 2))
    table = cost.bench_compiled(cases, repeats=1, device="cpu", compiler=compiler)
    assert asked == [{"mode": "reduce-overhead", "dynamic": False}] * 2
    assert table["why"].tolist() == ["", "RuntimeError: cannot"]
    assert table["difference"].tolist()[0] == 0
    assert table["speedup"].isna().tolist() == [False, True]
