"""The authors' released checkpoints, recognised by content. They are pickles: read by torch's restricted unpickler only.

LIIF, Meta-SR, LTE, LTE+, LMF, SRNO, also on SwinIR, and EDSR and RDN with their tails, in LIIF's format:
    {"model": {"name", "args", "sd"}, "optimizer", "epoch"}; a fixed-scale network is a "liif" without imnet_spec
DIINN, a Lightning checkpoint: {"state_dict": {"net.encoder.*", "net.decoder.*", "sub", "div"}, "hyper_parameters", ...}
    its repository's own LIIF has "net.decoder.0" to "8" there, its Meta-SR "net.imnet.layers"
LIIF by MMagic: {"meta", "state_dict": {"generator.conv_first", ".body", ".conv_after_body" or ".sfe1", ".sfe2", ".rdbs",
    ".gff", and "generator.imnet.layers"}}
EDSR, as its authors published it: a bare state dict of "head", "body" and "tail", for images in [0, 255] less DIV2K's mean
IDM's *_gen.pth: a bare state dict of "denoise_fn", "encoder", an unused "imnet" and the buffers of the noise schedule
SR3's *_gen.pth, of its public implementation: a bare state dict of "denoise_fn" and the same buffers
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from srlib.models.base import Decoder, Encoder, Model, SRModel
from srlib.models.catalogue import DECODERS
from srlib.models.diffusion import BETA, STEPS, Diffusion
from srlib.models.diinn import DIINN, LAYERS
from srlib.models.encoders import EDSR, RDN
from srlib.models.idm import ImplicitUNet, LRConditioning
from srlib.models.layers import linears
from srlib.models.liif import LIIF
from srlib.models.lte import LTE
from srlib.models.metasr import MetaSR
from srlib.models.srno import HEAD, SRNO
from srlib.models.swinir import SwinIR
from srlib.models.tail import PixelShuffleTail
from srlib.models.unet import Enlarged, Shape, UNet
from srlib.weights.ours import digest_of, fill

Tensors = dict[str, Tensor]

MEAN_SHIFT = ("sub_mean.", "add_mean.")  # EDSR's mean shift: stored in LIIF's format too, but never used there
LOOKED_AT = 2**24  # bytes of a pickle that are looked through for what it asks for
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
DIINN_MODES = {1: "m", 2: "mz", 3: "sz"}
DIINN_LETTERS = {("m", True): "-a", ("m", False): "-b", ("mz", True): "-c", ("mz", False): "-d", ("sz", True): "-e"}


LMF = {
    "lmliif": "lmf",
    "lmlte": "lmf-lte",
    "lmciaosr": "",
}  # LMF's decoders, in LIIF's format, and what they are called here
SRNOS = {  # SRNO's names -> ours
    r"conv00\.": "lift.",
    r"conv([01])\.qkv_proj\.": r"layers.\1.qkv.",
    r"conv([01])\.o_proj1\.": r"layers.\1.first.",
    r"conv([01])\.o_proj2\.": r"layers.\1.second.",
    r"conv([01])\.([kv])ln\.": r"layers.\1.norm_\2.",
    r"fc1\.": "project.0.",
    r"fc2\.": "project.2.",
}


def read(path: Path) -> SRModel:
    """The model that a released file holds. ValueError: damaged, unsafe, of an unknown layout, or not what it says."""
    content = unpickled(path)
    spec, state = content.get("model"), content.get("state_dict")
    names = [name for name in state if isinstance(name, str)] if isinstance(state, dict) else []
    try:
        if isinstance(spec, dict) and {"name", "args", "sd"} <= spec.keys():
            what = "a model in LIIF's format"
            model, tensors, unused = of_liif_format(spec["name"], spec["args"] or {}, dict(spec["sd"]), path)
        elif any(name.startswith("net.decoder.K.") for name in names):
            what = "a Lightning checkpoint of DIINN"
            model, tensors, unused = of_diinn(content.get("hyper_parameters") or {}, dict(state), path)
        elif {"net.decoder.0.weight", "net.encoder.SFENet1.weight"} <= set(names):
            what = "a Lightning checkpoint of LIIF, of DIINN's repository"
            model, tensors, unused = of_diinns_liif(dict(state), path)
        elif {"net.imnet.layers.0.weight", "net.encoder.SFENet1.weight"} <= set(names):
            what = "a Lightning checkpoint of Meta-SR, of DIINN's repository"
            model, tensors, unused = of_diinns_metasr(dict(state), path)
        elif {"generator.conv_first.weight", "generator.sfe1.weight"} & set(names):
            what = "MMagic's LIIF"
            model, tensors, unused = of_mmagic(dict(state))
        elif "denoise_fn.condition_scale1.1.weight" in content:
            what = "IDM's state dict"
            model, tensors, unused = of_idm(dict(content), path)
        elif "denoise_fn.downs.0.weight" in content:
            what = "the state dict of SR3's public implementation"
            model, tensors, unused = of_sr3(dict(content), path)
        elif {"head.0.weight", "tail.1.weight"} <= content.keys():
            what = "EDSR's state dict"
            model, tensors, unused = of_edsr(dict(content), path)
        else:
            raise ValueError(
                f"{path}: a torch checkpoint of an unknown layout; expected LIIF's {{'model': name, args, sd}}, DIINN's "
                "{'state_dict': net.encoder..., net.decoder...}, MMagic's {'state_dict': generator...}, or the state dict of "
                "EDSR, SR3 or IDM"
            )
        if odd := [name for name, tensor in tensors.items() if not isinstance(tensor, Tensor)]:
            raise TypeError(f"{odd[0]} is not a tensor")
    except (KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RuntimeError, ValueError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(
            f"{path}: looks like {what} but is not laid out so ({type(error).__name__}: {error})"
        ) from error
    fill(model, {name: tensor for name, tensor in tensors.items() if name not in unused}, path)
    model.origin = {"released": what, "unused tensors": ", ".join(unused), "tensors": digest_of(model)}
    return model


def unpickled(path: Path) -> dict:
    """A torch checkpoint's content, {} if it is no dictionary. ValueError, a sentence for each, if it is truncated, damaged, or
    asks for anything but tensors and plain values; nothing that it asks for is run."""
    check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = ", ".join(asked_for(path)[:3])
        what = f"it asks for {asked}" if asked else "a pickle with more in it than tensors and plain values"
        raise ValueError(f"{path}: not read: {what}, which could run code; nothing of it was run") from error
    except Exception as error:  # torch raises many kinds: RuntimeError, EOFError, KeyError, ...
        text = " ".join(str(error).split())[:200]
        if isinstance(error, EOFError) or "unexpected EOF" in text:
            raise truncated(path) from error
        raise ValueError(f"{path}: damaged: not read ({type(error).__name__}: {text}); fetch it again") from error
    return content if isinstance(content, dict) else {}


def asked_for(path: Path) -> list[str]:
    """What a pickle, or that in an archive, asks for beside torch's and Python's containers: "os.system". From its opcodes, of
    which none is run; [] if they do not name anything."""
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if start[:2] == b"PK":
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.endswith("data.pkl")]
            start = b""
            if inside:
                with archive.open(inside[0]) as member:
                    start = member.read(LOOKED_AT)
    stream, found = io.BytesIO(start), {}
    try:
        while stream.tell() < len(start):  # files from before torch 1.6 are several pickles
            found |= dict.fromkeys(globals_of(stream))
    except ValueError:  # what is not a pickle, after them, or a damaged one
        pass
    plain = [name for name in found if re.fullmatch(r"[\w.]{1,100}", name)]  # what follows is printed
    return [name for name in plain if name.split(".")[0] not in ("torch", "collections")]


def globals_of(stream: BinaryIO) -> Iterator[str]:
    """The names that the next pickle of a stream imports. STACK_GLOBAL takes its two from the stack: the last strings that were
    pushed, or fetched again from the memo."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    latest = ""  # what the last opcode pushed, if it was a string
    for opcode, value, _ in pickletools.genops(stream):
        if opcode.name in ("GLOBAL", "INST"):
            yield value.replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        if "PUT" in opcode.name or opcode.name == "MEMOIZE":
            memo[len(memo) if value is None else int(value)] = latest
            continue
        latest = memo.get(int(value), "") if "GET" in opcode.name else value if "UNICODE" in opcode.name else ""
        strings += [latest] if latest else []


