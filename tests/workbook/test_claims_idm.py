"""When IDM's claims are confirmed, when not, and when nothing is judged."""

from types import SimpleNamespace

import pandas as pd
import pytest

from srlib.workbook import claims_idm

SAMPLERS = {"ancestral": [50, 1000], "ddim": [10, 50, 200]}


def model(name, architecture=None):
    return SimpleNamespace(name=name, architecture=architecture or name)


def book(*models, asked=(), absent=None):
    plan = SimpleNamespace(models=asked, blocks={"drawings": [{"samplers": SAMPLERS}, {"steps": 24}]})
    return SimpleNamespace(models=models, plan=plan, absent=absent or {}, requests=[])


def means(**changes):
    """A row for each model and two like images at x8 and x10; changes: model_quantity -> value at (x8, x10)."""
    rows = []
    for name, detail in (("bicubic", 0.4), ("compact-liif", 0.5), ("idm-small", 0.9), ("sr3-small", 0.9)):
        for i, scale in enumerate((8.0, 10.0)):
            row = {"model": name, "scale": scale, "psnr": 20.0, "consistency": 50.0, "detail": detail, "diversity": 9.0}
            short = name.split("-")[0]
            row |= {q: v[i] for key, v in changes.items() for m, q in [key.split("_")] if m == short}
            rows += [{"image": image} | row for image in ("one", "other")]
    return pd.DataFrame(rows)


ALL = book(*map(model, ("bicubic", "compact-liif", "idm-small", "sr3-small")))


@pytest.mark.parametrize(
    "beyond, verdict", [(100.0, "confirmed"), (100.1, "contradicted"), (float("nan"), "not measured")]
)
def test_a_network_that_draws_another_image_is_told_apart(beyond, verdict):
    assert claims_idm.same_image("x", beyond, "why")["verdict"] == verdict


def test_consistency_is_compared_with_bicubics():
    assert claims_idm.excess(means(idm_consistency=(160.0, 0)), "idm-small", 8.0) == 110.0
    assert claims_idm.excess(means(idm_consistency=(40.0, 0)), "idm-small", 8.0) == 0.0
    assert pd.isna(claims_idm.excess(means(), "idm", 8.0))
    line = claims_idm.enlarges(ALL, means(idm_consistency=(160.0, 0)), "idm-small")
    assert line["verdict"] == "contradicted"
    assert line["measured"] == "110"
    assert line["claim"].startswith("idm-small enlarges, ×8, this very image")


def test_a_page_of_one_scale_does_not_name_it():
    some = means().query("scale == 8")
    assert claims_idm.enlarges(ALL, some, "idm-small")["claim"].startswith("idm-small enlarges this very image")
    line = claims_idm.sharper(ALL, some, "idm-small", "compact-liif")
    assert line["claim"] == "idm-small is closer to the original's sharpness than compact-liif: |1 − detail| less"


@pytest.mark.parametrize(
    "changes, verdict, measured",
    [
        ({}, "confirmed", "0.4"),
        ({"idm_detail": (1.1, 1.1)}, "confirmed", "0.4"),
        (
            {"idm_detail": (1.6, 1.6)},
            "contradicted",
            "-0.1",
        ),  # sharper than the original by more than LIIF falls short
        ({"idm_consistency": (200.0, 0.0)}, "not measured", ""),
    ],
)
def test_sharpness_is_judged_of_this_very_image_only(changes, verdict, measured):
    line = claims_idm.sharper(ALL, means(**changes), "idm-small", "compact-liif")
    assert line["verdict"] == verdict
    assert line["measured"] == measured


def test_what_is_missing_is_said():
    here = book(model("bicubic"), absent={"idm-small": "train it"})
    line = claims_idm.sharper(here, means().query("model == 'bicubic'"), "idm-small", "compact-liif")
    assert line["verdict"] == "not measured"
    assert line["note"] == "train it; needs compact-liif"
    line = claims_idm.enlarges(ALL, means().query("scale == 10"), "idm-small")
    assert line["note"] == "needs ×8 among the scales"
    other = claims_idm.sharper(ALL, means(idm_consistency=(200.0, 0.0)), "idm-small", "compact-liif")
    assert other["note"] == "not judged: other images"


@pytest.mark.parametrize("fall, holds, lost", [(0.5, "confirmed", "contradicted"), (1.5, "contradicted", "confirmed")])
def test_a_fall_is_more_than_one_decibel_over_bicubic(fall, holds, lost):
    some = means(idm_psnr=(20.0, 20.0 - fall), sr3_psnr=(20.0, 20.0 - fall))
    (line,) = claims_idm.falls(ALL, some, "idm-small", holds=True)
    assert line["verdict"] == holds
    assert line["claim"].startswith("idm-small holds at ×10")
    assert line["margin"] == "a fall"
    (line,) = claims_idm.falls(ALL, some, "sr3-small", holds=False)
    assert line["verdict"] == lost


def test_images_that_differ_leave_it_open():
    some = means(idm_psnr=(20.0, 19.0))
    some.loc[(some["image"] == "one") & (some["model"] == "idm-small") & (some["scale"] == 10), "psnr"] = 20.0
    (line,) = claims_idm.falls(ALL, some, "idm-small", holds=True)
    assert line["verdict"] == "inconclusive"
    assert "few images" in line["note"]


def test_bicubics_own_fall_does_not_count():
    (line,) = claims_idm.falls(ALL, means(idm_psnr=(20.0, 18.0), bicubic_psnr=(20.0, 18.0)), "idm-small", holds=True)
    assert line["measured"] == "0"


