"""Diffusion models of images, SR3 and IDM behind one door: the noise schedule, its objective, and sampling.

Forward process (SR3, Section 2.1): x_t = a x_0 + sqrt(1 - a^2) e, e ~ N(0, I), with the noise level a = sqrt(alpha bar_t),
alpha_t = 1 - beta_t, beta linear from 1e-6 to 1e-2 in T = 2000 steps. The network predicts e from x_t, the condition and a;
training draws t ~ U{1..T} for each image and a uniformly between its neighbours a_t and a_{t-1} (SR3, Section 2.4), L1 loss.
The small models are residual: they see and answer something else (`Diffusion.predict`), from which e follows.
"""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from srlib.models.base import TILE, Batch, Pairs, Sampling, SRModel
from srlib.models.layers import check_images
from srlib.models.unet import UNet, enlarged
from srlib.util.sizes import Size, check_size

STEPS, BETA = 2000, (1e-6, 1e-2)  # T and beta_1, beta_T, as in IDM's released configuration
SAMPLERS = ("ancestral", "ddim", "dpm-solver++")


def noise_levels() -> Tensor:
    """a_0 = 1, a_1, ..., a_T: (T + 1,) float64."""
    beta = torch.linspace(*BETA, STEPS, dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - beta, 0)]).sqrt()


def scheduler(sampler: str, steps: int):
    """One of diffusers' schedulers, set to `steps` of the T steps; its `step` takes x_0, not the noise, from the network.

    DDIM is DPM-Solver++ of the first order (Lu et al. 2022, Section 4), and is taken so because diffusers' own DDIM misses the
    next noise level where `steps` does not divide T. ValueError for other samplers or step counts.
    """
    import diffusers

    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}")
    if not isinstance(steps, numbers.Real) or isinstance(steps, bool) or steps % 1 or not 1 <= steps <= STEPS:
        raise ValueError(f"steps must be an integer from 1 to {STEPS}, got {steps!r}")
    common = {"num_train_timesteps": STEPS, "beta_start": BETA[0], "beta_end": BETA[1], "beta_schedule": "linear"}
    common |= {"timestep_spacing": "trailing", "prediction_type": "sample"}
    if sampler == "ancestral":
        made = diffusers.DDPMScheduler(**common, variance_type="fixed_small", clip_sample=False)
    else:
        order = 1 if sampler == "ddim" else 2
        made = diffusers.DPMSolverMultistepScheduler(
            **common, solver_order=order, algorithm_type="dpmsolver++", final_sigmas_type="zero"
        )
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # diffusers' use of NumPy
        made.set_timesteps(int(steps))
    return made


