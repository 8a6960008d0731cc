"""Gains with intervals: what the pages on degraded images and on later methods conclude from."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from srlib.workbook import beyond_bicubic, later


def scores(models, count=8, spread=0.1):
    """psnr of each model: bicubic's by image, plus the model's gain {degradation: dB}, plus noise."""
    rng, rows = np.random.default_rng(0), []
    for i in range(count):
        base = 25 + 3 * i
        for how in ("bicubic", "noise"):
            rows.append(("bicubic", "Set5", f"{i}", 3.0, how, base, 0.9))
            rows += [
                (m, "Set5", f"{i}", 3.0, how, base + g[how] + spread * rng.standard_normal(), 0.9)
                for m, g in models.items()
            ]
    return pd.DataFrame(rows, columns=["model", "dataset", "image", "scale", "degradation", "psnr", "ssim"])


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


def test_methods_are_compared_image_by_image():
    images = scores(
        {"compact-liif": {"bicubic": 1.0, "noise": 0.0}, "compact-lmf": {"bicubic": 1.3, "noise": 0.0}}, spread=0.02
    )
    found = later.against(images[images["degradation"] == "bicubic"], "compact-liif").set_index("model")
    assert found.loc["compact-lmf", "low"] < 0.3 < found.loc["compact-lmf", "high"]
    assert found.loc["bicubic", "high"] < 0


def test_what_lmf_saves():
    rows = [
        ("edsr-baseline-liif", 2.0, 100, 80, 50),
        ("edsr-baseline-lmf", 2.0, 10, 8, 20),
        ("edsr-baseline-lte", 2.0, 90, 80, 60),
    ]
    counts = pd.DataFrame(rows, columns=["model", "scale", "macs", "macs_fast", "decoder_parameters"])
    (row,) = later.saved(counts).to_dict("records")
    assert (row["MACs"], row["MACs, fast paths"], row["decoder parameters"]) == (90, 90, 60)


def book(*models, needs=None):
    """What a conclusion asks of a book."""
    plan, needs = SimpleNamespace(models=models), needs or {}
    return SimpleNamespace(plan=plan, absent=needs, needs=needs, limit=0, encoders=["compact"])


COUNTS = pd.DataFrame(
    [("edsr-baseline-diif", 2.0, 100), ("edsr-baseline-lmf", 2.0, 10)], columns=["model", "scale", "macs"]
)
SAVINGS = pd.DataFrame({"MACs": [99.4, 90.0], "decoder parameters": [70.0, 60.0]})


def concluded(gain):
    images = scores({"compact-liif": {"bicubic": 1.0, "noise": 0.0}, "compact-lmf": {"bicubic": gain, "noise": 0.0}})
    shown = images[images["degradation"] == "bicubic"].assign(protocol="benchmark-y")
    needs = {"compact-srno": "no weights for compact-srno"}
    lines = later.conclusion(book("compact-lmf", "compact-srno", needs=needs), COUNTS, SAVINGS, shown)
    return {line["claim"].partition(":")[0]: line for line in lines}


@pytest.mark.parametrize("gain, verdict", [(1.5, "confirmed"), (0.5, "contradicted")])
def test_a_later_method_is_judged_by_its_interval(gain, verdict):
    line = concluded(gain)["LM-LIIF not inferior to LIIF at its lower cost, in scale"]
    assert (line["paper"], line["place"]) == ("LMF", "Abstract")
    assert (line["verdict"], line["cause"]) == (verdict, "not known" if verdict == "contradicted" else "")
    assert float(line["low"]) < gain - 1.0 < float(line["high"])


def test_what_cannot_be_judged_says_why():
    lines = concluded(1.5)
    assert lines["SRNO above LIIF, in scale"]["verdict"] == "not measured"
    assert lines["SRNO above LIIF, in scale"]["note"] == "no weights for compact-srno"
    saved = next(line for words, line in lines.items() if words.startswith("LMF saves up to 99.9 %"))
    assert (saved["verdict"], saved["published"], saved["measured"]) == ("not comparable", "99.9", "99.4")


def test_a_loss_that_only_the_degradation_brings_has_it_as_its_cause():
    gains = beyond_bicubic.gains(scores({"compact-liif": {"bicubic": 2.0, "noise": -0.5}}))
    clean, noisy = beyond_bicubic.conclusion(book("compact-liif"), gains)
    assert (clean["verdict"], clean["cause"]) == ("confirmed", "")
    assert (noisy["verdict"], noisy["cause"]) == ("contradicted", "the degradation: without it 1 are above")
    assert noisy["note"] == "not LIIF"
