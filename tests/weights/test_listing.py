"""What a file of weights is: known, renamed, changed, truncated, of something else; and the list of what is published."""

import hashlib
import shutil
import warnings
from dataclasses import replace

import pytest
import torch
from publisher import publish

import srlib
from srlib import weights
from srlib.models.encoders import EDSR
from srlib.models.liif import LIIF
from srlib.util import paths
from srlib.weights import listing, registry
from srlib.weights.registry import Released


@pytest.fixture
def released(one, monkeypatch):
    """A released LIIF on disk under its name, and what is known of it."""
    path = one.place
    path.parent.mkdir()
    torch.manual_seed(0)
    body, decoder = EDSR(8, 2), LIIF(8, 16)
    tensors = {f"encoder.{key}": tensor for key, tensor in body.state_dict().items()}
    tensors |= {key.replace("mlp", "imnet.layers"): tensor for key, tensor in decoder.state_dict().items()}
    args = {"encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True}}}
    torch.save({"model": {"name": "liif", "args": args, "sd": tensors}}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    entry = replace(one, size=len(content), sha256=hashlib.sha256(content).hexdigest(), papers=("diif",))
    publish(monkeypatch, entry)
    return path


def test_a_published_file_is_known_by_its_hash(released):
    facts = listing.describe(released)
    assert facts["model"] == "edsr-baseline-liif"
    assert facts["published"] == "as theirs by its authors, https://example.org/page"
    assert facts["fills"].startswith("DIIF Table 1: EDSR-baseline-LIIF; DIIF Table 3: ")
    assert "but" not in facts


def test_it_is_found_by_its_published_name(released):
    model = srlib.load("theirs")
    assert model.name == "theirs"
    assert model.origin["known"] == "theirs, by its authors"


def test_a_published_file_that_is_not_at_hand_says_who_has_it(one):
    with pytest.raises(
        FileNotFoundError, match="theirs is not at hand; srlib weights theirs fetches it from its authors"
    ):
        srlib.load("theirs")


def test_a_renamed_file_is_known(released, monkeypatch):
    other = replace(registry.released()["theirs"], name="others", sha256="0" * 64, size=7)
    monkeypatch.setattr(registry, "released", lambda: {"others": other, "theirs": entry})
    entry = Released(**{**vars(other), "name": "theirs", "sha256": hashlib.sha256(released.read_bytes()).hexdigest()})
    renamed = released.rename(released.with_name("others.pth"))
    assert listing.describe(renamed)["but"] == "this is theirs, published by its authors, under another name"
    with pytest.warns(UserWarning, match="this is theirs, published by its authors, under another name"):
        srlib.load(renamed)


def test_a_flipped_byte_without_checksums_is_told(released):
    """In a file from before torch 1.6 only its SHA-256 shows it."""
    content = bytearray(released.read_bytes())
    content[-50] ^= 1
    released.write_bytes(content)
    words = "it has the size of the published theirs, but not the SHA-256: a changed byte, or another training"
    assert listing.describe(released)["but"] == words
    digits = registry.released()["theirs"].sha256[:8]
    facts = listing.describe(released)
    assert facts["published"] == f"not a file that is known here; its SHA-256 is not that of theirs ({digits}...)"
    assert facts["would fill, if it is its authors'"].startswith("DIIF Table 1: EDSR-baseline-LIIF; DIIF Table 3: ")
    with pytest.warns(UserWarning, match=words):
        srlib.load(released)


@pytest.mark.parametrize("name", ["theirs.pth", "file.pth"])
@pytest.mark.parametrize("digits", [8, 64])
def test_a_file_called_as_a_published_one_must_have_its_hash(released, monkeypatch, name, digits):
    """By its name here or by its published one, also where only the first digits are known, and no size."""
    entry = registry.released()["theirs"]
    publish(monkeypatch, replace(entry, size=0, sha256=entry.sha256[:digits]))
    path = released.rename(released.with_name(name))
    assert "but" not in listing.describe(path)
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    words = (
        f"it is called as the theirs that its authors published, but has not its SHA-256 (begins {entry.sha256[:8]})"
    )
    assert listing.describe(path)["but"] == f"{words}: changed, or another training"
    with pytest.warns(UserWarning, match="has not its SHA-256 .*: changed, or another training"):
        srlib.load(path)


@pytest.mark.parametrize("name", ["rdn-lte", "rdn-lte-seed2"])
def test_a_name_that_means_another_model_is_told(released, name):
    path = released.rename(released.with_name(f"{name}.pth"))
    words = f"it is called {name} but holds edsr-baseline-liif"
    assert listing.describe(path)["but"] == words
    with pytest.warns(UserWarning, match=words):
        srlib.load(path)


def test_a_published_name_that_means_another_model_is_told(released, monkeypatch):
    publish(monkeypatch, replace(registry.released()["theirs"], model="rdn-lte", sha256="", size=0))
    assert listing.describe(released)["but"] == "it is called theirs but holds edsr-baseline-liif"
    with pytest.raises(ValueError, match="theirs.pth holds weights of edsr-baseline-liif, not of theirs"):
        srlib.load("theirs")


@pytest.mark.parametrize("name, words", [
    ("compact-diif", "it is called compact-diif but holds compact-liif"), ("compact-liif-seed1", ""), ("long", ""),
])  # fmt: skip
def test_ours_may_have_free_names_but_not_those_of_other_models(tmp_path, name, words):
    path = tmp_path / f"{name}.safetensors"
    shutil.copy(paths.WEIGHTS / "compact-liif.safetensors", path)
    assert listing.describe(path).get("but", "") == words
    with warnings.catch_warnings(record=True) as told:
        srlib.load(path)
    assert [str(one.message) for one in told] == ([f"{path}: {words}"] if words else [])


def test_a_training_of_ones_own_may_be_called_as_a_published_file(tmp_path):
    path = tmp_path / "edsr-baseline-liif.safetensors"
    weights.save(srlib.build("edsr-baseline-liif"), path, training={}, data={}, metrics={}, commit="none")
    facts = listing.describe(path)
    assert "but" not in facts
    assert "published" not in facts
    assert facts["would fill, as a training of your own"].startswith("DIIF Table 1: EDSR-baseline-LIIF; ")


def test_a_file_of_which_no_hash_is_known_says_so_and_what_it_would_fill(released, monkeypatch):
    publish(monkeypatch, replace(registry.released()["theirs"], size=0, sha256=""))
    facts = listing.describe(released.rename(released.with_name("any.pth")))
    words = "not a file that is known here; no SHA-256 of theirs is known, so it may be that file"
    assert facts["published"] == words
    assert facts["would fill, if it is its authors'"].startswith("DIIF Table 1: EDSR-baseline-LIIF; DIIF Table 3: ")


def test_a_file_that_may_be_one_of_several_says_of_which_a_hash_is_known(released, monkeypatch):
    """By the architecture that it holds: it is called as none of them."""
    entry = replace(registry.released()["theirs"], size=0, file="another.pth")
    several = {
        "a": replace(entry, name="a", sha256="ab" * 32),
        "b": replace(entry, name="b", sha256="", papers=("thera",)),
    }
    several["c"] = replace(entry, name="c", model="rdn-liif", sha256="", papers=("diinn",))
    monkeypatch.setattr(registry, "released", lambda: several)
    facts = listing.describe(released)
    words = "its SHA-256 is not that of a (abababab...); no SHA-256 of b is known, so it may be that file"
    assert facts["published"] == f"not a file that is known here; {words}"
    assert facts["would fill, if it is its authors'"].endswith("THERA Table 1: EDSR-baseline-LIIF")


def test_what_nobody_has_published_would_fill_its_rows_too(released, monkeypatch):
    monkeypatch.setattr(registry, "released", dict)
    facts = listing.describe(released)
    assert facts["published"] == "not a file that is known here"
    assert "DIIF Table 1: EDSR-baseline-LIIF" in facts["would fill, if it is its authors'"]


def test_a_truncated_file_says_how_much_is_missing(released):
    content = released.read_bytes()
    released.write_bytes(content[:-100])
    words = f"truncated: .*; it has {len(content) - 100:,} of the {len(content):,} bytes of the published theirs"
    with pytest.raises(ValueError, match=words):
        listing.describe(released)


def test_a_saved_page_is_told(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ValueError, match="a.pth: a web page that was saved in place of the file that it stands for"):
        srlib.load(tmp_path / "a.pth")


def test_what_is_published_but_not_read_says_what_it_is(one, monkeypatch):
    one.place.parent.mkdir()
    torch.save({"model": {"name": "lmciaosr", "args": {}, "sd": {}}}, one.place)
    digest = hashlib.sha256(one.place.read_bytes()).hexdigest()
    publish(monkeypatch, replace(one, model="none here", sha256=digest))
    with pytest.raises(ValueError, match="holds LMF's 'lmciaosr'.*it is the file that its authors published as theirs"):
        listing.describe(one.place)


def test_a_file_without_a_known_hash_must_hold_what_was_published(one, server, monkeypatch, released):
    server.content = released.read_bytes()
    released.unlink()
    entry = publish(monkeypatch, replace(registry.released()["theirs"], sha256="", model="rdn-liif"))
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="holds edsr-baseline-liif, where its authors published"),
    ):
        listing.fetch("theirs", progress=False)
    entry.place.unlink()
    publish(monkeypatch, replace(entry, model="edsr-baseline-liif"))
    with pytest.warns(UserWarning):
        assert listing.fetch("theirs", progress=False)
    assert not listing.fetch("theirs")


def test_the_list_says_what_is_at_hand(released):
    table = listing.published().set_index("name")
    assert table.loc["theirs", "state"] == "at hand"
    assert table.loc["theirs", "tables"] == "DIIF 1, 3, 4"
    assert table.loc["theirs", "SHA-256"] == registry.released()["theirs"].sha256[:8]
    assert listing.pages() == {"its authors": "https://example.org/page"}


def test_the_list_says_where_each_was_published_and_fits_a_terminal():
    table = listing.published()
    assert max(map(len, table.to_string(index=False, na_rep="").splitlines())) <= 120
    states = table.set_index("name")["state"]
    assert states[["rdn-thera-plus", "rdn-x2"]].tolist() == ["not read", "not read"]
    pages = listing.pages()
    assert list(pages) == list(table["published by"].unique())
    assert pages["LIIF's authors"] == "https://github.com/yinboc/liif"
    assert pages["DIINN's authors"].endswith("a974285819e9e2432a9a3b75943447d2a291f813/logs")
