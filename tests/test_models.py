import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import tiny

import srlib
from srlib import models
from srlib.coords import TRAINED_SCALE, Grid
from srlib.models import DECODERS, NAMES
from srlib.models.bicubic import taps

# fractional, anisotropic, odd, below x1 on one axis and on both, x1, x30, one pixel
SIZES = [
    ((7, 9), (16, 25)),
    ((8, 8), (32, 32)),
    ((5, 6), (25, 18)),
    ((6, 6), (9, 9)),
    ((9, 7), (4, 20)),
    ((12, 10), (7, 3)),
    ((5, 6), (5, 6)),
    ((3, 2), (90, 60)),
    ((1, 1), (4, 5)),
]


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
def test_fast_equals_literal(decoder):
    model = tiny(decoder)
    for lr, size in SIZES:
        with torch.no_grad():
            features = model.encode(torch.rand(2, 3, *lr, generator=torch.Generator().manual_seed(1)))
            fast, literal = model.decode(features, size), model.decode(features, size, literal=True)
        assert fast.shape == literal.shape == (2, 3, *size)
        assert (fast - literal).abs().max() <= 1e-5 * literal.std().clamp(min=1e-3), (decoder, lr, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in NAMES if n.startswith(("edsr-baseline", "rdn-liif", "rdn-diif"))])
def test_fast_equals_literal_at_full_size(name):
    model = srlib.build(name, seed=0).eval()
    with torch.no_grad():
        features = model.encode(torch.rand(1, 3, 11, 13))
        fast, literal = (model.decode(features, (29, 37), literal=flag) for flag in (False, True))
    assert (fast - literal).abs().max() <= 1e-5 * literal.std()


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_gradients_of_both_paths_agree(decoder):
    model, gradients = tiny(decoder), []
    lr = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(2))
    for literal in (False, True):
        model.zero_grad()
        image = lr.clone().requires_grad_()
        (model.decode(model.encode(image), (13, 16), literal=literal) ** 2).mean().backward()
        gradients.append([image.grad] + [p.grad for p in model.parameters()])
    for fast, literal in zip(*gradients, strict=True):
        assert fast is not None
        assert torch.allclose(fast, literal, rtol=1e-3, atol=1e-5 * float(literal.abs().max()) + 1e-9)


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
def test_bands_and_rows_do_not_change_the_image(decoder, monkeypatch):
    model = tiny(decoder).requires_grad_(False)
    features = model.encode(torch.rand(2, 3, 6, 7))
    whole = model.decode(features, (20, 17))
    rows = torch.tensor([0, 3, 4, 19, 11])
    assert torch.allclose(model.decode(features, (20, 17), rows=rows), whole[:, :, rows], atol=1e-6)
    monkeypatch.setattr(models, "CPU_QUERIES", 70)
    monkeypatch.setattr(models, "LITERAL_QUERIES", 70)
    assert torch.allclose(model.decode(features, (20, 17)), whole, atol=1e-6)
    assert torch.allclose(model.decode(features, (20, 17), literal=True), whole, atol=1e-5)


def liif_pixel(model, features, size, k, l):  # noqa: E741
    """LIIF's Eq 4 for one pixel by the definition: the four codes whose centres surround it, weighted by opposite areas."""
    (h, w), padded, mlp = features.shape[-2:], F.pad(features, (1, 1, 1, 1)), model.decoder.mlp
    y, x = (k + 0.5) * h / size[0] - 0.5, (l + 0.5) * w / size[1] - 0.5  # in LR pixels, codes at integers
    total, rgb = 0.0, 0.0
    for i in (math.floor(y), math.floor(y) + 1):
        for j in (math.floor(x), math.floor(x) + 1):
            code = padded[0, :, i : i + 3, j : j + 3].reshape(-1)
            cell = [2 * h / size[0], 2 * w / size[1]]
            inputs = torch.cat([code, torch.tensor([2 * (y - i), 2 * (x - j), *cell])])
            area = (1 - abs(y - i)) * (1 - abs(x - j))
            rgb, total = rgb + area * mlp(inputs), total + area
    return rgb / total * 0.5 + 0.5


