"""The batch graph, as srlib/workbook/batch.py runs it: on this machine, and on a Slurm cluster that tests/slurm plays."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from srlib.util.paths import ROOT
from srlib.workbook import batch

SLURM = Path(__file__).parents[1] / "slurm"
pytest.importorskip("snakemake")


class Batch:
    """A small plan in a folder of its own: four jobs of quality, two of time, three notebooks."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.gpu = 0
        self.digests = {"diif/table1": "1", "table2": "1", "claims": "1"}

    def plan(self) -> Path:
        """Write the plan of what is missing."""
        jobs = {
            f"quality-{model}-{name}": {
                "label": f"{model} on {name}",
                "seconds": 2.0,
                "alone": False,
                "measurements": [f"{model}-{name}-{scale}" for scale in (2, 3)],
            }
            for model in ("liif", "diif")
            for name in ("Set5", "Set14")
        }
        for model in ("liif", "diif"):
            jobs[f"time-{model}"] = {
                "label": f"time of {model}",
                "seconds": 1.0,
                "alone": True,
                "measurements": [f"time-{model}"],
            }
        needs = {"diif/table1": [key for key in jobs if "Set5" in key], "table2": list(jobs), "claims": []}
        after = {"claims": ["diif/table1", "table2"]}
        plan = {
            "profile": "tiny",
            "command": f"{sys.executable} {SLURM / 'job.py'}",
            "gpu": self.gpu,
            "jobs": {key: job for key, job in jobs.items() if set(job["measurements"]) - self.measured()},
            "notebooks": {
                name: {"needs": needs[name], "after": after.get(name, []), "digest": digest}
                for name, digest in self.digests.items()
            },
        }
        path = self.folder / "results" / "tiny" / "plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan))
        return path

    def start(self, *options: str, command: list | None = None) -> subprocess.Popen:
        command = command or batch.command(self.plan(), options, self.folder)
        # as a session of its own, so that a signal can go to all of it, as from a terminal
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, *options: str) -> tuple[int, str]:
        """Run to the end; gives the exit code and what was shown."""
        process = self.start(*options)
        shown = process.communicate()[1]
        return process.returncode, shown

    def measured(self) -> set[str]:
        return {file.stem for file in (self.folder / "results" / "measurements").glob("*.json")}

    def log(self) -> list[dict]:
        """What the jobs noted so far."""
        file = self.folder / "log.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def measurements(self) -> list[str]:
        """What was measured, in order, again if it was measured again."""
        return [note["digest"] for note in self.log() if note["event"] == "measured"]

    def ran(self) -> list[str]:
        """Names of the jobs that ended well."""
        return [note["name"] for note in self.log() if note["event"] == "end"]

    def overlaps(self, name: str) -> list[str]:
        """Which other jobs ran while the named one did."""
        times = {}
        for note in self.log():
            times.setdefault(note["name"], {})[note["event"]] = note["time"]
        mine = times.pop(name)
        return [other for other, its in times.items() if its["start"] < mine["end"] and mine["start"] < its["end"]]


@pytest.fixture
def tiny(tmp_path):
    return Batch(tmp_path)


ALL = {f"{model}-{name}-{scale}" for model in ("liif", "diif") for name in ("Set5", "Set14") for scale in (2, 3)}
ALL |= {"time-liif", "time-diif"}


