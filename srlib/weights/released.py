"""The authors' released checkpoints, recognised by content. They are pickles: read by torch's restricted unpickler only.

LIIF, Meta-SR, LTE, and EDSR and RDN with their tails, in LIIF's format:
    {"model": {"name", "args", "sd"}, "optimizer", "epoch"}; a fixed-scale network is a "liif" without imnet_spec
DIINN, a Lightning checkpoint: {"state_dict": {"net.encoder.*", "net.decoder.*", "sub", "div"}, "hyper_parameters", ...}
EDSR, as its authors published it: a bare state dict of "head", "body" and "tail", for images in [0, 255] less DIV2K's mean
IDM's *_gen.pth: a bare state dict of "denoise_fn", "encoder", an unused "imnet" and the buffers of the noise schedule
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch
from torch import Tensor

from srlib.models.base import Decoder, Encoder, Model, SRModel
from srlib.models.diffusion import Diffusion
from srlib.models.diinn import DIINN, LAYERS
from srlib.models.encoders import EDSR, RDN
from srlib.models.idm import ImplicitUNet, LRConditioning
from srlib.models.layers import linears
from srlib.models.liif import LIIF
from srlib.models.lte import LTE
from srlib.models.metasr import MetaSR
from srlib.models.tail import PixelShuffleTail
from srlib.models.unet import Shape
from srlib.weights.ours import digest_of, fill

Tensors = dict[str, Tensor]

MEAN_SHIFT = ("sub_mean.", "add_mean.")  # EDSR's mean shift: stored in LIIF's format too, but never used there
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
DIINN_MODES = {1: "m", 2: "mz", 3: "sz"}
DIINN_LETTERS = {("m", True): "-a", ("m", False): "-b", ("mz", True): "-c", ("mz", False): "-d", ("sz", True): "-e"}


def read(path: Path) -> SRModel:
    """The model that a released file holds. ValueError: damaged, unsafe, of an unknown layout, or not what it says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: pickle.UnpicklingError, RuntimeError, EOFError, ...
        raise ValueError(
            f"{path}: not read: damaged, or a pickle with more than tensors and plain values in it, which could run code "
            f"({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        ) from error
    content = content if isinstance(content, dict) else {}
    spec, state = content.get("model"), content.get("state_dict")
    try:
        if isinstance(spec, dict) and {"name", "args", "sd"} <= spec.keys():
            what = "a model in LIIF's format"
            model, tensors, unused = of_liif_format(spec["name"], spec["args"] or {}, dict(spec["sd"]), path)
        elif isinstance(state, dict) and any(name.startswith("net.decoder.K.") for name in state):
            what = "a Lightning checkpoint of DIINN"
            model, tensors, unused = of_diinn(content.get("hyper_parameters") or {}, dict(state), path)
        elif "denoise_fn.condition_scale1.1.weight" in content:
            what = "IDM's state dict"
            model, tensors, unused = of_idm(dict(content), path)
        elif "denoise_fn.downs.0.weight" in content:
            raise ValueError(f"{path}: a state dict of SR3 without IDM's conditioning; this reads IDM's *_gen.pth only")
        elif {"head.0.weight", "tail.1.weight"} <= content.keys():
            what = "EDSR's state dict"
            model, tensors, unused = of_edsr(dict(content), path)
        else:
            raise ValueError(
                f"{path}: a torch checkpoint of an unknown layout; expected LIIF's {{'model': name, args, sd}}, DIINN's "
                "{'state_dict': net.encoder..., net.decoder...}, or EDSR's or IDM's state dict"
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


def encoder_of(name: str, args: dict, tensors: Tensors, path: Path) -> Encoder:
    """The encoder that LIIF's encoder_spec names, with sizes from its tensors (named "encoder.*")."""
    if name == "edsr-baseline":
        if args.get("res_scale", 1) != 1:
            raise ValueError(f"{path}: an EDSR with residual scale {args['res_scale']}; this reads 1 only")
        blocks = sum(key.startswith("encoder.body.") and key.endswith(".body.0.weight") for key in tensors)
        return EDSR(tensors["encoder.head.0.weight"].shape[0], blocks)
    if name == "rdn":
        return rdn_of(tensors)
    raise ValueError(f"{path}: encoder {name!r} is not one of edsr-baseline, rdn")


def rdn_of(tensors: Tensors) -> RDN:
    blocks = sum(key.startswith("encoder.RDBs.") and key.endswith(".LFF.weight") for key in tensors)
    layers = sum(key.startswith("encoder.RDBs.0.convs.") and key.endswith(".weight") for key in tensors)
    growth = tensors["encoder.RDBs.0.convs.0.conv.0.weight"].shape[0]
    return RDN(tensors["encoder.SFENet1.weight"].shape[0], blocks, layers, growth)


def of_liif_format(name: str, args: dict, tensors: Tensors, path: Path) -> tuple[Model, Tensors, list[str]]:
    """LIIF, Meta-SR, LTE; fixed-scale EDSR and RDN, wrapped as a "liif" without an MLP or under their own names."""
    if name in ("edsr-baseline", "rdn"):
        encoder_spec = {"name": name, "args": args}
        tensors = {f"encoder.{key}": tensor for key, tensor in tensors.items()}
    elif name in ("liif", "metasr", "lte"):
        encoder_spec = args["encoder_spec"]
    else:
        raise ValueError(
            f"{path}: holds a {name!r} model; this version reads liif, metasr, lte, edsr-baseline and rdn in this format"
        )
    encoder_name, encoder_args = encoder_spec["name"], encoder_spec.get("args") or {}
    unused = sorted(key for key in tensors if key.startswith(tuple(f"encoder.{shift}" for shift in MEAN_SHIFT)))
    encoder = encoder_of(encoder_name, encoder_args, tensors, path)
    if not encoder_args.get("no_upsampling", False):
        scale = int(encoder_args.get("scale", 2))
        model = Model(f"{encoder_name}-x{scale}", encoder, PixelShuffleTail(encoder.channels, scale))
        return model, rename_tail(tensors), unused

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
    tensors = {name.removeprefix("net."): tensor for name, tensor in tensors.items()}
    unused = [name for name in ("sub", "div") if name in tensors]
    for name in unused:
        if not torch.allclose(tensors[name].float(), torch.tensor(0.5)):
            raise ValueError(f"{path}: was trained with another normalisation than (x - 0.5) / 0.5 ({name})")
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

    def numbers(pattern: str) -> list[int]:
        found = (re.fullmatch(pattern, name) for name in tensors)
        return sorted({int(match[1]) for match in found if match})

    width = tensors["denoise_fn.downs.0.weight"].shape[0]
    levels = numbers(r"denoise_fn\.condition_scale1\.(\d+)\.weight")
    widths = [tensors[f"denoise_fn.condition_scale1.{i}.weight"].shape[0] for i in levels]
    layers = numbers(r"denoise_fn\.downs\.(\d+)\.res_block\.block1\.block\.0\.weight")
    blocks = len(layers) // len(widths)
    seen = numbers(r"denoise_fn\.downs\.(\d+)\.attn\.qkv\.weight")
    attention = sorted({layers.index(i) // blocks for i in seen})
    body = numbers(r"encoder\.body\.(\d+)\.body\.0\.weight")
    encoder = LRConditioning(tensors["encoder.head.0.weight"].shape[0], len(body))
    unet = ImplicitUNet(Shape(width, tuple(n // width for n in widths), blocks, tuple(attention)))
    model = Diffusion("idm", encoder, unet)
    buffers = {name for name in tensors if "." not in name}
    left = ("imnet.", "denoise_fn.final_down", "denoise_fn.final_linear.", "denoise_fn.final_styleconv.")
    left += tuple(f"encoder.{shift}" for shift in MEAN_SHIFT)
    left += tuple(f"denoise_fn.condition_{what}.0." for what in ("scale1", "scale2", "shift"))
    left += (f"denoise_fn.conv_body_down.{len(widths) - 1}.",)
    inside = re.compile(r"denoise_fn\.ups\.\d+\.style\.(modulated_conv\..*|weight)")
    unused = sorted(name for name in tensors if name in buffers or name.startswith(left) or inside.fullmatch(name))
    return model, tensors, unused
