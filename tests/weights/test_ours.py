import os
import pickle
import re
import shutil

import pandas as pd
import pytest
import torch
from safetensors import SafetensorError

import srlib
from srlib import weights
from srlib.models.encoders import EDSR
from srlib.models.liif import LIIF
from srlib.util import paths

EMPTY = {"training": {}, "data": {}, "metrics": {}, "commit": "none"}


def released(path, *, name="liif", encoder="edsr-baseline", mutate=lambda sd: sd, **options):
    """A file in the layout that LIIF's authors released, with a small EDSR; returns the parts it was made from."""
    torch.manual_seed(0)
    body = EDSR(8, 2)
    decoder = LIIF(8, 16, ensemble=options.get("local_ensemble", True), unfold=options.get("feat_unfold", True),
                   cell=options.get("cell_decode", True))  # fmt: skip
    sd = {f"encoder.{k}": v for k, v in body.state_dict().items()}
    sd |= {f"imnet.layers.{k.removeprefix('mlp.')}": v for k, v in decoder.state_dict().items()}
    sd |= {f"encoder.{m}.{p}": torch.zeros(3) for m in ("sub_mean", "add_mean") for p in ("weight", "bias")}
    args = {
        "encoder_spec": {"name": encoder, "args": {"no_upsampling": True}},
        "imnet_spec": {"name": "mlp"},
        **options,
    }
    torch.save({"model": {"name": name, "args": args, "sd": mutate(sd)}, "optimizer": {}, "epoch": 7}, path)
    return body, decoder


@pytest.mark.parametrize("options", [{}, {"local_ensemble": False}, {"feat_unfold": False}, {"cell_decode": False}])
def test_released_liif_files_load_by_content(tmp_path, options):
    path = tmp_path / "whatever.bin"
    body, decoder = released(path, **options)
    model = srlib.load(path)
    assert model.name.startswith("edsr-baseline-liif") and "sub_mean" in model.origin["unused tensors"]
    expected = srlib.Model("x", body, decoder).requires_grad_(False)
    image = torch.rand(1, 3, 7, 6)
    assert torch.equal(model(image, (17, 16)), expected(image, (17, 16)))


def test_a_model_saves_and_loads_the_same(tmp_path):
    model = srlib.build("compact-diif-wo-se", seed=1)
    weights.save(model, tmp_path / "x.safetensors", **EMPTY | {"training": {"steps": 3}})
    again = srlib.load(tmp_path / "x.safetensors")
    assert again.name == model.name and not again.training and not any(p.requires_grad for p in again.parameters())
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    header = weights.header(tmp_path / "x.safetensors")
    assert header["training"] == {"steps": 3} and header["model"] == "compact-diif-wo-se"
    assert header["sizes"]["decoder"] == srlib.cost.count_parameters(model, "decoder")
    assert list(tmp_path.iterdir()) == [tmp_path / "x.safetensors"]


