"""The authors' checkpoint formats, written here from small networks in their layouts and names."""

import os
import pickle

import pytest
import torch

import srlib
from srlib.models.diinn import DIINN
from srlib.models.encoders import EDSR, RDN
from srlib.models.liif import LIIF
from srlib.models.lte import LTE
from srlib.models.metasr import MetaSR
from srlib.models.tail import PixelShuffleTail

MODES = {"m": 1, "mz": 2, "sz": 3}
MEAN_SHIFT = {f"encoder.{m}.{p}": torch.zeros(3) for m in ("sub_mean", "add_mean") for p in ("weight", "bias")}


def small(encoder):
    torch.manual_seed(0)
    return EDSR(8, 2) if encoder == "edsr-baseline" else RDN(8, 2, 3, 4)


def liif_format(path, name, args, tensors):
    torch.save({"model": {"name": name, "args": args, "sd": tensors}, "optimizer": {"state": {}}, "epoch": 7}, path)


def under(prefix, module, **renamed):
    """State of a module below a prefix; renamed: first part of the name -> what it is called in the file."""
    result = {}
    for key, tensor in module.state_dict().items():
        head, _, rest = key.partition(".")
        result[".".join(part for part in (prefix, renamed.get(head, head), rest) if part)] = tensor
    return result


def same(path, encoder, decoder, name, **options):
    model, expected = srlib.load(path), srlib.Model("x", encoder, decoder, **options).requires_grad_(False)
    assert model.name == name
    image, size = torch.rand(1, 3, 7, 6), (17, 16)
    if decoder.scales:
        size = (7 * decoder.scales[0], 6 * decoder.scales[0])
    assert torch.allclose(model(image, size), expected(image, size), atol=1e-6)
    return model


LIIF_OPTIONS = {"local_ensemble": "ensemble", "feat_unfold": "unfold", "cell_decode": "cell"}


