"""The training loop: resumable, interruptible between steps, deterministic by seed."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from srlib import weights
from srlib.models.base import SRModel
from srlib.models.catalogue import build
from srlib.training import units, validation
from srlib.training.batches import Images
from srlib.training.checkpoint import Progress, read_state, start_from, write_state
from srlib.training.settings import Settings, search_said
from srlib.util import devices, paths, provenance
from srlib.util.precision import native_bf16
from srlib.util.threads import all_memory_kept, give_back_idle

LOGGED = ("step", "loss", "lr", "seconds")  # beside what the validation says


@all_memory_kept()
@torch.random.fork_rng()  # torch's own generator is as it was, afterwards
def fit(
    settings: Settings,
    folder: str | Path,
    *,
    device: torch.device | str = "cpu",
    resume: bool = True,
    progress: bool = True,
    log_every: int = 50,
    valid_every: int = 500,
    save_every: float = 30,
    stop_at: int | None = None,
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Train a model, or go on with an interrupted run in `folder`; returns the log (step, loss, lr, what the validation says,
    seconds).

    folder: gets state.pt (every `save_every` seconds and at the end; to resume), log.csv and, when the run is
    complete, {model}.safetensors. A run killed at any moment loses at most `save_every` seconds plus one step.
    resume: False forgets a run that is there. stop_at: leave after this step, as an interruption would. say: gets one line, how
    long it will take, after the first few steps.
    ValueError if the folder holds a run with other settings; only `stop` may change, so that a run can go on past it.
    FloatingPointError if the loss is no number; what is saved is then from before. KeyboardInterrupt after Ctrl-C: the step is
    made to its end and the state saved; a second Ctrl-C stops at once.
    """
    device, folder = torch.device(device), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state, file = folder / "state.pt", folder / f"{settings.model}.safetensors"
    if not resume:
        state.unlink(missing_ok=True)
    model = fresh(settings, device)
    optimizer = optimizer_of(model, settings)
    begun = state.exists()
    origin = start_from(settings.init, model) if settings.init and not begun else {}
    average = AveragedModel(model, multi_avg_fn=moving_average(settings.ema)) if settings.ema else None
    done = read_state(folder, settings, model, optimizer, average) if begun else Progress(origin=origin)
    if done.step >= settings.end and file.exists():
        return pd.DataFrame(done.log)
    best = average.module if average else model
    photographs = validation.pairs(model.validation_scales(), device)
    examples = Images(settings, device, progress) if done.step < settings.end else None
    if examples:
        file.unlink(missing_ok=True)  # of a shorter or another run
        done.commits = list(dict.fromkeys([*done.commits, provenance.commit()]))
    started, saved = time.monotonic() - done.seconds, time.monotonic()

    def save() -> None:
        done.losses = finite(done.losses, done.step, settings)
        done.seconds = time.monotonic() - started
        write_state(folder, settings, model, optimizer, average, done)

    seen = None  # the dead units at the last validation
    first, last = done.step, min(settings.end, stop_at or settings.end)
    bar = tqdm(total=settings.end, initial=first, desc=settings.model, disable=not progress, smoothing=0.02)
    with interrupts_between_steps() as interrupted, bar:
        while done.step < last and not interrupted.is_set():
            done.losses.append(make_step(model, optimizer, settings, examples, done.step, device))
            if average:
                average.update_parameters(model)
            done.step += 1
            bar.update()
            if done.step == first + 1:
                second = time.monotonic()  # the first step takes longer
            elif say and (done.step == first + 10 or time.monotonic() - second > 20):
                say(estimate(settings, done.step, (time.monotonic() - second) / (done.step - first - 1)))
                say = None
            if done.step % log_every == 0 or done.step == settings.end:
                row = {
                    "step": done.step,
                    "loss": float(np.mean(finite(done.losses, done.step, settings))),
                    "lr": settings.rate(done.step - 1),
                }
                if done.step % valid_every == 0 or done.step == settings.end:
                    row |= (scores := validation.scores(best, photographs))
                    seen = units.health(best)
                    row["dead"] = units.largest(seen)
                    said = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
                    bar.set_postfix_str(f"loss {row['loss']:.4f}, {said}")
                done.log.append(row | {"seconds": round(time.monotonic() - started, 1)})
                done.losses = []
            if time.monotonic() - saved > save_every:
                save()
                give_back_idle()
                saved = time.monotonic()
        save()
        if done.step == settings.end:
            save_weights(best, file, settings, device, done, units.health(best) if seen is None else seen)
    if interrupted.is_set():
        on = "; the same command goes on" if resume else "; the same command without --restart goes on"
        raise KeyboardInterrupt(
            f"stopped at step {done.step} of {settings.end}{on if done.step < settings.end else ''}"
        )
    return pd.DataFrame(done.log)


