"""Turns of a session: one run at a time, their numbers, and `cancel` from another thread."""

from __future__ import annotations

import threading
from typing import Protocol

from edgewise.errors import CancelledError, EdgewiseError


class BusyError(EdgewiseError, RuntimeError):
    """One interpreter is used from two threads at once."""


class Cancellable(Protocol):
    """What runs in a turn."""

    def cancel(self, serial: int) -> None:
        """Let the run with this number stop."""


class Turns:
    """A turn begins with `enter` and ends with `leave`; the runs in it have numbers.

    `cancel` notes the number of the present run first and then asks who runs; a run says first that
    it runs and then looks at the note: one of them sees the other.
    """

    def __init__(self) -> None:
        self.serial = 0
        self._cancelled = 0
        self._lock = threading.Lock()
        self._running: Cancellable | None = None

    def enter(self) -> None:
        """Begin what only one thread may do. Raises BusyError."""
        if not self._lock.acquire(False):
            raise BusyError(
                "this interpreter is running in another thread; make one interpreter per thread"
            )

    def again(self, running: Cancellable) -> int:
        """`enter` and `begin` a run that may start at once; its number. Less than the three calls:
        of a run that takes microseconds every call is a part."""
        if not self._lock.acquire(False):
            self.enter()
        self._running = running  # before it has a number, by which `cancel` would stop it
        self.serial = serial = self.serial % 0xFFFFFFFF + 1
        return serial

    def leave(self) -> None:
        """End it."""
        self._running = None
        self._lock.release()

    def number(self) -> int:
        """That of the next run: 32 bits, and not 0."""
        self.serial = serial = self.serial % 0xFFFFFFFF + 1
        return serial

    def begin(self, running: Cancellable) -> None:
        """This runs now. Raises CancelledError where nothing may run any more."""
        self._running = running
        if self._cancelled == self.serial:
            raise CancelledError("the run was cancelled before its first operator")

    def is_cancelled(self, serial: int) -> bool:
        """The run with this number must stop."""
        return self._cancelled == serial

    def cancel(self) -> None:
        """Let the present run stop; nothing happens where there is none."""
        self._cancelled = self.serial
        running = self._running
        if running is not None:
            running.cancel(self.serial)

    def after_fork(self) -> None:
        """In the child no thread runs the session."""
        self._lock = threading.Lock()