def released_liif(path, *, change=lambda tensors: tensors, **options):
    """A file of LIIF's as its authors released it, with a small EDSR; returns the parts it was made from."""
    body, decoder = small("edsr-baseline"), LIIF(8, 16, **{LIIF_OPTIONS[name]: on for name, on in options.items()})
    tensors = under("encoder", body) | under("", decoder, mlp="imnet.layers") | MEAN_SHIFT
    args = {"encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True}}, "imnet_spec": {"name": "mlp"}}
    liif_format(path, "liif", args | options, change(tensors))
    return body, decoder


@pytest.mark.parametrize("option", [None, *LIIF_OPTIONS])
def test_liif_and_its_ablations(tmp_path, option):
    body, decoder = released_liif(tmp_path / "whatever.bin", **({option: False} if option else {}))
    suffix = {"local_ensemble": "-wo-ensemble", "feat_unfold": "-wo-unfolding", "cell_decode": "-wo-cell"}.get(
        option, ""
    )
    model = same(tmp_path / "whatever.bin", body, decoder, f"edsr-baseline-liif{suffix}")
    assert "sub_mean" in model.origin["unused tensors"]


def test_origin_says_what_was_read(tmp_path):
    released_liif(tmp_path / "x.pth")
    model = srlib.load(tmp_path / "x.pth")
    assert model.origin["file"] == "x.pth"
    assert model.origin["tensors"] == srlib.weights.digest_of(model)


def test_released_files_are_found_by_name(no_data):
    (no_data / "weights").mkdir()
    released_liif(no_data / "weights" / "edsr-baseline-liif.pth")
    assert srlib.load("edsr-baseline-liif").origin["file"] == "edsr-baseline-liif.pth"
    table = srlib.available().set_index("model")
    assert table.loc["edsr-baseline-liif", "where"] == "$SRLIB_DATA/weights/edsr-baseline-liif.pth"


@pytest.mark.parametrize(
    "change, why",
    [
        (lambda tensors: tensors | {"imnet.layers.4.weight": torch.zeros(3, 3)}, "expected"),
        (
            lambda tensors: {name: tensor for name, tensor in tensors.items() if not name.startswith("imnet")},
            "looks like a model in LIIF's format but is not laid out so",
        ),
        (lambda tensors: tensors | {"encoder.head.0.bias": torch.full((8,), torch.nan)}, "NaN"),
    ],
)
def test_other_tensors_than_the_models_are_refused(tmp_path, change, why):
    released_liif(tmp_path / "y.pth", change=change)
    with pytest.raises(ValueError, match=f"y.pth: .*{why}"):
        srlib.load(tmp_path / "y.pth")


def test_an_unknown_layout_is_refused(tmp_path):
    torch.save({"state": 1}, tmp_path / "s.pth")
    with pytest.raises(ValueError, match="unknown layout"):
        srlib.load(tmp_path / "s.pth")


def test_truncated_files_are_refused(tmp_path):
    path = tmp_path / "b.pth"
    released_liif(path)
    content = path.read_bytes()
    for size in (0, 5, 100, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match="damaged|truncated"):
            srlib.load(path)


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
def test_malformed_files_are_refused(tmp_path, spec):
    torch.save({"model": spec}, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=r"x.pth"):
        srlib.load(tmp_path / "x.pth")


@pytest.mark.parametrize("encoder", ["edsr-baseline", "rdn"])
@pytest.mark.parametrize("name", ["metasr", "lte"])
def test_metasr_and_lte(tmp_path, name, encoder):
    body = small(encoder)
    decoder = MetaSR(8, 16) if name == "metasr" else LTE(8, 16)
    network = {"filters": "imnet.layers", "mlp": "imnet.layers"}
    tensors = under("encoder", body) | under("", decoder, **network)
    tensors |= MEAN_SHIFT if encoder == "edsr-baseline" else {}
    args = {"encoder_spec": {"name": encoder, "args": {"no_upsampling": True}}, "hidden_dim": 16}
    liif_format(tmp_path / "file", name, args, tensors)
    model = same(tmp_path / "file", body, decoder, f"{encoder}-{name}")
    assert ("sub_mean" in model.origin["unused tensors"]) == (encoder == "edsr-baseline")


def tail_names(encoder, scale):
    if encoder == "rdn":
        return {2: ["UPNet.0", "UPNet.2"], 3: ["UPNet.0", "UPNet.2"], 4: ["UPNet.0", "UPNet.2", "UPNet.4"]}[scale]
    return ["tail.0.0", *(["tail.0.2"] if scale == 4 else []), "tail.1"]


def with_tail(body, tail, encoder):
    """The state of an encoder with its tail, in the authors' names."""
    convolutions = [*tail.stages, tail.last]
    tensors = dict(body.state_dict())
    for name, layer in zip(tail_names(encoder, tail.scale), convolutions, strict=True):
        tensors |= under(name, layer)
    return tensors


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("encoder", ["edsr-baseline", "rdn"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_fixed_scales_in_liifs_format(tmp_path, encoder, scale, wrapped):
    body, tail = small(encoder), PixelShuffleTail(8, scale)
    tensors = with_tail(body, tail, encoder)
    spec = {"name": encoder, "args": {"scale": scale}}
    if wrapped:
        tensors = {f"encoder.{key}": tensor for key, tensor in tensors.items()}
        liif_format(tmp_path / "file", "liif", {"encoder_spec": spec}, tensors)
    else:
        liif_format(tmp_path / "file", encoder, spec["args"], tensors)
    same(tmp_path / "file", body, tail, f"{encoder}-x{scale}")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_edsrs_own_files_see_images_in_255_less_the_mean(tmp_path, scale):
    body, tail = small("edsr-baseline"), PixelShuffleTail(8, scale)
    shift = {key.removeprefix("encoder."): tensor for key, tensor in MEAN_SHIFT.items()}
    torch.save(with_tail(body, tail, "edsr-baseline") | shift, tmp_path / "edsr.pt")
    mean = (0.4488, 0.4371, 0.4040)
    model = same(tmp_path / "edsr.pt", body, tail, f"edsr-baseline-x{scale}", mean=mean, std=1 / 255)
    image = torch.rand(1, 3, 5, 5)
    shifted = 255 * (image - torch.tensor(mean).view(3, 1, 1))
    expected = tail.image(body(shifted)).detach() / 255 + torch.tensor(mean).view(3, 1, 1)
    assert torch.allclose(model(image, (5 * scale, 5 * scale)), expected, atol=1e-5)


def lightning(path, body, decoder, **settings):
    names = {"initial": "first_layer.0", "last": "last_layer"}
    tensors = {f"net.encoder.{key}": tensor for key, tensor in body.state_dict().items()}
    for key, tensor in decoder.state_dict().items():
        layer, kind = key.rsplit(".", 1)
        head, _, i = layer.partition(".")
        layer = names.get(head) or f"{'K' if head == 'modulation' else 'Q'}.{i}.0"
        tensors[f"net.decoder.{layer}.{kind}"] = tensor[..., None, None] if kind == "weight" else tensor
    tensors |= {"sub": torch.full((1, 1, 1, 1), 0.5), "div": torch.full((1, 1, 1, 1), 0.5)}
    torch.save({"state_dict": tensors, "hyper_parameters": settings, "epoch": 1, "callbacks": {}}, path)


@pytest.mark.parametrize("encoder", ["edsr-baseline", "rdn"])
@pytest.mark.parametrize("letter, inputs, positional", [
    ("-a", "m", True), ("-b", "m", False), ("-c", "mz", True), ("-d", "mz", False), ("-e", "sz", True), ("", "sz", False),
])  # fmt: skip
def test_diinns_six_variants(tmp_path, letter, inputs, positional, encoder):
    body, decoder = small(encoder), DIINN(8, 16, modulation=inputs, positional=positional)
    path = tmp_path / "last.ckpt"
    lightning(path, body, decoder, arch="diinn", mode=MODES[inputs], init_q=positional)
    same(path, body, decoder, f"{encoder}-diinn{letter}")


def test_diinn_without_settings_is_taken_for_the_final_model(tmp_path):
    body, decoder = small("rdn"), DIINN(8, 16)
    lightning(tmp_path / "a.ckpt", body, decoder)
    with pytest.warns(UserWarning, match="taken for the final model"):
        assert srlib.load(tmp_path / "a.ckpt").name == "rdn-diinn"
    lightning(tmp_path / "b.ckpt", body, decoder, mode=4)
    with pytest.raises(ValueError, match="mode 4 is not in the paper"):
        srlib.load(tmp_path / "b.ckpt")


def test_either_name_of_the_final_diinn_finds_its_file(no_data):
    (no_data / "weights").mkdir()
    body, decoder = RDN(), DIINN(64)
    lightning(no_data / "weights" / "rdn-diinn.ckpt", body, decoder, mode=3)
    assert srlib.load("rdn-diinn").name == "rdn-diinn"
    assert srlib.load("rdn-diinn-f").name == "rdn-diinn-f"


def test_other_models_and_encoders_are_named(tmp_path):
    args = {"encoder_spec": {"name": "swinir", "args": {"no_upsampling": True}}}
    liif_format(tmp_path / "a", "lte", args, {})
    with pytest.raises(ValueError, match="encoder 'swinir' is not one of"):
        srlib.load(tmp_path / "a")
    liif_format(tmp_path / "b", "ope", args, {})
    with pytest.raises(ValueError, match="holds a 'ope' model; this version reads liif, metasr, lte"):
        srlib.load(tmp_path / "b")
