"""Sections and symbols of ELF files, 32 or 64 bits, little-endian: what `size` and `nm` print."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_SYMTAB = 2
_WRITE, _ALLOC = 1, 2  # section flags


@dataclass(frozen=True, slots=True)
class Section:
    """A section header."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int

    @property
    def is_constant(self) -> bool:
        """In memory while the program runs, and never written: code and constants."""
        return bool(self.flags & _ALLOC) and not self.flags & _WRITE

    @property
    def is_mutable(self) -> bool:
        """In memory and written."""
        return bool(self.flags & _ALLOC) and bool(self.flags & _WRITE)


def sections(path: Path) -> list[Section]:
    """All sections, in the file's order."""
    data = path.read_bytes()
    assert data[:4] == b"\x7fELF"
    assert data[5] == 1, "big-endian"
    wide = data[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    size, count, names = struct.unpack_from("<HHH", data, 58 if wide else 46)
    rows = [
        struct.unpack_from("<IIQQQQI" if wide else "<IIIIIII", data, start + i * size)
        for i in range(count)
    ]
    table = rows[names][4]
    return [
        Section(_text(data, table + name), kind, flags, offset, length, link)
        for name, kind, flags, _, offset, length, link in rows
    ]


def undefined_symbols(path: Path) -> set[str]:
    """Names that the file expects from elsewhere."""
    data, found = path.read_bytes(), sections(path)
    wide = data[4] == 2
    size = 24 if wide else 16
    names = set()
    for table in (s for s in found if s.kind == _SYMTAB):
        strings = found[table.link].offset
        for at in range(table.offset + size, table.offset + table.size, size):
            name = struct.unpack_from("<I", data, at)[0]
            section = struct.unpack_from("<H", data, at + (6 if wide else 14))[0]
            if section == 0 and name:
                names.add(_text(data, strings + name))
    return names


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