def test_one_rule_for_both_at_every_scale():
    lines = claims_idm.against(ALL, means(idm_psnr=(20.5, 19.0)), "idm-small", "sr3-small")
    assert [line["verdict"] for line in lines] == ["confirmed", "contradicted", "contradicted", "contradicted"]
    assert lines[2]["claim"] == "idm-small above sr3-small at ×10: PSNR"
    missing = claims_idm.against(ALL, means(), "idm-small", "idm-small-p1")
    assert {line["verdict"] for line in missing} == {"not measured"}
    assert missing[0]["note"] == "needs idm-small-p1"


def test_a_network_that_draws_nothing_has_nothing_to_lose():
    (line,) = claims_idm.falls(ALL, means(idm_detail=(0.43, 0.43)), "idm-small", holds=True)
    assert line["verdict"] == "not measured"
    assert line["note"].startswith("not judged: at ×8 it draws other images, or none")
    (line,) = claims_idm.falls(ALL, means().query("scale == 8"), "idm-small", holds=True)
    assert line["note"] == "no other scale in this run"


def test_draws_differ():
    assert claims_idm.varied(ALL, means(), "idm-small", 8.0)["verdict"] == "confirmed"
    collapsed = claims_idm.varied(ALL, means(idm_diversity=(0.2, 0.2)), "idm-small", 8.0)
    assert collapsed["verdict"] == "contradicted"
    one = claims_idm.varied(ALL, means(idm_diversity=(float("nan"), 1.0)), "idm-small", 8.0)
    assert one["verdict"] == "not measured"
    assert one["note"] == "needs two draws or more"


def test_the_network_in_question():
    mine = book(model("bicubic"), model("long", "idm-small"), model("idm-small"))
    assert claims_idm.subject(mine, "IDM") == "long"
    assert claims_idm.subject(book(asked=["bicubic", "idm"]), "IDM") == "idm"
    assert claims_idm.subject(book(), "IDM") == "IDM"


def sampled(ancestral=20.0, ddim=20.0, consistency=50.0):
    columns = ["model", "sampler", "steps", "psnr", "consistency", "seconds"]
    rows = [("ancestral", 50, 21.0, 2.0), ("ancestral", 1000, ancestral, 40.0), ("ddim", 10, 25.0, 0.4)]
    rows += [("ddim", 50, ddim, 2.0), ("ddim", 200, 30.0, 8.0)]
    first = [("idm-small", sampler, steps, psnr, consistency, seconds) for sampler, steps, psnr, seconds in rows]
    other = [("other", sampler, steps, 0.0, 999.0, 1.0) for sampler, steps, *_ in rows]  # not judged
    return pd.DataFrame([*other, *first], columns=columns)


@pytest.fixture
def one(monkeypatch):
    monkeypatch.setattr(claims_idm, "bicubic", lambda book: 50.0)
    return book(model("idm-small"), model("other"))


def test_few_steps_are_compared_with_the_most_ancestral_ones(one):
    line = claims_idm.few_steps_suffice(one, sampled(ddim=19.8), "ddim")
    assert line["claim"] == "ddim with 50 steps within 0.3 dB of 1000 ancestral steps, or above"
    assert line["verdict"] == "confirmed"
    assert line["measured"] == "-0.2"
    assert claims_idm.few_steps_suffice(one, sampled(ddim=19.5), "ddim")["verdict"] == "contradicted"
    other = claims_idm.few_steps_suffice(one, sampled(consistency=200.0), "ddim")
    assert other["note"] == "not judged: the images are not of this LR image"
    absent = claims_idm.few_steps_suffice(one, sampled(), "dpm-solver++")
    assert absent["verdict"] == "not measured"
    assert absent["note"] == "needs 50 steps or fewer among the steps"


def test_the_reference_is_the_most_ancestral_steps(one):
    line = claims_idm.reference_enlarges(one, sampled(consistency=60.0))
    assert line["claim"].startswith("1000 ancestral steps enlarge this very image")
    assert line["measured"] == "10"


def test_time_follows_steps(one):
    line = claims_idm.time_follows_steps(one, sampled())
    assert line["expected"] == "at least 16"
    assert line["measured"] == "20"
    assert (line["low"], line["high"], line["verdict"]) == ("", "", "inconclusive")
    assert line["note"] == "the draws did not have the machine to themselves; measured once: no interval"


def told(**changes):
    rows = {"p": [0.0, 1.0, 1.25], "consistency": [50.0] * 3, "detail": [0.9, 1.0, 1.1], "diversity": [7.0, 14.0, 15.0]}
    return pd.DataFrame({"model": "idm-small", "own": [False, True, False]} | rows | changes)


def test_what_the_scaling_factor_does(one):
    assert claims_idm.told_its_own(one, told())["verdict"] == "confirmed"
    assert claims_idm.depends_on_p(one, told())["measured"] == "0.2"
    assert claims_idm.depends_on_p(one, told(detail=[1.0, 1.0, 1.005]))["verdict"] == "contradicted"
    line = claims_idm.more_is_made_up(one, told())
    assert line["measured"] == "2"
    assert line["paper"] == "IDM"


def test_the_scaling_factor_of_one_draw_says_nothing_of_diversity(one):
    for some in (told(diversity=[float("nan")] * 3), told(own=[True, False, False]), told(diversity=[0.0, 0.0, 0.0])):
        line = claims_idm.more_is_made_up(one, some)
        assert line["verdict"] == "not measured"
        assert line["note"] == "needs two draws and a smaller p"
    far = claims_idm.more_is_made_up(one, told(consistency=[50.0, 200.0, 50.0]))  # of its own p
    assert far["note"] == "not judged: the images are not of this LR image"