def check_archive(path: Path) -> None:
    """torch does not look at the checksums in its archives, so a changed byte of a tensor would pass. ValueError if one is
    wrong, or the archive's end is missing. Files from before torch 1.6 are no archives and have no checksums."""
    with path.open("rb") as file:
        if file.read(2) != b"PK":
            return
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except zipfile.BadZipFile as error:
        raise (truncated(path) if not zipfile.is_zipfile(path) else damaged(path, str(error))) from error
    except Exception as error:  # zlib.error, EOFError, NotImplementedError, ...: the table of contents is wrong
        raise damaged(path, f"{type(error).__name__}: {error}") from error
    if bad:
        raise damaged(path, f"{bad} in it does not have the checksum that was written with it")


def truncated(path: Path) -> ValueError:
    return ValueError(
        f"{path}: truncated: it ends after {path.stat().st_size:,} bytes, before its content does; fetch it again"
    )


def damaged(path: Path, why: str) -> ValueError:
    return ValueError(f"{path}: damaged: {why}; fetch it again")


def encoder_of(name: str, args: dict, tensors: Tensors, path: Path) -> Encoder:
    """The encoder that LIIF's encoder_spec names, with sizes from its tensors (named "encoder.*")."""
    if name == "edsr-baseline":
        if args.get("res_scale", 1) != 1:
            raise ValueError(f"{path}: an EDSR with residual scale {args['res_scale']}; this reads 1 only")
        blocks = sum(key.startswith("encoder.body.") and key.endswith(".body.0.weight") for key in tensors)
        return EDSR(tensors["encoder.head.0.weight"].shape[0], blocks)
    if name == "rdn":
        return rdn_of(tensors)
    if name == "swinir":
        return swinir_of(tensors)
    raise ValueError(f"{path}: encoder {name!r} is not one of edsr-baseline, rdn, swinir")


