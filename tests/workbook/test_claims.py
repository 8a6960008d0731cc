"""Conclusions: verdicts, what was compared, and whose claim it is."""

from types import SimpleNamespace

import pandas as pd
import pytest

from srlib.workbook import claims


def test_checks():
    verdict = lambda **k: claims.check("x", 1.0, within=0.1, **k)["verdict"]  # noqa: E731
    assert [verdict(measured=m) for m in (1.05, 1.2, 0.8, None, float("nan"))] == [
        "confirmed", "not confirmed", "not confirmed", "not measured", "not measured",
    ]  # fmt: skip
    assert verdict(measured=9.0, at_least=True) == "confirmed"
    assert verdict(measured=0.5, at_least=True) == "not confirmed"


def test_a_comparison_says_what_was_compared():
    rows = [
        ("compact-diif", "Set5", 2, 30.1),
        ("compact-diif", "Set5", 3, 28.0),
        ("compact-diif", "B100", 2, 27.0),
        ("compact-liif", "Set5", 2, 30.0),
    ]
    scores = pd.DataFrame([*rows, ("compact-liif", "B100", 2, 27.1)], columns=["model", "dataset", "scale", "psnr"])
    index = pd.MultiIndex.from_tuples([("Set5", 2), ("Urban100", 2)], names=["dataset", "scale"])
    printed = pd.Series([0.05, 0.3], index)
    line = claims.compare(scores, "compact-diif", "compact-liif", "better", paper="P", printed=printed)
    assert line["claim"] == "better: compact-diif less compact-liif, mean over Set5, B100 ×2 (paper, Set5 ×2: +0.05)"
    assert line["verdict"] == "confirmed"
    assert float(line["measured"]) == pytest.approx(0)
    assert line["paper"] == "P"
    some = claims.compare(
        scores[scores["dataset"] == "B100"], "compact-diif", "compact-liif", printed=printed, limit=1, paper="P"
    )
    assert some["verdict"] == "not confirmed"
    assert some["paper"] == ""
    assert "first 1 images" in some["claim"]
    assert "(paper, Set5, Urban100 ×2: +0.17)" in some["claim"]
    cause = lambda scores, **k: claims.compare(scores, "compact-diif", "compact-lte", **k)["likely cause"]  # noqa: E731
    assert cause(scores, needs={"compact-lte": "train it"}) == "train it"
    assert cause(scores, needs={"Set14": "fetch it"}) == "needs compact-lte among the models"
    assert cause(scores.iloc[:0], needs={"Set14": "fetch it"}) == "fetch it"  # the set is missing, not the model


def scores(*rows):
    return pd.DataFrame(rows, columns=["model", "dataset", "scale", "psnr"])


def test_an_own_folders_mean_judges_no_paper():
    some = scores(("compact-diif", "my/photographs", 2, 31.0), ("compact-liif", "my/photographs", 2, 30.0))
    line = claims.compare(some, "compact-diif", "compact-liif", paper="DIIF")
    assert line["verdict"] == "confirmed"
    assert line["paper"] == ""
    known = scores(("compact-diif", "B100", 2, 31.0), ("compact-liif", "B100", 2, 30.0))
    assert claims.compare(known, "compact-diif", "compact-liif", paper="DIIF")["paper"] == "DIIF"


class Notebook:
    """What claims ask of a book."""

    encoders, limit, absent, needs, models = ["compact"], 0, {}, {"B100": "fetch it"}, []


def test_pairs_are_compared_for_each_encoder_with_the_papers_number():
    some = scores(("compact-diif", "Set14", 2, 30.1), ("compact-liif", "Set14", 2, 30.0), ("compact-diif", "Set14", 3, 28.0),
                  ("compact-liif", "Set14", 3, 28.0))  # fmt: skip
    said = {("diif", "liif"): "DIIF not below LIIF", ("lte", "liif"): "LTE not below LIIF"}
    lines = claims.not_below(Notebook(), some, said, ("diif", 2), within=0.02, by_cell=some)
    assert [line["verdict"] for line in lines] == ["confirmed", "confirmed", "confirmed", "not measured"]
    assert lines[0]["claim"].startswith(
        "DIIF not below LIIF: compact-diif less compact-liif, mean over Set14 ×2 to ×3 (paper: "
    )
    assert lines[0]["paper"] == "DIIF"
    assert lines[1]["paper"] == ""
    assert "needs compact-lte" in lines[3]["likely cause"]


def test_a_margin_can_belong_to_one_pair():
    some = scores(
        ("compact-diif", "Set5", 2, 29.99), ("compact-liif", "Set5", 2, 30.0), ("compact-diif-cs", "Set5", 2, 30.0)
    )
    said = {("diif", "liif"): "not below", ("diif", "diif-cs"): "better"}
    lines = claims.not_below(Notebook(), some, said, ("diif", 4), within={"liif": 0.02})
    assert [line["verdict"] for line in lines] == ["confirmed", "not confirmed"]


def test_the_final_diinn_is_found_by_either_name():
    some = scores(("compact-diinn-f", "Set5", 2, 30.0))
    assert claims.called(some, "compact", "diinn") == "compact-diinn-f"
    assert claims.called(some, "compact", "liif") == "compact-liif"


def test_what_is_missing_has_a_line():
    (line,) = claims.unmeasured(Notebook(), "PSNR")
    assert line["claim"] == "PSNR on B100"
    assert (line["verdict"], line["likely cause"], line["expected"]) == ("not measured", "fetch it", "the paper's")


def test_fast_enough():
    book = SimpleNamespace(absent={"idm-small": "train it"})
    times = pd.DataFrame({"seconds": [0.2, 6.0]})
    assert claims.fast_enough(book, "quick", times, 7.0, "less")["verdict"] == "confirmed"
    slow = claims.fast_enough(book, "quick", times, 5.0, "choose less")
    assert slow["verdict"] == "not confirmed"
    assert slow["likely cause"] == "a slow or busy machine; choose less"
    none = claims.fast_enough(book, "quick", times[:0], 5.0, "choose less")
    assert none["verdict"] == "not measured"
    assert none["likely cause"] == "train it"