def test_on_one_machine(tiny):
    """One run after another, each looking at what the ones before left."""
    (tiny.folder / "fail-quality-diif-Set5").touch()
    code, shown = tiny.run("--cores", "2")
    assert code == 1
    assert (
        "failed: diif on Set5; its log results/tiny/.jobs/quality-diif-Set5.log ends:\n    quality-diif-Set5 failed"
        in shown
    )
    assert tiny.measured() == ALL - {"diif-Set5-3"}, "all others, and what the failed one had measured"
    assert "table2" not in tiny.ran()

    code, shown = tiny.run("--cores", "2")
    assert code == 0
    assert "4 of 4 done" in shown
    assert sorted(tiny.measurements()) == sorted(ALL), "nothing was measured twice"
    assert tiny.ran()[-1] == "claims", "which reads what the others concluded"

    threads = {note["name"]: note["threads"] for note in tiny.log()}
    assert (threads["time-liif"], threads["quality-liif-Set5"]) == ("2", "1")
    assert tiny.overlaps("time-liif") == [], "a timing has the machine to itself"

    before = len(tiny.log())
    code, shown = tiny.run("--cores", "2")
    assert code == 0
    assert "Nothing to be done" in shown
    assert len(tiny.log()) == before

    tiny.digests["table2"] = "2"
    tiny.run("--cores", "2")
    assert tiny.ran()[-2:] == ["table2", "claims"]


def test_one_job_a_gpu(tiny):
    tiny.gpu = 1
    tiny.run("--cores", "4", "--resources", "gpu=1")
    assert tiny.measured() == ALL
    assert not any(tiny.overlaps(name) for name in tiny.ran())


def test_ctrl_c_ends_the_jobs_and_the_next_run_goes_on(tiny):
    (tiny.folder / "hold-quality-liif-Set5").touch()
    line = "import sys, pathlib; from srlib.workbook import batch; batch.run(pathlib.Path(sys.argv[1]), ['--cores', '2'], '.')"
    process = tiny.start(command=[sys.executable, "-c", line, tiny.plan()])
    wait_for(lambda: "liif-Set5-2" in tiny.measured())
    os.killpg(process.pid, signal.SIGINT)
    shown = process.communicate()[1]
    assert "batch.py" not in shown, "no traceback of ours"
    assert "quality-liif-Set5" not in tiny.ran()
    (tiny.folder / "hold-quality-liif-Set5").unlink()
    assert tiny.run("--cores", "2")[0] == 0
    assert sorted(tiny.measurements()) == sorted(ALL), "nothing was measured twice"


