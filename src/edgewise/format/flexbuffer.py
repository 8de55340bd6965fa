"""FlexBuffers: the self-describing bytes in which custom operators keep their options.

`read` gives what the bytes hold as numbers, strings, bytes, lists and dicts; `write` makes a map of
scalars. Reading is bounded: every offset and size is checked, values lie at most `_DEPTH` deep,
and what is referred to many times is counted every time, up to one value for each byte.

The root stands at the end: its value, its packed type (a type in the upper six bits, the width of
what lies in it in the lower two) and the width of its value. Offsets run backwards.

**Source:** "FlexBuffers internals", flatbuffers.dev, version 25.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from edgewise.values import dataclass

Value = None | bool | int | float | str | bytes | list["Value"] | dict[str, "Value"]
Scalar = bool | int | float | str

_NULL, _INT, _UINT, _FLOAT, _KEY, _STRING = range(6)
_INDIRECT = {6: _INT, 7: _UINT, 8: _FLOAT}
_MAP, _VECTOR, _BLOB, _BOOL, _VECTOR_BOOL = 9, 10, 25, 26, 36
_TYPED = {11: _INT, 12: _UINT, 13: _FLOAT, 14: _KEY, 15: _STRING, _VECTOR_BOOL: _BOOL}
# two, three or four numbers without a size before them
_FIXED = {16 + 3 * (n - 2) + t: (n, kind) for n in (2, 3, 4) for t, kind in enumerate((1, 2, 3))}

_CODES = {
    (_INT, 1): "<b", (_INT, 2): "<h", (_INT, 4): "<i", (_INT, 8): "<q",
    (_UINT, 1): "<B", (_UINT, 2): "<H", (_UINT, 4): "<I", (_UINT, 8): "<Q",
    (_FLOAT, 2): "<e", (_FLOAT, 4): "<f", (_FLOAT, 8): "<d",
}  # fmt: skip
_DEPTH = 32


def read(data: bytes) -> Value:
    """What the bytes hold. Raises ValueError: they are no FlexBuffer."""
    if len(data) < 3:
        raise ValueError(f"a FlexBuffer has at least 3 bytes; got {len(data)}")
    width, packed = data[-1], data[-2]
    if width not in (1, 2, 4, 8):
        raise ValueError(f"the root must be 1, 2, 4 or 8 bytes wide; got {width}")
    return _Reader(data, len(data)).value(len(data) - 2 - width, width, packed, 0)


@dataclass
class _Reader:
    """`left`: values that may still be read."""

    data: bytes
    left: int

    def value(self, at: int, width: int, packed: int, depth: int) -> Value:
        """The value whose `width` bytes begin at `at`."""
        kind, inner = packed >> 2, 1 << (packed & 3)
        self.left -= 1
        if self.left < 0 or depth > _DEPTH:
            raise ValueError(f"more values than bytes, or more than {_DEPTH} inside each other")
        if kind == _NULL:
            return None
        if kind == _BOOL:
            return self.number(_UINT, at, width) != 0
        if kind in (_INT, _UINT, _FLOAT):
            return self.number(kind, at, width)
        place = self.follow(at, width)
        if kind in _INDIRECT:
            return self.number(_INDIRECT[kind], place, inner)
        if kind == _KEY:
            return self.key(place)
        if kind in _FIXED:
            count, element = _FIXED[kind]
            return self.typed(place, inner, count, element, depth)
        if kind not in (_STRING, _BLOB, _MAP, _VECTOR) and kind not in _TYPED:
            raise ValueError(f"byte {at}: there is no type {kind}")
        count = int(self.number(_UINT, place - inner, inner))
        if kind in (_STRING, _BLOB):
            found = self.bytes(place, count)
            self.left -= count // 8
            return found if kind == _BLOB else found.decode("utf-8", "surrogateescape")
        if kind in _TYPED:
            return self.typed(place, inner, count, _TYPED[kind], depth)
        self.bytes(place, count * (inner + 1))
        types = place + count * inner
        values = [
            self.value(place + i * inner, inner, self.data[types + i], depth + 1)
            for i in range(count)
        ]
        if kind == _VECTOR:
            return values
        return dict(zip(self.keys(place, inner, count), values, strict=True))

    def keys(self, place: int, width: int, count: int) -> list[str]:
        """Those of the map whose values begin at `place`."""
        keys = self.follow(place - 3 * width, width)
        inner = int(self.number(_UINT, place - 2 * width, width))
        if inner not in (1, 2, 4, 8) or self.number(_UINT, keys - inner, inner) != count:
            raise ValueError(f"byte {keys}: a map must have as many keys as values")
        return [self.key(self.follow(keys + i * inner, inner)) for i in range(count)]

    def typed(self, place: int, width: int, count: int, kind: int, depth: int) -> list[Value]:
        """The elements of a vector that all have one type; keys and strings are referred to."""
        self.bytes(place, count * width)
        packed = kind << 2  # strings of such vectors have sizes of one byte
        return [self.value(place + i * width, width, packed, depth + 1) for i in range(count)]

    def number(self, kind: int, at: int, width: int) -> int | float:
        code = _CODES.get((kind, width))
        if code is None:
            raise ValueError(f"byte {at}: there is no number of {width} bytes of type {kind}")
        found: int | float = struct.unpack(code, self.bytes(at, width))[0]
        return found

    def follow(self, at: int, width: int) -> int:
        """The place that the offset at `at` refers to."""
        return at - int(self.number(_UINT, at, width))

    def key(self, at: int) -> str:
        self.bytes(at, 1)
        end = self.data.find(b"\0", at)
        if end < 0:
            raise ValueError(f"byte {at}: a key must end with a zero")
        self.left -= (end - at) // 8  # a long one that is read again and again counts
        return self.data[at:end].decode("utf-8", "surrogateescape")

    def bytes(self, at: int, count: int) -> bytes:
        if at < 0 or count > len(self.data) - at:
            raise ValueError(f"{count} bytes at {at} lie outside of {len(self.data)}")
        return self.data[at : at + count]


def write(entries: Mapping[str, Scalar]) -> bytes:
    """A map of scalars, all 8 bytes wide: options are a few entries, and any reader takes them."""
    data = bytearray()
    places: dict[str, int] = {}
    for name in sorted(entries):
        places[name] = len(data)
        data += name.encode() + b"\0"
    strings: dict[str, int] = {}
    for name, entry in entries.items():
        if isinstance(entry, str):
            text = entry.encode()
            data += bytes(-len(data) % 8) + struct.pack("<Q", len(text))
            strings[name] = len(data)
            data += text + b"\0"
    data += bytes(-len(data) % 8) + struct.pack("<Q", len(entries))
    keys = len(data)
    for name in sorted(entries):
        data += struct.pack("<Q", len(data) - places[name])
    data += struct.pack("<QQQ", len(data) - keys, 8, len(entries))
    values, types = len(data), bytearray()
    for name in sorted(entries):
        entry = entries[name]
        if isinstance(entry, str):
            data += struct.pack("<Q", len(data) - strings[name])
            types.append(_STRING << 2 | 3)
        elif isinstance(entry, bool):
            data += struct.pack("<Q", entry)
            types.append(_BOOL << 2 | 3)
        elif isinstance(entry, int):
            data += struct.pack("<q", entry)
            types.append(_INT << 2 | 3)
        else:
            data += struct.pack("<d", entry)
            types.append(_FLOAT << 2 | 3)
    data += types
    data += struct.pack("<IBB", len(data) - values, _MAP << 2 | 3, 4)
    return bytes(data)