def rdn_of(tensors: Tensors) -> RDN:
    blocks = sum(key.startswith("encoder.RDBs.") and key.endswith(".LFF.weight") for key in tensors)
    layers = sum(key.startswith("encoder.RDBs.0.convs.") and key.endswith(".weight") for key in tensors)
    growth = tensors["encoder.RDBs.0.convs.0.conv.0.weight"].shape[0]
    return RDN(tensors["encoder.SFENet1.weight"].shape[0], blocks, layers, growth)


def swinir_of(tensors: Tensors) -> SwinIR:
    """Of SwinIR's layers: their heads and windows from the tables of biases."""
    groups = numbers(tensors, r"encoder\.layers\.(\d+)\.conv\.weight")
    depths = [
        len(numbers(tensors, rf"encoder\.layers\.{i}\.residual_group\.blocks\.(\d+)\.norm1\.weight")) for i in groups
    ]
    table = tensors["encoder.layers.0.residual_group.blocks.0.attn.relative_position_bias_table"]
    inner = tensors["encoder.layers.0.residual_group.blocks.0.mlp.fc1.weight"].shape
    channels, window = tensors["encoder.conv_before_upsample.0.weight"].shape[0], (math.isqrt(table.shape[0]) + 1) // 2
    return SwinIR(channels, inner[1], tuple(depths), table.shape[1], window, inner[0] // inner[1])


def of_liif_format(name: str, args: dict, tensors: Tensors, path: Path) -> tuple[Model, Tensors, list[str]]:
    """LIIF, Meta-SR, LTE, LTE+, LMF, SRNO; fixed-scale EDSR and RDN, wrapped as a "liif" without an MLP or under their own
    names."""
    if name == "lte-fast":
        name, tensors = "lte", lte_of_plus(tensors)
    if name in ("edsr-baseline", "rdn"):
        encoder_spec = {"name": name, "args": args}
        tensors = {f"encoder.{key}": tensor for key, tensor in tensors.items()}
    elif name in ("liif", "metasr", "lte", "sronet"):
        encoder_spec = args["encoder_spec"]
    elif name in LMF:
        if LMF[name] not in DECODERS:
            raise ValueError(
                f"{path}: holds LMF's {name!r} (He and Jin, CVPR 2024), a decoder that this version does not have"
            )
        encoder_spec = args["encoder_spec"]
    else:
        raise ValueError(
            f"{path}: holds a {name!r} model; this version reads liif, metasr, lte, lte-fast (LTE+), sronet (SRNO), "
            "edsr-baseline and rdn in this format"
        )
    encoder_name, encoder_args = encoder_spec["name"], encoder_spec.get("args") or {}
    unused = sorted(key for key in tensors if key.startswith(tuple(f"encoder.{shift}" for shift in MEAN_SHIFT)))
    unused += sorted(
        key for key in tensors if key.endswith((".attn_mask", ".attn.relative_position_index"))
    )  # SwinIR's
    encoder = encoder_of(encoder_name, encoder_args, tensors, path)
    if encoder_name != "swinir" and not encoder_args.get("no_upsampling", False):
        scale = int(encoder_args.get("scale", 2))
        model = Model(f"{encoder_name}-x{scale}", encoder, PixelShuffleTail(encoder.channels, scale))
        return model, rename_tail(tensors), unused

    if name in LMF:
        return of_lmf(name, encoder_name, encoder, args, tensors, path), tensors, unused
    if name == "sronet":
        return of_srno(encoder_name, encoder, args, tensors, path), tensors, unused
    first = tensors["imnet.layers.0.weight"]
    if name == "liif":
        options = {
            "ensemble": args.get("local_ensemble", True),
            "unfold": args.get("feat_unfold", True),
            "cell": args.get("cell_decode", True),
        }
        ablations = {"ensemble": "-wo-ensemble", "unfold": "-wo-unfolding", "cell": "-wo-cell"}
        suffix = "".join(ablations[option] for option, on in options.items() if not on)
        decoder: Decoder = LIIF(encoder.channels, first.shape[0], **options)
    elif name == "metasr":
        suffix, decoder = "", MetaSR(encoder.channels, first.shape[0])
    else:
        suffix, decoder = "", LTE(encoder.channels, tensors["coef.weight"].shape[0])
    network, layers = ("filters", decoder.filters) if name == "metasr" else ("mlp", decoder.mlp)
    if 2 * len(linears(layers)) != sum(key.startswith("imnet.") for key in tensors):
        raise ValueError(f"{path}: its MLP does not have {name}'s {len(linears(layers))} layers")
    for key in list(tensors):
        if not key.startswith("encoder."):
            tensors["decoder." + key.replace("imnet.layers.", f"{network}.")] = tensors.pop(key)
    return Model(f"{encoder_name}-{name}{suffix}", encoder, decoder), tensors, unused


def of_lmf(name: str, encoder_name: str, encoder: Encoder, args: dict, tensors: Tensors, path: Path) -> Model:
    """LM-LIIF or LM-LTE as their authors' settings make them; the names in `tensors` become ours. ValueError for others."""
    options = ("local_ensemble", "feat_unfold", "cell_decode", "mod_input")
    if off := [option for option in options if not args.get(option, option != "mod_input")]:
        raise ValueError(f"{path}: LMF's {name!r} without {', '.join(off)}; this version reads it with all of them")
    decoder = DECODERS[LMF[name]].make(encoder.channels, 16 * tensors["imnet.layers.0.weight"].shape[0])
    renamed = {"hypernet.layers.": "latent.", "imnet.layers.": "render.", "imphase.": "render_phase."}
    for key in [key for key in tensors if not key.startswith("encoder.")]:
        old = next((old for old in renamed if key.startswith(old)), "")
        tensors[f"decoder.{renamed.get(old, '')}{key.removeprefix(old)}"] = tensors.pop(key)
    return Model(f"{encoder_name}-{LMF[name]}", encoder, decoder)


def of_srno(encoder_name: str, encoder: Encoder, args: dict, tensors: Tensors, path: Path) -> Model:
    """SRNO, whose linear layers are 1x1 convolutions in the file; the names in `tensors` become ours. ValueError for heads of
    another size than 16, which no tensor's shape but `norm_k` and `norm_v` would tell."""
    width, heads = tensors["conv00.weight"].shape[0], args.get("blocks", 16)
    if width != heads * HEAD:
        raise ValueError(f"{path}: SRNO with {heads} heads for {width} values; this reads heads of {HEAD} values")
    for key in [key for key in tensors if not key.startswith("encoder.")]:
        pattern = next((pattern for pattern in SRNOS if re.match(pattern, key)), None)
        tensor = tensors.pop(key)  # a norm's weights are (heads, 1, 16)
        flat = tensor.squeeze(1) if "ln." in key else tensor.flatten(1) if key.endswith(".weight") else tensor
        tensors["decoder." + (re.sub(f"^{pattern}", SRNOS[pattern], key) if pattern else key)] = flat
    return Model(f"{encoder_name}-srno", encoder, SRNO(encoder.channels, width))


def lte_of_plus(tensors: Tensors) -> Tensors:
    """LTE+ is LTE in another writing: its MLP is 1x1 convolutions, and its frequency channels are all rows', then all columns',
    where LTE has pairs of neighbours."""
    moved = {}
    for key, tensor in tensors.items():
        if key.startswith("layers."):
            key, tensor = f"imnet.{key}", tensor.flatten(1) if key.endswith(".weight") else tensor
        elif key.startswith("freq."):
            tensor = tensor.unflatten(0, (2, -1)).transpose(0, 1).flatten(0, 1)
        moved[key] = tensor
    return moved


def rename_tail(tensors: Tensors) -> Tensors:
    """Names of EDSR's "tail.0.{i}", "tail.1" and RDN's "UPNet.{i}" -> `PixelShuffleTail`'s; below "encoder."."""
    convolutions = [key for key in tensors if key.startswith(("encoder.tail.", "encoder.UPNet."))]
    places = sorted(
        {key.rsplit(".", 1)[0] for key in convolutions}, key=lambda place: [*map(int, place.split(".")[2:])]
    )
    new = {place: f"decoder.stages.{i}" for i, place in enumerate(places[:-1])} | {places[-1]: "decoder.last"}
    moved = {f"{new[key.rsplit('.', 1)[0]]}.{key.rsplit('.', 1)[1]}": tensors[key] for key in convolutions}
    return {key: tensor for key, tensor in tensors.items() if key not in convolutions} | moved


def of_diinn(settings: dict, tensors: Tensors, path: Path) -> tuple[Model, Tensors, list[str]]:
    """DIINN's variants. Those with [m z] and with [s z] have tensors of the same shapes: only hyper_parameters tell."""
    tensors, unused = of_lightning(tensors, path)
    content, later = tensors["decoder.K.0.0.weight"], tensors["decoder.K.1.0.weight"]
    positional, hidden = "decoder.first_layer.0.weight" in tensors, content.shape[0]
    mode = settings.get("mode")
    if mode is None:
        mode = 1 if later.shape[1] == hidden else 3
        if mode == 3:
            warnings.warn(f"{path}: no hyper_parameters.mode; taken for the final model, [s z]", stacklevel=2)
    if mode not in DIINN_MODES:
        raise ValueError(
            f"{path}: DIINN's mode {mode!r} is not in the paper; this reads {', '.join(map(str, DIINN_MODES))}"
        )
    inputs = DIINN_MODES[mode]
    edsr = "encoder.head.0.weight" in tensors
    encoder = encoder_of("edsr-baseline" if edsr else "rdn", {}, tensors, path)
    unused += sorted(name for name in tensors if name.startswith(tuple(f"encoder.{shift}" for shift in MEAN_SHIFT)))
    decoder = DIINN(encoder.channels, hidden, modulation=inputs, positional=positional)

    names = {"first_layer.0": "initial", "last_layer": "last"}
    names |= {f"K.{i}.0": f"modulation.{i}" for i in range(LAYERS)}
    names |= {f"Q.{i}.0": f"synthesis.{i}" for i in range(LAYERS)}
    for key in [key for key in tensors if key.startswith("decoder.")]:
        layer, kind = key.removeprefix("decoder.").rsplit(".", 1)
        tensor = tensors.pop(key)  # a 1x1 convolution is a linear layer
        flat = tensor.flatten(1) if kind == "weight" and tensor.shape[2:] == (1, 1) else tensor
        tensors[f"decoder.{names.get(layer, layer)}.{kind}"] = flat
    name = ("edsr-baseline" if edsr else "rdn") + "-diinn" + DIINN_LETTERS.get((inputs, positional), "")
    return Model(name, encoder, decoder), tensors, unused


def of_lightning(tensors: Tensors, path: Path) -> tuple[Tensors, list[str]]:
    """The tensors of a network of DIINN's repository, and the names of those that hold its normalisation. ValueError if that is
    another."""
    tensors = {name.removeprefix("net."): tensor for name, tensor in tensors.items()}
    unused = [name for name in ("sub", "div") if name in tensors]
    for name in unused:
        if not torch.allclose(tensors[name].float(), torch.tensor(0.5)):
            raise ValueError(f"{path}: was trained with another normalisation than (x - 0.5) / 0.5 ({name})")
    return tensors, unused


def of_diinns_liif(tensors: Tensors, path: Path) -> tuple[Model, Tensors, list[str]]:
    """The LIIF of DIINN's repository, on RDN. Its four corners are half an output pixel away, not half an LR pixel: `near`."""
    tensors, unused = of_lightning(tensors, path)
    encoder = rdn_of(tensors)
    decoder = LIIF(encoder.channels, tensors["decoder.0.weight"].shape[0], near=True)
    tensors = {re.sub(r"^decoder\.", "decoder.mlp.", name): tensor for name, tensor in tensors.items()}
    return Model("rdn-liif-near", encoder, decoder), tensors, unused


def of_diinns_metasr(tensors: Tensors, path: Path) -> tuple[Model, Tensors, list[str]]:
    """The Meta-SR of DIINN's repository, on RDN."""
    tensors, unused = of_lightning(tensors, path)
    encoder = rdn_of(tensors)
    decoder = MetaSR(encoder.channels, tensors["imnet.layers.0.weight"].shape[0])
    tensors = {re.sub(r"^imnet\.layers\.", "decoder.filters.", name): tensor for name, tensor in tensors.items()}
    return Model("rdn-metasr", encoder, decoder), tensors, unused


MMAGIC = {  # MMagic's names -> ours, of EDSR and of RDN
    r"conv_first\.": "encoder.head.0.",
    r"body\.(\d+)\.conv1\.": r"encoder.body.\1.body.0.",
    r"body\.(\d+)\.conv2\.": r"encoder.body.\1.body.2.",
    r"sfe([12])\.": r"encoder.SFENet\1.",
    r"rdbs\.(\d+)\.layers\.(\d+)\.conv\.": r"encoder.RDBs.\1.convs.\2.conv.0.",
    r"rdbs\.(\d+)\.lff\.": r"encoder.RDBs.\1.LFF.",
    r"gff\.": "encoder.GFF.",
    r"imnet\.layers\.": "decoder.mlp.",
}


def of_mmagic(tensors: Tensors) -> tuple[Model, Tensors, list[str]]:
    """LIIF on EDSR-baseline or RDN, trained by MMagic. The file does not say what its images are normalised by; the
    configurations that it was published with do: EDSR's with DIV2K's mean and 1, RDN's with 0.5 and 0.5."""
    tensors = {name.removeprefix("generator."): tensor for name, tensor in tensors.items()}
    blocks = len({name.split(".")[1] for name in tensors if name.startswith("body.")})
    names = MMAGIC | {r"conv_after_body\.": f"encoder.body.{blocks}."}
    moved, unused = {}, []
    for name, tensor in tensors.items():
        pattern = next((pattern for pattern in names if re.match(pattern, name)), None)
        if pattern is None and name.startswith(("upsample.", "conv_last.", "upscale.", "output.", "step_counter")):
            unused.append(name)
        moved[re.sub(f"^{pattern}", names[pattern], name) if pattern else name] = tensor
    edsr = "encoder.head.0.weight" in moved
    encoder = EDSR(moved["encoder.head.0.weight"].shape[0], blocks) if edsr else rdn_of(moved)
    decoder = LIIF(encoder.channels, moved["decoder.mlp.0.weight"].shape[0])
    if edsr:
        return Model("edsr-baseline-liif", encoder, decoder, mean=DIV2K_MEAN, std=1), moved, unused
    return Model("rdn-liif", encoder, decoder), moved, unused


def of_edsr(tensors: Tensors, path: Path) -> tuple[Model, Tensors, list[str]]:
    """EDSR-baseline from EDSR's own authors: images in [0, 255] less the mean of DIV2K."""
    tensors = {f"encoder.{name}": tensor for name, tensor in tensors.items()}
    encoder = encoder_of("edsr-baseline", {}, tensors, path)
    if encoder.channels > 64:
        raise ValueError(f"{path}: EDSR's large model, with residual scale 0.1; this reads EDSR-baseline")
    unused = sorted(key for key in tensors if key.startswith(tuple(f"encoder.{shift}" for shift in MEAN_SHIFT)))
    tensors = rename_tail(tensors)
    stages = [tensor for key, tensor in tensors.items() if key.startswith("decoder.stages.") and tensor.ndim == 4]
    scale = 3 if stages[0].shape[0] == 9 * encoder.channels else 2 ** len(stages)
    tail = PixelShuffleTail(encoder.channels, scale)
    return Model(f"edsr-baseline-x{scale}", encoder, tail, mean=DIV2K_MEAN, std=1 / 255), tensors, unused


def of_idm(tensors: Tensors, path: Path) -> tuple[Diffusion, Tensors, list[str]]:
    """IDM, its sizes from its tensors. What no output depends on is left out: the LIIF "imnet", the modulated convolution and
    noise weight of each upsampling block, the ends of the side branch, and the buffers of the noise schedule."""

    shape = unet_shape(tensors)
    body = numbers(tensors, r"encoder\.body\.(\d+)\.body\.0\.weight")
    encoder = LRConditioning(tensors["encoder.head.0.weight"].shape[0], len(body))
    unet = ImplicitUNet(shape)
    check_schedule(tensors, path)
    model = Diffusion("idm", encoder, unet)
    buffers = {name for name in tensors if "." not in name}
    left = ("imnet.", "denoise_fn.final_down", "denoise_fn.final_linear.", "denoise_fn.final_styleconv.")
    left += tuple(f"encoder.{shift}" for shift in MEAN_SHIFT)
    left += tuple(f"denoise_fn.condition_{what}.0." for what in ("scale1", "scale2", "shift"))
    left += (f"denoise_fn.conv_body_down.{len(shape.widths) - 1}.",)
    inside = re.compile(r"denoise_fn\.ups\.\d+\.style\.(modulated_conv\..*|weight)")
    unused = sorted(name for name in tensors if name in buffers or name.startswith(left) or inside.fullmatch(name))
    return model, tensors, unused


def of_sr3(tensors: Tensors, path: Path) -> tuple[Diffusion, Tensors, list[str]]:
    """SR3 by its public implementation, its sizes from its tensors. The groups of its norms leave no trace there: 32."""
    model = Diffusion("sr3", Enlarged(), UNet(unet_shape(tensors)))
    check_schedule(tensors, path)
    return model, tensors, sorted(name for name in tensors if "." not in name)


def numbers(tensors: Tensors, pattern: str) -> list[int]:
    """The numbers in the names that match."""
    found = (re.fullmatch(pattern, name) for name in tensors)
    return sorted({int(match[1]) for match in found if match})


def unet_shape(tensors: Tensors) -> Shape:
    """The sizes of SR3's and IDM's U-Net: the levels lie between the layers that halve the image."""
    width = tensors["denoise_fn.downs.0.weight"].shape[0]
    layers = numbers(tensors, r"denoise_fn\.downs\.(\d+)\.res_block\.block1\.block\.0\.weight")
    levels = len(numbers(tensors, r"denoise_fn\.downs\.(\d+)\.conv\.weight")) + 1
    blocks = len(layers) // levels
    last = [tensors[f"denoise_fn.downs.{i}.res_block.block2.block.3.weight"] for i in layers[blocks - 1 :: blocks]]
    seen = numbers(tensors, r"denoise_fn\.downs\.(\d+)\.attn\.qkv\.weight")
    attention = sorted({layers.index(i) // blocks for i in seen})
    return Shape(width, tuple(tensor.shape[0] // width for tensor in last), blocks, tuple(attention))


def check_schedule(tensors: Tensors, path: Path) -> None:
    """A warning if the noise schedule in a file is not the one that images are drawn with here."""
    betas = tensors.get("betas")
    ours = torch.linspace(*BETA, STEPS, dtype=torch.float64)
    if betas is not None and not (betas.shape == ours.shape and torch.allclose(betas.double(), ours, rtol=1e-3)):
        warnings.warn(
            f"{path}: was trained with another noise schedule than {STEPS} steps, {BETA[0]} to {BETA[1]}", stacklevel=2
        )
