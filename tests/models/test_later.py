"""LMF, SRNO and Thera against what their public code computes, written down here once more, query by query, with weights under
the names and in the shapes of their files; and what only these decoders do."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import tiny

import srlib
from srlib.models import DECODERS
from srlib.models.geometry import Grid

SIZES = [(16, 25), (44, 24), (15, 29)]
LR = (6, 7)


def weights(shapes, seed=0):
    """Random weights under a file's names."""
    generator = torch.Generator().manual_seed(seed)
    fans = {name: math.prod(shape[1:]) if len(shape) > 1 else 16 for name, shape in shapes.items()}
    return {name: torch.randn(shape, generator=generator) / fans[name] ** 0.5 for name, shape in shapes.items()}


def queries(size):
    """Pixel centres (1, Q, 2), (row, column) in [-1, 1], in the public code's order of operations: it decides at ties."""
    axes = [-1 + 1 / n + 2 / n * torch.arange(n).float() for n in size]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).view(1, -1, 2)


def look_up(grid, places):
    """The nearest value of a grid (1, C, h, w) at places (1, Q, 2): (Q, C)."""
    return F.grid_sample(grid, places.flip(-1)[:, None], mode="nearest", align_corners=False)[0, :, 0].T


def surroundings(size):
    """For each of the four corners: where to look up (1, Q, 2), and the query relative to what is found there (Q, 2); and the
    weight of each corner's answer."""
    at = queries(size)
    centres = queries(LR).view(1, *LR, 2).permute(0, 3, 1, 2)
    places, relatives, areas = [], [], []
    for row in (-1, 1):
        for column in (-1, 1):
            shift = torch.tensor([row / LR[0], column / LR[1]]) + 1e-6
            places.append((at + shift).clamp(-1 + 1e-6, 1 - 1e-6))
            relatives.append((at[0] - look_up(centres, places[-1])) * torch.tensor(LR))
            areas.append(relatives[-1].prod(dim=-1).abs() + 1e-9)
    return places, relatives, [area / sum(areas) for area in areas[::-1]]


def dense(sd, name, x):
    return F.linear(x, sd[f"{name}.weight"].flatten(1), sd.get(f"{name}.bias"))


def put(decoder, sd, names):
    """Released weights into a decoder: names is a decoder's parameter -> the file's. All of both must be used."""
    own = dict(decoder.named_parameters())
    assert sorted(names) == sorted(own)
    assert sorted(names.values()) == sorted(sd)
    with torch.no_grad():
        for ours, theirs in names.items():
            assert own[ours].numel() == sd[theirs].numel()
            own[ours].copy_(sd[theirs].view_as(own[ours]))


def layers(ours, theirs, indices, named=("weight", "bias")):
    """Names of a stack of layers that have the same indices on both sides."""
    return {f"{ours}.{i}.{part}": f"{theirs}.{i}.{part}" for i in indices for part in named}


def agree(decoder, features, size, expected):
    """Both paths of a decoder and the transcription's (Q, 3)."""
    with torch.no_grad():
        for path in (decoder.reference, decoder.fast):
            made = path(features, Grid(LR, size))(torch.arange(size[0]))
            assert (made.view(-1, 3) - expected).abs().max() < 1e-4


def modulated(sd, x, mod, depth, units):
    """The render MLP on (Q, .) with the modulations of each query's code."""
    for i in range(depth):
        x = dense(sd, f"imnet.layers.{2 * i}", x)
        scale, shift = mod[:, i * units : (i + 1) * units], mod[:, (depth + i) * units : (depth + i + 1) * units]
        x = torch.relu(x * (scale + 1) + shift)
    return dense(sd, f"imnet.layers.{2 * depth}", x)


def stack(name, *widths):
    """Shapes of a file's linear layers with a ReLU between them."""
    pairs = list(itertools.pairwise(widths))
    return {f"{name}.{2 * i}.weight": (o, n) for i, (n, o) in enumerate(pairs)} | {
        f"{name}.{2 * i}.bias": (o,) for i, (_, o) in enumerate(pairs)
    }


