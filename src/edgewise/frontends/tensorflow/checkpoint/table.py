"""A LevelDB table: sorted keys with values, in blocks that are checked and perhaps compressed.

    data block ... | index block: last key -> where a data block is | footer: where the index is
    block: entries | restart points | their number | compression (1 byte) | masked CRC (4 bytes)
    entry: bytes shared with the key before, bytes of its own, bytes of the value | key | value

**Source:** doc/table_format.md of google/leveldb; TensorFlow's copy in tensorflow/core/lib/io.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edgewise.errors import FormatError
from edgewise.frontends.tensorflow.checkpoint.crc32c import crc32c, masked
from edgewise.frontends.tensorflow.checkpoint.snappy import BadSnappy, uncompress

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
MAX_KEY = 1 << 16
# Keys share prefixes with those before: how much longer all of them may be than the file.
_KEYS_PER_BYTE = 64


def read_table(data: bytes, file: str) -> dict[bytes, memoryview]:
    """All entries of the table, in order; values are views.

    Raises:
        FormatError: anything malformed: checksums, offsets, lengths, unknown compression.
    """
    reader = _Table(data, file)
    if len(data) < _FOOTER:
        raise reader.error(f"an index has a footer of {_FOOTER} bytes; found {len(data)} in all", 0)
    start = len(data) - _FOOTER
    if struct.unpack_from("<Q", data, len(data) - 8)[0] != _MAGIC:
        raise reader.error("an index ends with LevelDB's number; found another", len(data) - 8)
    footer = memoryview(data)[:-8]
    metaindex, at = reader.handle(footer, start)
    reader.block(*metaindex)  # nobody's, but its bytes are under a checksum as well
    index, _ = reader.handle(footer, at)
    entries: dict[bytes, memoryview] = {}
    for _, value in reader.entries(*index):
        block, _ = reader.handle(value, 0)
        for key, content in reader.entries(*block):
            if key in entries:
                raise reader.error(f"key {key[:80]!r} must be there once", block[0])
            entries[key] = content
    return entries


class _Table:
    """The file, and how much may still be made of it."""

    def __init__(self, data: bytes, file: str) -> None:
        self.data, self.file = memoryview(data), file
        self.blocks_left = len(data)
        self.keys_left = (1 << 20) + _KEYS_PER_BYTE * len(data)

    def entries(self, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
        """Keys and values of the block at `offset`."""
        block = self.block(offset, size)
        end = len(block) - 4
        restarts = struct.unpack_from("<I", block, end)[0] if end >= 0 else 0
        end -= 4 * restarts
        if end < 0:
            raise self.error(f"a block of {len(block)} bytes has {restarts} restart points", offset)
        at, key = 0, b""
        while at < end:
            shared, at = self.number(block, at, offset)
            own, at = self.number(block, at, offset)
            length, at = self.number(block, at, offset)
            if shared > len(key) or at + own + length > end or shared + own > MAX_KEY:
                raise self.error("an entry reaches beyond its block", offset)
            key = key[:shared] + bytes(block[at : at + own])
            self.keys_left -= len(key)
            if self.keys_left < 0:
                raise self.error("keys are longer than those of any checkpoint", offset)
            at += own + length
            yield key, block[at - length : at]

    def block(self, offset: int, size: int) -> memoryview:
        """The bytes of a block, verified and expanded."""
        end = offset + size + _TRAILER
        self.blocks_left -= size + _TRAILER
        if end > len(self.data) or self.blocks_left < 0:
            raise self.error(f"a block of {size} bytes reaches beyond the file", offset)
        compression, stored = struct.unpack_from("<BI", self.data, end - _TRAILER)
        found = masked(crc32c(self.data[offset : end - 4]))
        if found != stored:
            raise self.error(
                f"a block must have checksum {stored:#010x}; found {found:#010x}", offset
            )
        content = self.data[offset : offset + size]
        if compression == 0:
            return content
        if compression != 1:
            raise self.error(
                f"a block may be plain (0) or Snappy (1); found compression {compression}", offset
            )
        try:
            return memoryview(uncompress(content))
        except BadSnappy as problem:
            raise self.error(f"a Snappy block {problem}", offset) from None

    def handle(self, data: memoryview, at: int) -> tuple[tuple[int, int], int]:
        """Offset and size of a block, and the byte after them."""
        offset, at = self.number(data, at, 0)
        size, at = self.number(data, at, 0)
        return (offset, size), at

    def number(self, data: memoryview, at: int, where: int) -> tuple[int, int]:
        """A varint, and the byte after it."""
        value = 0
        for shift in range(0, 63, 7):
            if at >= len(data):
                break
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
        raise self.error("a number does not end", where)

    def error(self, rule: str, at: int) -> FormatError:
        """The error for byte `at`."""
        return FormatError(f"{rule}. Copy or save the checkpoint again.", file=self.file, offset=at)
