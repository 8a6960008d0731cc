"""The process that is timed: decodes as it is told, one line of JSON in, one out. `srlib.speed` starts it, also with the srlib
of an older commit, so it uses nothing but the names that users type."""

import importlib
import json
import sys
import time

import torch

SIDE = 128  # LR pixels that are encoded; larger features are these, repeated
WAYS = {"fast": {}, "plain": {"literal": True}, "bf16": {"precision": "bf16"}}  # how a model is asked to decode
calls: dict = {}


def prepare(task: dict) -> None:
    """Build the model, encode a random image, decode a part of it once."""
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    device, size, (h, w), side = torch.device(task["device"]), tuple(task["size"]), task["lr_size"], task["gemm"]
    # by its name: a measurement says itself which model's code it depends on, and that is not the whole package
    model = importlib.import_module("srlib").build(task["model"], seed=0).to(device).eval()
    once = model.encode(torch.rand(1, 3, min(h, SIDE), min(w, SIDE)).to(device))
    features = once.repeat(1, 1, -(-h // once.shape[2]), -(-w // once.shape[3]))[:, :, :h, :w].contiguous()
    matrix, way = torch.rand(side, side, device=device), WAYS[task["way"]]
    part = tuple(max(1, n * small // large) for n, small, large in zip(size, once.shape[-2:], (h, w), strict=True))
    model.decode(once, part, **way)
    calls.update(decode=lambda: model.decode(features, size, **way), gemm=lambda: matrix @ matrix)
    calls.update(wait=lambda: torch.cuda.synchronize(device) if device.type == "cuda" else None)
    timed("gemm")


def timed(what: str) -> tuple[float, float]:
    """(seconds, CPU seconds of the process) of one call."""
    calls["wait"]()
    wall, cpu = time.perf_counter(), time.process_time()
    calls[what]()
    calls["wait"]()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    with torch.inference_mode():
        for line in sys.stdin:
            task = json.loads(line)
            print(json.dumps({"answer": prepare(task) if "model" in task else timed(task["time"])}), flush=True)
