"""Measurements that slow tests make, kept with their origin.

KEEP=FOLDER keeps them in FOLDER/demos; KEEP=results/compact, and `make reference PROFILE=compact` takes them along. DISTURBED=1
notes that others used the machine meanwhile.
"""

import os
from pathlib import Path

import pandas as pd

from srlib import cost
from srlib.util import devices, provenance


def keep(name: str, rows: list[dict]) -> None:
    """Measurements as a CSV with their origin, if KEEP is set. DISTURBED=1 says that others used the machine meanwhile."""
    frame = pd.DataFrame(rows).assign(
        date=provenance.now(),
        commit=provenance.commit(),
        device=devices.device_name("cpu"),
        matrix_rate=cost.gemm_rate(),
        disturbed=os.environ.get("DISTURBED", "0") != "0",
    )
    print(frame.to_string(index=False))
    if folder := os.environ.get("KEEP"):
        place = Path(folder) / "demos" / f"{name}.csv"
        place.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(place, index=False, float_format="%.6g")
