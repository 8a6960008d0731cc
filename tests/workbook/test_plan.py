"""Profiles say what each notebook is about, and every entry is checked."""

import pytest

from srlib.util import paths
from srlib.workbook import plan


@pytest.mark.parametrize("name", plan.profiles())
def test_every_record_of_every_profile_is_a_plan(name):
    for notebook in plan.listed(name):
        made = plan.plan(notebook, name)
        assert made.profile == name
        for blocks in made.blocks.values():
            for block in blocks:
                assert made.named(block) or notebook in ("bicubic_check",), notebook


def test_every_listed_notebook_exists():
    for notebook in plan.listed():
        assert (paths.NOTEBOOKS / f"{notebook}.ipynb").is_file(), notebook


def test_a_profile_takes_over_what_it_does_not_say():
    quick, smoke = plan.plan("diif/table2", "quick"), plan.plan("diif/table2", "smoke")
    assert quick.blocks["scores"][-1]["datasets"] == ["Set5"]
    assert smoke.blocks["scores"][-1]["datasets"] == ["Set5"]
    assert smoke.limit == 1
    assert (quick.limit, quick.embedded) == (0, 2)
    assert quick.limit == 0  # of benchmark sets; the embedded photographs are no set
    assert plan.plan("quickstart", "smoke").options["scale"] == 4.0
    assert "train" not in plan.listed("paper")


def test_a_notebook_that_no_profile_lists_has_an_empty_plan():
    made = plan.plan("my/own", "quick", {"models": ["bicubic"]})
    assert made.models == ("bicubic",)
    assert not any(made.blocks.values())


def test_changes_are_set_in_every_block():
    made = plan.plan("diinn/tables", "quick", {"datasets": ["B100"], "limit": 2, "models": ["bicubic"]})
    assert [block["datasets"] for block in made.blocks["scores"]] == [["B100"]] * 3
    assert made.limit == 2
    assert made.models == ("bicubic",)
    assert plan.plan("diinn/tables").blocks["scores"][0]["datasets"] != ["B100"]  # the profile is as it was
    assert plan.plan("diinn/table4", changes={"repeats": 9}).blocks["times"][0]["repeats"] == 9
    assert plan.plan("quickstart", changes={"image": "chelsea"}).options["image"] == "chelsea"
    assert plan.plan("diif/table2", files=["a.pth"]).models[-1] == "a.pth"


def test_other_data_sets_are_taken_whole_unless_a_limit_is_given():
    made = plan.plan("diif/table2", "quick", {"datasets": ["Set14"]})
    assert [block["datasets"] for block in made.blocks["scores"]] == [["Set14"]] * 2
    assert made.limit == 0
    assert plan.plan("diif/table2", "quick", {"datasets": ["Set14"], "limit": 3}).limit == 3


def test_other_scales_leave_the_costs_beside_scores_as_they_are():
    made = plan.plan("diinn/table5", "quick", {"scales": [2, 3]})
    assert made.blocks["scores"][0]["scales"] == [2, 3]
    assert made.blocks["counts"][0]["scales"] == [4]
    assert plan.plan("diif/table3", "quick", {"scales": [2]}).blocks["counts"][0]["scales"] == [2]


@pytest.mark.parametrize(
    "notebook, changes, says",
    [
        ("diif/table2", {"dataset": ["Set5"]}, "unknown parameter of diif/table2 'dataset'; nearest: datasets"),
        ("diif/table2", {"models": "metods"}, "unknown group of models 'metods'; nearest: methods"),
        ("diif/table2", {"datasets": "Set5"}, "datasets is a list"),
        ("quickstart", {"scale": "big"}, "scale is a float"),
        ("quickstart", {"repeats": 3}, "has no repeats to change"),
        ("diif/table2", {"scores": [{"protocl": "diinn"}]}, "unknown entry in scores of diif/table2 'protocl'"),
    ],
)
def test_what_is_not_known_is_refused(notebook, changes, says):
    with pytest.raises(ValueError, match=says):
        plan.plan(notebook, "quick", changes)


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ValueError, match="unknown profile 'quik'; nearest: quick"):
        plan.profile("quik")


def test_a_profile_with_an_unknown_entry_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("profile: own\nlike: quick\nnotebok: {}\n")
    with pytest.raises(ValueError, match="notebok: no such entry"):
        plan.profile(path)


def test_a_profile_of_ones_own(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("profile: own\nlike: quick\nnotebooks:\n  mine: {models: [bicubic]}\n  train: {skip: true}\n")
    assert plan.plan("mine", path).models == ("bicubic",)
    assert "train" not in plan.listed(path)