def fresh(settings: Settings, device: torch.device) -> SRModel:
    """The model as the seed makes it, in train mode. ValueError for settings that a diffusion model cannot follow."""
    model = build(settings.model, seed=settings.seed).to(device).train()
    if model.whole_crops:
        if settings.frozen or settings.scales[1] <= 1:
            raise ValueError("a diffusion model learns as a whole (frozen = 0), at scales up to one above 1")
        model.configure({"trained_scale": settings.scales[1]})
    if settings.initial == "torch":
        restart(model.decoder, settings.seed)
    if not model.whole_crops or device.type == "cuda":  # on a CPU group norm's backward pass is 20 times slower so
        model.to(memory_format=torch.channels_last)
    return model


def restart(decoder: torch.nn.Module, seed: int) -> None:
    """Torch's own first weights for a decoder's linear and convolutional layers, in place of the decoder's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in decoder.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                layer.reset_parameters()


def optimizer_of(model: SRModel, settings: Settings) -> torch.optim.Optimizer:
    """Adam; the encoder's parameters and the decoder's are two groups."""
    groups = [{"params": list(model.encoder.parameters())}, {"params": list(model.decoder.parameters())}]
    return torch.optim.Adam(groups, lr=settings.lr, betas=(0.9, settings.beta2))


def make_step(
    model: SRModel,
    optimizer: torch.optim.Optimizer,
    settings: Settings,
    examples: Images,
    step: int,
    device: torch.device,
) -> Tensor:
    """One step of the optimizer; the loss, a scalar."""
    for group, factor in zip(optimizer.param_groups, (settings.encoder_rate, 1.0), strict=True):
        group["lr"] = factor * settings.rate(step)
    torch.manual_seed(settings.seed * 2**32 + 2**31 + step)  # dropout draws from torch's own generator
    batch = examples.diffusion_batch(settings, step) if model.whole_crops else examples.batch(settings, step)
    model.encoder.requires_grad_(step >= settings.frozen)
    with autocast(settings, device):
        loss = model.loss(batch)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if settings.clip:
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    optimizer.step()
    return loss.detach()


def arithmetic(settings: Settings, device: torch.device) -> str:
    """ "bf16" (autocast) if asked for, or if "auto" and the device multiplies bf16 natively; else "float32"."""
    if settings.precision != "auto":
        return settings.precision
    return "bf16" if native_bf16(device) else "float32"


def autocast(settings: Settings, device: torch.device) -> contextlib.AbstractContextManager:
    if arithmetic(settings, device) == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def moving_average(decay: float) -> Callable:
    """torch's exponential moving average, its decay at step n no more than (1 + n) / (10 + n): the first weights are soon
    forgotten, of which 0.999 alone would keep 3 % for 3,500 steps."""

    def update(averages, current, n) -> None:
        get_ema_multi_avg_fn(min(decay, (1 + int(n)) / (10 + int(n))))(averages, current, n)

    return update


def finite(losses: Sequence[Tensor | float], step: int, settings: Settings) -> list[float]:
    """Losses as numbers. FloatingPointError if one is NaN or infinite: what comes after it is worth nothing."""
    numbers = [float(x) for x in losses]
    if not all(map(math.isfinite, numbers)):
        raise FloatingPointError(
            f"the loss is NaN or infinite at or before step {step}; start over with a lower lr (now {settings.lr}): "
            "--restart, or resume=False"
        )
    return numbers


def estimate(settings: Settings, step: int, seconds: float) -> str:
    """The sentence on the time that is left, from the seconds of a step; while the encoder is frozen they are half of a later
    one's."""
    still = max(0, min(settings.frozen, settings.end) - step)
    left = settings.end - step
    total = seconds * (still + (2 if still else 1) * (left - still))
    spoken = f"{total / 3600:.1f} h" if total > 5400 else f"{total / 60:.0f} min" if total > 90 else f"{total:.0f} s"
    return f"{settings.model}: about {spoken} for the {left} steps left ({seconds:.2g} s a step now)"


@contextlib.contextmanager
def interrupts_between_steps() -> Iterator[threading.Event]:
    """Ctrl-C sets the event; a second one raises KeyboardInterrupt at once. Where Ctrl-C means something else already, or in
    another thread than the main one, it is left alone."""
    asked = threading.Event()

    def note(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt("stopped at once; the same command goes on from what was saved last")
        asked.set()

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield asked
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def save_weights(
    model: SRModel, file: Path, settings: Settings, device: torch.device, done: Progress, seen: pd.DataFrame
) -> None:
    """The weights of a complete run, with all that made them in the header. seen: its dead units."""
    last = done.log[-1]
    made = {
        "init": paths.shown(settings.init) if settings.init else "",
        "arithmetic": arithmetic(settings, device),
        "seconds": last["seconds"],
        "device": devices.device_name(device),
        "cpu": devices.cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "search": search_said(settings),
    }
    weights.save(
        model,
        file,
        training=asdict(settings) | made,
        data={"set": settings.data, "without": list(settings.exclude)} | done.origin,
        metrics={"validation": "embedded photographs"}
        | {k: v for k, v in last.items() if k not in LOGGED}
        | {"dead units": units.shares(seen)},
        commit=", ".join(done.commits),
    )
