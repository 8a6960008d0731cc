"""Where a number comes from: commit, versions, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import subprocess

from srlib.util import paths

PACKAGES = ("torch", "numpy", "pandas", "scikit-image", "pillow", "diffusers")


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


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ")
