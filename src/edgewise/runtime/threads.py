"""Threads of a session, behind `ew_platform` (kernels/threads.c).

Every session has a pool of its own: an inference owns its threads, several interpreters neither
wait for each other nor share state, and closing one joins exactly its threads. A pool that nobody
uses sleeps. Its threads are started by the first run that wants them, and, in a child after
`os.fork` (which has none of its parent's threads), anew.
"""

from __future__ import annotations

import weakref
from functools import cache
from typing import Any

import numpy as np

from edgewise.log import log
from edgewise.runtime.library import library, structures
from edgewise.runtime.memory import allocate

MOST_THREADS = 256


@cache
def platform() -> Any:
    """The `ew_platform` of this system; None where it offers no threads and no clock."""
    ffi = structures()
    functions = ffi.new("ew_libc *")
    try:
        libc = ffi.dlopen(None)
        for name in ("pthread_create", "pthread_join", "clock_gettime", "syscall"):
            setattr(functions, name, ffi.addressof(libc, name))
    except (OSError, AttributeError):
        return None
    made = ffi.new("ew_platform *")
    if not library().ew_platform_of(functions, made):
        return None
    _kept_alive.append(functions)
    return made


_kept_alive: list[Any] = []  # what a platform points to


class Threads:
    """`count` threads, the caller included, or fewer where the system has no more."""

    def __init__(self, count: int) -> None:
        self.count = min(count, MOST_THREADS)
        self._pool: Any = None
        self._stop: weakref.finalize[..., Any] | None = None

    def pool(self) -> Any:
        """The running `ew_pool`; None for one thread."""
        if self._pool is None and self.count > 1:
            self._start()
        return self._pool

    def close(self) -> None:
        """End the threads; the next run starts them anew."""
        if self._stop is not None:
            self._stop()
        self.forget()

    def forget(self) -> None:
        """The threads are not there: after a fork."""
        if self._stop is not None:
            self._stop.detach()
        self._pool = self._stop = None

    def _start(self) -> None:
        system = platform()
        if system is None:
            log().warning("inference runs in one thread: this system offers no others")
            self.count = 1
            return
        memory = allocate(int(library().ew_pool_bytes(self.count)))
        ffi = structures()
        pool = ffi.cast("ew_pool *", ffi.from_buffer(memory))
        started = int(library().ew_pool_start(pool, self.count, system))
        if started < self.count:
            log().warning("inference runs in %d threads: the system starts no more", started)
            self.count = started
        self._pool = pool
        self._stop = weakref.finalize(self, _stop, pool, memory)


def _stop(pool: Any, memory: np.ndarray) -> None:
    """`memory` is held by being an argument of the finalizer."""
    library().ew_pool_stop(pool)
