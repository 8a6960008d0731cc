"""The authors' checkpoint formats, written here from small networks in their layouts and names."""

import math
import os
import pickle
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import srlib
from srlib.models import DECODERS
from srlib.models.diffusion import BETA, STEPS, Diffusion
from srlib.models.diinn import DIINN
from srlib.models.encoders import EDSR, RDN
from srlib.models.liif import LIIF
from srlib.models.lte import LTE
from srlib.models.metasr import MetaSR
from srlib.models.srno import SRNO
from srlib.models.swinir import SwinIR
from srlib.models.tail import PixelShuffleTail
from srlib.models.unet import Enlarged, Shape, UNet
from srlib.weights.released import asked_for

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


@pytest.fixture(params=[True, False], ids=["archive", "legacy"])
def saved(request, tmp_path, monkeypatch):
    """A released file as torch writes it now, and as it did before 1.6: no archive, no checksums."""
    monkeypatch.setattr(torch, "save", partial(torch.save, _use_new_zipfile_serialization=request.param))
    released_liif(tmp_path / "b.pth")
    return tmp_path / "b.pth"


@pytest.mark.parametrize("left", [0, 5, 100, 0.5, 0.99])
def test_truncated_files_are_refused(saved, left):
    content = saved.read_bytes()
    saved.write_bytes(content[: left if isinstance(left, int) else int(left * len(content))])
    with pytest.raises(ValueError, match="truncated"):
        srlib.load(saved)


