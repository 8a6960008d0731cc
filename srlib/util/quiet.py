"""Whether the machine had time: how much of the CPU that a process wanted it got, and one sentence where that was little."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

ENOUGH = 0.7  # of what was wanted; a little is lost to threads of its own. With less, a time is marked as disturbed


def waiting(process: int | str = "self") -> dict[str, float]:
    """Seconds that each thread of a process has wanted a core and had none, by its number; nothing where the system does not
    count them (Linux does)."""
    found = {}
    with contextlib.suppress(OSError):
        for task in Path("/proc", str(process), "task").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):  # it ended meanwhile
                found[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
    return found


def waited(before: dict[str, float], after: dict[str, float]) -> float:
    """Seconds of waiting between two looks at `waiting`."""
    return sum(max(0.0, seconds - before.get(thread, 0.0)) for thread, seconds in after.items())


class Watch:
    """Looks at this process from here on."""

    def __init__(self):
        self.wall, self.cpu, self.before = time.perf_counter(), time.process_time(), waiting()

    def share(self, *, computing: bool = True) -> float:
        """Of the CPU time that this process has wanted since, the part that it got, 0 to 1. computing: it never waited for
        anything else, so that it has wanted one core at least."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        got = part(cpu, waited(self.before, waiting()))
        return min(got, cpu / wall) if computing and wall > 0 else got


def part(cpu: float, waited: float) -> float:
    """What was got of what was wanted: CPU seconds, and seconds of waiting for a core."""
    return cpu / (cpu + waited) if cpu + waited > 0 else 1.0


def sentence(share: float) -> str:
    """What is said of a disturbed time."""
    return f"the machine was busy: only {100 * share:.0f} % of the CPU time wanted was to be had, and these times are too long"
