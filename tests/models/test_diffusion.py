"""SR3 and IDM: the network's two paths, the samplers against the papers' formulas, released files."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import srlib
from srlib import weights
from srlib.models import Batch, diffusion
from srlib.models.idm import ImplicitUNet, ImplicitUp, LRConditioning
from srlib.models.unet import Enlarged, Shape, enlarged
from srlib.weights import ours

TINY = Shape(width=8, multipliers=(1, 2, 2), blocks=1, attention=(1,), groups=4, dropout=0.0)


def batch(lr, hr, seed=0):
    return Batch(lr, hr, torch.arange(hr.shape[-2]), torch.Generator().manual_seed(seed))


def tiny(seed=0, **options):
    torch.manual_seed(seed)
    model = diffusion.Diffusion("idm", LRConditioning(8, 1), ImplicitUNet(replace(TINY, **options))).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


class Toy(torch.nn.Module):
    """A denoiser that computes `rule` of x_t and the noise level."""

    residual = False

    def __init__(self, rule):
        super().__init__()
        self.rule = rule

    def contexts(self, condition, p):
        return None

    def forward(self, x, level, contexts, literal):
        return self.rule(x[:, 3:], level[:, :, None, None])


def with_rule(rule):
    return diffusion.Diffusion("sr3", Enlarged(), Toy(rule))


@pytest.mark.parametrize(
    "lr, size", [((4, 4), (8, 8)), ((4, 3), (7, 5)), ((1, 5), (2, 9)), ((3, 3), (3, 3)), ((5, 4), (17, 13))]
)
def test_implicit_upsampling_both_ways(lr, size):
    torch.manual_seed(0)
    block = ImplicitUp(6).double()
    x, context = torch.randn(2, 6, *lr).double(), (torch.rand(2, 6, 1, 1).double(), torch.randn(2, 6, *lr).double())
    torch.testing.assert_close(block(x, size, context), block(x, size, context, literal=True), rtol=0, atol=1e-12)


def test_both_ways_predict_one_noise(device):
    if device == "mps":
        pytest.skip("no float64 there")
    lr, x = torch.rand(2, 3, 3, 4, dtype=torch.float64), torch.randn(2, 3, 10, 9, dtype=torch.float64)
    model, lr, x = tiny().double().to(device), lr.to(device), x.to(device)
    fast, literal = (model.predict_noise(x, lr, 0.4, 0.7, literal=way) for way in (False, True))
    torch.testing.assert_close(fast, literal, rtol=0, atol=1e-11)
    assert not torch.equal(fast, literal)


def test_every_device_predicts_the_noise_and_draws_the_image_of_the_cpu(other_device):
    model, lr, x = tiny().requires_grad_(False), torch.rand(1, 3, 3, 4), torch.randn(1, 3, 10, 9)
    noise = model.predict_noise(x, lr, 0.4, 0.7)
    drawn = model.sample(lr, (10, 9), steps=4, generator=torch.Generator().manual_seed(0))
    model, lr, x = model.to(other_device), lr.to(other_device), x.to(other_device)
    assert torch.allclose(model.predict_noise(x, lr, 0.4, 0.7).cpu(), noise, atol=1e-4)
    again = model.sample(lr, (10, 9), steps=4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(again.cpu(), drawn, atol=1e-3)


@pytest.mark.parametrize("size", [(8, 8), (24, 17), (5, 31), (1, 3)])
def test_any_size_and_every_image_for_itself(size):
    model = tiny()
    lr, x = torch.rand(2, 3, 4, 3) * 2 - 1, torch.randn(2, 3, *size)
    with torch.no_grad():
        both = model.predict_noise(
            x, lr, scaling_factor=torch.tensor([0.2, 0.9]), noise_level=torch.tensor([[0.5], [0.9]])
        )
        for i, (p, a) in enumerate([(0.2, 0.5), (0.9, 0.9)]):
            torch.testing.assert_close(
                model.predict_noise(x[i : i + 1], lr[i : i + 1], p, a), both[i : i + 1], rtol=1e-4, atol=1e-5
            )
    assert both.shape == x.shape
    assert both.std() > 0
    assert not torch.allclose(model.predict_noise(x, lr, 0.2, 0.5), model.predict_noise(x, lr, 0.9, 0.5))  # p matters
    assert not torch.allclose(
        model.predict_noise(x, lr, 0.2, 0.5), model.predict_noise(x, lr, 0.2, 0.9)
    )  # the noise level too


@pytest.mark.parametrize("name", ["idm", "idm-small", "sr3", "sr3-small"])
def test_sizes_and_gradients(name):
    with torch.device("meta"):
        model = srlib.build(name)
    parameters = {"idm": 99_801_670, "sr3": 97_807_491, "idm-small": 4_527_430, "sr3-small": 4_190_051}
    assert srlib.cost.count_parameters(model) == parameters[name]
    if name.endswith("small"):
        model = srlib.build(name, seed=0)
        model.loss(batch(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 18, 18))).backward()
        idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert not idle  # every parameter takes part


def test_a_residual_network_diffuses_the_difference_from_the_enlarged_image():
    """v = a e - sqrt(1 - a^2) r, r = x_0 - c, from the input r_t = x_t - a c, is turned into e."""
    plain, other = tiny(2), tiny(2, residual=True)
    x, lr, a = torch.randn(2, 3, 9, 8), torch.rand(2, 3, 3, 4), 0.8
    c = enlarged(lr, (9, 8))
    with torch.no_grad():
        v, noise = plain.predict_noise(x - a * c, lr, 0.4, a), other.predict_noise(x, lr, 0.4, a)
    x_0 = (x - 0.6 * noise) / a
    torch.testing.assert_close(a * noise - 0.6 * (x_0 - c), v, rtol=0, atol=1e-5)


def test_bad_input_is_refused():
    model, lr, x = tiny(), torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8)
    with pytest.raises(ValueError, match="lr: expected a float tensor"):
        model.predict_noise(x, torch.zeros(1, 1, 4, 4), 0.5, 0.5)
    with pytest.raises(ValueError, match="2 images and lr 1"):
        model.predict_noise(x.expand(2, -1, -1, -1), lr, 0.5, 0.5)
    with pytest.raises(ValueError, match="one number, or one for each"):
        model.predict_noise(x, lr, 0.5, torch.zeros(3))
    for level in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"noise_level must lie in \[0, 1\]"):
            model.predict_noise(x, lr, 0.5, level)
    with pytest.raises(ValueError, match="finite scaling factors"):
        model.sample(lr, (8, 8), scaling_factor=float("nan"))
    with pytest.raises(ValueError, match="sampler must be one of ancestral, ddim"):
        model.sample(lr, (8, 8), sampler="euler")
    for steps in (0, 2001, 2.5, True, None, float("nan")):
        with pytest.raises(ValueError, match="steps must be an integer from 1 to 2000"):
            model.sample(lr, (8, 8), steps=steps)
    with pytest.raises(ValueError, match="positive integers"):
        model.sample(lr, (8, 0))
    for bad, why in (
        (lr.double(), "expected torch.float32"),
        (lr / 0, "NaN or infinite"),
        (lr[:0], "at least one image"),
    ):
        with pytest.raises(ValueError, match=why):
            model.sample(bad, (8, 8))
    with pytest.raises(ValueError, match="must be a torch.Generator"):
        model.sample(lr, (8, 8), generator=0)


@pytest.mark.parametrize("sampler", diffusion.SAMPLERS)
def test_a_generator_makes_one_image(sampler):
    model, lr = tiny(), torch.rand(1, 3, 4, 4)
    draws = [model.sample(lr, (9, 12), 4, sampler, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].shape == (1, 3, 9, 12)
    assert draws[0].min() >= 0
    assert draws[0].max() <= 1
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    frames = []
    last = model.sample(lr, (9, 12), 4, sampler, frames=frames)
    levels = [a for a, _ in frames]
    assert torch.equal(((frames[-1][1] + 1) / 2).clamp(0, 1), last)
    assert len(levels) == 4
    assert levels == sorted(levels)
    assert levels[-1] == 1.0


def test_the_schedule_is_the_papers():
    a = diffusion.noise_levels()
    assert a[0] == 1
    assert len(a) == 2001
    assert 0.006 < a[-1] < 0.007
    for sampler in diffusion.SAMPLERS:
        plan = diffusion.scheduler(sampler, 2000)
        torch.testing.assert_close(plan.alphas_cumprod.double().sqrt(), a[1:], rtol=1e-4, atol=0)
        assert plan.timesteps[0] == 1999
        assert plan.timesteps[-1] == 0


def test_ancestral_sampling_is_the_papers():
    """All 2000 steps against Ho et al.'s posterior with x_0 clamped, from the same noise."""
    rule = lambda x, a: (x - 0.3 * a) / (1.001 - a**2).sqrt()  # noqa: E731  (an optimal guess for images near 0.3)
    lr, g = torch.rand(1, 3, 2, 2), torch.Generator().manual_seed(3)
    ours = with_rule(rule).sample(lr, (3, 4), 2000, "ancestral", g)

    g = torch.Generator().manual_seed(3)
    a = diffusion.noise_levels()
    bar, beta = a**2, torch.linspace(*diffusion.BETA, 2000, dtype=torch.float64)
    x = torch.randn(1, 3, 3, 4, generator=g)
    for t in range(2000, 0, -1):
        e = rule(x, a[t].float())
        x_0 = ((x - (1 - bar[t]).sqrt() * e) / a[t]).clamp(-1, 1)
        mean = (beta[t - 1] * a[t - 1] * x_0 + (1 - bar[t - 1]) * (1 - beta[t - 1]).sqrt() * x) / (1 - bar[t])
        noise = torch.randn(1, 3, 3, 4, generator=g) if t > 1 else 0
        x = (mean + (beta[t - 1] * (1 - bar[t - 1]) / (1 - bar[t])).sqrt() * noise).float()
    torch.testing.assert_close(ours, ((x + 1) / 2).clamp(0, 1), rtol=0, atol=2e-3)


