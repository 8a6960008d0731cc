import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import tiny

import srlib
from srlib.models import DECODERS, TAILS
from srlib.models.bicubic import taps
from srlib.models.geometry import TRAINED_SCALE, Grid
from srlib.models.metasr import axis

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
    ((6, 6), (42, 42)),  # both sides find the same code, up to rounding
]


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
def test_fast_equals_literal(decoder, device):
    model = tiny(decoder).to(device)
    for lr, size in SIZES:
        with torch.no_grad():
            image = torch.rand(2, 3, *lr, generator=torch.Generator().manual_seed(1)).to(device)
            features = model.encode(image)
            fast, literal = model.decode(features, size), model.decode(features, size, literal=True)
        assert fast.shape == literal.shape == (2, 3, *size)
        assert (fast - literal).abs().max() <= 1e-5 * literal.std().clamp(min=1e-3), (decoder, lr, size)


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"{e}-{d}" for e in ("edsr-baseline", "rdn") for d in DECODERS])
def test_fast_equals_literal_at_full_size(name, device):
    model = srlib.build(name, seed=0).to(device).eval()
    with torch.no_grad():
        features = model.encode(torch.rand(1, 3, 11, 13).to(device))
        fast, literal = (model.decode(features, (29, 37), literal=flag) for flag in (False, True))
    assert (fast - literal).abs().max() <= 1e-5 * literal.std()


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_gradients_of_both_paths_agree(decoder, device):
    model, gradients, drawn = tiny(decoder).to(device), [], torch.tensor([0, 3, 4, 9, 12])  # as a training draws them
    lr = torch.rand(1, 3, 6, 5, generator=torch.Generator().manual_seed(2)).to(device)
    for literal in (False, True):
        model.zero_grad()
        image = lr.clone().requires_grad_()
        (model.decode(model.encode(image), (13, 16), rows=drawn, literal=literal) ** 2).mean().backward()
        gradients.append([image.grad] + [p.grad for p in model.parameters()])
    for fast, literal in zip(*gradients, strict=True):
        assert fast is not None
        assert torch.allclose(fast, literal, rtol=1e-3, atol=1e-5 * float(literal.abs().max()) + 1e-9)


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
def test_bands_and_rows_do_not_change_the_image(decoder, device):
    model = tiny(decoder).to(device).requires_grad_(False)
    features = model.encode(torch.rand(2, 3, 6, 7).to(device))
    whole = model.decode(features, (20, 17))
    rows = torch.tensor([0, 3, 4, 19, 11])
    assert torch.allclose(model.decode(features, (20, 17), rows=rows), whole[:, :, rows], atol=1e-6)
    assert torch.allclose(model.decode(features, (20, 17), queries=70), whole, atol=1e-6)
    assert torch.allclose(model.decode(features, (20, 17), literal=True, queries=70), whole, atol=1e-5)


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


def pixel(k, s):
    """(code, relative coordinate) of output pixel k on one axis: the nearest code, its cell spanning [-1, 1]."""
    i = int((k + 0.5) / s)
    return i, 2 * ((k + 0.5) / s - i) - 1


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["diinn", *(f"diinn-{letter}" for letter in "abcde")])
@pytest.mark.parametrize("size", [(15, 29), (18, 28)])
def test_diinn_against_its_definition(decoder, size):
    model = tiny(decoder)
    d, features = model.decoder, model.encode(torch.rand(1, 3, 6, 7))
    image, padded = model.decode(features, size), F.pad(features, (1, 1, 1, 1))
    for k, l in itertools.product((0, 7, size[0] - 1), (0, 13, 22)):  # noqa: E741
        (i, row), (j, column) = pixel(k, size[0] / 6), pixel(l, size[1] / 7)
        z, p = padded[0, :, i : i + 3, j : j + 3].reshape(-1), torch.tensor([row, column, 42 / (size[0] * size[1])])
        if decoder[-2:] in ("-a", "-c", "-e"):
            p = torch.sin(d.initial.weight @ p + d.initial.bias)
            z = p * z
        m = torch.relu(d.modulation[0](z))
        s = m * torch.sin(d.synthesis[0](p))
        for w, v in zip(d.modulation[1:], d.synthesis[1:], strict=True):
            before = m if decoder[-2:] in ("-a", "-b") else torch.cat([m if decoder[-2:] in ("-c", "-d") else s, z])
            m = torch.relu(w(before))
            s = m * torch.sin(v(s))
        assert torch.allclose(image[0, :, k, l], d.last(s) * 0.5 + 0.5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [(15, 29), (24, 14), (40, 50)])
