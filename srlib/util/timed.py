"""The process that is timed: decodes as it is told, one line of JSON in, one out. `srlib.speed` starts it, also with the srlib
of an older commit, so it uses nothing but the names that users type."""

import json
import sys
import time

import torch

import srlib

calls: dict = {}


def prepare(task: dict) -> None:
    """Build the model, encode a random image, decode it once."""
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    device, size, side = torch.device(task["device"]), tuple(task["size"]), task["gemm"]
    model = srlib.build(task["model"], seed=0).to(device).eval()
    features = model.encode(torch.rand(1, 3, *task["lr_size"]).to(device))
    matrix = torch.rand(side, side, device=device)
    calls.update(decode=lambda: model.decode(features, size), gemm=lambda: matrix @ matrix)
    calls.update(wait=lambda: torch.cuda.synchronize(device) if device.type == "cuda" else None)
    timed("decode")
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