@pytest.mark.parametrize("size", SIZES)
def test_lm_liif_is_the_released_one(size):
    sd = weights(stack("hypernet.layers", 578, 208, 208) | stack("imnet.layers", 20, *[16] * 6, 3))
    features = torch.randn(1, 64, *LR, generator=torch.Generator().manual_seed(1))
    cell = torch.tensor([2 / size[0] * LR[0], 2 / size[1] * LR[1]]).clamp(min=0.5)  # as at x4 beyond x4
    unfolded = F.unfold(features, 3, padding=1)[0].T
    latent = torch.relu(dense(sd, "hypernet.layers.0", torch.cat([unfolded, cell.expand(len(unfolded), 2)], dim=1)))
    latent = dense(sd, "hypernet.layers.2", latent).T.view(1, 208, *LR)
    rgb = 0
    for place, relative, weight in zip(*surroundings(size), strict=True):
        own = look_up(latent, place)
        x = torch.cat([own[:, 192:], relative, cell.expand_as(relative)], dim=1)
        rgb = rgb + weight[:, None] * modulated(sd, x, own, 6, 16)
    decoder = DECODERS["lmf"].make(64, 256).eval()
    put(decoder, sd, layers("latent", "hypernet.layers", (0, 2)) | layers("render", "imnet.layers", range(0, 13, 2)))
    agree(decoder, features, size, rgb)


@pytest.mark.parametrize("size", SIZES)
def test_lm_lte_is_the_released_one(size):
    shapes = {"coef.weight": (128, 64, 3, 3), "coef.bias": (128,), "freq.weight": (128, 64, 3, 3), "freq.bias": (128,)}
    shapes |= {"phase.weight": (64, 2), "imphase.weight": (8, 2)}
    sd = weights(shapes | stack("hypernet.layers", 128, 288, 288) | stack("imnet.layers", 16, *[16] * 8, 3))
    generator = torch.Generator().manual_seed(1)
    features, image = torch.randn(1, 64, *LR, generator=generator), torch.rand(1, 3, *LR, generator=generator)
    cell = torch.tensor([2 / size[0] * LR[0], 2 / size[1] * LR[1]]).clamp(min=0.5)

    def waves(amplitude, frequency, place, phase):
        inner = frequency[:, 0::2] * place[0] + frequency[:, 1::2] * place[1] + F.linear(cell, phase)
        return amplitude * torch.cat([torch.cos(math.pi * inner), torch.sin(math.pi * inner)], dim=1)

    coef, freq = (
        F.conv2d(features, sd[f"{name}.weight"], sd[f"{name}.bias"], padding=1)[0].flatten(1).T
        for name in ("coef", "freq")
    )
    latent = torch.relu(dense(sd, "hypernet.layers.0", waves(coef, freq, (1, 1), sd["phase.weight"])))
    latent = dense(sd, "hypernet.layers.2", latent).T.view(1, 288, *LR)
    rgb = 0
    for place, relative, weight in zip(*surroundings(size), strict=True):
        own = look_up(latent, place)
        x = waves(own[:, 256:272], own[:, 272:], relative.T[..., None], sd["imphase.weight"])
        rgb = rgb + weight[:, None] * modulated(sd, x, own, 8, 16)
    rgb = (
        rgb
        + F.grid_sample(
            image, queries(size).flip(-1)[:, None], mode="bilinear", padding_mode="border", align_corners=False
        )[0, :, 0].T
    )
    decoder = DECODERS["lmf-lte"].make(64, 256).eval()
    names = {name: name for name in ("coef.weight", "coef.bias", "freq.weight", "freq.bias", "phase.weight")}
    names |= {"render_phase.weight": "imphase.weight"}
    names |= layers("latent", "hypernet.layers", (0, 2)) | layers("render", "imnet.layers", range(0, 17, 2))
    put(decoder, sd, names)
    agree(decoder, torch.cat([features, image], dim=1), size, rgb)


