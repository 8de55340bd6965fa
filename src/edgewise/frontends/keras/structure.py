"""Structures of HDF5 that end the process, looked for in the bytes before libhdf5 follows them.

libhdf5 2.0 takes a B-tree node that is its own child, or a datatype shared with itself, until the
stack ends and with it the process; and a circle of free blocks in a heap until the memory ends.
Source: HDF5 File Format Specification 3.0: II.A (superblock), III.A.1 (B-trees, version 1), III.D
(local heaps), IV.A.1 (object headers), IV.A.2.c (link information), IV.A.2.i (data layout),
IV.A.2.m (attributes), IV.A.2.r (symbol tables), IV.A.2.v (attribute information).
"""

from __future__ import annotations

from collections.abc import Iterator

from edgewise.errors import FormatError

_LINKS, _LAYOUT, _ATTRIBUTE = 0x02, 0x08, 0x0C
_CONTINUATION, _SYMBOL_TABLE, _ATTRIBUTES = 0x10, 0x11, 0x15
_CHUNKED, _VIRTUAL = 2, 3
_NOWHERE = (1 << 64) - 1
_HEAP = b"HEAP\0"  # signature and version
_END = 1
_MAX_BLOCKS = 1000
_AGAIN = "save the file again, as Keras does: with h5py's default libver and track_order"


def number(data: bytes, at: int, width: int) -> int:
    """The integer of `width` bytes at `at`. Raises FormatError beyond the end."""
    if at + width > len(data):
        raise FormatError(f"{width} bytes must lie in the file of {len(data)}", offset=at)
    return int.from_bytes(data[at : at + width], "little")


def root_header(data: bytes) -> int:
    """Where the superblock (version 0 to 3) says that the root's object header lies.

    libhdf5 cannot be asked: with the address it works out sizes, for which it follows the tree.
    """
    version = number(data, 8, 1)
    widths = 13 if version < 2 else 9
    if version > 3 or number(data, widths, 2) != 0x0808:
        raise FormatError("an HDF5 file must have a superblock of version 0 to 3, 8-byte offsets")
    if version >= 2 and number(data, 20, 8) != _NOWHERE:
        raise FormatError(f"a superblock must have no extension; {_AGAIN}", offset=20)
    return number(data, (64, 68, 36, 36)[version], 8)


def messages(data: bytes, header: int) -> Iterator[tuple[int, int, int, int]]:
    """Kind, offset, size and flags of every message of an object header of version 1 or 2."""
    is_new = data[header : header + 4] == b"OHDR"
    flags = number(data, header + 5, 1) if is_new else 0
    if is_new:
        start = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        blocks = [(start + width, number(data, start, width))]
    else:
        blocks = [(header + 16, number(data, header + 8, 4))]
    prefix = (6 if flags & 4 else 4) if is_new else 8
    for count, (at, size) in enumerate(blocks):
        if count > _MAX_BLOCKS:
            raise FormatError("an object header has too many blocks", offset=header)
        end = at + size
        if end > len(data):
            raise FormatError(f"{size} bytes must lie in the file of {len(data)}", offset=at)
        while at + prefix <= end:
            kind = number(data, at, 1 if is_new else 2)
            length = number(data, at + (1 if is_new else 2), 2)
            shared = number(data, at + (3 if is_new else 4), 1)
            at += prefix
            if kind == _CONTINUATION:
                place, extent = number(data, at, 8), number(data, at + 8, 8)
                blocks.append((place + 4, extent - 8) if is_new else (place, extent))
            yield kind, at, length, shared
            at += length


def check_heaps(data: bytes) -> None:
    """Follows the free blocks of every local heap, at most one step for each 16 bytes.

    libhdf5 accepts a heap only where its signature stands: a search for it finds all.

    Raises:
        FormatError: they form a circle, or heaps share them.
    """
    left = len(data) // 16
    at = data.find(_HEAP)
    while at >= 0 and at + 32 <= len(data):
        size, block, place = (number(data, at + k, 8) for k in (8, 16, 24))
        # what ends outside the heap is refused by libhdf5
        while block != _END and block + 16 <= size and place + block + 16 <= len(data):
            left -= 1
            if left < 0:
                raise FormatError("the free blocks of a heap must not form a circle", offset=at)
            block = number(data, place + block, 8)
        at = data.find(_HEAP, at + 1)


def check_object(data: bytes, header: int) -> None:
    """Follows the B-trees of the group or array whose object header lies at `header`.

    Fractal heaps, B-trees of version 2 and the chunk indices of HDF5 1.10 are refused: no file of
    Keras has them, and libhdf5 divides by zeros in them (SIGFPE, 1 of 240 mutants whose checksums
    fit).

    Raises:
        FormatError: a tree that is none, a structure that Keras does not write, or a message that
            is stored in another header, where they may refer to each other.
    """
    for kind, at, size, flags in messages(data, header):
        # of an attribute, its datatype or dataspace
        is_late = kind == _ATTRIBUTE and size > 1 and number(data, at, 1) > 1
        if flags & 2 or (is_late and number(data, at + 1, 1) & 3):
            raise FormatError("a message must be stored in its own object header", offset=at)
        if kind in (_LINKS, _ATTRIBUTES):
            counted = number(data, at + 1, 1) & 1  # the next creation index comes first
            heap = at + 2 + counted * (8 if kind == _LINKS else 2)
            if number(data, heap, 8) != _NOWHERE:
                raise FormatError(f"links and attributes must be in headers; {_AGAIN}", offset=at)
        if kind == _SYMBOL_TABLE:
            _check_tree(data, number(data, at, 8), 8)
        if kind == _LAYOUT and size >= 16:
            version, first, second = (number(data, at + k, 1) for k in range(3))
            if version > 3 and first == _VIRTUAL:
                raise FormatError("an array must be stored in place; it points to other files")
            if version > 3 and first == _CHUNKED:
                raise FormatError(f"chunks must have a B-tree of version 1; {_AGAIN}", offset=at)
            if version == 3 and first == _CHUNKED:
                _check_tree(data, number(data, at + 3, 8), 8 + 8 * second)
            if version < 3 and second == _CHUNKED:
                _check_tree(data, number(data, at + 8, 8), 8 + 8 * first)


def _check_tree(data: bytes, root: int, key: int) -> None:
    """Levels must fall by one from node to node and no node may have two parents; `key` bytes
    stand between two children. What is no node is left to libhdf5, which refuses it."""
    seen, waiting = {root}, [(root, -1)]
    while waiting:
        at, expected = waiting.pop()
        if data[at : at + 4] != b"TREE":
            continue
        level = number(data, at + 5, 1)
        if expected not in (-1, level):
            raise FormatError(f"a B-tree node of level {expected} has level {level}", offset=at)
        if level == 0:
            continue
        for i in range(number(data, at + 6, 2)):
            child = number(data, at + 24 + key + i * (key + 8), 8)
            if child in seen:
                raise FormatError("a B-tree node has two parents", offset=child)
            seen.add(child)
            waiting.append((child, level - 1))
