"""Where a number comes from: commit, versions, device."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import torch

from srlib import paths

READERS = ("report.py", "plots.py", "published.py", "demo.py", "run.py", "bench.py", "train.py")
PACKAGES = ("torch", "numpy", "pandas", "scikit-image", "pillow")


def commit() -> str:
    """The repository's commit, with "+changes" if tracked files differ from it; "unknown" outside a checkout."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(paths.ROOT), *words], capture_output=True, text=True, check=True, timeout=20
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def code() -> str:
    """A digest of what scores depend on: the package's sources, less those that only read scores, and the versions."""
    sources = [path for path in sorted(Path(__file__).parent.rglob("*.py")) if path.name not in READERS]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources) + str(versions()).encode()).hexdigest()


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def device_name(device: torch.device | str = "cpu") -> str:
    """'NVIDIA H200' or 'x86_64 CPU, 2 threads, AVX512'."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def choose_device(name: str = "auto") -> torch.device:
    """ "auto" is the GPU if there is one, else the CPU. ValueError for CUDA where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if torch.device(name).type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda' but torch sees no GPU here; use 'auto' or 'cpu'")
    return torch.device(name)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ")
