"""A small search for a model's settings: learning rate, warm-up, clipping and first weights, one after the other, the
best so far kept.

The same trials of the same length for every model, judged on the validation photographs alone: by PSNR (of a diffusion
model by the loss), among the trials that leave no layer of the decoder with more than a tenth of dead units. Each trial
is a short run of its own in runs/search/MODEL/, so that an interrupted search goes on; the table of all of them lies
beside, trials.csv.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import pandas as pd
import torch
from tqdm.auto import tqdm

from srlib.training.loop import fit
from srlib.training.settings import SEARCHED, Settings, by_recipe, searched
from srlib.util import atomic, paths
from srlib.util.devices import choose_device
from srlib.weights.ours import MANY_DEAD

# What is tried of each setting, in this order; lr: times the recipe's own.
TRIED: dict[str, tuple] = {"lr": (0.1, 0.3, 1.0), "warmup": (400,), "clip": (0.5,), "initial": ("torch",)}
STEPS = 250  # of a trial: a twentieth of a run
TRIALS = 1 + sum(map(len, TRIED.values())) - 1  # the recipe's own rate is among those that are tried


def search(
    model: str,
    changes: Mapping[str, object] | None = None,
    *,
    steps: int = STEPS,
    device: torch.device | str = "auto",
    progress: bool = True,
    say: Callable[[str], None] = tqdm.write,
) -> pd.DataFrame:
    """Search for a model's settings, or go on with a search; returns its trials: trial, steps, of, the settings that
    vary, what the validation says, dead (the largest share of dead units in a layer), seconds, chosen.

    changes: in place of the recipe's, for all trials. steps: of a trial; its encoder stays frozen for the recipe's
    share of them. ValueError for what `by_recipe` refuses.
    """
    own = by_recipe(model, changes)
    share = own.frozen / own.steps
    start = replace(own, steps=steps, frozen=round(share * steps), stop=0, warmup=min(own.warmup, steps // 4))
    device, best, rows = choose_device(str(device)), None, []

    def attempt(settings: Settings) -> dict:
        row = trial(settings, len(rows), device, progress)
        rows.append(row | {"of": TRIALS})
        write(model, rows)
        say(f"{model}: trial {len(rows)} of {TRIALS}, {said(row)}")
        return row

    for name, values in TRIED.items():
        for value in values:
            before = start if best is None else replace(start, **{n: best[n] for n in SEARCHED})
            now = replace(
                before,
                **{name: value * start.lr if name == "lr" else min(value, steps // 2) if name == "warmup" else value},
            )
            row = attempt(now)
            best = row if best is None else better(best, row)
    for row in rows:
        row["chosen"] = row is best or row["trial"] == best["trial"]
    write(model, rows)
    say(f"{model}: chosen {said(best)}; {paths.shown(searched(model))}")
    return pd.DataFrame(rows)


def trial(settings: Settings, number: int, device: torch.device, progress: bool) -> dict:
    """One trial: its settings, what the validation said at its end, and the dead units."""
    folder = searched(settings.model).parent / f"trial{number}"
    log = fit(
        settings,
        folder,
        device=device,
        progress=progress,
        log_every=max(1, settings.steps // 10),
        valid_every=settings.steps,
    )
    last = log.iloc[-1]
    names = [name for name in log if name.startswith("psnr_x") or name == "validation_loss"]
    scores = {name: float(last[name]) for name in names}
    varied = {name: value for name, value in asdict(settings).items() if name in SEARCHED}
    told = {"trial": number, "steps": settings.steps, **varied, **scores, "dead": float(last["dead"])}
    return told | {"seconds": float(last["seconds"]), "chosen": False}


def score(row: dict) -> float:
    """What a trial is judged by: its mean PSNR, or its loss, the less the better."""
    psnr = [value for name, value in row.items() if name.startswith("psnr_x")]
    return statistics.fmean(psnr) if psnr else -row["validation_loss"]


def better(one: dict, other: dict) -> dict:
    """The better of two trials: a healthy one before one with many dead units, then the higher score; of two ill ones
    the one with fewer dead units."""
    ill = [row["dead"] > MANY_DEAD for row in (one, other)]
    if ill[0] != ill[1]:
        return other if ill[0] else one
    if ill[0] and one["dead"] != other["dead"]:
        return min(one, other, key=lambda row: row["dead"])
    return other if score(other) > score(one) else one


def said(row: dict) -> str:
    varied = ", ".join(
        f"{name} {row[name]:.3g}" if name in ("lr", "clip") else f"{name} {row[name]}" for name in SEARCHED
    )
    return f"{varied}: score {score(row):.3f}, at most {100 * row['dead']:.0f} % of a layer's units dead"


def write(model: str, rows: list[dict]) -> None:
    with atomic.whole(searched(model)) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
