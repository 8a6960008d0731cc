"""Inside IDM: the way from noise to an image, step by step, and how much of the LR image each channel takes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch

from srlib.demos.photographs import Photograph
from srlib.demos.stage import Answer, Picture, Stage, choose, heat, slide, table
from srlib.imaging import render
from srlib.imaging.files import to_tensor, to_uint8
from srlib.models.catalogue import ModelName
from srlib.models.diffusion import Diffusion
from srlib.models.idm import ImplicitUNet
from srlib.util.sizes import scaled_size

OWN_FACTOR = "of the scale"
FACTORS = (OWN_FACTOR, "0", "0.25", "0.5", "0.75", "1", "1.25")
Frames = list[tuple[float, torch.Tensor]]


def draw(
    model: Diffusion, lr: np.ndarray, scale: float, seed: int, steps: int, sampler: str, p: float | None
) -> tuple[np.ndarray, Frames]:
    """One draw, RGB uint8, and after each step the noise level a and x_t in [-1, 1] and beyond."""
    frames: Frames = []
    generator = torch.Generator().manual_seed(seed)
    size = scaled_size(lr.shape[:2], scale)
    made = model.sample(to_tensor(lr), size, steps, sampler, generator, scaling_factor=p, frames=frames)
    return to_uint8(made), frames


def shares(model: Diffusion, p: float) -> pd.DataFrame:
    """How much of a level's mix is the LR image's: level, channels, mean, least, most of s2'^2 over its channels."""
    rows = [
        (level, len(some), float(np.mean(some)), min(some), max(some))
        for level, some in model.denoise_fn.shares(p).items()
    ]
    return pd.DataFrame(rows, columns=["level", "channels", "mean", "least", "most"])


class InsideIDM(Stage):
    """Denoising steps and channel weights.

    model: an IDM. images: names of scikit-image's photographs; from each a square part, `longest` LR pixels a side, is
    enlarged. steps, sampler: of `Diffusion.sample`.
    """

    def __init__(
        self,
        model: Diffusion,
        images: Sequence[str] = ("astronaut", "chelsea"),
        *,
        longest: int = 16,
        steps: int = 20,
        sampler: str = "dpm-solver++",
        high: float = 10.0,
        start: float = 8.0,
    ):
        if not isinstance(model, Diffusion) or not isinstance(model.denoise_fn, ImplicitUNet):
            raise ValueError(f"{model.name} is not an IDM")
        self.model, self.steps, self.sampler = model, steps, sampler
        self.held: dict[tuple, tuple[np.ndarray, Frames]] = {}
        controls = [
            choose("image", "image", images),
            slide("scale", "scale", 1.0, high, 0.1, "×"),
            slide("seed", "seed", 0, 20, 1),
            slide("step", "after step", 1, steps, 1),
            choose("factor", "scaling factor p", FACTORS),
        ]
        values = {"image": images[0], "scale": start, "seed": 0, "step": max(1, 3 * steps // 4), "factor": OWN_FACTOR}
        hint = "A draw takes a second or more; its steps are kept, so that going through them takes none."
        super().__init__(controls, values, longest=longest, hint=hint)

    def part(self, photograph: Photograph) -> np.ndarray:
        """The square in the middle of the upper part, where faces are: RGB uint8 of `longest` pixels a side."""
        full = photograph.full
        side = min(full.shape[:2]) * 5 // 8
        top, left = (full.shape[0] - side) // 8, (full.shape[1] - side) // 2
        square = full[top : top + side, left : left + side]
        return to_uint8(render.views(square, min(self.longest, side), [1.0])[0])

    def answer(self, values: dict, point: tuple[float, float] | None, stale: Callable[[], bool]) -> Answer | None:
        photograph, scale, step = self.photograph(values["image"]), float(values["scale"]), int(values["step"])
        lr = self.part(photograph)
        size = scaled_size(lr.shape[:2], scale)
        own = self.model.scaling_factor(lr.shape[:2], size)
        p = own if values["factor"] == OWN_FACTOR else float(values["factor"])
        key = photograph.digest, scale, int(values["seed"]), p
        if key not in self.held:
            self.held = {key: draw(self.model, lr, scale, key[2], self.steps, self.sampler, p)}
        image, frames = self.held[key]
        level, x = frames[step - 1]
        part = ModelName.of(self.model.name)
        noisy = to_uint8((x + 1) / 2)
        shown = [
            Picture(
                render.squares(to_tensor(lr), size), f"what IDM sees\n{lr.shape[0]} × {lr.shape[1]} pixels", width=200
            ),
            Picture(
                noisy,
                f"after step {step} of {self.steps}\nsignal left in the noise: a = {level:.4f}",
                width=320,
                colour=part.colour,
            ),
            Picture(image, f"{part.label}, seed {key[2]}\n{size[0]} × {size[1]} pixels", width=320, colour=part.colour),
        ]
        levels = self.model.denoise_fn.shares(p)
        widest = max(map(len, levels.values()))
        strip = np.concatenate(
            [np.repeat(sorted(some), widest // len(some))[None].repeat(8, axis=0) for some in levels.values()]
        )
        told = f"each channel's share of the LR image, p = {p:.3f}\na row a level, the finest first, sorted; dark 0, light 1"
        shown.append(Picture(heat(strip, signed=False), told, width=512))
        rows = [
            (one.level, one.channels, f"{one.mean:.3f}", f"{one.least:.3f}", f"{one.most:.3f}")
            for one in shares(self.model, p).itertuples()
        ]
        text = "<h4>Share of the LR image in each level's mix, s2′²</h4>"
        text += table(["level", "channels", "mean", "least", "most"], rows)
        return Answer(
            shown, f"{text}<p>At this scale p is {own:.3f}; other factors tell the network a scale that is not so.</p>"
        )


def by_factor(demo: InsideIDM, factors: Sequence[float]) -> pd.DataFrame:
    """`shares` at several scaling factors: p first."""
    return pd.concat([shares(demo.model, p).assign(p=p) for p in factors], ignore_index=True)[
        ["p", "level", "channels", "mean", "least", "most"]
    ]


def by_step(demo: InsideIDM, shown: Sequence[int]) -> tuple[pd.DataFrame, dict, float]:
    """Noise levels by step; a row for `figures.crops`, x_t after some steps; and the largest difference between the last
    one and the image, in 8-bit steps."""
    values = demo.options["values"]
    lr = demo.part(demo.photograph(values["image"]))
    image, frames = draw(demo.model, lr, float(values["scale"]), 0, demo.steps, demo.sampler, None)
    levels = pd.DataFrame([(i, level) for i, (level, _) in enumerate(frames, start=1)], columns=["step", "level"])
    looks = [to_uint8((x + 1) / 2) for _, x in frames]
    pictures = {demo.model.name: {f"step {i}": looks[i - 1] for i in shown}}
    return levels, pictures, float(np.abs(looks[-1].astype(int) - image).max())
