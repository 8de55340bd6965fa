"""One function on many things, on all cores, with results in order and bounded memory.

Threads suffice: kernels, NumPy's and Pillow's loops run without the interpreter lock.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_AHEAD = 2  # things per worker that are begun and not yet asked for

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered(
    function: Callable[[T], R], things: Iterable[T], workers: int | None = None
) -> Iterator[R]:
    """`function` of each thing, in the things' order; `workers` (None: the cores) at a time.

    Things are taken only a few ahead of what was asked for. An error is raised where its result
    would have been, and ends the rest.
    """
    count = cores() if workers is None else workers
    if count == 1:
        yield from map(function, things)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count, thread_name_prefix="edgewise") as pool:
        try:
            for thing in things:
                waiting.append(pool.submit(function, thing))
                if len(waiting) >= _AHEAD * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
