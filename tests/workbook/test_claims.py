"""Conclusions: verdicts, what was compared, and whose claim it is."""

import math

import pandas as pd
import pytest

from srlib.workbook import claims


def test_checks():
    verdict = lambda **k: claims.check("x", 1.0, within=0.1, **k)["verdict"]  # noqa: E731
    assert [verdict(measured=m) for m in (1.05, 1.2, 0.8, None, float("nan"))] == [
        "confirmed", "contradicted", "contradicted", "not measured", "not measured",
    ]  # fmt: skip
    assert verdict(measured=9.0, at_least=True) == "confirmed"
    assert verdict(measured=0.5, at_least=True) == "contradicted"
    assert verdict(measured=0.5, at_most=True) == "confirmed"


@pytest.mark.parametrize(
    "interval, verdict",
    [((0.01, 0.2), "confirmed"), ((-0.2, -0.01), "contradicted"), ((-0.1, 0.2), "inconclusive"),
     ((0.0, 0.0), "contradicted"), ((math.nan, math.nan), "not measured")],
)  # fmt: skip
def test_the_verdict_on_being_above_follows_from_the_interval(interval, verdict):
    assert claims.judged(*interval, 0.0, strictly=True) == verdict


@pytest.mark.parametrize(
    "interval, verdict",
    [((-0.04, 0.2), "confirmed"), ((-0.2, -0.06), "contradicted"), ((-0.06, -0.04), "inconclusive")],
)
def test_not_inferior_is_within_a_margin(interval, verdict):
    assert claims.judged(*interval, -0.05) == verdict


def test_a_contradiction_has_no_known_cause_until_an_experiment_isolates_it():
    assert claims.check("x", 1.0, 2.0)["cause"] == "not known"
    assert claims.check("x", 1.0, 2.0, cause="train.ipynb")["cause"] == "train.ipynb"
    assert claims.check("x", 1.0, 1.0)["cause"] == ""


def test_what_is_not_comparable_keeps_its_numbers():
    line = claims.check("x", 1.0, 2.0, incomparable="another device")
    assert [line["verdict"], line["measured"], line["note"]] == ["not comparable", "2", "another device"]


def rows(values: dict[str, float], sets=("Set5",), scales=(2,), images=6, wobble=0.0) -> pd.DataFrame:
    """A row per model, image and scale; wobble: how far apart the images' differences are."""
    return pd.DataFrame(
        [
            (model, dataset, str(i), scale, value + (wobble * i if model == next(iter(values)) else 0.0) + i)
            for model, value in values.items()
            for dataset in sets
            for scale in scales
            for i in range(images)
        ],
        columns=["model", "dataset", "image", "scale", "psnr"],
    )


def test_a_comparison_says_what_was_compared():
    some = rows({"compact-diif": 30.1, "compact-liif": 30.0}, sets=("Set5", "B100"))
    line = claims.compare(some, "compact-diif", "compact-liif", "better", paper="P", printed=0.05)
    assert line["claim"] == "better: compact-diif less compact-liif, mean over Set5, B100 ×2"
    assert [line["verdict"], line["paper"], line["published"], line["images"]] == ["confirmed", "P", "0.05", 12]
    assert float(line["measured"]) == pytest.approx(0.1)
    assert "one seed" in line["note"]
    part = claims.compare(some, "compact-liif", "compact-diif", limit=1, paper="P")
    assert [part["verdict"], part["paper"]] == ["contradicted", ""]
    assert "first 1 images" in part["claim"]
    note = lambda rows, **k: claims.compare(rows, "compact-diif", "compact-lte", **k)["note"]  # noqa: E731
    assert note(some, needs={"compact-lte": "train it"}) == "train it"
    assert note(some, needs={"Set14": "fetch it"}) == "needs compact-lte among the models"
    assert note(some.iloc[:0], needs={"Set14": "fetch it"}) == "fetch it"  # the set is missing, not the model


def test_a_set_of_five_images_is_named():
    line = claims.compare(rows({"compact-diif": 30.1, "compact-liif": 30.0}, images=5), "compact-diif", "compact-liif")
    assert "Set5 has few images" in line["note"]


