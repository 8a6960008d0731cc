"""Gains with intervals: what the page on degraded images concludes from."""

import math

from gains import book, scores

from srlib.workbook import beyond_bicubic


def test_gains_are_paired_and_their_intervals_hold_the_truth():
    gains = beyond_bicubic.gains(scores({"compact-liif": {"bicubic": 2.0, "noise": -0.5}})).set_index("degradation")
    for how, truth in (("bicubic", 2.0), ("noise", -0.5)):
        row = gains.loc[how]
        assert row["low"] < truth < row["high"]
        assert row["high"] - row["low"] < 0.3, "images differ by 21 dB, gains by 0.1"
    assert gains.loc["noise", "lost_low"] < 2.5 < gains.loc["noise", "lost_high"]
    assert math.isnan(gains.loc["bicubic", "lost_low"])


def test_few_images_have_no_interval():
    gains = beyond_bicubic.gains(scores({"compact-liif": {"bicubic": 2.0, "noise": 0.0}}, count=4))
    assert gains["low"].isna().all()
    assert gains["gain"].notna().all()


def test_the_wide_table_has_a_column_a_degradation():
    wide = beyond_bicubic.wide(beyond_bicubic.gains(scores({"compact-liif": {"bicubic": 2.0, "noise": -0.5}})))
    assert list(wide.columns) == ["scale", "model", "bicubic", "noise"]
    assert wide.loc[0, "noise"].startswith("-0.")


def test_a_loss_that_only_the_degradation_brings_has_it_as_its_cause():
    gains = beyond_bicubic.gains(scores({"compact-liif": {"bicubic": 2.0, "noise": -0.5}}))
    clean, noisy = beyond_bicubic.conclusion(book("compact-liif"), gains)
    assert (clean["verdict"], clean["cause"]) == ("confirmed", "")
    assert (noisy["verdict"], noisy["cause"]) == ("contradicted", "the degradation: without it 1 are above")
    assert noisy["note"] == "not LIIF"