@pytest.mark.parametrize("size", SIZES)
def test_srno_is_the_released_one(size):
    shapes = {"conv00.weight": (256, 266, 1, 1), "conv00.bias": (256,)}
    for layer in ("conv0", "conv1"):
        for part, outputs in (("qkv_proj", 768), ("o_proj1", 256), ("o_proj2", 256)):
            shapes |= {f"{layer}.{part}.weight": (outputs, 256, 1, 1), f"{layer}.{part}.bias": (outputs,)}
        for norm in ("kln", "vln"):
            shapes |= {f"{layer}.{norm}.weight": (16, 1, 16), f"{layer}.{norm}.bias": (16, 1, 16)}
    shapes |= {"fc1.weight": (256, 256, 1, 1), "fc1.bias": (256,), "fc2.weight": (3, 256, 1, 1), "fc2.bias": (3,)}
    sd = weights(shapes)
    generator = torch.Generator().manual_seed(1)
    features, image = torch.randn(1, 64, *LR, generator=generator), torch.rand(1, 3, *LR, generator=generator)
    places, relatives, areas = surroundings(size)
    contents = [look_up(features, place) * area[:, None] for place, area in zip(places, areas, strict=True)]
    cell = torch.tensor([2 / size[0] * LR[0], 2 / size[1] * LR[1]]).expand(len(areas[0]), 2)
    x = dense(sd, "conv00", torch.cat([*relatives, *contents, cell], dim=1))

    def norm(x, name):
        scaled = (x - x.mean(dim=-1, keepdim=True)) / (x.std(dim=-1, keepdim=True) + 1e-5)
        return scaled * sd[f"{name}.weight"][:, 0] + sd[f"{name}.bias"][:, 0]

    for layer in ("conv0", "conv1"):
        heads = dense(sd, f"{layer}.qkv_proj", x).view(-1, 16, 48)
        q, k, v = heads[..., :16], norm(heads[..., 16:32], f"{layer}.kln"), norm(heads[..., 32:], f"{layer}.vln")
        seen = torch.stack([q[:, h] @ (k[:, h].T @ v[:, h]) / len(x) for h in range(16)], dim=1).flatten(1) + x
        x = dense(sd, f"{layer}.o_proj2", F.gelu(dense(sd, f"{layer}.o_proj1", seen))) + x
    rgb = dense(sd, "fc2", F.gelu(dense(sd, "fc1", x)))
    rgb = (
        rgb
        + F.grid_sample(
            image, queries(size).flip(-1)[:, None], mode="bilinear", padding_mode="border", align_corners=False
        )[0, :, 0].T
    )
    decoder = DECODERS["srno"].make(64, 256).eval()
    renamed = {"qkv": "qkv_proj", "first": "o_proj1", "second": "o_proj2", "norm_k": "kln", "norm_v": "vln"}
    names = {"lift": "conv00", "project.0": "fc1", "project.2": "fc2"}
    names |= {f"layers.{i}.{ours}": f"conv{i}.{theirs}" for i in (0, 1) for ours, theirs in renamed.items()}
    put(decoder, sd, {f"{a}.{part}": f"{b}.{part}" for a, b in names.items() for part in ("weight", "bias")})
    agree(decoder, torch.cat([features, image], dim=1), size, rgb)


def thera_field(sd, code, place, t):
    """(Q, C), (Q, 2) from -1/2 to 1/2 -> (Q, 3), as the public code's field of each query's cell."""
    made = dense(sd, "out_conv", code)
    count = made.shape[1] // 4
    kernel, phase = made[:, : 3 * count].view(-1, count, 3), made[:, 3 * count :]
    slower = torch.exp(-(sd["components"].norm(dim=0) ** 2) * sd["k"] * t)
    return torch.einsum("qnc,qn->qc", kernel, torch.sin(place @ sd["components"] + phase) * slower)


