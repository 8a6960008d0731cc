import pytest
import torch

import srlib
from srlib import weights
from srlib.models import ModelName
from srlib.util import paths

EMPTY = {"training": {}, "data": {}, "metrics": {}, "commit": "none"}
SHIPPED = paths.WEIGHTS / "compact-liif.safetensors"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, no_data):
    """A repository of its own, without weights, and another current folder."""
    monkeypatch.setattr(paths, "ROOT", tmp_path / "repository")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "repository" / "data" / "weights")
    monkeypatch.setattr(paths, "RUNS", tmp_path / "repository" / "runs")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def saved(path, seed=0):
    weights.save(srlib.build("compact-liif", seed=seed), path, **EMPTY)
    return weights.digest_of(srlib.build("compact-liif", seed=seed))


def test_weights_of_another_model_are_refused(no_data):
    saved(no_data / "weights" / "rdn-liif.safetensors")
    with pytest.raises(ValueError, match="holds weights of compact-liif, not of rdn-liif"):
        srlib.load("rdn-liif")


def test_missing_weights_say_where_they_were_looked_for_and_what_to_do(no_data):
    with pytest.raises(
        FileNotFoundError, match=r"no weights for rdn-diif in data/weights, \$SRLIB_DATA/weights or runs/rdn-diif"
    ):
        srlib.load("rdn-diif")
    with pytest.raises(FileNotFoundError, match=r"srlib train rdn-diif.*at hand for: .*compact-diif"):
        srlib.load("rdn-diif")


@pytest.mark.parametrize("name", ["compact-lif", "", "here"])
def test_what_is_neither_a_name_nor_a_file_is_refused(elsewhere, name):
    with pytest.raises(ValueError, match="unknown model or weight file"):
        srlib.load(name)


def test_a_gpu_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(ValueError, match="torch sees no GPU"):
        srlib.load("compact-diif", device="cuda")


def test_shipped_weights_come_before_the_users_and_those_before_a_run(elsewhere):
    places = [
        paths.RUNS / "compact-liif" / "compact-liif.safetensors",
        elsewhere / "data" / "weights" / "compact-liif.safetensors",
        paths.WEIGHTS / "compact-liif.safetensors",
    ]
    assert weights.find("compact-liif") is None
    for seed, place in enumerate(places):
        digest = saved(place, seed)
        assert weights.find("compact-liif") == place
        assert srlib.load("compact-liif").origin["tensors"] == digest


def test_the_table_of_models_says_where_weights_are(elsewhere):
    saved(paths.RUNS / "compact-liif" / "compact-liif.safetensors")
    table = srlib.available().set_index("model")
    assert table.loc["compact-liif", "weights"]
    assert table.loc["compact-liif", "where"] == "runs/compact-liif/compact-liif.safetensors"
    assert not table.loc["rdn-liif", "weights"]
    assert table.loc["rdn-liif", "where"] == ""


@pytest.mark.parametrize("folder", ["here", "repository", "repository/data/weights", "data/weights"])
@pytest.mark.parametrize("path", ["some.safetensors", "folder/some.safetensors"])
def test_a_relative_path_is_looked_for_in_turn(elsewhere, folder, path):
    digest = saved(elsewhere / folder / path)
    assert srlib.load(path).origin["tensors"] == digest


def test_the_current_folder_comes_first(elsewhere):
    saved(elsewhere / "repository" / "some.safetensors", 1)
    digest = saved(elsewhere / "here" / "some.safetensors", 2)
    assert srlib.load("some.safetensors").origin["tensors"] == digest


def test_a_missing_file_says_where_it_was_looked_for(elsewhere):
    with pytest.raises(
        FileNotFoundError, match=r"no weight file a/b.pth; looked in .*here, \., data/weights, \$SRLIB_DATA/weights"
    ):
        srlib.load("a/b.pth")
    with pytest.raises(FileNotFoundError, match=r"no weight file \$SRLIB_DATA/b.pth$"):
        srlib.load(elsewhere / "data" / "b.pth")


def test_the_folder_of_a_run_stands_for_its_weights(elsewhere):
    digest = saved(paths.RUNS / "long" / "compact-liif.safetensors")
    assert srlib.load("runs/long").origin["tensors"] == digest
    with pytest.raises(FileNotFoundError, match="no weight file runs/short"):
        srlib.load("runs/short")


def test_a_file_can_be_given_a_name_of_its_own():
    model = srlib.load(f"long={SHIPPED}")
    assert model.name == "long"
    assert model.architecture == "compact-liif"
    assert srlib.load("long=compact-liif").origin == model.origin


def test_a_file_whose_name_has_an_equals_sign_is_a_file(elsewhere):
    saved(elsewhere / "here" / "lr=3.safetensors")
    assert srlib.load("lr=3.safetensors").name == "compact-liif"


@pytest.mark.parametrize("wanted", ["a b=x.pth", "=x.pth", "long=", "-x=x.pth", "a/b=x.pth", "é=x.pth"])
def test_odd_names_are_refused(wanted):
    with pytest.raises(ValueError, match="expected NAME=FILE, with letters, digits"):
        srlib.load(wanted)


def test_the_name_of_another_model_is_refused():
    with pytest.raises(ValueError, match="rdn-lte is another model than compact-liif, which the file holds"):
        srlib.load(f"rdn-lte={SHIPPED}")
    assert srlib.load(f"compact-liif={SHIPPED}").name == "compact-liif"


def test_two_files_of_one_model_stand_side_by_side():
    models, absent = weights.load_present([f"long={SHIPPED}", f"short={SHIPPED}", "compact-liif"])
    assert [model.name for model in models] == ["long", "short", "compact-liif"]
    assert absent == {}
    assert [ModelName.of(model.name).label for model in models] == ["long", "short", "LIIF"]


def test_two_files_of_one_name_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=f'two of compact-liif .* a name of its own, "mine={SHIPPED}"'):
        weights.load_present(["compact-liif", SHIPPED])
    with pytest.raises(ValueError, match='two of a .* "mine=compact-lte"'):
        weights.load_present(["a=compact-liif", "a=compact-lte"])


def test_what_is_absent_says_what_it_needs(no_data):
    models, absent = weights.load_present(["bicubic", "rdn-diif", "mine=nowhere.pth"])
    assert [model.name for model in models] == ["bicubic"]
    assert list(absent) == ["rdn-diif", "mine=nowhere.pth"]
    assert "srlib train rdn-diif" in absent["rdn-diif"]
    assert "no weight file nowhere.pth" in absent["mine=nowhere.pth"]
