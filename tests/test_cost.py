import math

import pytest
import torch
from conftest import tiny

import srlib
from srlib import cost, published


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


@pytest.mark.parametrize("name", ["edsr-baseline-liif", "edsr-baseline-diif"])
def test_table_3_to_the_printed_digits(name):
    scales = [2, 3, 4, 6, 12, 18, 24]
    measured = cost.sweep([name], (180, 320), scales, fast=False)
    measured["macs_T"] = measured["macs"].map(published.printed_macs)
    paper = published.table("diif", 3).assign(model=lambda t: t["method"].str.lower()).query("model == @name")
    table = published.compare(measured, paper, ["model", "scale"], ["macs_T"])
    table = published.agreement(table, "diif", 3, {"macs_T": 2})
    assert len(table) == 7 and table["measured"].notna().all()
    disagreeing = table[table["agrees"] == False]["scale"].tolist()  # noqa: E712
    assert disagreeing == ([12] if name.endswith("liif") else [2])
    assert (table["cause"] != "").tolist() == [scale in disagreeing for scale in table["scale"]]
    known = {"edsr-baseline-liif": 346_883, "edsr-baseline-diif": 462_595}
    assert (measured["decoder_parameters"] == known[name]).all()


def test_tables_1_and_4_to_the_printed_digits():
    for number, names, digits in (
        (
            1,
            {f"{e}-{d}": f"{e}-{d}" for e in ("edsr-baseline", "rdn") for d in ("liif", "diif")},
            {"macs_T": 3, "params_M": 3},
        ),
        (4, published.ABLATIONS, {"macs_T": 3, "decoder_params_K": 0}),
    ):
        paper = published.table("diif", number).assign(scale=16)
        if number == 4:
            paper["model"] = "edsr-baseline-" + paper["method"].map(names)
        else:
            paper["model"] = paper["method"].str.lower()
            paper = paper[paper["model"].isin(names)]
        measured = cost.sweep(list(paper["model"].unique()), (90, 160), [16], fast=False)
        measured["macs_T"] = measured["macs"].map(published.printed_macs)
        measured["params_M"] = measured["parameters"] / 1e6
        measured["decoder_params_K"] = measured["decoder_parameters"].map(published.printed_kilo)
        table = published.agreement(
            published.compare(measured, paper, ["model", "scale"], list(digits)), "diif", number, digits
        )
        assert table["measured"].notna().all()
        off = table[table["agrees"] == False]  # noqa: E712
        assert (off["cause"] != "").all() and len(off) == {1: 0, 4: 3}[number]


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
    assert (
        published.stands_for("compact-diif", "RDN") == "RDN-DIIF"
        and published.stands_for("bicubic", "RDN") == "Bicubic"
    )


def test_bench_runs(monkeypatch):
    from srlib import bench

    monkeypatch.setattr(bench, "build", lambda name: tiny("diif").requires_grad_(False))
    table = bench.speed([("edsr-baseline-diif", 2)], repeats=1)
    assert (table[["literal_s", "fast_s", "speedup", "of_gemm_rate"]] > 0).all(axis=None)
    assert srlib.models.LITERAL_QUERIES == 2**16 and torch.is_grad_enabled()
