"""Work side by side: how many threads a process may use, and a pool of them.

Many small operators one after the other gain little from torch's own threads, which meet again after each of them, and stand
still where another process holds a core. Pieces of an image side by side, each worked on by one thread, do neither.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from srlib.util import devices

THREADS = "SRLIB_THREADS"  # the environment variable

Item = TypeVar("Item")
Result = TypeVar("Result")


def count(threads: int | None = None) -> int:
    """How many threads to use: `threads`, else $SRLIB_THREADS, else as many as torch uses and the process has cores.

    ValueError unless it is a whole number of at least 1.
    """
    said = os.environ.get(THREADS, "") if threads is None else threads
    if said == "":
        return max(1, min(torch.get_num_threads(), devices.cores()))
    try:
        number = int(said)
    except (TypeError, ValueError):
        number = 0
    if isinstance(said, bool) or number < 1 or number != (said if isinstance(said, float) else number):
        raise ValueError(f"threads ({THREADS}) must be a whole number of at least 1, got {said!r}")
    return number


def side_by_side(
    call: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """call(item) for each item, the results in the order of the items, whatever comes first.

    threads: as for `count`; each does with one of torch's, so that a result has the same bits for any number of them. No more
    than twice as many results wait as there are threads. Gradients, inference mode and autocast are as they are for the
    caller. torch's number of threads is as before, afterwards.
    """
    threads, before = count(threads), torch.get_num_threads()
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    cast, kind = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def work(item: Item) -> Result:
        with (
            torch.inference_mode(inference),
            torch.set_grad_enabled(gradients),
            torch.autocast("cpu", kind, enabled=cast),
        ):
            return call(item)

    pool = ThreadPoolExecutor(threads, "srlib", initializer=torch.set_num_threads, initargs=(1,))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # of threads that begin later; this one's did not change