@torch.no_grad()
def test_liif_against_its_definition():
    model = tiny("liif")
    features, size = model.encode(torch.rand(1, 3, 6, 7)), (15, 29)
    image = model.decode(features, size)
    for k, l in itertools.product((3, 7, 10), (4, 13, 22)):  # away from the border, where look-ups are clamped  # noqa: E741
        assert torch.allclose(image[0, :, k, l], liif_pixel(model, features, size, k, l), atol=1e-5)


def diif_pixel(model, features, size, k, l, *, constant=False):  # noqa: E741
    """DIIF's Eqs 2-12 for one pixel in plain Python: its group, its slice, its four vertices."""
    (h, w), decoder = features.shape[-2:], model.decoder
    sy, sx = size[0] / h, size[1] / w
    i, j = int((k + 0.5) / sy), int((l + 0.5) / sx)

    def start(code, s):
        return math.ceil(code * s - 0.5)

    def largest(n, s):
        return max(start(c + 1, s) - start(c, s) for c in range(n))

    def place(row, column):  # relative to the centre of code (i, j), a cell spanning [-1, 1]
        return 2 * ((row + 0.5) / sy - i) - 1, 2 * ((column + 0.5) / sx - j) - 1

    first_row = start(i, sy) if constant else k
    last_row = start(i, sy) + largest(h, sy) - 1 if constant else k
    first, last = place(first_row, start(j, sx)), place(last_row, start(j, sx) + largest(w, sx) - 1)
    query = place(k, l)
    cell = [max(2 / sy, 2 / TRAINED_SCALE), max(2 / sx, 2 / TRAINED_SCALE)]
    padded, vector, total = F.pad(features, (2, 2, 2, 2)), 0.0, 0.0
    for vy in (-1, 1):
        for vx in (-1, 1):
            a, b = i + (vy > 0), j + (vx > 0)
            code = padded[0, :, a : a + 4, b : b + 4].reshape(-1)
            ends = [first[0] - vy, first[1] - vx, last[0] - vy, last[1] - vx]
            z = torch.relu(decoder.coarse(torch.cat([code, torch.tensor(cell + ends)])))
            area = abs((query[0] + vy) * (query[1] + vx)) + 1e-9  # to the vertex diagonally opposite
            vector, total = vector + area * z, total + area
    return decoder.fine(torch.cat([vector / total, torch.tensor(query)])) * 0.5 + 0.5


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["diif", "diif-cs", "diif-c4f3", "diif-c2f5"])
@pytest.mark.parametrize("size", [(15, 29), (42, 24), (60, 9)])
def test_diif_against_its_definition(decoder, size):
    model = tiny(decoder)
    features = model.encode(torch.rand(1, 3, 6, 7))
    image = model.decode(features, size)
    for k in (0, size[0] // 2, size[0] - 1):
        for l in range(0, size[1], 4):  # noqa: E741
            expected = diif_pixel(model, features, size, k, l, constant=decoder == "diif-cs")
            assert torch.allclose(image[0, :, k, l], expected, atol=1e-5)


def test_bicubic_is_torchs_antialiased_bicubic():
    model, image = tiny("bicubic"), torch.rand(2, 3, 9, 13)
    for size in ((20, 31), (5, 40), (3, 3), (9, 13)):
        expected = F.interpolate(image, size, mode="bicubic", antialias=True)
        assert torch.allclose(model(image, size), expected, atol=2e-6)
    assert taps(4, 8)[1].sum(dim=1).allclose(torch.ones(8, dtype=torch.float64))


@pytest.mark.parametrize(
    "name, everything, decoder",
    [
        ("edsr-baseline-liif", 1_567_299, 346_883),
        ("edsr-baseline-diif", 1_683_011, 462_595),
        ("edsr-baseline-diif-wo-se", 1_568_323, 347_907),
        ("edsr-baseline-diif-cs", 1_683_011, 462_595),
        ("edsr-baseline-diif-c4f3", 1_814_595, 594_179),
        ("edsr-baseline-diif-c2f5", 1_814_595, 594_179),
        ("edsr-baseline-diif-wo-ds", 1_571_148, 350_732),
        ("rdn-liif", 22_320_835, 346_883),
    ],
)
def test_parameter_counts_are_the_papers(name, everything, decoder):
    with torch.device("meta"):
        model = srlib.build(name)
    assert srlib.cost.count_parameters(model) == everything
    assert srlib.cost.count_parameters(model, "decoder") == decoder
    assert srlib.cost.count_parameters(model, "encoder") == everything - decoder


def test_seed_repeats_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    a, b, c = (
        srlib.build("compact-diif", seed=3),
        srlib.build("compact-diif", seed=3),
        srlib.build("compact-diif", seed=4),
    )
    assert torch.equal(torch.get_rng_state(), state)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (a, b, c)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name, near", [("compact-dif", "compact-diif"), ("edsr-baselin-liif", "edsr-baseline-liif")])
def test_unknown_names_list_the_nearest(name, near):
    for call in (srlib.build, srlib.load):
        with pytest.raises(ValueError, match=f"unknown model.*{near}"):
            call(name)


def test_every_name_is_listed():
    table = srlib.available()
    assert list(table.columns) == ["model", "encoder", "decoder", "parameters", "weights"]
    assert {"bicubic", "compact-liif", "rdn-diif-c2f5"} <= set(table["model"])
    assert set(table[table["weights"]]["model"]) >= {"bicubic", "compact-liif", "compact-diif"}


@pytest.mark.parametrize(
    "bad",
    [
        torch.rand(3, 8, 8),
        torch.rand(1, 1, 8, 8),
        torch.rand(1, 3, 0, 8),
        torch.zeros(0, 3, 8, 8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.full((1, 3, 8, 8), math.nan),
        [[0.0]],
    ],
)
def test_bad_input_is_refused(bad):
    for model in (tiny("liif"), srlib.build("compact-diif"), srlib.build("bicubic")):
        with pytest.raises(ValueError, match="expected"):
            model(bad, (8, 8))


def test_another_dtype_than_the_models_is_refused():
    with pytest.raises(ValueError, match=r"expected a torch.float32 image.*lr.to\(torch.float32\)"):
        tiny("liif")(torch.rand(1, 3, 8, 8, dtype=torch.float64), (8, 8))


@pytest.mark.parametrize("size", [(0, 8), (8, -8), (8.5, 8), "88", (8,)])
def test_bad_size_is_refused(size):
    with pytest.raises(ValueError, match="two positive integers"):
        tiny("diif")(torch.rand(1, 3, 4, 4), size)


def test_bf16_and_float64_run():
    model, image = tiny("diif"), torch.rand(1, 3, 6, 6)
    with torch.no_grad():
        exact = model.double()(image.double(), (15, 15))
        with torch.autocast("cpu", torch.bfloat16):
            rough = model.float()(image, (15, 15))
    assert exact.dtype == torch.float64
    assert (rough.double() - exact).abs().max() < 0.05 * exact.std() + 0.02


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
@pytest.mark.parametrize("literal", [False, True])
def test_a_window_of_features_decodes_the_same_pixels(decoder, literal):
    model = tiny(decoder).requires_grad_(False)
    features = model.encode(torch.rand(1, 3, 12, 13))
    whole = model.decode(features, (30, 40))
    rows, columns = torch.arange(12, 18), (19, 25)  # of codes 5 to 7 and 6 to 8
    grid = Grid((12, 13), (30, 40), top=1, left=2, columns=columns)
    bands = model.decode_bands(features[:, :, 1:11, 2:12], grid, rows, literal=literal)
    window = torch.cat([band for _, band in bands], dim=2)
    assert torch.allclose(window, whole[:, :, rows][..., slice(*columns)], atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
def test_cuda_agrees_with_the_cpu(decoder):
    model, image = tiny(decoder).requires_grad_(False), torch.rand(1, 3, 9, 8)
    cpu = model(image, (23, 30))
    for literal in (False, True):
        features = model.cuda().encode(image.cuda())
        assert torch.allclose(model.decode(features, (23, 30), literal=literal).cpu(), cpu, atol=1e-4)
