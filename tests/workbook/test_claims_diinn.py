"""What DIINN's notebooks show and judge."""

from types import SimpleNamespace

import pandas as pd
import pytest

from srlib import cost
from srlib.workbook import claims, claims_diinn, pictures, published
from srlib.workbook.book import Book


@pytest.fixture(scope="module")
def variants():
    names = [f"edsr-baseline-diinn-{letter}" for letter in "fedcba"]
    return claims_diinn.variants(cost.sweep(names, (6, 6), [4]))


def test_variants_stand_in_the_papers_order_with_its_words(variants):
    assert variants["method"].tolist() == list("abcdef")
    assert variants["positional_init"].tolist() == ["yes", "no"] * 3
    assert variants["model"].iloc[-1] == "edsr-baseline-diinn-f"


def test_released_sizes_come_out(variants):
    lines = claims_diinn.released_sizes(variants)
    assert len(lines) == 6
    assert {line["verdict"] for line in lines} == {"confirmed"}
    wrong = variants.assign(decoder_parameters=variants["decoder_parameters"] + 1)
    assert {line["verdict"] for line in claims_diinn.released_sizes(wrong)} == {"contradicted"}


CPU = SimpleNamespace(lab=SimpleNamespace(device=SimpleNamespace(type="cpu")))
GPU = SimpleNamespace(lab=SimpleNamespace(device=SimpleNamespace(type="cuda")))
SECONDS = {"bicubic": 0.1, "rdn-metasr": 1.0, "rdn-diinn": 2.0, "rdn-liif": 4.0}


def timed(seconds: dict[str, float], side: int = 48, rows: int = 128) -> pd.DataFrame:
    """The frame that `Book.times` gives, of one size of the output."""
    both = [(name, path, value) for name, value in seconds.items() for path in ("literal", "fast")]
    made = pd.DataFrame(both, columns=["model", "path", "seconds"]).assign(scale=rows / side, rows=rows, columns=rows)
    return made.assign(spread=0.01 * made["seconds"], device="a device")


def test_the_encoder_alone_is_none_of_the_methods():
    times = timed(SECONDS | {"rdn-x2": 0.5}, rows=96)
    assert set(claims_diinn.methods(times)["model"]) == set(SECONDS)
    assert claims_diinn.encoder_alone(times).startswith("rdn with its own ×2 tail: 0.50 s")


def test_running_times_in_the_papers_order():
    lines = claims_diinn.running_times(GPU, timed(SECONDS))
    order, faster, share = lines[:3]
    assert order["verdict"] == "confirmed"
    assert faster["verdict"] == "confirmed"
    assert share["measured"] == "0.5"
    assert float(share["low"]) < 0.5 < float(share["high"])
    assert {line["paper"] for line in lines} == {"DIINN"}


def test_a_cpu_says_nothing_of_the_order_on_a_gpu_but_of_what_is_faster():
    order, faster, share, *_ = claims_diinn.running_times(CPU, timed(SECONDS))
    assert [order["verdict"], faster["verdict"], share["verdict"]] == ["not comparable", "confirmed", "not comparable"]
    assert "Quadro RTX 3000" in order["note"]


def test_running_times_in_another_order_name_the_pair():
    order, faster, *_ = claims_diinn.running_times(GPU, timed(SECONDS | {"rdn-diinn": 5.0}))
    assert order["verdict"] == "contradicted"
    assert order["cause"] == "not known"
    assert "DIINN and LIIF" in order["note"]
    assert faster["verdict"] == "contradicted"


def test_times_within_their_spread_leave_it_open():
    near = timed(SECONDS | {"rdn-diinn": 3.99})
    order, faster, *_ = claims_diinn.running_times(GPU, near)
    assert order["verdict"] == "inconclusive"
    assert faster["verdict"] == "inconclusive"


def test_what_was_timed_once_has_no_interval():
    _, faster, *_ = claims_diinn.running_times(GPU, timed(SECONDS).assign(spread=0.0))
    assert faster["verdict"] == "inconclusive"
    assert "measured once" in faster["note"]


def test_no_additional_parameters(variants):
    assert {line["verdict"] for line in claims_diinn.no_additional_cost(variants)} == {"confirmed"}
    more = variants.assign(decoder_parameters=variants["decoder_parameters"] + (variants["method"] == "f"))
    assert [line["verdict"] for line in claims_diinn.no_additional_cost(more)] == ["confirmed", "contradicted"]