def test_metasr_against_its_definition(size):
    model = tiny("metasr")
    features = model.encode(torch.rand(1, 3, 6, 7))
    image, padded = model.decode(features, size), F.pad(features, (1, 1, 1, 1))
    for k, l in itertools.product((0, 7, size[0] - 1), (0, 13, size[1] - 1)):  # noqa: E741
        y, x = k * 6 / size[0], l * 7 / size[1]  # the pixel's top-left corner, in LR pixels
        v = torch.tensor([y - int(y), x - int(x), 6 / size[0]])
        code = padded[0, :, int(y) : int(y) + 3, int(x) : int(x) + 3].reshape(-1)
        expected = code @ model.decoder.filters(v).view(-1, 3)
        assert torch.allclose(image[0, :, k, l], expected * 0.5 + 0.5, atol=1e-5)


def bilinear_pixel(image, y, x):
    (h, w), (y, x) = image.shape[-2:], (max(0, y), max(0, x))
    a, b = min(y, h - 1), min(x, w - 1)
    i, j = min(int(a), h - 2), min(int(b), w - 2)
    t, u = a - i, b - j
    rows = (1 - t) * image[0, :, i] + t * image[0, :, i + 1]
    return (1 - u) * rows[:, j] + u * rows[:, j + 1]


@torch.no_grad()
@pytest.mark.parametrize("size", [(15, 29), (42, 35)])
def test_lte_against_its_definition(size):
    model = tiny("lte")
    d, lr = model.decoder, torch.rand(1, 3, 6, 7)
    features = model.encode(lr)
    image, coef, freq = model.decode(features, size), d.coef(features[:, :-3]), d.freq(features[:, :-3])
    s = [size[0] / 6, size[1] / 7]
    cell = torch.tensor([2 / s[0], 2 / s[1]]) * max(s[0] / 4, 1)
    for k, l in itertools.product((3, 7, 10), (5, 13, 22)):  # away from the border, where look-ups are clamped  # noqa: E741
        y, x = (k + 0.5) / s[0] - 0.5, (l + 0.5) / s[1] - 0.5
        total, rgb = 0.0, 0.0
        for i, j in itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)):
            pairs = freq[0, :, i, j].view(-1, 2)
            inner = math.pi * (pairs[:, 0] * 2 * (y - i) + pairs[:, 1] * 2 * (x - j) + d.phase(cell))
            area = (1 - abs(y - i)) * (1 - abs(x - j))
            rgb = rgb + area * d.mlp(coef[0, :, i, j] * torch.cat([inner.cos(), inner.sin()]))
            total += area
        expected = rgb / total * 0.5 + 0.5 + bilinear_pixel(lr - 0.5, y, x)
        assert torch.allclose(image[0, :, k, l], expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [(15, 29), (42, 24)])
