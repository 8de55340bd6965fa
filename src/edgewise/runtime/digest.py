"""What names a model's bytes in the plan cache: SHA-256, which may be computed while they are
read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable


class Digest:
    """A SHA-256, in hexadecimal: `str` of this waits until it is known."""

    def __init__(self, known: str = "") -> None:
        self._found, self._data = known, memoryview(b"")
        self._thread: threading.Thread | None = None

    @staticmethod
    def of(data: bytes | memoryview) -> Digest:
        """Of bytes, at once."""
        return Digest(hashlib.sha256(data).hexdigest())

    @staticmethod
    def soon(data: memoryview, then: Callable[[str], None]) -> Digest:
        """Of bytes, by a thread, which calls `then` with it and holds up nobody meanwhile."""
        made = Digest()

        def compute() -> None:
            then(str(made._compute()))

        made._data, thread = data, threading.Thread(target=compute)
        try:
            thread.start()
            made._thread = thread
        except RuntimeError:  # no more threads, or the process ends
            compute()
        return made

    @property
    def is_known(self) -> bool:
        """Nobody has to wait for it."""
        return bool(self._found)

    def __str__(self) -> str:
        if self._thread is not None:
            self._thread.join()
        # a fork does not have the thread that was computing
        return self._found or self._compute()

    def _compute(self) -> str:
        self._found = hashlib.sha256(self._data).hexdigest()
        self._data = memoryview(b"")
        return self._found
