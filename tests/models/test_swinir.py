"""SwinIR's attention against its definition, its windows, its sizes."""

import math

import pytest
import torch
import torch.nn.functional as F

import srlib
from srlib.models import Model
from srlib.models.encoders import EDSR
from srlib.models.liif import LIIF
from srlib.models.swinir import Layer, SwinIR, mirrored, unwindowed, windows


def small(seed=0):
    torch.manual_seed(seed)
    return SwinIR(8, 12, (2, 3), heads=2, window=4).eval().requires_grad_(False)


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("rows, columns", [(8, 12), (4, 4), (4, 8)])
@torch.no_grad()
def test_a_layer_against_its_definition(rows, columns, shift, side=4, width=6, heads=2):
    """Pixel by pixel: a pixel sees those of its window, with windows cut at -shift, side - shift, ... on each axis."""
    torch.manual_seed(0)
    layer = Layer(width, heads, side, shift, 2)
    layer.attn.relative_position_bias_table.mul_(30)  # biases that count
    x = torch.randn(1, rows, columns, width)
    made, normed, d = layer(x)[0], layer.norm1(x)[0], width // heads
    query, key, value = layer.attn.qkv(normed).split(width, dim=-1)

    def window(i, j):
        return (i - shift) // side, (j - shift) // side

    for i in range(rows):
        for j in range(columns):
            near = [(a, b) for a in range(rows) for b in range(columns) if window(a, b) == window(i, j)]
            seen = []
            for head in range(heads):
                part = slice(head * d, (head + 1) * d)
                scores = [
                    query[i, j, part] @ key[a, b, part] / math.sqrt(d)
                    + layer.attn.relative_position_bias_table[
                        (i - a + side - 1) * (2 * side - 1) + j - b + side - 1, head
                    ]
                    for a, b in near
                ]
                weights = torch.softmax(torch.stack(scores), dim=0)
                seen.append(sum(w * value[a, b, part] for w, (a, b) in zip(weights, near, strict=True)))
            y = x[0, i, j] + layer.attn.proj(torch.cat(seen))
            y = y + layer.mlp["fc2"](F.gelu(layer.mlp["fc1"](layer.norm2(y))))
            assert torch.allclose(made[i, j], y, atol=1e-5), (i, j)


def test_windows_come_back():
    x = torch.rand(2, 8, 12, 3)
    assert windows(x, 4).shape == (2, 6, 16, 3)
    assert torch.equal(windows(x, 4)[1, 4], x[1, 4:8, 4:8].flatten(0, 1))
    assert torch.equal(unwindowed(windows(x, 4), 4, 2, 3), x)


def test_an_image_is_mirrored_to_whole_windows():
    assert mirrored(6, 4).tolist() == [0, 1, 2, 3, 4, 5, 4, 3]
    assert mirrored(8, 4).tolist() == list(range(8))
    assert mirrored(2, 8).tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert mirrored(1, 4).tolist() == [0] * 4
    image = torch.rand(1, 3, 6, 7)
    assert torch.equal(image[:, :, mirrored(6, 4)][..., mirrored(7, 4)], F.pad(image, (0, 1, 0, 2), mode="reflect"))


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (8, 8), (5, 13)])
def test_any_image_has_a_code_a_pixel(size):
    assert small()(torch.rand(2, 3, *size)).shape == (2, 8, *size)


def test_tiles_do_not_change_the_image():
    """It is encoded as a whole whatever the tile; a decoder alone would be worked through in tiles."""
    model, lr, size = Model("x", small(), LIIF(8, 16)).requires_grad_(False), torch.rand(1, 3, 20, 45), (50, 100)
    whole, made = model(lr, size), torch.empty(1, 3, *size)
    for rows, columns, piece in model.pieces(lr, size, tile=32):
        made[:, :, rows, columns] = piece
    assert torch.allclose(made, whole, atol=1e-6)
    assert not EDSR(8, 1).whole


def test_its_size_is_the_papers():
    """11.8 million, Table 2: the x2 network, its tail included."""
    assert srlib.cost.count_parameters(srlib.build("swinir-x2")) == 11_752_487
    assert srlib.cost.count_parameters(srlib.build("swinir-lte"), "decoder") == 493_827


def test_its_tails_are_called_after_it():
    assert srlib.models.ModelName.of("swinir-x2").label == "SwinIR ×2"
    assert srlib.models.ModelName.of("swinir-lte").label == "LTE"


def test_every_parameter_learns():
    model = Model("x", small().requires_grad_(True), LIIF(8, 16))
    model(torch.rand(1, 3, 8, 8), (12, 12)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_every_device_agrees_with_the_cpu(other_device):
    encoder, image = small(), torch.rand(1, 3, 9, 10)
    cpu = encoder(image)
    assert torch.allclose(encoder.to(other_device)(image.to(other_device)).cpu(), cpu, atol=1e-4)