def test_dlte_against_its_definition(size):
    model = tiny("dlte")
    d, lr = model.decoder, torch.rand(1, 3, 6, 7)
    features = model.encode(lr)
    image = model.decode(features, size)
    coef, freq = (F.pad(conv(features[:, :-3]), (1, 1, 1, 1)) for conv in (d.coef, d.freq))
    (sy, sx), widest = (size[0] / 6, size[1] / 7), math.ceil(size[1] / 7)
    cell = torch.tensor([max(2 / sy, 0.5), max(2 / sx, 0.5)])
    for k, l in itertools.product((0, 7, size[0] - 1), (0, 13, size[1] - 1)):  # noqa: E741
        (i, row), (j, column) = pixel(k, sy), pixel(l, sx)
        start = math.ceil(j * sx - 0.5)
        first, last = (2 * ((start + n + 0.5) / sx - j) - 1 for n in (0, widest - 1))
        vector, total = 0.0, 0.0
        for vy, vx in itertools.product((-1, 1), (-1, 1)):
            a, b = i + (vy > 0), j + (vx > 0)
            at = [plane[0, :, a : a + 2, b : b + 2].reshape(-1) for plane in (coef, freq)]
            pairs = at[1].view(-1, 2)
            inner = pairs[:, 0] * 2 * (row - vy) + pairs[:, 1] * (first + last - 2 * vx) + d.phase(cell)
            z = torch.relu(d.coarse(at[0] * torch.cat([(math.pi * inner).cos(), (math.pi * inner).sin()])))
            area = abs((row + vy) * (column + vx)) + 1e-9
            vector, total = vector + area * z, total + area
        rgb = d.fine(torch.cat([vector / total, torch.tensor([row, column])]))
        y, x = (k + 0.5) / sy - 0.5, (l + 0.5) / sx - 0.5
        assert torch.allclose(image[0, :, k, l], rgb * 0.5 + 0.5 + bilinear_pixel(lr - 0.5, y, x), atol=1e-5)


@pytest.mark.parametrize("tail", list(TAILS))
def test_fixed_scales_make_their_size_only(tail):
    model = tiny(tail).requires_grad_(False)
    features = model.encode(torch.rand(2, 3, 9, 7))
    for scale in model.decoder.scales:
        size = (9 * scale, 7 * scale)
        whole = model.decode(features, size)
        assert whole.shape == (2, 3, *size)
        assert torch.allclose(model.decode(features, size, queries=3 * 7 * scale), whole, atol=1e-6)
        rows = torch.tensor([0, 9 * scale - 1, 5])
        assert torch.allclose(model.decode(features, size, rows=rows), whole[:, :, rows], atol=1e-6)
        grid = Grid((9, 7), size, top=0, left=1, columns=(4 * scale, 5 * scale))
        window = torch.cat([b for _, b in model.decode_bands(features[:, :, :, 1:], grid, torch.arange(scale))], dim=2)
        assert torch.allclose(window, whole[:, :, :scale, 4 * scale : 5 * scale], atol=1e-6)
    with pytest.raises(ValueError, match=r"enlarges by .* only"):
        model.decode(features, (20, 20))


@pytest.mark.parametrize("size", [(32, 40), (12, 15), (29, 37), (90, 90)])
def test_metasr_takes_the_cheaper_of_its_two_ways(size):
    """Few phases: filters per phase; many: content at LR resolution. Both must be reached by these sizes."""
    phases = [len(axis(n, out).offsets) for n, out in ((8, size[0]), (10, size[1]))]
    model = tiny("metasr").requires_grad_(False)
    ways = srlib.cost.count_macs(model, (8, 10), size, literal=False, part="decoder")
    by_phase = math.prod(phases) * (3 * 16 + 16 * 216 + 80 * 216)
    assert (ways == by_phase) == (math.prod(phases) * (80 + 16) <= 16 * 80)


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
        ("edsr-baseline-metasr", 1_665_536, 445_120),
        ("edsr-baseline-lte", 1_714_243, 493_827),
        ("edsr-baseline-dlte", 1_558_979, 338_563),
        ("edsr-baseline-diinn", 2_207_043, 986_627),
        ("edsr-baseline-diinn-f", 2_207_043, 986_627),
        ("edsr-baseline-diinn-a", 1_913_667, 544_259 + 148_992),
        ("edsr-baseline-diinn-b", 1_764_675, 544_259),
        ("edsr-baseline-diinn-c", 2_356_035, 986_627 + 148_992),
        ("edsr-baseline-diinn-d", 2_207_043, 986_627),
        ("edsr-baseline-diinn-e", 2_356_035, 986_627 + 148_992),
        ("edsr-baseline-lmf", 1_386_067, 165_651),
        ("edsr-baseline-lmf-lte", 1_490_883, 270_467),
        ("edsr-baseline-srno", 2_015_299, 794_883),
        ("edsr-baseline-thera-air", 1_228_801, 8_385),
        ("edsr-baseline-thera-plus", 2_633_569, 1_413_153),
        ("edsr-baseline-x2", 1_369_859, 149_443),
        ("edsr-baseline-x3", 1_554_499, 334_083),
        ("edsr-baseline-x4", 1_517_571, 297_155),
        ("rdn-liif", 22_320_835, 346_883),
        ("rdn-x2", 22_123_395, 149_443),
        ("rdn-x3", 22_308_035, 334_083),
        ("rdn-x4", 22_271_107, 297_155),
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
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name, near", [("compact-dif", "compact-diif"), ("edsr-baselin-liif", "edsr-baseline-liif")])
def test_unknown_names_list_the_nearest(name, near):
    for call in (srlib.build, srlib.load):
        with pytest.raises(ValueError, match=f"unknown model.*{near}"):
            call(name)