def wait_for(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


@pytest.fixture
def slurm(tiny):
    """The same, with Slurm's commands in the path."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    commands, state = tiny.folder / "bin", tiny.folder / "slurm"
    commands.mkdir()
    state.mkdir()
    for name in ("sbatch", "srun", "sacct", "scancel", "sinfo", "scontrol"):
        (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {SLURM / "standin.py"} {name} "$@"\n')
        (commands / name).chmod(0o755)
    tiny.environment |= {"PATH": f"{commands}:{os.environ['PATH']}", "STANDIN": str(state)}
    return tiny


def asked(slurm: Batch, job: str) -> list[dict]:
    """What sbatch was asked for a job, each time."""
    calls = sorted((slurm.folder / "slurm").glob("*.json"), key=lambda file: int(file.stem))
    calls = [json.loads(file.read_text()) | {"number": file.stem} for file in calls]
    return [call for call in calls if call["comment"].endswith(f"_{job}")]


def test_on_a_slurm_cluster(slurm):
    """One job fails and is tried again; one is killed while it runs and is tried again."""
    slurm.gpu = 1
    slurm.digests = {"table2": "1"}
    (slurm.folder / "fail-quality-diif-Set5").touch()
    (slurm.folder / "hold-quality-liif-Set5").touch()
    cluster = ("--executor", "slurm", "--jobs", "8", "--slurm-init-seconds-before-status-checks", "4")
    process = slurm.start(*cluster, "--retries", "2", "--default-resources", "mem_mb=100", "runtime=5")
    wait_for(lambda: "liif-Set5-2" in slurm.measured())
    subprocess.run(
        [slurm.folder / "bin" / "scancel", asked(slurm, "quality-liif-Set5")[0]["number"]],
        env=slurm.environment,
        check=True,
    )
    (slurm.folder / "hold-quality-liif-Set5").unlink()
    shown = process.communicate()[1]
    assert process.returncode == 0, shown
    assert sorted(slurm.measurements()) == sorted(ALL), "nothing was measured twice"
    assert len(asked(slurm, "quality-diif-Set5")) == 2, "failed, then done"
    assert len(asked(slurm, "quality-liif-Set5")) == 2, "killed, then done"
    assert len(asked(slurm, "quality-diif-Set14")) == 1
    assert "SLURM status is: 'CANCELLED'" in shown
    quality, timing = asked(slurm, "quality-diif-Set14")[0], asked(slurm, "time-diif")[0]
    assert (quality["gpus"], quality["cpus_per_task"], quality["exclusive"]) == (1, 1, False)
    assert timing["exclusive"]
    assert slurm.overlaps("time-diif") == []
    assert slurm.ran()[-1] == "table2"


@pytest.fixture
def login(tmp_path, monkeypatch):
    """A login node without a GPU: a profile with one score and one time, and a store of its own."""
    from srlib.util import paths

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path / "measurements")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    path = tmp_path / "own.yaml"
    path.write_text(
        "profile: own\nnotebooks:\n  diif/figure6:\n    models: [bicubic]\n"
        "    pictures: [{protocol: benchmark-y, pictures: [[embedded, chelsea, 8.0, [0, 0, 9, 9]]]}]\n"
        "    times: [{models: [compact-liif], lr: [6, 6], scales: [2], paths: [fast]}]\n"
    )
    return path


def planned(login: Path, *options: str, device: str = "cuda") -> dict:
    return json.loads(batch.prepare(login, device, options).read_text())


def test_a_login_node_without_a_gpu_plans_for_nodes_that_have_one(login):
    cluster = ("--executor", "slurm", "--jobs", "2")
    content = planned(login, *cluster)
    assert (content["gpu"], content["device"]) == (1, "cuda")
    assert {job["label"] for job in content["jobs"].values()} == {
        "pictures of bicubic", "times of compact-liif", "matrix products",
    }  # fmt: skip
    assert planned(login, *cluster, device="cpu")["gpu"] == 0
    with pytest.raises(ValueError, match="say --device cuda if the nodes have GPUs, else --device cpu"):
        planned(login, *cluster, device="auto")
    with pytest.raises(ValueError, match="torch sees no GPU here"):
        planned(login, "--cores", "2")


def test_times_that_a_node_measured_are_not_asked_for_again(login):
    from srlib.workbook import expand, plan, store
    from srlib.workbook.measure import Lab

    lab, cluster = Lab(), ("--executor", "slurm")
    requests = [r for r in expand.requests(plan.plan("diif/figure6", login), lab) if r.exclusive]
    for request in requests:  # as a node's GPU measures them
        needs = request.named(lab) | {store.HARDWARE: {"device": "NVIDIA H200"}}
        store.write(
            request.kind, needs, request.about(), [{"seconds": 1.0}], origin={"device": "NVIDIA H200", "seconds": 1}
        )
    left = planned(login, *cluster)["jobs"].values()
    assert [job["label"] for job in left] == ["pictures of bicubic"]
    assert len(planned(login, *cluster, device="cpu")["jobs"]) == 3, "times of a GPU are none of a CPU"
    assert len(planned(login, "--cores", "2", device="cpu")["jobs"]) == 3, "here, times are of this machine"


def test_what_runs_alone_and_the_longest_of_what_runs_side_by_side_begin_first(tmp_path):
    jobs = {f"j{i}": {"alone": i == 15, "seconds": float(i)} for i in range(16)}
    assert batch.begun_first(jobs) == ["j15", "j14", "j13"]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"profile": "tiny", "jobs": jobs}))
    said = batch.command(path)
    first = said.index("--prioritize")
    assert said[first + 1 : first + 4] == [f"results/tiny/.jobs/{key}.done" for key in ("j15", "j14", "j13")]
