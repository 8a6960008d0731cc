"""The process that is timed: decodes as it is told, one line of JSON in, one out. `srlib.speed` starts it, also on the srlib of
another commit, so it uses nothing but the names that users type."""

import json
import sys
import time

import torch

import srlib


def prepare(task: dict) -> dict:
    """Load or build the model, encode a random image, decode it once."""
    torch.set_num_threads(task["threads"])
    torch.manual_seed(0)
    name, (rows, columns), size = task["model"], task["lr_size"], tuple(task["size"])
    model = srlib.load(name) if task["trained"] else srlib.build(name, seed=0)
    model = model.to(task["device"]).eval()
    features = model.encode(torch.rand(1, 3, rows, columns).to(task["device"]))
    options = {"literal": True, "queries": task["queries"]} if task["literal"] else {}
    state.update(device=task["device"], decode=lambda: model.decode(features, size, **options))
    side = task["gemm"]
    a = torch.rand(side, side, device=task["device"])
    state.update(gemm=lambda: a @ a)
    return {"answer": [time_of("gemm")[0], *time_of("decode")]}


def time_of(what: str) -> tuple[float, float]:
    """(seconds, CPU seconds of the whole process) of one call."""
    wait()
    wall, cpu = time.perf_counter(), time.process_time()
    state[what]()
    wait()
    return time.perf_counter() - wall, time.process_time() - cpu


def wait() -> None:
    if torch.device(state["device"]).type == "cuda":
        torch.cuda.synchronize()


state: dict = {}
if __name__ == "__main__":
    with torch.inference_mode():
        for line in sys.stdin:
            task = json.loads(line)
            answer = prepare(task) if "model" in task else {"answer": time_of(task["time"])}
            print(json.dumps(answer), flush=True)
