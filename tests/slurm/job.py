"""A stand-in for `python -m srlib`: measure KEY --plan FILE, run NOTEBOOK --plan FILE; each measurement is an empty file.

A file fail-KEY makes the job fail once, after its first measurement; with a file hold-KEY it waits there.
"""

import json
import os
import sys
import time
from pathlib import Path


def note(**said: object) -> None:
    with Path("log.jsonl").open("a") as log:
        log.write(
            json.dumps({"name": name, "threads": os.environ["OMP_NUM_THREADS"], "time": time.monotonic(), **said})
            + "\n"
        )


verb, name, _, file = sys.argv[1:]
plan = json.loads(Path(file).read_text())
note(event="start")
if verb == "measure":
    for digest in plan["jobs"][name]["measurements"]:
        measurement = Path("results/measurements", f"{digest}.json")
        if measurement.exists():
            continue
        note(event="measured", digest=digest)
        measurement.parent.mkdir(parents=True, exist_ok=True)
        measurement.touch()
        if Path(f"fail-{name}").exists():
            Path(f"fail-{name}").unlink()
            sys.exit(f"{name} failed")
        while Path(f"hold-{name}").exists():
            time.sleep(0.05)
else:
    run = Path("results", plan["profile"], name, "run.json")
    run.parent.mkdir(parents=True, exist_ok=True)
    run.touch()
note(event="end")
