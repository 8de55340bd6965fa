"""Snappy: literals and copies of what was already written.

**Source:** format_description.txt of google/snappy. The output is at most what it says it is, and
what it says is bounded by what copies can make of the input: 64 bytes of two.
"""

from __future__ import annotations

MAX_EXPANSION = 32


class BadSnappy(ValueError):
    """Bytes that are not Snappy's."""


def uncompress(data: bytes | memoryview) -> bytes:
    """The bytes that were compressed to `data`.

    Raises:
        BadSnappy: truncated, a copy from nowhere, another length than announced.
    """
    source = bytes(data)
    try:
        return _uncompress(source)
    except IndexError:
        raise BadSnappy("ends inside an element") from None


def _uncompress(source: bytes) -> bytes:
    size, at = _length(source)
    if size > MAX_EXPANSION * len(source):
        raise BadSnappy(f"announces {size} bytes, more than {len(source)} can hold")
    out = bytearray()
    while at < len(source) and len(out) <= size:
        tag = source[at]
        at += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:
            if length > 60:
                width = length - 60
                length = int.from_bytes(source[at : at + width], "little") + 1
                at += width
            if at + length > len(source):
                raise BadSnappy("ends inside a literal")
            out += source[at : at + length]
            at += length
            continue
        if kind == 1:
            length = (tag >> 2 & 7) + 4
            offset = tag >> 5 << 8 | source[at]
            at += 1
        else:
            width = 2 * kind - 2 if kind == 2 else 4
            offset = int.from_bytes(source[at : at + width], "little")
            at += width
        if not 0 < offset <= len(out):
            raise BadSnappy(f"copies from {offset} bytes before, after {len(out)}")
        start = len(out) - offset
        # a copy may reach into itself: then its first bytes repeat
        pattern = out[start : start + length]
        out += (pattern * (length // len(pattern) + 1))[:length]
    if len(out) != size:
        raise BadSnappy(f"announces {size} bytes, holds {len(out)}")
    return bytes(out)


def _length(source: bytes) -> tuple[int, int]:
    size = 0
    for at in range(5):
        size |= (source[at] & 127) << 7 * at
        if source[at] < 128:
            return size, at + 1
    raise BadSnappy("has a length of more than 5 bytes")
