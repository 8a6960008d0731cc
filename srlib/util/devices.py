"""Devices: which one, what it is called, and waiting for it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import torch


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is the GPU if there is one, else the CPU. ValueError for CUDA where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if torch.device(name).type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda' but torch sees no GPU here; use 'auto' or 'cpu'")
    return torch.device(name)


def device_name(device: torch.device | str = "cpu") -> str:
    """'NVIDIA H200' or 'x86_64 CPU, 2 threads, AVX512'."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def cores() -> int:
    """How many CPU cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


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
