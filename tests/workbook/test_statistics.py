"""Intervals: that they find a known difference, that they leave open what they should, that few images or seeds widen them."""

import numpy as np
import pandas as pd
import pytest

from srlib.workbook import claims, statistics

ROUNDS = 100


def made(
    rng, gap: float, seeds: int, images: int, *, of_seeds=0.01, of_images=0.08, sets=("B100",), scales=(2, 3)
) -> pd.DataFrame:
    """Scores of two models: trainings differ by `of_seeds`, the images' differences by `of_images` (standard deviations)."""
    rows = []
    for name in sets:
        level, own = rng.normal(28, 4, images), rng.normal(0, of_images, images)
        for seed in range(seeds):
            drift = rng.normal(0, of_seeds)
            for i in range(images):
                for scale in scales:
                    rows.append(("compact-diif", seed, name, str(i), scale, level[i] + gap + own[i] + drift))
                    rows.append(("compact-liif", seed, name, str(i), scale, level[i]))
    return pd.DataFrame(rows, columns=["model", "seed", "dataset", "image", "scale", "psnr"])


def verdicts(gap: float, **how) -> list[str]:
    rng = np.random.default_rng(1)
    lines = (claims.compare(made(rng, gap, scales=(2,), **how), "compact-diif", "compact-liif") for _ in range(ROUNDS))
    return [line["verdict"] for line in lines]


@pytest.mark.parametrize("gap, verdict", [(0.1, "confirmed"), (-0.1, "contradicted")])
@pytest.mark.parametrize("how", [{"seeds": 3, "images": 50}, {"seeds": 1, "images": 14}], ids=str)
def test_a_known_difference_is_found(gap, verdict, how):
    assert verdicts(gap, **how).count(verdict) >= 95


@pytest.mark.parametrize(
    "how",
    [
        {"seeds": 1, "images": 60, "of_seeds": 0.0},  # the spread over trainings is not in an interval from one
        {"seeds": 1, "images": 5, "of_seeds": 0.0},
        {"seeds": 3, "images": 50, "of_seeds": 0.05},
        {"seeds": 3, "images": 14, "sets": ("Set14", "B100")},
    ],
    ids=str,
)
def test_no_difference_is_left_open(how):
    assert verdicts(0.0, **how).count("inconclusive") >= 93  # of 95 that are expected


def test_the_interval_is_the_same_each_time():
    rows = made(np.random.default_rng(0), 0.02, 2, 20)
    assert statistics.difference(rows, "compact-diif", "compact-liif") == statistics.difference(
        rows, "compact-diif", "compact-liif"
    )


def test_only_what_both_have_is_compared():
    rows = made(np.random.default_rng(0), 0.5, 2, 20)
    part = rows[~((rows["model"] == "compact-diif") & ((rows["scale"] == 3) | (rows["seed"] == 1)))]
    of = statistics.difference(part, "compact-diif", "compact-liif")
    assert of.cells == (("B100", 2.0),)
    assert (of.seeds, of.images) == (1, 20)
    assert "one seed" in of.note


def test_an_untrained_model_has_every_seed():
    rows = made(np.random.default_rng(0), 0.5, 3, 20)
    rows = rows[(rows["model"] == "compact-diif") | (rows["seed"] == 0)].replace("compact-liif", "bicubic")
    of = statistics.difference(rows, "compact-diif", "bicubic")
    assert of.seeds == 3
    assert of.value == pytest.approx(0.5, abs=0.1)


def test_more_seeds_that_differ_widen_the_interval():
    width = {}
    for spread in (0.0, 0.2):
        of = statistics.difference(
            made(np.random.default_rng(3), 0.0, 3, 50, of_seeds=spread), "compact-diif", "compact-liif"
        )
        width[spread] = of.high - of.low
    assert width[0.2] > 2 * width[0.0]


def test_means_of_few_are_stretched_as_students_t():
    assert statistics.stretch(1) == 0
    assert statistics.stretch(3) == pytest.approx(np.sqrt(1.5) * 4.3027 / 1.95996, rel=1e-3)
    assert statistics.stretch(1000) == pytest.approx(1, abs=0.01)


def test_a_mean_over_sets_weighs_cells_alike():
    rows = made(np.random.default_rng(0), 0.0, 1, 10, sets=("Set14", "B100"))
    rows.loc[(rows["dataset"] == "B100") & (rows["model"] == "compact-diif"), "psnr"] += 1.0
    of = statistics.difference(rows, "compact-diif", "compact-liif")
    assert of.value == pytest.approx(0.5, abs=0.1)


def test_one_image_has_no_interval_and_nothing_none():
    one = statistics.of_values([3.0])
    assert one.value == 3.0
    assert np.isnan(one.low)
    assert statistics.of_values([]).images == 0
    assert claims.check("x", 1.0, one)["verdict"] == "inconclusive"
    assert claims.check("x", 1.0, statistics.of_values([]))["verdict"] == "not measured"


def test_a_ratio_of_means():
    rows = pd.DataFrame({"a": [2.0, 4.0, 6.0, 8.0], "b": [1.0, 2.0, 3.0, 4.0]})
    of = statistics.ratio(rows, "a", "b")
    assert [of.value, of.low, of.high] == pytest.approx([2.0, 2.0, 2.0])


def test_in_scale_and_out_of_scale():
    rows = pd.DataFrame({"scale": [2.0, 4.0, 4.1, 8.0]})
    found = {which: statistics.within(rows, which)["scale"].tolist() for which in ("in", "out", "larger", "all")}
    assert found == {"in": [2.0, 4.0], "out": [4.1, 8.0], "larger": [8.0], "all": [2.0, 4.0, 4.1, 8.0]}


def test_tables_for_figures():
    rows = made(np.random.default_rng(0), 0.1, 1, 10, sets=("Set14", "B100"))
    cells = statistics.by_cell(rows, "compact-liif")
    assert cells[["dataset", "scale"]].to_numpy().tolist() == [["Set14", 2], ["Set14", 3], ["B100", 2], ["B100", 3]]
    scales = statistics.by_scale(rows, "compact-liif")
    assert scales["sets"].tolist() == [("Set14", "B100")] * 2
    assert (scales["low"] < scales["value"]).all()