def test_another_normalisation_is_kept(tmp_path):
    model = srlib.build("edsr-baseline-x2", seed=1).requires_grad_(False)
    model.mean, model.std = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), 1 / 255
    weights.save(model, tmp_path / "x.safetensors", **EMPTY)
    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(srlib.load(tmp_path / "x.safetensors")(image, (8, 8)), model(image, (8, 8)))


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: {"model": {"name": "liif", "args": e, "sd": {}}}])
@pytest.mark.parametrize("how", ["pickle", "torch", "legacy"])
def test_a_malicious_pickle_does_not_execute(tmp_path, wrap, how):
    marker, path = tmp_path / "executed", tmp_path / "edsr-baseline-liif.pth"
    Evil.marker = marker
    if how == "pickle":
        path.write_bytes(pickle.dumps(wrap(Evil())))
    else:
        torch.save(wrap(Evil()), path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(ValueError, match="could run code"):
        srlib.load(path)
    assert not marker.exists()
    torch.load(path, weights_only=False) if how != "pickle" else pickle.loads(path.read_bytes())
    assert marker.exists()  # the file was a working attack


def test_truncated_files_are_refused(tmp_path):
    ours, theirs = tmp_path / "a.safetensors", tmp_path / "b.pth"
    weights.save(srlib.build("compact-liif", seed=0), ours, **EMPTY)
    released(theirs)
    for path in (ours, theirs):
        whole = path.read_bytes()
        for size in (0, 5, 100, len(whole) // 2, len(whole) - 10):
            path.write_bytes(whole[:size])
            with pytest.raises(ValueError, match="damaged|truncated"):
                srlib.load(path)


def test_weights_of_another_model_are_refused(tmp_path, no_data):
    folder = no_data / "weights"
    weights.save(srlib.build("compact-liif", seed=0), folder / "rdn-liif.safetensors", **EMPTY)
    with pytest.raises(ValueError, match="holds weights of compact-liif, not of rdn-liif"):
        srlib.load("rdn-liif")
    with pytest.raises(ValueError, match=r"not the weights of .*is missing"):
        weights.fill(srlib.build("compact-diif"), srlib.build("compact-liif").state_dict(), folder)
    released(tmp_path / "y.pth", mutate=lambda sd: sd | {"imnet.layers.4.weight": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match="expected"):
        srlib.load(tmp_path / "y.pth")
    released(tmp_path / "z.pth", mutate=lambda sd: {k: v for k, v in sd.items() if not k.startswith("imnet")})
    with pytest.raises(ValueError, match="looks like a model in LIIF's format but is not laid out so"):
        srlib.load(tmp_path / "z.pth")
    released(tmp_path / "n.pth", mutate=lambda sd: sd | {"encoder.head.0.bias": torch.full((8,), torch.nan)})
    with pytest.raises(ValueError, match="NaN"):
        srlib.load(tmp_path / "n.pth")
    torch.save({"state": 1}, tmp_path / "s.pth")
    with pytest.raises(ValueError, match="unknown layout"):
        srlib.load(tmp_path / "s.pth")


def test_missing_weights_say_what_to_do(no_data):
    with pytest.raises(FileNotFoundError, match=r"make train MODEL=rdn-diif.*at hand for: .*compact-diif"):
        srlib.load("rdn-diif")
    with pytest.raises(FileNotFoundError, match="no weight file"):
        srlib.load("nowhere/compact-diif.safetensors")


def test_released_files_are_found_by_name(no_data):
    folder = no_data / "weights"
    folder.mkdir()
    released(folder / "edsr-baseline-liif.pth")
    assert srlib.load("edsr-baseline-liif").origin["file"] == "edsr-baseline-liif.pth"
    table = srlib.available().set_index("model")
    assert table.loc["edsr-baseline-liif", "weights"] and not table.loc["rdn-liif", "weights"]


def test_shipped_weights_have_a_header():
    for name in ("compact-liif", "compact-diif"):
        model = srlib.load(name)
        header = weights.header(weights.find(name))
        before = header["data"].get("init", {}).get("training", {"steps": 0})
        assert header["training"]["steps"] + before["steps"] >= 3000 and header["data"]["without"] == ["302003"]
        assert header["metrics"]["x2"] > 30 and len(header["commit"]) >= 7
        assert weights.find(name).stat().st_size < 1.5e6
        assert model.origin["sha256"] == files.sha256(weights.find(name))


FULL = {  # how the libraries word a full disk, as seen on one
    "safetensors": SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    "python": OSError(28, "No space left on device"),
    "torch": RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"),
}


@pytest.mark.parametrize("wording", FULL)
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, wording):
    path = tmp_path / "x.safetensors"
    model = srlib.build("compact-liif", seed=0)
    weights.save(model, path, **EMPTY)
    before = path.read_bytes()

    def full(tensors, name, metadata):
        name.write_bytes(b"half")
        raise FULL[wording]

    monkeypatch.setattr(weights, "save_file", full)
    free = 0 if wording == "torch" else 10**9
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - free, free))
    with pytest.raises(OSError, match="no space left on the disk.*Free some space"):
        weights.save(model, path, **EMPTY)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_our_files_are_told_by_content_whatever_their_header_length(tmp_path):
    """A header of 128 (mod 256) bytes begins like a pickle."""
    model, firsts = srlib.build("compact-liif", seed=0), set()
    for n in range(0, 256, 8):
        path = tmp_path / "x.safetensors"
        weights.save(model, path, **EMPTY | {"commit": "c" * n})
        firsts.add(path.read_bytes()[0])
        assert srlib.load(path).name == "compact-liif"
    assert 0x80 in firsts


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "liif", "args": None, "sd": {}},
        {"name": "liif", "args": {}, "sd": None},
        {"name": "liif", "args": {"encoder_spec": None}, "sd": {}},
        {"name": "liif", "args": {"encoder_spec": {"name": "rdn"}}, "sd": {"imnet.layers.0.weight": 3}},
        {
            "name": "liif",
            "args": {"encoder_spec": {"name": "swinir"}},
            "sd": {"imnet.layers.0.weight": torch.zeros(2, 2)},
        },
        {"name": "liif", "args": {"encoder_spec": {"name": "edsr-baseline", "args": {"res_scale": 0.1}}}, "sd": {}},
    ],
)
def test_malformed_released_files_are_refused(tmp_path, spec):
    torch.save({"model": spec}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x.pth"):
        srlib.load(tmp_path / "x.pth")


def test_a_gpu_that_is_not_there_is_named():
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    with pytest.raises(ValueError, match="torch sees no GPU"):
        srlib.load("compact-diif", device="cuda")


@pytest.mark.parametrize("path", sorted(paths.WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_shipped_weights_are_what_their_headers_say(path):
    """Each has a log beside it, came from its recipe, and its validation repeats (half precision costs less than 0.005 dB)."""
    header = weights.header(path)
    assert header["model"] == path.stem and re.fullmatch(r"[0-9a-f]{12}(, [0-9a-f]{12})*", header["commit"])
    log = pd.read_csv(path.with_suffix(".csv"))
    assert log["step"].iloc[-1] == header["training"]["steps"] and {"loss", "seconds"} <= set(log)
    said = {k: v for k, v in header["training"].items() if k not in ("model", "seconds", "device", "arithmetic")}
    assert train.Settings(path.stem, **train.recipe(path.stem)) == train.by_recipe(path.stem, said)
    model = weights.load(path)
    again = train.validation(model, torch.device("cpu"))(model)
    assert all(abs(again[c] - log[c].iloc[-1]) < 0.006 for c in again), again