def test_every_name_is_listed():
    table = srlib.available()
    assert list(table.columns) == ["model", "encoder", "decoder", "parameters", "weights", "where"]
    assert {"bicubic", "compact-liif", "rdn-diif-c2f5", "rdn-diinn-a", "edsr-baseline-x3"} <= set(table["model"])
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
    with pytest.raises(ValueError, match=r"expected torch.float32 images.*convert with .to\(torch.float32\)"):
        tiny("liif")(torch.rand(1, 3, 8, 8, dtype=torch.float64), (8, 8))


@pytest.mark.parametrize("size", [(0, 8), (8, -8), (8.5, 8), "88", (8,)])
def test_bad_size_is_refused(size):
    with pytest.raises(ValueError, match="two positive integers"):
        tiny("diif")(torch.rand(1, 3, 4, 4), size)


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_bf16_and_float64_run(decoder):
    model, image = tiny(decoder), torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = model.double()(image.double(), (15, 15))
        with torch.autocast("cpu", torch.bfloat16):
            rough = model.float()(image, (15, 15))
    assert exact.dtype == torch.float64
    assert (rough.double() - exact).abs().max() < 0.1 * exact.std() + 0.04  # 3 digits; sines of large phases lose most


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
@pytest.mark.parametrize("literal", [False, True])
def test_a_window_of_features_decodes_the_same_pixels(decoder, literal):
    model = tiny(decoder).requires_grad_(False)
    reach = model.decoder.reach if decoder.startswith("thera") else 4
    lr, size = (2 * reach + 4, 2 * reach + 5), (5 * reach + 10, round((2 * reach + 5) * 40 / 13))
    features = model.encode(torch.rand(1, 3, *lr))
    # of codes reach + 1 and reach + 2, and one further along the columns
    rows, wide = torch.arange(5 * (reach + 1) // 2, 5 * (reach + 3) // 2), size[1] / lr[1]
    columns = int(wide * (reach + 2) + 0.6), int(wide * (reach + 4) + 0.4)
    grid = Grid(lr, size, top=1, left=2, columns=columns)
    bands = model.decode_bands(features[:, :, 1 : 2 * reach + 3, 2 : 2 * reach + 4], grid, rows, literal=literal)
    if model.decoder.whole:
        with pytest.raises(ValueError, match="sees the whole image"):
            next(bands)
        return
    whole = model.decode(features, size)
    window = torch.cat([band for _, band in bands], dim=2)
    assert torch.allclose(window, whole[:, :, rows][..., slice(*columns)], atol=1e-5)


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS, *TAILS])
def test_every_device_agrees_with_the_cpu(decoder, other_device):
    model, image = tiny(decoder).requires_grad_(False), torch.rand(1, 3, 9, 8)
    scale = max(model.scales or (0,))
    size = (9 * scale, 8 * scale) if scale else (23, 30)
    cpu = model(image, size)
    for literal in (False, True):
        features = model.to(other_device).encode(image.to(other_device))
        assert torch.allclose(model.decode(features, size, literal=literal).cpu(), cpu, atol=1e-4), literal
