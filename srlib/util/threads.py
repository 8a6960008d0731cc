"""Work side by side: how many threads a process may use, and a pool of them.

Many small operators one after the other gain little from torch's own threads, which meet again after each of them, and stand
still where another process holds a core. Pieces of an image side by side, each worked on by one thread, do neither.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from srlib.util import devices

THREADS = "SRLIB_THREADS"  # the environment variable

# Of glibc's mallopt: blocks smaller than this come from memory that is kept, and so much of it may lie idle in each thread.
MMAP_THRESHOLD, TRIM_THRESHOLD = (-3, 2**25), (-1, 2**26)
# The same for all blocks: how many may come from elsewhere (as ever: 65,536), and what may lie idle.
NO_MMAP, MMAP, NO_TRIM = (-4, 0), (-4, 2**16), (-1, 2**31 - 1)

POOLS: dict[int, ThreadPoolExecutor] = {}
INSIDE: dict[int, bool] = {}  # by thread: whether it is one of a pool
MEANT: dict[int, int] = {}  # by thread: torch's threads as they were before `one_of_torch`
LOCK = threading.Lock()

Item = TypeVar("Item")
Result = TypeVar("Result")


def count(threads: int | None = None) -> int:
    """How many threads to use: `threads`, else what `using` was told, else $SRLIB_THREADS, else as many as torch uses
    and the process has cores.

    ValueError unless it is a whole number of at least 1.
    """
    said = MEANT.get(threading.get_ident(), os.environ.get(THREADS, "")) if threads is None else threads
    if said == "":
        return max(1, min(torch.get_num_threads(), devices.cores()))
    try:
        number = int(said)
    except (TypeError, ValueError):
        number = 0
    if isinstance(said, bool) or number < 1 or number != (said if isinstance(said, float) else number):
        raise ValueError(f"threads ({THREADS}) must be a whole number of at least 1, got {said!r}")
    return number


def side_by_side(call: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> Iterator[Result]:
    """call(item) for each item, the results in the order of the items, whatever comes first.

    threads: as for `count`; each does with one of torch's, so that a result has the same bits for any number of them. No more
    than twice as many results wait as there are threads. Gradients, inference mode and autocast are as they are for the
    caller. What is called so may call this too: then one after the other.
    """
    if INSIDE.get(threading.get_ident()):
        yield from map(call, items)
        return
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    cast, kind = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def work(item: Item) -> Result:
        with (
            torch.inference_mode(inference),
            torch.set_grad_enabled(gradients),
            torch.autocast("cpu", kind, enabled=cast),
        ):
            return call(item)

    threads = count(threads)
    workers = pool(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(workers.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def pool(threads: int) -> ThreadPoolExecutor:
    """The workers, begun when first asked for; torch's number of threads stays what it is, for this thread and for new ones."""
    with LOCK:
        if threads not in POOLS:
            keep_freed_memory()
            before, met = torch.get_num_threads(), threading.Barrier(threads + 1)

            def begin() -> None:
                one_thread()
                INSIDE[threading.get_ident()] = True
                met.wait()

            POOLS[threads] = ThreadPoolExecutor(threads, "srlib")
            for _ in range(threads):
                POOLS[threads].submit(begin)
            met.wait()
            torch.set_num_threads(before)
        return POOLS[threads]


def one_thread() -> None:
    """From now on this thread works alone. A thread takes over the process's number when it first asks for it, even after its
    own was set: so it asks first."""
    torch.get_num_threads()
    torch.set_num_threads(1)


def keep_freed_memory() -> None:
    """What a band frees is there for the next one. Else glibc hands blocks of some MB back to the system each time, and to
    fetch them again, page by page, takes longer than what is done with them. Settings in the environment are left alone."""
    set_malloc(MMAP_THRESHOLD, TRIM_THRESHOLD)


@contextlib.contextmanager
def all_memory_kept() -> Iterator[None]:
    """`keep_freed_memory` for blocks of any size, as the steps of a training free and fetch them; afterwards what is idle goes
    back to the system. Gaps between blocks of many sizes add up: whoever stays long calls `give_back_idle` now and then."""
    set_malloc(NO_MMAP, NO_TRIM)
    try:
        yield
    finally:
        set_malloc(MMAP, MMAP_THRESHOLD, TRIM_THRESHOLD)
        give_back_idle()


def give_back_idle() -> None:
    """What is freed and not in use goes back to the system."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def set_malloc(*settings: tuple[int, int]) -> None:
    names = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")
    if any(name in os.environ for name in names):
        return
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        for setting, value in settings:
            mallopt(setting, value)


@contextlib.contextmanager
def one_of_torch(threads: int | None = None) -> Iterator[None]:
    """One of torch's threads for what is between pieces side by side, then as many as before; `count` says `threads`, or what
    it would have said."""
    before = torch.get_num_threads()
    with using(count(threads)):
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@contextlib.contextmanager
def using(threads: int | None) -> Iterator[None]:
    """So many threads for pieces side by side in here, by this thread's calls; None changes nothing. ValueError as `count`."""
    here = threading.get_ident()
    outer = MEANT.get(here)
    if threads is not None:
        MEANT[here] = count(threads)
    try:
        yield
    finally:
        if threads is not None:
            del MEANT[here]
            if outer is not None:
                MEANT[here] = outer


def after_fork() -> None:
    POOLS.clear()
    INSIDE.clear()
    MEANT.clear()


if os.name == "posix":
    os.register_at_fork(after_in_child=after_fork)  # threads do not come along