@pytest.mark.parametrize("sampler", diffusion.SAMPLERS)
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_samplers_find_a_known_image(sampler, steps):
    """With the exact noise every sampler arrives at x_0, however few the steps."""
    x_0 = torch.rand(1, 3, 5, 6) * 1.6 - 0.8
    model = with_rule(lambda x, a: (x - a * x_0) / (1 - a**2).sqrt())
    found = model.sample(torch.rand(1, 3, 2, 2), (5, 6), steps, sampler, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, (x_0 + 1) / 2, rtol=0, atol=3e-3)


@pytest.mark.parametrize("sampler", diffusion.SAMPLERS)
@pytest.mark.parametrize("steps", [300, 1001, 2000])
def test_samplers_keep_the_spread_of_images(sampler, steps):
    """With the best denoiser of images x_0 ~ N(0, 0.2^2) the results have that spread, whether or not steps divide T."""
    model = with_rule(lambda x, a: x * (1 - a**2).sqrt() / (0.04 * a**2 + 1 - a**2))
    made = model.sample(torch.rand(1, 3, 2, 2), (40, 40), steps, sampler, torch.Generator().manual_seed(0))
    assert 0.18 < (2 * made - 1).std() < 0.21  # ancestral steps with the smaller variance lose a little


def test_objective():
    hr = torch.rand(3, 3, 8, 8)
    exact = with_rule(lambda x, a: (x - a * (2 * hr - 1)) / (1 - a**2).sqrt())
    lr = torch.rand(3, 3, 2, 2)
    assert exact.loss(batch(lr, hr)) < 1e-2
    blind = with_rule(lambda x, a: torch.zeros_like(x))
    losses = [float(blind.loss(batch(lr, hr, seed))) for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
    assert 0.6 < losses[0] < 1.0  # the mean of |e| is sqrt(2 / pi)


def test_released_files(tmp_path):
    """The authors' layout: a bare state dict with parts that no output depends on; those are named, the rest must fit."""
    model = tiny(1, width=32, groups=32)  # the groups leave no trace in the file
    unused = (
        "imnet.layers.0.weight", "encoder.sub_mean.weight", "betas", "denoise_fn.final_linear.weight",
        "denoise_fn.condition_scale1.0.weight", "denoise_fn.condition_shift.0.0.weight", "denoise_fn.conv_body_down.2.1.weight",
        "denoise_fn.ups.2.style.weight", "denoise_fn.ups.2.style.modulated_conv.weight",
    )  # fmt: skip
    state = model.state_dict() | {name: torch.zeros(32, 1) for name in unused}
    torch.save(state, tmp_path / "I9_gen.pth")
    with pytest.raises(ValueError, match="not the weights of idm"):
        torch.save(state | {"denoise_fn.mid.0.attn.extra": torch.zeros(1)}, tmp_path / "more_gen.pth")
        srlib.load(tmp_path / "more_gen.pth")
    plain = {name: tensor for name, tensor in state.items() if ".condition_s" not in name}
    for wrong, why in (
        (plain, "not the weights of sr3"),
        (state | {"denoise_fn.foo": 3}, "looks like IDM's state dict but is not laid out so .*foo is not a tensor"),
        (state | {"denoise_fn.downs.0.weight": torch.zeros(0, 6, 3, 3)}, "looks like IDM's state dict"),
        (state | {"denoise_fn.downs.0.weight": torch.zeros(24, 6, 3, 3)}, "looks like IDM's state dict"),
    ):
        torch.save(wrong, tmp_path / "wrong_gen.pth")
        with pytest.raises(ValueError, match=f"wrong_gen.pth: .*{why}"):
            srlib.load(tmp_path / "wrong_gen.pth")
    loaded = srlib.load(tmp_path / "I9_gen.pth")
    assert loaded.origin["unused tensors"].count(",") == 8
    assert "imnet.layers.0.weight" in loaded.origin["unused tensors"]
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_weights_of_a_diffusion_model_come_back(tmp_path):
    model = srlib.build("idm-small", seed=3)
    weights.save(model, tmp_path / "idm-small.safetensors", training={}, data={}, metrics={}, commit="none")
    again = srlib.load(tmp_path / "idm-small.safetensors")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    for said in ({}, {"trained_scale": 1.0}, {"trained_scale": "x"}):
        with safe_open(tmp_path / "idm-small.safetensors", framework="pt") as file:
            entries, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        entries |= {"config": json.dumps(said)}
        save_file(tensors, tmp_path / "odd.safetensors", entries | {"entries": ours.digest_of_entries(entries)})
        with pytest.raises(ValueError, match="odd.safetensors: its header's config is damaged"):
            srlib.load(tmp_path / "odd.safetensors")
    with pytest.raises(FileNotFoundError, match="no weights for idm"):
        srlib.load("idm")
    assert {"idm", "sr3", "idm-small"} <= set(srlib.available()["model"])


def test_diffusion_models_work_like_the_others(rgb):
    model = tiny()
    bigger = srlib.upscale(rgb, scale=1.5, model=model)
    assert bigger.shape == (26, 35, 3)
    assert bigger.dtype == rgb.dtype
    assert (bigger == srlib.upscale(rgb, scale=1.5, model=model)).all()
    small = srlib.cost.count_macs(model, (4, 4), (16, 16), part="decoder")
    assert 3.5 < srlib.cost.count_macs(model, (8, 8), (32, 32), part="decoder") / small < 4.5
    assert srlib.cost.count_macs(model, (4, 4), (16, 16)) > small > 16 * 16 * 8 * 6 * 9
    assert small > srlib.cost.count_macs(model, (4, 4), (16, 16), literal=False, part="decoder")  # W2 W1 is one product
    assert srlib.cost.time_forward(model, (4, 4), (16, 16), 1).median > 0
    assert not srlib.cost.peak_memory(model, (4, 4), (16, 16)) < 0  # NaN where the system does not tell
