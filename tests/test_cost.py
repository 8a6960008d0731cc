import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny

import srlib
from srlib import cost
from srlib.workbook import published


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


ARBITRARY = ("metasr", "liif", "diif", "lte", "dlte")


@pytest.mark.parametrize(
    "number, names, lr_size, scales, compared, off",
    [
        (1, [f"{e}-{d}" for e in ("edsr-baseline", "rdn") for d in (*ARBITRARY, "x16")], (90, 160), [16], 24, 1),
        (3, [f"edsr-baseline-{d}" for d in ARBITRARY], (180, 320), [2, 3, 4, 6, 12, 18, 24], 70, 10),
        (4, [f"edsr-baseline-{d}" for d in published.ABLATIONS.values()], (90, 160), [16], 16, 3),
    ],
)
def test_costs_of_diif_to_the_printed_digits(number, names, lr_size, scales, compared, off):
    counts = cost.sweep(names, lr_size, scales, fast=False)
    table = published.join_published(published.tidy_costs(counts), "diif", number)
    cells = table[table["agrees"].notna()]
    assert len(cells) == compared
    known = cells[cells["agrees"] == False]  # noqa: E712
    assert len(known) == off and (known["note"] != "").all()  # every exception is explained
    assert published.agreement(table)[:2] == (compared - off, compared - off)
    wrong = table.assign(measured=table["measured"] * 1.01)[["model", "dataset", "scale", "quantity", "measured"]]
    wrong = published.join_published(wrong.dropna(subset=["measured"]), "diif", number)
    assert published.agreement(wrong)[0] < published.agreement(wrong)[1] == compared  # another number is no exception


def test_measured_beside_published():
    scores = pd.DataFrame(
        [("compact-liif", "Set14", 2, 30.0), ("rdn-diif", "Set14", 2, 34.01), ("compact-liif", "Set5", 2, 31.0)],
        columns=["model", "dataset", "scale", "measured"],
    ).assign(quantity="psnr")
    table = published.join_published(scores, "diif", 2, needs={"B100": "fetch B100"})
    assert list(table.columns) == published.SCHEMA
    one = table[table["measured"].notna()].set_index(["model", "dataset"])
    assert one.loc[("compact-liif", "Set14"), "method"] == "RDN-LIIF"  # stands beside the paper's LIIF
    assert one.loc[("rdn-diif", "Set14"), "gap"] == pytest.approx(0.01)
    assert np.isnan(one.loc[("compact-liif", "Set5"), "published"])  # measured, not in the paper
    empty = table[table["measured"].isna()]
    assert len(empty) + 2 == len(published.cells("diif", 2)) and (empty["note"] != "").all()
    assert (empty.loc[empty["dataset"] == "B100", "note"] == "fetch B100").all()
    assert empty["note"].str.contains("rdn-dlte on Set14 at").any()


def test_every_published_cell_names_a_model():
    for paper, number in published.TABLES:
        cells = published.cells(paper, number)
        names = (cells["encoder"] + "-" + cells["decoder"]).str.strip("-")
        assert set(names) <= set(srlib.models.names()), (paper, number)


def test_order_of_methods():
    measured, printed = pd.Series({"a": 1.0, "b": 3.0, "c": 2.0}), pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": 9.0})
    assert published.order(measured, printed) == (2, 3, "b and c")


def test_growth_finds_the_terms():
    s = np.array([2.0, 4.0, 8.0, 16.0])
    costs = pd.DataFrame({"model": "m", "scale": s, "macs": 5 + 3 * s + 2 * s**2})
    row = cost.growth(costs).iloc[0]
    assert np.allclose(row[["fixed", "per_s", "per_s2"]].to_numpy(float), [5, 3, 2]) and row["worst_error"] < 1e-9
    assert 1.8 < row["exponent"] < 2


def test_parts_of_the_macs_add_up():
    model = tiny("lte")
    parts = [cost.count_macs(model, (4, 5), (9, 11), part=part) for part in ("encoder", "decoder", "all")]
    assert parts[0] + parts[1] == parts[2] and parts[0] == 20 * 9 * (27 * 8 // 9 + 3 * 8 * 8)
    with pytest.raises(ValueError, match="part must be"):
        cost.count_macs(model, (4, 5), (9, 11), part="head")


def test_time_and_memory_are_measured():
    model = tiny("diif").requires_grad_(False)
    timing = cost.time_forward(model, (8, 8), (16, 16), 3)
    assert timing.median > 0 and timing.spread >= 0
    assert cost.time_forward(model, (8, 8), (16, 16), 1, literal=True).spread == 0
    small, large = (cost.peak_memory(model, (16, 16), size) for size in ((32, 32), (2048, 2048)))
    assert math.isnan(large) or 2048**2 * 12 <= large < 2048**2 * 12 + 1.5e8
    assert math.isnan(small) or small < large


def test_bad_requests_are_refused():
    model = tiny("liif")
    with pytest.raises(ValueError, match="part must be"):
        cost.count_parameters(model, "head")
    with pytest.raises(ValueError, match="lr_size must be two positive"):
        cost.count_macs(model, (0, 4), (8, 8))
    with pytest.raises(ValueError, match="at least 1"):
        cost.time_forward(model, (4, 4), (8, 8), 0)


def test_published_tables():
    assert set(published.table("diif", 3)["method"]) >= {"EDSR-baseline-LIIF", "EDSR-baseline-DIIF"}
    for paper, number in published.TABLES:
        assert len(published.table(paper, number))
    with pytest.raises(ValueError, match="known: .*diif 3"):
        published.table("diif", 9)
    assert published.printed_macs(5.117e12) == pytest.approx(5.117) and published.printed_macs(512e9) == pytest.approx(
        0.5
    )
    assert round(published.printed_kilo(346_883)) == 355


def test_bench_runs(monkeypatch):
    monkeypatch.setattr(cost, "build", lambda name: tiny("diif").requires_grad_(False))
    table = cost.bench([("edsr-baseline-diif", 2)], repeats=1)
    assert (table[["literal_s", "fast_s", "speedup", "of_gemm_rate"]] > 0).all(axis=None)
    assert torch.is_grad_enabled()
