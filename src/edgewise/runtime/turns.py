"""Turns of a session: one run at a time, their numbers, and `cancel` from another thread."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgewise.errors import CancelledError, EdgewiseError
from edgewise.runtime.functions import lock_of


class BusyError(EdgewiseError, RuntimeError):
    """One interpreter is used from two threads at once."""


class Cancellable(Protocol):
    """What runs in a turn."""

    def cancel(self, serial: int) -> None:
        """Let the run with this number stop."""


class Turns:
    """A turn begins with `enter` and ends with `leave`; the runs in it have numbers from `serial`
    on, which is that of the last one before.

    `cancel` notes the number of the present run first and then asks who runs; a run says first that
    it runs and then looks at the note: one of them sees the other.
    """

    def __init__(self, serial: int = 0) -> None:
        # an `ew_turn`: whether somebody runs, and the number of the last run
        self.words = np.array([0, serial], np.uint32)
        self._take, self._give = lock_of(self.words)
        self._cancelled = 0
        self._running: Cancellable | None = None

    @property
    def serial(self) -> int:
        """The number of the last run."""
        return int(self.words[1])

    def enter(self) -> None:
        """Begin what only one thread may do. Raises BusyError."""
        if not self._take():
            raise BusyError(
                "this interpreter is running in another thread; make one interpreter per thread"
            )

    def leave(self) -> None:
        """End it. What ran is still what `cancel` asks: C may run it again."""
        self._give()

    def forget(self) -> None:
        """Nothing of what ran may be used any more."""
        self._running = None

    def number(self) -> int:
        """That of the next run: 32 bits, and not 0."""
        self.words[1] = serial = self.serial % 0xFFFFFFFF + 1
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
        self.words[0] = 0
        self._take, self._give = lock_of(self.words)