@pytest.mark.parametrize("variant, blocks", [("thera-air", ()), ("thera-plus", ((64, 6), (96, 7), (128, 3)))])
@pytest.mark.parametrize("size", SIZES)
def test_thera_is_the_released_one(variant, blocks, size):
    width, names = 64, {"components": "components", "kappa": "k", "field.weight": "out_conv.weight"}
    names["field.bias"] = "out_conv.bias"
    shapes, plan = {}, []
    for channels, count in blocks:
        if channels != width:
            plan.append("project")
            i = len(plan) - 1
            shapes |= {f"{i}.norm.scale": (width,), f"{i}.norm.bias": (width,), f"{i}.conv.weight": (channels, width)}
            shapes[f"{i}.conv.bias"] = (channels,)
            pairs = {
                "norm.weight": "norm.scale",
                "norm.bias": "norm.bias",
                "linear.weight": "conv.weight",
                "linear.bias": "conv.bias",
            }
            names |= {f"refine.{i}.{a}": f"{i}.{b}" for a, b in pairs.items()}
        width = channels
        for _ in range(count):
            plan.append("block")
            i = len(plan) - 1
            shapes |= {f"{i}.0.weight": (width, 1, 3, 3), f"{i}.1.scale": (width,), f"{i}.1.bias": (width,)}
            shapes |= {f"{i}.2.weight": (4 * width, width), f"{i}.2.bias": (4 * width,)}
            shapes |= {f"{i}.4.weight": (width, 4 * width), f"{i}.4.bias": (width,)}
            pairs = {
                "spatial.weight": "0.weight",
                "norm.weight": "1.scale",
                "norm.bias": "1.bias",
                "widen.weight": "2.weight",
            }
            pairs |= {"widen.bias": "2.bias", "narrow.weight": "4.weight", "narrow.bias": "4.bias"}
            names |= {f"refine.{i}.{a}": f"{i}.{b}" for a, b in pairs.items()}
    count = 512 if blocks else 32
    shapes |= {"out_conv.weight": (4 * count, width), "out_conv.bias": (4 * count,), "components": (2, count)}
    sd = weights(shapes) | {"k": torch.tensor(0.06)}
    sd["components"] = 3 * sd["components"] * count**0.5
    generator = torch.Generator().manual_seed(1)
    features, image = torch.randn(1, 64, *LR, generator=generator), torch.rand(1, 3, *LR, generator=generator)

    z = features[0].permute(1, 2, 0)
    for i, what in enumerate(plan):
        if what == "project":
            z = F.layer_norm(z, z.shape[-1:], sd[f"{i}.norm.scale"], sd[f"{i}.norm.bias"], 1e-6)
            z = dense(sd, f"{i}.conv", z)
        else:
            y = F.conv2d(z.permute(2, 0, 1), sd[f"{i}.0.weight"], padding=1, groups=z.shape[-1]).permute(1, 2, 0)
            y = F.layer_norm(y, y.shape[-1:], sd[f"{i}.1.scale"], sd[f"{i}.1.bias"], 1e-6)
            z = z + dense(sd, f"{i}.4", F.gelu(dense(sd, f"{i}.2", y), approximate="tanh"))
    at = (queries(size)[0] + 1) / 2 * torch.tensor(LR)  # in LR pixels, from the image's corner
    cells = at.floor().long()
    code, place = z[cells[:, 0], cells[:, 1]], at - cells - 0.5
    rgb = thera_field(sd, code, place, LR[0] * LR[1] / (size[0] * size[1])) + image[0, :, cells[:, 0], cells[:, 1]].T
    decoder = DECODERS[variant].make(64, 256).eval()
    put(decoder, sd, names)
    agree(decoder, torch.cat([features, image], dim=1), size, rgb)


