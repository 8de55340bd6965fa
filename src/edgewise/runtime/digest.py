"""What names a model's bytes in the plan cache: a hash, computed when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.hashing import hash_of


class Digest:
    """A hash in hexadecimal: `str` of this computes it. Any thread may ask, also at once.
    `mark` is the key by which an unknown file is looked for before it is hashed."""

    def __init__(self, known: str = "", mark: object = None) -> None:
        self._found, self.mark, self._data = known, mark, memoryview(b"")
        self._then: Callable[[str], None] | None = None

    @staticmethod
    def of(data: bytes | memoryview, mark: object, then: Callable[[str], None]) -> Digest:
        """Of bytes, when it is asked for; `then` is called with it."""
        made = Digest(mark=mark)
        made._data, made._then = memoryview(data), then
        return made

    @property
    def is_known(self) -> bool:
        """It has been computed."""
        return bool(self._found)

    def __str__(self) -> str:
        # in this order: another thread sets `_found` before it forgets the bytes
        data = self._data
        if not self._found:
            self._found = hash_of(data).hex()
            self._data = memoryview(b"")
        then, self._then = self._then, None
        if then is not None:
            then(self._found)
        return self._found