class Diffusion(SRModel):
    """A network that predicts noise, with its condition. LR images are (B, 3, h, w); `predict_noise` sees them in [-1, 1],
    `sample` in [0, 1].

    encoder: (lr, size) -> the condition (B, 3, H, W). denoise_fn: the U-Net.
    trained_scale: the scale at which the scaling factor p is 1; p = (scale - 1) / (trained_scale - 1). held: p whatever
    the scale, or None.
    """

    draws = True
    whole_crops = True
    denoise_fn: UNet

    def __init__(
        self, name: str, encoder: nn.Module, denoise_fn: UNet, *, trained_scale: float = 8.0, held: float | None = None
    ):
        super().__init__(name)
        self.encoder, self.denoise_fn, self.trained_scale, self.held = encoder, denoise_fn, trained_scale, held

    @property
    def decoder(self) -> UNet:
        """The U-Net: what comes after the condition."""
        return self.denoise_fn

    def scaling_factor(self, lr_size: Size, size: Size) -> float:
        """p of a pair of sizes, from the geometric mean of the two scales: 0 at x1, 1 at `trained_scale`, above 1
        beyond; or what it is held at."""
        if self.held is not None:
            return self.held
        scale = (size[0] * size[1] / (lr_size[0] * lr_size[1])) ** 0.5
        return (scale - 1) / (self.trained_scale - 1)

    def prepare(self, lr: Tensor, size: Size, p: float | Tensor) -> tuple[Tensor, list | None, Tensor | None]:
        """All that does not depend on x_t, from lr in [-1, 1]: the condition; for IDM, what its side branch makes of it; and
        for a residual network the enlarged image."""
        condition, unet = self.encoder(lr, size), self.denoise_fn
        contexts = unet.contexts(condition, column(p, lr))
        return condition, contexts, enlarged(lr, size) if unet.residual else None

    def predict(
        self,
        x_t: Tensor,
        prepared: tuple[Tensor, list | None, Tensor | None],
        noise_level: float | Tensor,
        literal: bool = False,
    ) -> Tensor:
        """x_t (B, 3, H, W) and a -> the noise (B, 3, H, W); `prepared` by `prepare`, once for all steps.

        A residual network sees the difference r = x_0 - c from the enlarged image c in the same noise (SRDiff, Li et al.
        2022), r_t = x_t - a c = a r + sqrt(1 - a^2) e, and answers v = a e - sqrt(1 - a^2) r (Salimans and Ho,
        ICLR 2022), from which e = sqrt(1 - a^2) r_t + a v.
        """
        (condition, contexts, c), level = prepared, column(noise_level, x_t)
        if c is None:
            return self.denoise_fn(torch.cat([condition, x_t], dim=1), level, contexts, literal)
        a = level[..., None, None]
        r_t = x_t - a * c
        v = self.denoise_fn(torch.cat([condition, r_t], dim=1), level, contexts, literal)
        return (1 - a**2).sqrt() * r_t + a * v

    def predict_noise(
        self,
        x_t: Tensor,
        lr: Tensor,
        scaling_factor: float | Tensor,
        noise_level: float | Tensor,
        *,
        literal: bool = False,
    ) -> Tensor:
        """The noise in x_t (B, 3, H, W), given lr (B, 3, h, w), both in [-1, 1].

        scaling_factor: p, and noise_level: a = sqrt(alpha bar) in [0, 1], a number or (B,) or (B, 1). SR3 takes no notice of p.
        literal: IDM's implicit function position by position. ValueError for other shapes.
        """
        for what, image in (("x_t", x_t), ("lr", lr)):
            check_images(image, what, self)
        if x_t.shape[0] != lr.shape[0]:
            raise ValueError(f"x_t has {x_t.shape[0]} images and lr {lr.shape[0]}; expected as many")
        if not bool(((level := torch.as_tensor(noise_level)) >= 0).logical_and(level <= 1).all()):
            raise ValueError(f"noise_level must lie in [0, 1], got {level.tolist()}")
        return self.predict(x_t, self.prepare(lr, tuple(x_t.shape[-2:]), scaling_factor), noise_level, literal)

    def loss(self, batch: Batch) -> Tensor:
        """The training objective: mean |e - prediction|; of a residual network's v, not e."""
        p = self.scaling_factor(batch.lr.shape[-2:], batch.hr.shape[-2:])
        lr, x_0, generator = 2 * batch.lr - 1, 2 * batch.hr - 1, batch.generator
        a = noise_levels()
        t = torch.randint(1, STEPS + 1, (len(x_0),), generator=generator)  # one for each image
        between = torch.rand(len(x_0), generator=generator, dtype=torch.float64)
        a = (a[t] + (a[t - 1] - a[t]) * between).to(x_0)[:, None]
        noise = torch.randn(x_0.shape, generator=generator).to(x_0)
        x_t = a[..., None, None] * x_0 + (1 - a**2).sqrt()[..., None, None] * noise
        error = noise - self.predict(x_t, self.prepare(lr, tuple(x_0.shape[-2:]), p), a)
        if self.denoise_fn.residual:  # an error of v counts a times in e: next to nothing where noise prevails
            error = error / a[..., None, None]
        return error.abs().mean()

    def validation_scales(self) -> tuple[int, ...]:
        return (round(self.trained_scale),)

    @torch.no_grad()
    def validate(self, pairs: Pairs) -> dict[str, float]:
        """{'validation_loss': the objective} on 16 x 16 LR pixels, over noise levels and noise that are the same each time."""
        losses = []
        for scale, some in pairs.items():
            for i in range(8):
                for lr, hr in some:
                    g = torch.Generator().manual_seed(i)
                    crop = lr[..., :16, :16], hr[..., : 16 * scale, : 16 * scale]
                    losses.append(float(self.loss(Batch(*crop, torch.arange(16 * scale), g))))
        return {"validation_loss": sum(losses) / len(losses)}

    def config(self) -> dict:
        return {"trained_scale": self.trained_scale}

    def configure(self, said: dict) -> None:
        trained_scale = float(said["trained_scale"])
        if not 1 < trained_scale < math.inf:
            raise ValueError(f"trained_scale {trained_scale}")
        self.trained_scale = trained_scale

    def once(self, lr: Tensor, size: Size) -> tuple[Tensor, list | None, Tensor | None]:
        return self.prepare(lr, size, 0.5)

    def answer(self, prepared: object, size: Size, *, literal: bool = False, queries: int | None = None) -> Tensor:
        condition = prepared[0]
        return self.predict(condition.new_zeros(1, 3, *size), prepared, 0.5, literal)

    def render(self, lr: Tensor, size: Size, sampling: Sampling = Sampling()) -> Tensor:  # noqa: B008
        """One draw: lr (B, 3, h, w) -> (B, 3, H, W) in [0, 1]."""
        seed = torch.Generator().manual_seed(sampling.seed)
        return self.sample(lr.to(self.device), size, sampling.steps, sampling.sampler, seed)

    def pieces(
        self, lr: Tensor, size: Size, *, tile: int = TILE, progress: bool = False
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """The whole image at once, drawn with seed 0: a diffusion model sees all of it."""
        seed = torch.Generator().manual_seed(0)
        yield (
            slice(0, size[0]),
            slice(0, size[1]),
            self.sample(lr.to(self.device), size, generator=seed, progress=progress),
        )

    @torch.no_grad()
    def sample(
        self,
        lr: Tensor,
        size: Size,
        steps: int = 50,
        sampler: str = "ddim",
        generator: torch.Generator | None = None,
        *,
        scaling_factor: float | None = None,
        progress: bool = False,
        frames: list[tuple[float, Tensor]] | None = None,
    ) -> Tensor:
        """lr (B, 3, h, w) in [0, 1] -> an image (B, 3, H, W) in [0, 1] for size = (H, W), one draw of many.

        steps: of the T = 2000. sampler: "ancestral" (DDPM, Ho et al. 2020), "ddim" (eta = 0, Song et al. 2021) or
        "dpm-solver++" (order 2, Lu et al. 2022), each with x_0 clamped to [-1, 1] at every step. generator: the same state
        gives the same image; without one torch's own is used. scaling_factor: p in place of the one that the sizes tell.
        frames: a list that gets the noise level a after each step, and x_t in [-1, 1] and beyond. ValueError for other
        input.
        """
        check_images(lr, "lr", self)
        size, plan = check_size(size), scheduler(sampler, steps)
        if not isinstance(generator, torch.Generator | None):
            raise ValueError(
                f"generator must be a torch.Generator, got {generator!r}; torch.Generator().manual_seed(0)?"
            )
        p = self.scaling_factor(tuple(lr.shape[-2:]), size) if scaling_factor is None else scaling_factor
        levels = plan.alphas_cumprod.to(lr).sqrt()
        prepared = self.prepare(2 * lr - 1, size, p)
        place = generator.device if generator is not None else "cpu"  # so that a seed means one image on any device
        x = torch.randn(lr.shape[0], 3, *size, generator=generator, device=place).to(lr)
        times = plan.timesteps.tolist()
        for i, t in enumerate(tqdm(times, desc=f"{self.name}, {sampler}", disable=not progress)):
            a, e = levels[t], self.predict(x, prepared, levels[t])
            x_0 = ((x - (1 - a**2).sqrt() * e) / a).clamp(-1, 1)
            x = plan.step(x_0, t, x, generator=generator).prev_sample
            if frames is not None:
                frames.append((float(levels[times[i + 1]]) if i + 1 < len(times) else 1.0, x))
        return ((x + 1) / 2).clamp(0, 1)

    def forward(self, lr: Tensor, size: Size) -> Tensor:
        """`sample` with its defaults and seed 0."""
        return self.sample(lr, size, generator=torch.Generator().manual_seed(0))


def column(value: float | Tensor, like: Tensor) -> Tensor:
    """A finite number, (B,) or (B, 1) -> (B, 1) of the images' type and device."""
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if value.device.type != "meta" and not bool(value.isfinite().all()):
        raise ValueError(f"expected finite scaling factors and noise levels, got {value.tolist()}")
    if value.numel() not in (1, like.shape[0]):
        raise ValueError(
            f"expected one number, or one for each of {like.shape[0]} images, got shape {tuple(value.shape)}"
        )
    return value.reshape(-1, 1).expand(like.shape[0], 1)