@torch.no_grad()
def test_theras_field_later_is_its_field_blurred():
    """The heat equation: Phi(x, t) is Phi(x, 0) under a Gaussian of variance 2 kappa t on each axis."""
    decoder = tiny("thera-air").decoder
    decoder.components.mul_(0.2)
    place = (torch.arange(-400, 401) / 100)[:, None] * torch.tensor([1.0, 0.0])  # along rows
    v, p, t = torch.randn(32), torch.rand(32), 4.0

    def phi(t):
        length = decoder.components.square().sum(dim=0)
        return (v * torch.exp(-length * decoder.kappa * t) * torch.sin(place @ decoder.components + p)).sum(dim=1)

    decoder.components[1] = 0  # no waves along columns, so that one axis is enough
    spread = float(2 * decoder.kappa * t) ** 0.5
    kernel = torch.exp(-0.5 * (torch.arange(-300, 301) / 100 / spread) ** 2)
    blurred = F.conv1d(phi(0.0)[None, None], (kernel / kernel.sum())[None, None])[0, 0]
    assert torch.allclose(blurred, phi(t)[300:-300], atol=1e-4)


@torch.no_grad()
def test_tiles_do_not_change_what_sees_the_whole_image():
    model = tiny("srno")
    lr = torch.rand(1, 3, 70, 45)
    out = torch.zeros(1, 3, 100, 60)
    for rows, columns, band in model.pieces(lr, (100, 60), tile=40):
        out[:, :, rows, columns] = band
    assert torch.allclose(out, model(lr, (100, 60)), atol=1e-5)


def test_srno_in_training_integrates_over_the_pixels_that_are_decoded():
    """As the released code: decoding some rows in training is decoding an image that has only those."""
    model = tiny("srno").train().requires_grad_(False)
    features = model.encode(torch.rand(1, 3, 8, 8))
    rows = torch.tensor([3, 9, 14])
    fast, literal = (model.decode(features, (16, 16), rows=rows, literal=flag) for flag in (False, True))
    assert torch.allclose(fast, literal, atol=1e-5)
    assert not torch.allclose(fast, model.eval().decode(features, (16, 16), rows=rows), atol=1e-5)


def test_srno_wants_whole_heads():
    with pytest.raises(ValueError, match="multiple of 16, got 40"):
        srlib.models.srno.SRNO(8, 40)


def test_thera_learns_with_its_fields_total_variation():
    """Against differences of the field at time 0, of the first quarter of the batch, in cells."""
    model = tiny("thera-air").double()
    decoder, grid, k = model.decoder, Grid(LR, (15, 17)), torch.tensor([0, 4, 9])
    images = torch.rand(5, 3, *LR, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    features = model.encode(images)
    (rows, y), (columns, x) = decoder.axes(grid)
    v, p = decoder.field(features[:2, :-3].permute(0, 2, 3, 1)).split([3 * decoder.width, decoder.width], dim=-1)
    total, step = [], 1e-5

    def field(row, column, place):
        waves = torch.sin(place.double() @ decoder.components + p[:, row, column])
        return (v[:, row, column].unflatten(-1, (-1, 3)) * waves[..., None]).sum(dim=1)

    for i, j in itertools.product(k.tolist(), range(17)):
        for axis in torch.eye(2, dtype=torch.float64):
            sides = [field(rows[i], columns[j], torch.stack([y[i], x[j]]) + sign * step * axis) for sign in (1, -1)]
            total.append((sides[0] - sides[1]).abs() / (2 * step))
    assert torch.allclose(decoder.learn(features, grid, k)[1].double(), 1e-4 * torch.stack(total).mean(), rtol=1e-5)


@pytest.mark.parametrize("name", ["thera-air", "thera-plus"])
def test_thera_learns_what_it_decodes(name):
    model, rows = tiny(name).double(), torch.tensor([0, 4, 9])
    features = model.encode(torch.rand(5, 3, *LR, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    learned = model.decoder.learn(features, Grid(LR, (15, 17)), rows)[0]
    assert torch.allclose(learned, model.decoder.reference(features, Grid(LR, (15, 17)))(rows), atol=1e-9)


@torch.no_grad()
def test_only_thera_adds_to_the_loss():
    grid, batch = Grid(LR, (12, 14)), torch.rand(2, 3, *LR)
    added = {
        name: float(torch.as_tensor(tiny(name).decoder.learn(tiny(name).encode(batch), grid, torch.arange(3))[1]))
        for name in DECODERS
    }
    assert {name for name, value in added.items() if value} == {"thera-air", "thera-plus"}
