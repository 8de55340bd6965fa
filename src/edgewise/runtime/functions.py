"""Functions of the library as CPython's own (kernels/python.c): calling one through cffi takes
longer than a network of a microcontroller."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from edgewise.runtime.library import constant, library, structures

# fields of `ew_python`
_API = {
    "as_pointer": "PyLong_AsVoidPtr",
    "from_long": "PyLong_FromLong",
    "save_thread": "PyEval_SaveThread",
    "restore_thread": "PyEval_RestoreThread",
}

Function = Callable[[], int]


def lock_of(turn: np.ndarray) -> tuple[Callable[[], int], Callable[[], object]]:
    """What takes an `ew_turn` (0: somebody has it) and what gives it back. The turn, two uint32,
    must outlive them. They are those of a lock where C cannot take it either."""
    if not _are_there():
        lock = threading.Lock()
        return partial(lock.acquire, False), lock.release
    address = turn.ctypes.data
    return _function("EW_PYTHON_take", address), _function("EW_PYTHON_give", address)


def again(run: Any, turn: np.ndarray) -> Function | None:
    """Takes an `ew_turn` and does the run of an `ew_run_state` (Any: cffi has no types) again;
    both must outlive it. What it returns is what `ew_run` does. None where the interpreter is not
    CPython."""
    if not _are_there():
        return None
    ffi = structures()
    run.turn = ffi.cast("ew_turn *", turn.ctypes.data)
    return _function("EW_PYTHON_again", int(ffi.cast("uintptr_t", run)))


def guarded(
    function: Function,
    lock: threading.Lock,
    is_ready: Callable[[], bool],
    go_on: Callable[[int], object],
) -> Function:
    """What `again` made, for a run that needs a lock, which `go_on` needs, too: it is given what
    the function returns before the end. "Busy" where somebody else holds the lock or `is_ready` is
    false under it."""
    busy, take, give = constant("EW_RUN_busy"), lock.acquire, lock.release

    def run() -> int:
        if not take(False):
            return busy
        try:
            status = function() if is_ready() else busy
            if status and status != busy:
                go_on(status)
                return 0
            return status
        finally:
            give()

    return run


@cache
def _are_there() -> bool:
    """The interpreter is CPython, and the library can be loaded."""
    if sys.implementation.name != "cpython":
        return False
    try:
        library()
    except ImportError:
        return False
    return True


def _function(which: str, address: int) -> Function:
    ffi, new = structures(), ctypes.pythonapi.PyCFunction_NewEx
    method = library().ew_python_method(_api(), constant(which))
    new.argtypes, new.restype = _NEW, ctypes.py_object
    function: Function = new(int(ffi.cast("uintptr_t", method)), address, None)
    return function


_NEW = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)


@cache
def _api() -> Any:
    ffi = structures()
    return ffi.new("ew_python *", {field: _address(name) for field, name in _API.items()})


def _address(name: str) -> Any:
    address = ctypes.cast(ctypes.pythonapi[name], ctypes.c_void_p).value
    return structures().cast("void *", address)
