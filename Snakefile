# One rule per notebook of a profile (profiles/*.yaml). Run it through make: `make reproduce PROFILE=quick`.
# A notebook is run again when it, its parameters, srlib, the shipped weights or the data sets at hand have changed.
import json
import os
import sys
from pathlib import Path

if "notebooks" not in config:
    sys.exit("choose a profile: snakemake --configfile profiles/quick.yaml")

RESULTS = f"results/{config['profile']}"
SOURCES = sorted(map(str, Path("srlib").rglob("*.py"))) + sorted(map(str, Path("srlib/published").glob("*.csv")))
WEIGHTS = sorted(map(str, Path("data/weights").glob("*.safetensors")))
DATA = Path(os.environ.get("SRLIB_DATA") or "data")
SETS = {
    str(folder.relative_to(DATA)): len(list(folder.iterdir()))
    for pattern in ("benchmark/*/HR", "benchmark/*/LR_bicubic/*", "DIV2K_*", "train/*")
    for folder in sorted(DATA.glob(pattern))
    if folder.is_dir()
}
NOTEBOOKS = {name: parameters or {} for name, parameters in config["notebooks"].items()}


rule all:
    input:
        [f"{RESULTS}/{name}/run.json" for name in NOTEBOOKS],


for NAME, PARAMETERS in NOTEBOOKS.items():

    rule:
        name:
            NAME
        input:
            notebook=f"notebooks/{NAME}.ipynb",
            sources=SOURCES,
            weights=WEIGHTS,
            # the page of claims reads what the other notebooks concluded
            others=[f"{RESULTS}/{other}/run.json" for other in NOTEBOOKS if NAME == "claims" and other != NAME],
        output:
            f"{RESULTS}/{NAME}/run.json",
        # Each notebook has the machine to itself: it measures time, and torch uses all cores anyway.
        threads: workflow.cores
        params:
            notebook=NAME,
            out=f"{RESULTS}/{NAME}",
            parameters=json.dumps(PARAMETERS),
            data=json.dumps(SETS),  # a data set that has come or gone
            python=sys.executable,
        shell:
            "{params.python:q} -m srlib run {params.notebook} --out {params.out} --json {params.parameters:q}"