@pytest.mark.parametrize(
    "times",
    [
        timed({name.replace("rdn", "edsr-baseline"): value for name, value in SECONDS.items()}),
        timed(SECONDS, side=8),
        timed(SECONDS, rows=64),
    ],
    ids=["encoder", "input", "output"],
)
def test_running_times_of_something_else_are_not_compared(times):
    (line,) = claims_diinn.running_times(CPU, times)
    assert line["verdict"] == "not measured"
    assert "needs rdn, 48 × 48 and one of [128, 256, 512]" in line["note"]


def test_ratios_are_to_liif():
    ratios = claims_diinn.time_ratios(timed(SECONDS)).set_index(["times from", "output size"])
    assert ratios.loc[("literal", 128), "DIINN"] == 0.5
    assert (ratios["LIIF"] == 1).all()
    assert ratios.loc[("paper", 512), "DIINN"] == pytest.approx(243.59 / 693.27)


def bicubic_rows(error: float) -> pd.DataFrame:
    """Bicubic's cells of DIINN's Table 1 on Set5, each measured as printed and so much more."""
    cells = published.cells("diinn", 1).query("method == 'Bicubic' and dataset == 'Set5'")
    cells = cells.assign(model="bicubic", measured=cells["published"] + error)
    table = published.join_published(cells[["model", "dataset", "scale", "quantity", "measured"]], "diinn", 1)
    return published.printed_bicubic(table)


def test_bicubics_cells_are_judged_by_their_tolerances():
    verdict = {line["claim"]: line["verdict"] for line in claims.cells_within(bicubic_rows(0.015))}
    assert verdict["Set5 ×2 psnr"] == "contradicted"  # 0.01 dB
    assert verdict["Set5 ×2 lr_psnr"] == "confirmed"  # 0.02 dB
    assert verdict["Set5 ×2 ssim"] == "contradicted"
    assert verdict["B100 ×2 psnr"] == "not measured"


def test_files_that_were_not_there_confirm_nothing():
    none = pd.DataFrame(columns=["dataset", "compared", "differing"])
    some = pd.DataFrame({"dataset": ["Set5", "B100"], "compared": [5, 100], "differing": [0, 1]})
    assert claims.same_lr_files(none)["verdict"] == "not measured"
    assert claims.same_lr_files(some)["measured"] == "1"
    assert claims.same_lr_files(some)["claim"] == "LR files that differ, of 105"


@pytest.fixture
def figure4(set5, tmp_path, monkeypatch):
    """DIINN's Figure 4 of bicubic alone, on an image of the stand-in for Set5."""
    monkeypatch.setattr("srlib.util.paths.MEASUREMENTS", tmp_path / "measurements")
    block = {"protocol": "diinn", "pictures": [["Set5", "a", 4.0]], "scales": [2.0, 4.0]}
    changes = {"models": ["bicubic"], "pictures": [block], "patch": [2, 3, 10, 12]}
    return lambda **more: Book("diinn/figure4", "smoke", changes | more, [], "cpu", tmp_path / "out")


def test_a_patch_at_growing_scales(figure4):
    rows = pictures.growing(figure4())
    assert list(rows) == ["×2.00\n24×20", "×4.00\n48×40"]
    assert list(rows["×2.00\n24×20"]) == ["Bicubic"]
    assert list(rows["×4.00\n48×40"]) == ["Bicubic", "original"]
    assert {picture.shape for picture in rows["×4.00\n48×40"].values()} == {(40, 48, 3)}


def test_scores_only_where_the_size_is_the_originals(figure4):
    book = figure4()
    scores = pictures.rgb_scores(book).set_index("scale")
    assert scores["psnr"].isna().to_dict() == {2.0: True, 4.0: False}
    assert scores.loc[4.0, "lr_psnr"] > scores.loc[4.0, "psnr"]
    assert scores.loc[4.0, ["rows", "columns"]].tolist() == [97, 83]
    assert claims_diinn.above_bicubic_at_size(book, scores.reset_index()) == []


def test_models_are_judged_against_bicubic_or_say_what_they_need(figure4):
    book = figure4(models=["bicubic", "compact-liif", "rdn-liif"])
    scores = pd.DataFrame({"model": ["bicubic", "compact-liif"], "psnr": [20.0, 21.5]})
    measured, absent = claims_diinn.above_bicubic_at_size(book, scores)
    assert measured["measured"] == "1.5"
    assert measured["verdict"] == "confirmed"
    assert absent["verdict"] == "not measured"
    assert "rdn-liif" in absent["note"]


def test_two_photographs_are_refused(figure4):
    block = {"protocol": "diinn", "pictures": [["Set5", "a", 4.0], ["Set5", "b", 4.0]], "scales": [4.0]}
    with pytest.raises(ValueError, match="shows one photograph, got 2"):
        pictures.growing(figure4(pictures=[block]))
