"""Devices: which one, what it is called, and waiting for it."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import torch

from srlib.util.errors import unknown


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is the GPU if there is one, else the CPU. ValueError for no device, and for CUDA where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown("device", name, ["auto", "cpu", "cuda"]) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda' but torch sees no GPU here; use 'auto' or 'cpu'")
    return device


def device_name(device: torch.device | str = "cpu") -> str:
    """'NVIDIA H200' or 'x86_64 CPU, 2 threads, AVX512'."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


@contextlib.contextmanager
def exact_float32() -> Iterator[None]:
    """float32 is float32: a GPU's TF32, whose products have 10 bits, is off; afterwards as before."""
    parts = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [part.allow_tf32 for part in parts]
    try:
        for part in parts:
            part.allow_tf32 = False
        yield
    finally:
        for part, allowed in zip(parts, before, strict=True):
            part.allow_tf32 = allowed


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def cores() -> int:
    """How many CPU cores this process may use: its affinity, and on Linux the quota of its control group (a container)."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))))


def quota(groups: Path, root: Path) -> int:
    """Cores that the control group leaves to a process, at least 1; very many without a limit. Both versions are known."""
    found = [2**31]
    with contextlib.suppress(OSError, ValueError):
        for line in groups.read_text().splitlines():
            _, kinds, name = line.split(":", 2)
            folder = root / name.lstrip("/") if not kinds else root / kinds / name.lstrip("/")
            for place in (folder, *folder.parents):
                if not place.is_relative_to(root):
                    break
                limit, period = "max", "1"
                if (place / "cpu.max").exists():
                    limit, period = (place / "cpu.max").read_text().split()
                elif (place / "cpu.cfs_quota_us").exists():
                    limit, period = ((place / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
                if limit != "max" and int(limit) > 0:
                    found.append(max(1, math.ceil(int(limit) / int(period))))
    return min(found)


def machine(device: torch.device | str = "cpu") -> dict:
    """On what a time is measured: the GPU's name, or the CPU's with its cores and vector width."""
    if torch.device(device).type == "cuda":
        return {"device": torch.cuda.get_device_name(device)}
    return {"device": f"{cpu_name()}, {torch.backends.cpu.get_cpu_capability()}", "threads": cores()}


def cpu_name() -> str:
    """What the processor calls itself, "AMD EPYC 9654"; its architecture where it cannot be asked."""
    info = Path("/proc/cpuinfo")
    name = re.search(r"model name\s*:\s*(.+)", info.read_text()) if info.exists() else None
    return name[1].strip() if name else platform.processor() or platform.machine()


@contextlib.contextmanager
def one_gpu() -> Iterator[str | None]:
    """A GPU of this machine for this process alone, so that jobs side by side share none; None where there is no GPU.

    Enter it before anything has touched CUDA, torch.cuda.is_available() included. It waits until one of
    CUDA_VISIBLE_DEVICES (of all, if that is not set) is free and leaves only that one in the variable. Its lock, a file
    in the temporary folder, ends with the process, however that ends. Processes of one user see each other's locks; under
    Slurm those of one Slurm job, as Slurm counts the devices of each job from 0.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    listed = given.split(",") if given is not None else map(str, range(torch.cuda.device_count()))
    devices = [name.strip() for name in listed if name.strip() not in ("", "-1")]
    if not devices:
        yield None
        return
    user = os.getuid() if os.name == "posix" else ""
    prefix = f"srlib-gpu-{user}-{os.environ.get('SLURM_JOB_ID', '')}-"
    locks = {
        name: filelock.FileLock(Path(tempfile.gettempdir(), f"{prefix}{name.replace('/', '-')}.lock"))
        for name in devices
    }
    name = take_free(locks)
    try:
        os.environ["CUDA_VISIBLE_DEVICES"] = name
        yield name
    finally:
        if given is None:
            del os.environ["CUDA_VISIBLE_DEVICES"]
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = given
        locks[name].release()


def take_free(locks: dict[str, filelock.FileLock], pause: float = 0.5) -> str:
    """Take the first lock that is free and give its name; look again every `pause` seconds while none is."""
    told = False
    while True:
        for name, lock in locks.items():
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(blocking=False)
                return name
        if not told:
            logging.getLogger(__name__).warning("waiting for a free GPU of %s", ", ".join(locks))
            told = True
        time.sleep(pause)
