"""Memory whose every byte outside is forbidden: arrays between pages without access (POSIX).

`Guarded("after")` lets the array end where the forbidden pages begin, so that it starts at any
element; `Guarded("before")` lets it begin there. Constants may not be written.
"""

from __future__ import annotations

import ctypes
import mmap
from types import TracebackType
from typing import Literal

import numpy as np

Side = Literal["after", "before"]
PAGE = mmap.PAGESIZE
GUARD = 64 * PAGE  # on either side: who leaves an array leaves it by a row or more
_NONE, _READ, _WRITE = 0, 1, 2
_PRIVATE_ANONYMOUS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class Guarded:
    """A context that gives memory and takes it all back at its end."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._maps: list[tuple[int, int]] = []
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mmap.restype = ctypes.c_void_p
        address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        self._libc.mmap.argtypes = [address, size, number, number, number, ctypes.c_long]
        self._libc.mprotect.argtypes = [address, size, number]
        self._libc.munmap.argtypes = [address, size]

    def __enter__(self) -> Guarded:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for start, size in self._maps:
            self._libc.munmap(start, size)

    def place(self, data: np.ndarray, *, is_constant: bool = False) -> np.ndarray:
        """A copy of the bytes, uint8 [n], in guarded memory. It dies with the context."""
        size = -(-data.nbytes // PAGE) * PAGE
        whole = size + 2 * GUARD
        start = self._libc.mmap(None, whole, _NONE, _PRIVATE_ANONYMOUS, -1, 0)
        assert start not in (None, ctypes.c_void_p(-1).value), ctypes.get_errno()
        self._maps.append((start, whole))
        inside = start + GUARD
        self._protect(inside, size, _READ | _WRITE)
        first = inside + (size - data.nbytes if self._side == "after" else 0)
        array = np.ctypeslib.as_array((ctypes.c_uint8 * data.nbytes).from_address(first))
        array[...] = data
        if is_constant:
            self._protect(inside, size, _READ)
            array.flags.writeable = False
        return array

    def _protect(self, start: int, size: int, rights: int) -> None:
        if size:
            assert self._libc.mprotect(start, size, rights) == 0, ctypes.get_errno()


class Exact:
    """The same from the heap, for a checker that watches it (AddressSanitizer)."""

    def __enter__(self) -> Exact:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def place(self, data: np.ndarray, *, is_constant: bool = False) -> np.ndarray:
        """A copy of the bytes in an allocation of exactly their number."""
        array = np.empty(data.nbytes, np.uint8)
        array[...] = data
        return array
