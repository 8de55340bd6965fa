"""String attributes of HDF5 groups, read from the bytes of the file.

libhdf5 2.0 allocates and clears whatever length a variable-length string claims, up to 4 GiB each,
before it looks for the string. Here a claim is checked against the heap first.
Source: HDF5 File Format Specification 3.0: III.E (global heap), IV.A.1 (object headers), IV.A.2.m
(attributes).
"""

from __future__ import annotations

import math

from edgewise.errors import FormatError
from edgewise.frontends.keras.structure import messages, number

_ATTRIBUTE = 0x0C
_FIXED_STRING, _VARIABLE_LENGTH = 3, 9


class Attributes:
    """Reads attributes of the groups whose object headers lie at given byte offsets of `data`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}

    def texts(self, header: int, name: str) -> list[str] | None:
        """The strings in attribute `name`, in order; None if it is not in the header.

        Raises:
            FormatError: the header is damaged, or the attribute holds something else than text.
        """
        for kind, start, size, _ in messages(self._data, header):
            if kind == _ATTRIBUTE and self._name(start, size) == name:
                return self._strings(start, size, name)
        return None

    def _number(self, at: int, width: int) -> int:
        return number(self._data, at, width)

    def _bytes(self, at: int, size: int) -> bytes:
        if at + size > len(self._data):
            raise FormatError(f"{size} bytes must lie in the file of {len(self._data)}", offset=at)
        return self._data[at : at + size]

    def _name(self, start: int, size: int) -> str:
        version, length = self._number(start, 1), self._number(start + 2, 2)
        text = self._bytes(start + (9 if version == 3 else 8), min(length, size))
        return text.split(b"\0")[0].decode(errors="replace")

    def _strings(self, start: int, size: int, name: str) -> list[str]:
        version = self._number(start, 1)
        sizes = [self._number(start + at, 2) for at in (2, 4, 6)]
        if version == 1:
            sizes = [(length + 7) // 8 * 8 for length in sizes]
        datatype = start + (9 if version == 3 else 8) + sizes[0]
        space, values = datatype + sizes[1], datatype + sizes[1] + sizes[2]
        count, kind = self._count(space), self._number(datatype, 1) & 15
        width = self._number(datatype + 4, 4)
        if count == 0:
            return []  # of float64: NumPy's idea of an empty list of names
        is_text = kind == _FIXED_STRING or (
            kind == _VARIABLE_LENGTH and self._number(datatype + 1, 1) & 15 == 1 and width == 16
        )
        if not is_text or values + count * width > start + size:
            raise FormatError(f"attribute '{name}' must be text", offset=start)
        places = [values + i * width for i in range(count)]
        if kind == _FIXED_STRING:
            found = [self._bytes(at, width) for at in places]
        else:
            found = [self._from_heap(at) for at in places]
        try:
            return [text.rstrip(b"\0").decode() for text in found]
        except UnicodeDecodeError as error:
            raise FormatError(f"attribute '{name}' must be UTF-8", offset=start) from error

    def _count(self, space: int) -> int:
        version, rank = self._number(space, 1), self._number(space + 1, 1)
        if version == 2 and self._number(space + 3, 1) == 2:
            return 0
        first = space + (4 if version == 2 else 8)
        return math.prod(self._number(first + 8 * i, 8) for i in range(min(rank, 32)))

    def _from_heap(self, at: int) -> bytes:
        """The string that `u32 length, u64 heap, u32 index` at `at` refers to."""
        length, heap, index = (self._number(at + k, n) for k, n in ((0, 4), (4, 8), (12, 4)))
        if length == 0:
            return b""
        start, size = self._objects(heap).get(index, (0, 0))
        if length > size:
            raise FormatError(f"a string of {length} bytes must lie in its heap", offset=at)
        return self._bytes(start, length)

    def _objects(self, heap: int) -> dict[int, tuple[int, int]]:
        """Offset and size of the objects of the global heap at `heap`, by index."""
        if heap not in self._heaps:
            if self._bytes(heap, 4) != b"GCOL":
                raise FormatError("a heap of strings must begin with GCOL", offset=heap)
            end = heap + self._number(heap + 8, 8)
            objects, at = {}, heap + 16
            while at + 16 <= end and (index := self._number(at, 2)):
                size = self._number(at + 8, 8)
                objects[index] = at + 16, size
                at += 16 + (size + 7) // 8 * 8
            self._heaps[heap] = objects
        return self._heaps[heap]
