"""Tables and pictures of what was drawn, from a small plan with the shipped small model."""

import numpy as np
import pandas as pd
import pytest

from srlib import workbook
from srlib.util import paths
from srlib.workbook import claims_idm, drawings
from srlib.workbook.measure import Drawn

EYE, FACE = ["chelsea", [70, 120, 40, 40]], ["astronaut", [60, 200, 40, 40]]
SMALL = {"lr_side": 8, "scales": [2.0]}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Opens a notebook with other drawings than its own, and a store of its own."""
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path / "measurements")

    def opened(notebook, *blocks, **changes):
        made = {"drawings": [SMALL | block for block in blocks]} | changes
        return workbook.open(notebook, "quick", made, out=tmp_path / "out")

    return opened


def test_rows_come_by_image_scale_and_model(book):
    made = book(
        "idm/scales", {"pictures": [EYE, FACE], "scales": [1.5, 2.0], "steps": 1}, models=["bicubic", "idm-small"]
    )
    table = drawings.table(made, "model", "scale")
    expected = [(i, m, s) for i in ("chelsea", "astronaut") for s in (1.5, 2.0) for m in ("bicubic", "idm-small")]
    assert list(table[["image", "model", "scale"]].itertuples(index=False, name=None)) == expected
    assert table["psnr"].between(10, 60).all()
    assert table.loc[table["model"] == "idm-small", "p"].tolist() == [0.0714, 0.1429] * 2
    assert table.loc[table["model"] == "bicubic", "steps"].eq(0).all()


def test_a_draw_tells_of_all_draws(book):
    made = book("idm/x16", {"pictures": [EYE], "steps": 1, "draws": 2}, models=["bicubic", "idm-small"])
    table = drawings.table(made, "model").set_index(["model", "seed"])
    assert len(table) == 3
    assert table.loc[("bicubic", 0), "psnr of the mean"] == pytest.approx(table.loc[("bicubic", 0), "psnr"])
    assert table.loc["idm-small", "diversity"].nunique() == 1
    assert table.loc[("idm-small", 1), "diversity"] > 0


def test_a_page_refuses_what_it_would_average_in_silence(book):
    made = book("idm/x16", {"pictures": [EYE], "scales": [1.5, 2.0], "steps": 1}, models=["bicubic"])
    with pytest.raises(ValueError, match="tells results of one image apart by model; ask for one of everything else"):
        drawings.table(made, "model")
    assert len(drawings.table(made, "model", "scale")) == 2
    assert drawings.scales(made) == [1.5, 2.0]


def test_means_by_sampler(book):
    samplers = {"ancestral": [2], "ddim": [1, 2]}
    made = book(
        "idm/sampling",
        {"pictures": [EYE, FACE], "together": True, "samplers": samplers},
        {"pictures": [EYE], "steps": 3, "frames": True},
        models=["idm-small", "bicubic"],
    )
    means = drawings.by_sampler(made)
    assert list(means[["sampler", "steps"]].itertuples(index=False, name=None)) == [
        ("ancestral", 2), ("ddim", 1), ("ddim", 2),
    ]  # fmt: skip
    assert set(means["model"]) == {"idm-small"}  # bicubic has no sampler, and no way from noise
    rows = drawings.table(made, "model", "sampler", "steps").query("sampler == 'ddim' and steps == 2")
    assert len(rows) == 2
    assert means["psnr"].iloc[-1] == pytest.approx(rows["psnr"].mean())
    assert [frame.shape for frame in drawings.way(made)] == [(16, 16, 3)] * 3
    shown = drawings.pictures(made, "{label}\n{image}", "{sampler}, {steps}", steps=[2])
    assert list(shown) == ["IDM\nchelsea", "IDM\nastronaut"]
    assert list(shown["IDM\nastronaut"]) == ["LR", "ancestral, 2", "ddim, 2", "original"]


def test_means_by_factor(book):
    made = book("idm/scaling_factor", {"pictures": [EYE], "steps": 1, "draws": 2, "factors": [0.5, None, 0.0]})
    means = drawings.by_factor(made)
    assert means["p"].tolist() == [0.0, 0.1429, 0.5]
    assert means["own"].tolist() == [False, True, False]
    rows = drawings.table(made, "model", "factor").query("factor == 0.5")
    assert rows["seed"].tolist() == [0, 1]
    assert means["psnr"].iloc[-1] == pytest.approx(rows["psnr"].mean())
    (shown,) = drawings.pictures(made, title="p = {p:.4g}", draws=1).values()
    assert list(shown) == ["LR", "p = 0.5", "p = 0.1429", "p = 0", "original"]


def test_pictures_are_those_of_the_measurements(book):
    made = book("idm/x16", {"pictures": [EYE, FACE], "together": True, "steps": 1, "draws": 2}, models=["idm-small"])
    ((_, kept),) = made.drawn()
    shown = drawings.pictures(made)
    assert list(shown) == ["chelsea\n×2", "astronaut\n×2"]
    assert list(shown["chelsea\n×2"]) == ["LR", "IDM, draw 0", "IDM, draw 1", "original"]
    in_a_row = [shown[f"{image}\n×2"][f"IDM, draw {seed}"] for seed in (0, 1) for image in ("chelsea", "astronaut")]
    assert np.array_equal(np.concatenate(in_a_row, axis=1), kept.picture)


def test_shares_are_idms_alone(book):
    made = book("idm/scaling_factor", {"pictures": [EYE], "steps": 1})
    shares = drawings.shares(made)
    assert shares["share"].between(0, 1).all()
    assert shares["p"].nunique() == 16
    with pytest.raises(ValueError, match="bicubic takes no scaling factor; choose an IDM"):
        drawings.shares(book("idm/scaling_factor", {"pictures": [EYE], "steps": 1}, models=["bicubic"]))


def test_without_weights_all_is_empty(book):
    made = book("idm/sampling", {"pictures": [EYE], "samplers": {"ddim": [1]}}, models=["idm"])
    assert list(made.absent) == ["idm"]
    assert len(drawings.by_sampler(made)) == 0
    assert len(drawings.by_factor(made)) == 0
    assert drawings.pictures(made) == {}
    assert drawings.way(made) == []
    lines = [
        claims_idm.reference_enlarges(made, drawings.by_sampler(made)),
        claims_idm.few_steps_suffice(made, drawings.by_sampler(made), "ddim"),
        claims_idm.time_follows_steps(made, drawings.by_sampler(made)),
        claims_idm.told_its_own(made, drawings.by_factor(made)),
        claims_idm.depends_on_p(made, drawings.by_factor(made)),
        claims_idm.more_is_made_up(made, drawings.by_factor(made)),
    ]
    assert {line["verdict"] for line in lines} == {"not measured"}
    assert {line["note"] for line in lines} == {made.absent["idm"]}


def test_a_notebook_saves_an_animation(book):
    made = book("idm/sampling", {"pictures": [EYE], "steps": 2, "frames": True})
    path = made.animation("way", drawings.way(made))
    assert path.read_bytes().startswith(b"GIF8")
    assert made.made == ["way.gif"]


def test_bicubics_consistency_is_that_of_the_model_bicubic(book):
    """The claims about one network compare with bicubic, which is not among its models."""
    block = {"pictures": [EYE, FACE], "together": True, "steps": 1}
    model = drawings.table(book("idm/x16", block, models=["bicubic"]), "model")["consistency"].mean()
    by_hand = claims_idm.bicubic(book("idm/sampling", block, models=["idm-small"]))
    assert by_hand == pytest.approx(model, rel=1e-4)
    assert all(isinstance(request, Drawn) for request in book("idm/x16", block, models=["bicubic"]).requests)
    assert pd.isna(claims_idm.bicubic(book("idm/x16", block, models=["idm"])))