def test_images_that_disagree_leave_it_open():
    some = rows({"compact-diif": 29.7, "compact-liif": 30.0}, wobble=0.2)
    assert claims.compare(some, "compact-diif", "compact-liif")["verdict"] == "inconclusive"


def test_an_own_folders_mean_judges_no_paper():
    some = rows({"compact-diif": 31.0, "compact-liif": 30.0}, sets=("my/photographs",))
    line = claims.compare(
        some, "compact-diif", "compact-liif", paper="DIIF", place="Table 2", quote="wins", printed=0.1
    )
    assert line["verdict"] == "confirmed"
    assert line["paper"] == line["place"] == line["quote"] == line["published"] == ""
    known = rows({"compact-diif": 31.0, "compact-liif": 30.0}, sets=("B100",))
    assert claims.compare(known, "compact-diif", "compact-liif", paper="DIIF")["paper"] == "DIIF"


class Notebook:
    """What claims ask of a book."""

    encoders, limit, absent, needs, models = ["compact"], 0, {}, {"B100": "fetch it"}, []


def test_what_a_paper_says_is_judged_in_scale_and_out_of_scale_apart():
    some = pd.concat(
        [
            rows({"compact-diif": 30.1, "compact-liif": 30.0}, sets=("Set5", "Set14"), scales=(2, 3)),
            rows({"compact-diif": 24.0, "compact-liif": 24.1}, sets=("Set5", "Set14"), scales=(6,)),
        ]
    )
    lines = {line["claim"].split(":")[0]: line for line in claims.stated(Notebook(), some, "diif", 2)}
    inside, outside = lines["DIIF above LIIF, in scale"], lines["DIIF above LIIF, out of scale"]
    assert [inside["verdict"], outside["verdict"]] == ["confirmed", "contradicted"]
    assert "mean over Set14 ×2 to ×3" in inside["claim"]  # Set5 is not in the paper's table
    assert inside["place"] == "Section 4.2, Table 2"
    assert float(inside["published"]) == pytest.approx((0.03 + 0.08) / 2)  # of the same cells
    assert "the other way in 1" in inside["note"]  # B100 x2
    assert lines["LTE above LIIF, in scale"]["verdict"] == "not measured"
    assert lines["LTE above LIIF, in scale"]["paper"] == "DIIF"


def test_a_reconstruction_is_not_comparable():
    some = rows({"compact-diif": 31.0, "compact-diif-wo-ds": 30.0}, sets=("B100",))
    lines = [line for line in claims.stated(Notebook(), some, "diif", 4) if "fixed" in line["claim"]]
    assert {line["verdict"] for line in lines} == {"not comparable"}


def test_cell_by_cell():
    some = rows({"compact-diif": 31.0, "compact-liif": 30.0}, sets=("B100", "Set5"), scales=(2, 4))
    lines = claims.cell_by_cell(Notebook(), some, [("diif", "liif"), ("lte", "liif")])
    assert [line["verdict"] for line in lines] == ["confirmed"] * 4
    assert {line["paper"] for line in lines} == {""}


def test_the_final_diinn_is_found_by_either_name():
    some = rows({"compact-diinn-f": 30.0})
    assert claims.called(some, "compact", "diinn") == "compact-diinn-f"
    assert claims.called(some, "compact", "liif") == "compact-liif"


def test_what_is_missing_has_a_line():
    (line,) = claims.unmeasured(Notebook(), "PSNR")
    assert line["claim"] == "PSNR on B100"
    assert (line["verdict"], line["note"], line["expected"]) == ("not measured", "fetch it", "the paper's")


def test_a_paper_of_which_nothing_can_be_tested_is_not_contradicted_by_that():
    rows = pd.DataFrame({"paper": ["A", "A", "B"], "verdict": ["confirmed", "not measured", "not comparable"]})
    lines = claims.counted(rows)
    assert [(line["claim"], line["measured"], line["verdict"]) for line in lines] == [
        ("A: claims that were tested, of 2", "1", "confirmed"),
        ("B: claims that were tested, of 1", "", "not measured"),
    ]


def test_a_bound_that_must_stay_below_is_said_so():
    assert claims.check("x", 70, 6, at_most=True, strictly=True)["expected"] == "below 70"
