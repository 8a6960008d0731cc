# The batch: what is missing is measured first, each measurement a job of its own; then come the notebooks, which only read.
# `srlib reproduce PROFILE` writes the plan that is the configuration here, and calls Snakemake. The same graph runs
#   on a laptop                  --cores all
#   on several GPUs              --cores all --resources gpu=4        one device a job
#   on a Slurm cluster           --executor slurm --jobs 20 --default-resources slurm_account=... runtime=120 mem_mb=16000
# Names of files and of code are digests, so nothing here looks at the times of files.
import sys

if "jobs" not in config:
    raise WorkflowError("Snakemake needs a plan here; `srlib reproduce PROFILE` writes one and runs it")

RESULTS = f"results/{config['profile']}"
JOBS = config["jobs"]  # what is missing
NOTEBOOKS = config["notebooks"]
ALONE = workflow.resource_settings.cores or 1  # a cluster gives a node of its own instead

DRY = {"--dry-run", "--dryrun", "-n"}  # Snakemake says itself what it would run
if workflow.is_main_process and DRY.isdisjoint(sys.argv):
    from snakemake.logging import logger

    from srlib.workbook import progress

    progress.show(logger, {key: job["seconds"] for key, job in JOBS.items()})


localrules:
    all,


rule all:
    input:
        expand(f"{RESULTS}/{{notebook}}/run.json", notebook=NOTEBOOKS),


rule measure:
    output:
        # only says that the job is done: measurements are files of the store, and survive a job that fails
        temp(touch(f"{RESULTS}/.jobs/{{key}}.done")),
    log:
        f"{RESULTS}/.jobs/{{key}}.log",
    message:
        "{params.label}"
    params:
        label=lambda wildcards: JOBS[wildcards.key]["label"],
        plan=f"{RESULTS}/plan.json",
    threads: lambda wildcards: ALONE if JOBS[wildcards.key]["alone"] else 1
    resources:
        gpu=config["gpu"],
        slurm_extra=lambda wildcards: "--exclusive" if JOBS[wildcards.key]["alone"] else "",
    shell:
        "{config[command]} measure {wildcards.key:q} --plan {params.plan:q} > {log:q} 2>&1"


rule notebook:
    input:
        lambda wildcards: [f"{RESULTS}/.jobs/{key}.done" for key in NOTEBOOKS[wildcards.notebook]["needs"] if key in JOBS],
        lambda wildcards: [f"{RESULTS}/{name}/run.json" for name in NOTEBOOKS[wildcards.notebook]["after"]],
    output:
        f"{RESULTS}/{{notebook}}/run.json",
    log:
        f"{RESULTS}/.jobs/{{notebook}}.log",
    message:
        "notebook {wildcards.notebook}"
    params:
        digest=lambda wildcards: NOTEBOOKS[wildcards.notebook]["digest"],  # run again when this changes
        plan=f"{RESULTS}/plan.json",
    retries: 0  # what fails here fails again
    resources:
        gpu=config["gpu"],
    shell:
        "{config[command]} run {wildcards.notebook:q} --plan {params.plan:q} > {log:q} 2>&1"
