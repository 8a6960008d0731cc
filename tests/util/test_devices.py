"""Devices: one GPU a process."""

import os
import subprocess
import sys

import filelock
import pytest
import torch

from srlib.util import devices
from srlib.util.devices import one_gpu

# takes a GPU, prints it, keeps it until stdin ends
HOLDER = """
import os, sys
from srlib.util.devices import one_gpu
with one_gpu() as name:
    print(name, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_locks(tmp_path, monkeypatch):
    """A temporary folder of the test's own: real jobs on this machine do not matter."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def hold():
    """Start a process that holds a GPU."""
    started = []

    def start(**environment: str) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLDER]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen(command, **pipes, text=True, env=os.environ | environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_none_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with one_gpu() as name:
        assert name is None


@pytest.mark.parametrize("given", ["", "-1"])
def test_none_where_all_are_hidden(monkeypatch, given):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    with one_gpu() as name:
        assert name is None


def test_one_of_all_that_the_machine_has(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with one_gpu():
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_one_of_those_given_and_the_list_comes_back(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8a")
    with one_gpu():
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,GPU-8a"


def test_a_taken_one_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8a")
    with one_gpu():
        taken = next(tmp_path.glob("srlib-gpu-*-5.lock"))
    with filelock.FileLock(taken), one_gpu() as name:
        assert name == "GPU-8a"


def test_processes_share_no_gpu_and_a_killed_one_gives_its_own_back(hold):
    first, second = hold(CUDA_VISIBLE_DEVICES="4,7"), hold(CUDA_VISIBLE_DEVICES="4,7")
    taken = [process.stdout.readline().split()[1] for process in (first, second)]
    assert sorted(taken) == ["4", "7"]
    third = hold(CUDA_VISIBLE_DEVICES="4,7")
    assert third.stderr.readline() == "waiting for a free GPU of 4, 7\n"
    second.kill()
    assert third.stdout.readline().split()[1] == taken[1]


def test_slurm_jobs_count_their_gpus_from_0(hold):
    jobs = [hold(CUDA_VISIBLE_DEVICES="0", SLURM_JOB_ID=number) for number in ("11", "12")]
    assert [job.stdout.readline().split()[1] for job in jobs] == ["0", "0"]


@pytest.mark.parametrize(
    ("line", "files", "cores"),
    [
        ("0::/job", {"job/cpu.max": "150000 100000"}, 2),
        ("0::/job/step", {"job/cpu.max": "100000 100000", "job/step/cpu.max": "max 100000"}, 1),
        ("0::/job", {"job/cpu.max": "max 100000"}, 2**31),
        (
            "4:cpu,cpuacct:/job",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "300000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            3,
        ),
        (
            "4:cpu,cpuacct:/job",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "-1", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            2**31,
        ),
        ("nonsense", {}, 2**31),
    ],
)
def test_the_quota_of_a_control_group_counts(tmp_path, line, files, cores):
    groups = tmp_path / "cgroup"
    groups.write_text(line + "\n")
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    assert devices.quota(groups, tmp_path / "fs") == cores