def test_a_flipped_byte_is_damage(tmp_path):
    path = tmp_path / "b.pth"
    released_liif(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # of a tensor; torch alone would not see it
    path.write_bytes(content)
    torch.load(path, weights_only=True)
    with pytest.raises(
        ValueError, match="b.pth: damaged: .*data/.* does not have the checksum that was written with it"
    ):
        srlib.load(path)


def test_an_archive_with_a_wrong_table_of_contents_is_damage(tmp_path):
    path = tmp_path / "b.pth"
    released_liif(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 20] ^= 0xFF  # a size
    path.write_bytes(content)
    with pytest.raises(ValueError, match="b.pth: damaged"):
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
    with pytest.raises(ValueError, match="asks for posix.system, which could run code; nothing of it was run"):
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
            "args": {"encoder_spec": {"name": "rcan"}},
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
    args = {"encoder_spec": {"name": "rcan", "args": {"no_upsampling": True}}}
    liif_format(tmp_path / "a", "lte", args, {})
    with pytest.raises(ValueError, match="encoder 'rcan' is not one of edsr-baseline, rdn, swinir"):
        srlib.load(tmp_path / "a")
    liif_format(tmp_path / "b", "ope", args, {})
    with pytest.raises(ValueError, match="holds a 'ope' model; this version reads liif, metasr, lte"):
        srlib.load(tmp_path / "b")
    liif_format(tmp_path / "c", "lmciaosr", args, {})
    with pytest.raises(ValueError, match="holds LMF's 'lmciaosr' .*, a decoder that this version does not have"):
        srlib.load(tmp_path / "c")


@pytest.mark.parametrize("name, ours", [("lmliif", "lmf"), ("lmlte", "lmf-lte")])
def test_lmf(tmp_path, name, ours):
    """Its latent MLP is "hypernet", its render MLP "imnet", LM-LTE's second phase "imphase"; 8 units, where theirs has 16."""
    if ours not in DECODERS:
        pytest.skip("no LMF in this version")
    body = small("edsr-baseline")
    decoder = DECODERS[ours].make(8, 128)
    theirs = {"latent": "hypernet.layers", "render": "imnet.layers", "render_phase": "imphase"}
    tensors = under("encoder", body) | under("", decoder, **theirs) | MEAN_SHIFT
    args = {"encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True}}, "mod_input": True}
    liif_format(tmp_path / "file", name, args, tensors)
    same(tmp_path / "file", body, decoder, f"edsr-baseline-{ours}")
    liif_format(tmp_path / "file", name, args | {"mod_input": False}, tensors)
    with pytest.raises(ValueError, match="without mod_input; this version reads it with all of them"):
        srlib.load(tmp_path / "file")


SRNOS = {
    "lift": "conv00", "layers.0.qkv": "conv0.qkv_proj", "layers.0.first": "conv0.o_proj1", "layers.0.second": "conv0.o_proj2",
    "layers.0.norm_k": "conv0.kln", "layers.0.norm_v": "conv0.vln", "layers.1.qkv": "conv1.qkv_proj",
    "layers.1.first": "conv1.o_proj1", "layers.1.second": "conv1.o_proj2", "layers.1.norm_k": "conv1.kln",
    "layers.1.norm_v": "conv1.vln", "project.0": "fc1", "project.2": "fc2",
}  # fmt: skip


@pytest.mark.parametrize("encoder", ["edsr-baseline", "rdn"])
def test_srno(tmp_path, encoder):
    """Its linear layers are 1x1 convolutions, its norms (heads, 1, 16); two heads, where theirs has 16."""
    body, decoder = small(encoder), SRNO(8, 32)
    tensors = under("encoder", body) | (MEAN_SHIFT if encoder == "edsr-baseline" else {})
    for key, tensor in decoder.state_dict().items():
        layer, kind = key.rsplit(".", 1)
        norm = ".norm_" in key
        torch.nn.init.normal_(tensor) if norm else None
        tensors[f"{SRNOS[layer]}.{kind}"] = (
            tensor[:, None] if norm else tensor[..., None, None] if kind == "weight" else tensor
        )
    args = {"encoder_spec": {"name": encoder, "args": {"no_upsampling": True}}, "width": 32, "blocks": 2}
    liif_format(tmp_path / "file", "sronet", args, tensors)
    same(tmp_path / "file", body, decoder, f"{encoder}-srno")
    liif_format(tmp_path / "file", "sronet", args | {"blocks": 4}, tensors)
    with pytest.raises(ValueError, match="SRNO with 4 heads for 32 values; this reads heads of 16 values"):
        srlib.load(tmp_path / "file")
    liif_format(tmp_path / "file", "sronet", args, tensors | {"conv2.kln.weight": torch.zeros(2, 1, 16)})
    with pytest.raises(ValueError, match="decoder.conv2.kln.weight is surplus"):
        srlib.load(tmp_path / "file")


def test_what_asks_for_code_is_named(tmp_path):
    torch.save({"model": os.getcwd, "state_dict": {}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match="a.pth: not read: it asks for posix.getcwd, which could run code"):
        srlib.load(tmp_path / "a.pth")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("archive", [False, True])
def test_what_a_pickle_of_any_protocol_asks_for_is_named(tmp_path, protocol, archive):
    """Once each, also where a module's name comes from the pickle's memo; what torch itself needs is left out."""
    path, asked = tmp_path / "a.pth", [torch.Size([1]), os.getcwd, os.getpid, os.getcwd, "x", os.getppid]
    if archive:
        torch.save({"model": asked}, path, pickle_protocol=max(2, protocol))
    else:
        path.write_bytes(pickle.dumps(0) + pickle.dumps(asked, protocol=protocol))
    assert asked_for(path) == ["posix.getcwd", "posix.getpid", "posix.getppid"]


def test_what_is_not_even_a_pickle_asks_for_nothing(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"\x80\x02\xff\xffrest")
    assert asked_for(tmp_path / "a.pth") == []
    with pytest.raises(ValueError, match="a.pth: "):
        srlib.load(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [b"", b"P", b"PK\x03\x04", b"\x80\x02}q\x00", b"\x10\0\0\0\0\0\0\0"])
def test_a_file_shorter_than_what_tells_its_format_is_truncated(tmp_path, content):
    (tmp_path / "a.pth").write_bytes(content)
    words = f"a.pth: truncated: its {len(content)} bytes are fewer than any weight file begins with; fetch it again"
    with pytest.raises(ValueError, match=words):
        srlib.load(tmp_path / "a.pth")


@pytest.mark.parametrize("encoder", ["edsr-baseline", "rdn"])
def test_lte_plus_is_lte(tmp_path, encoder):
    """Its MLP is 1x1 convolutions "layers", and its frequencies are all rows', then all columns'."""
    body, decoder = small(encoder), LTE(8, 16)
    tensors = under("encoder", body) | under("", decoder, mlp="layers")
    for key in list(tensors):
        if key.startswith("layers.") and key.endswith("weight"):
            tensors[key] = tensors[key][..., None, None]
        if key.startswith("freq."):
            tensors[key] = torch.cat([tensors[key][0::2], tensors[key][1::2]])
    args = {"encoder_spec": {"name": encoder, "args": {"no_upsampling": True}}, "num_layer": 3, "hidden_dim": 16}
    liif_format(tmp_path / "file", "lte-fast", args, tensors)
    same(tmp_path / "file", body, decoder, f"{encoder}-lte")


def test_metasr_of_diinns_repository(tmp_path):
    body, decoder = small("rdn"), MetaSR(8, 16)
    tensors = under("net.encoder", body) | under("net.imnet", decoder, filters="layers")
    tensors |= {"sub": torch.full((1, 1, 1, 1), 0.5), "div": torch.full((1, 1, 1, 1), 0.5)}
    torch.save({"state_dict": tensors, "hyper_parameters": {"arch": "metasr"}}, tmp_path / "last.ckpt")
    same(tmp_path / "last.ckpt", body, decoder, "rdn-metasr")
    torch.save({"state_dict": tensors | {"sub": torch.zeros(1)}}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="another normalisation"):
        srlib.load(tmp_path / "last.ckpt")


def diinns_liif(tmp_path):
    body, decoder = small("rdn"), LIIF(8, 16, near=True)
    tensors = under("net.encoder", body) | {f"net.decoder.{key}": t for key, t in decoder.mlp.state_dict().items()}
    tensors |= {"sub": torch.full((1, 1, 1, 1), 0.5), "div": torch.full((1, 1, 1, 1), 0.5)}
    torch.save({"state_dict": tensors, "hyper_parameters": {"arch": "liif"}}, tmp_path / "last.ckpt")
    return body, decoder


def test_liif_of_diinns_repository(tmp_path):
    body, decoder = diinns_liif(tmp_path)
    same(tmp_path / "last.ckpt", body, decoder, "rdn-liif-near")


@pytest.mark.parametrize("size", [(12, 10), (18, 20), (25, 18), (31, 17)])
def test_the_corners_of_diinns_liif_are_half_an_output_pixel_away(tmp_path, size):
    """Pixel by pixel: the query moved by half an output pixel and 1e-6, outwards, finds the code; areas get 1e-6."""
    diinns_liif(tmp_path)
    model, (h, w) = srlib.load(tmp_path / "last.ckpt"), (6, 5)
    features = model.encode(torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(3)))
    made, padded = model.decode(features, size), F.pad(features, (1, 1, 1, 1))

    def look(k, n, out, side):  # in float32: at odd scales areas are rounding
        query, centres = (-1 + 1 / m + 2 / m * torch.arange(m) for m in (out, n))
        place = min(max(float(query[k]) + side * (1 / out + 1e-6), -1 + 1e-6), 1 - 1e-6)
        code = math.floor((place + 1) * n / 2)
        return code, (query[k] - centres[code]) * n

    for k in range(size[0]):
        for j in range(0, size[1], 3):
            areas, answers = {}, {}
            for y in (-1, 1):
                for x in (-1, 1):
                    (a, dy), (b, dx) = look(k, h, size[0], y), look(j, w, size[1], x)
                    code = padded[0, :, a : a + 3, b : b + 3].reshape(-1)
                    inputs = torch.cat([code, torch.tensor([dy, dx, 2 * h / size[0], 2 * w / size[1]])])
                    areas[y, x], answers[y, x] = abs(dy * dx) + 1e-6, model.decoder.mlp(inputs)
            total = sum(areas.values())
            rgb = sum(answers[y, x] * areas[-y, -x] / total for y, x in areas) * 0.5 + 0.5
            assert torch.allclose(made[0, :, k, j], rgb, atol=1e-5), (k, j)


def mmagic(path, encoder, names, wrap):
    """LIIF in MMagic's names; names: of the encoder's tensors, ours -> MMagic's."""
    body, decoder = small(encoder), LIIF(8, 16)
    tensors = {f"generator.{names(key)}": tensor for key, tensor in body.state_dict().items()}
    tensors |= under("generator.imnet", decoder, mlp="layers")
    torch.save(wrap(tensors), path)
    return body, decoder


def mmagics_edsr(key):
    if key.startswith("head."):
        return key.replace("head.0", "conv_first")
    place = key.split(".")
    return (
        f"body.{place[1]}.conv{1 + int(place[3]) // 2}.{place[4]}" if len(place) == 5 else f"conv_after_body.{place[2]}"
    )


def mmagics_rdn(key):
    for ours, theirs in (("SFENet", "sfe"), ("RDBs", "rdbs"), ("convs", "layers"), ("conv.0", "conv"), ("LFF", "lff")):
        key = key.replace(ours, theirs)
    return key.replace("GFF", "gff")


WRAPS = [
    lambda tensors: {"meta": {"iter": 1, "epoch": 0}, "state_dict": tensors},
    lambda tensors: {"state_dict": tensors},
]


@pytest.mark.parametrize("wrap", WRAPS)
def test_liif_by_mmagic(tmp_path, wrap):
    body, decoder = mmagic(tmp_path / "a", "edsr-baseline", mmagics_edsr, wrap)
    same(tmp_path / "a", body, decoder, "edsr-baseline-liif", mean=(0.4488, 0.4371, 0.4040), std=1)
    body, decoder = mmagic(tmp_path / "b", "rdn", mmagics_rdn, wrap)
    same(tmp_path / "b", body, decoder, "rdn-liif")


def test_what_mmagics_liif_does_not_use_is_named(tmp_path):
    more = {"generator.upsample.0.upsample_conv.weight": torch.zeros(3)}
    mmagic(tmp_path / "a", "edsr-baseline", mmagics_edsr, lambda tensors: {"state_dict": tensors | more})
    assert srlib.load(tmp_path / "a").origin["unused tensors"] == "upsample.0.upsample_conv.weight"
    mmagic(
        tmp_path / "b",
        "edsr-baseline",
        mmagics_edsr,
        lambda tensors: {"state_dict": tensors | {"generator.x": torch.zeros(3)}},
    )
    with pytest.raises(ValueError, match="x is surplus"):
        srlib.load(tmp_path / "b")


def sr3(path, shape, **more):
    """A bare state dict of "denoise_fn" and the buffers of the schedule."""
    torch.manual_seed(0)
    model = Diffusion("sr3", Enlarged(), UNet(shape)).eval().requires_grad_(False)
    buffers = {"betas": torch.linspace(*BETA, STEPS, dtype=torch.float64).float()}
    buffers |= {
        name: torch.zeros(STEPS) for name in ("alphas_cumprod", "sqrt_recip_alphas_cumprod", "posterior_variance")
    }
    torch.save(under("denoise_fn", model.denoise_fn) | buffers | more, path)
    return model


@pytest.mark.parametrize(
    "shape", [Shape(32, (1, 2, 2), 1, (1,)), Shape(32, (1, 2), 2, ()), Shape(64, (1, 1, 2, 2), 2, (3,))]
)
def test_sr3_by_its_public_implementation(tmp_path, shape):
    expected = sr3(tmp_path / "I640000_E37_gen.pth", shape)
    model = srlib.load(tmp_path / "I640000_E37_gen.pth")
    assert model.name == "sr3"
    assert model.origin["unused tensors"].startswith("alphas_cumprod, betas, ")
    x, lr = torch.randn(1, 3, 16, 16), torch.rand(1, 3, 4, 4) * 2 - 1
    made, wanted = (one.predict_noise(x, lr, 1.0, 0.7) for one in (model, expected))
    assert torch.allclose(made, wanted, atol=1e-6)


def test_another_noise_schedule_is_told(tmp_path):
    sr3(tmp_path / "a_gen.pth", Shape(32, (1, 2), 1, ()), betas=torch.linspace(1e-4, 2e-2, 1000))
    with pytest.warns(UserWarning, match="another noise schedule than 2000 steps"):
        srlib.load(tmp_path / "a_gen.pth")


def of_swinir(depths):
    """The names of SwinIR's tensors in the files of LTE's authors; every other layer has a mask, and all have an index."""
    pairs = ["conv_first", "patch_embed.norm", "norm", "conv_after_body", "conv_before_upsample.0"]
    alone = []
    for i, depth in enumerate(depths):
        pairs.append(f"layers.{i}.conv")
        for j in range(depth):
            block = f"layers.{i}.residual_group.blocks.{j}"
            pairs += [f"{block}.{part}" for part in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")]
            alone.append(f"{block}.attn.relative_position_bias_table")
    return {f"{name}.{kind}" for name in pairs for kind in ("weight", "bias")} | set(alone)


@pytest.mark.parametrize("name, make", [("lte", LTE), ("liif", LIIF), ("metasr", MetaSR)])
def test_swinir(tmp_path, name, make):
    torch.manual_seed(0)
    body, decoder = SwinIR(8, 12, (2, 1), heads=2, window=4), make(8, 16)
    assert set(body.state_dict()) == of_swinir((2, 1))
    tensors = under("encoder", body) | under("", decoder, mlp="imnet.layers", filters="imnet.layers")
    blocks = [f"encoder.layers.{i}.residual_group.blocks.{j}" for i, j in ((0, 0), (0, 1), (1, 0))]
    tensors |= {f"{block}.attn.relative_position_index": torch.zeros(16, 16, dtype=torch.int64) for block in blocks}
    tensors[f"{blocks[1]}.attn_mask"] = torch.zeros(4, 16, 16)
    args = {"encoder_spec": {"name": "swinir", "args": {"no_upsampling": True}}}
    liif_format(tmp_path / "file", name, args, tensors)
    model = same(tmp_path / "file", body, decoder, f"swinir-{name}")
    assert model.origin["unused tensors"].count(",") == 3
