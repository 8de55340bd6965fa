"""Records -> FlatBuffer, as a list of chunks, so that big vectors are never copied.

The file is laid out forward: header, root table, its children after it, every vtable once, before
the first table that needs it (a table finds its vtable by a signed offset, so both orders are
legal). Vectors of `_LATE_BYTES` or more follow behind all tables, each its own chunk, which is the
caller's memory: joining or writing the chunks is the only pass over the weights, and what a reader
touches first lies together. Fields equal to their default are left out. All alignments are those
the schema asks for, relative to the start of the file, so the strict verifiers of LiteRT and
flatbuffers accept the result.

**Source:** "FlatBuffers internals", flatbuffers.dev, version 25.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache

import numpy as np

from edgewise.errors import FormatError
from edgewise.format.record import Record
from edgewise.format.schema import FILE_IDENTIFIER, SCALARS, UNIONS, Field, Kind, table
from edgewise.format.schema_enums import ENUMS
from edgewise.values import dataclass

MAX_BYTES = 2**31 - 1  # flatbuffers' verifier refuses more: signed 32-bit offsets

_LATE_BYTES = 1024
_U32 = struct.Struct("<I")
_PACKERS = {name: struct.Struct("<" + scalar.code) for name, scalar in SCALARS.items()}


def build(
    root: Record, *, file: str = "model", identifier: bytes = FILE_IDENTIFIER
) -> list[memoryview]:
    """The bytes of a FlatBuffer whose root is `root`, in chunks to be written one after another.

    The chunks refer to the memory of the records' large arrays: write them before changing those.

    Raises:
        FormatError: a value that its field cannot hold, or more than `MAX_BYTES` in all.
    """
    builder = _Builder(file)
    builder.meta += bytes(4) + identifier
    builder.refer(0, builder.table(root, root.table.name))
    return builder.chunks()


class _Builder:
    """Tables, strings and small vectors in `meta`; large vectors and who refers to them in `late`.

    `meta` stands at byte 0 of the file, so its indices are file positions.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.meta = bytearray()
        self.vtables: dict[bytes, int] = {}
        self.late: list[tuple[int, np.ndarray, int]] = []

    def table(self, record: Record, where: str) -> int:
        """Append a table and everything under it; its position."""
        present, values = self.inline(record, where)
        layout = _layout(record.table.name, present)
        vtable = self.vtables.get(layout.vtable)
        if vtable is None:
            self.align(2, 0)
            vtable = self.vtables[layout.vtable] = len(self.meta)
            self.meta += layout.vtable
        self.align(layout.align, 4)
        at = len(self.meta)
        self.meta += layout.pack(at - vtable, *(values[slot] for slot in layout.order))
        for field, offset in layout.references:
            self.child(field, getattr(record, field.name), at + offset, where)
        return at

    def inline(self, record: Record, where: str) -> tuple[tuple[int, ...], dict[int, int | float]]:
        """Slots that are present, in order, and their inline values (0 for references)."""
        attributes = vars(record)
        unknown = attributes.keys() - record.table.by_name.keys() - {"byte_offset"}
        if unknown:
            raise self.error(f"{where} has no field {', '.join(sorted(unknown))}")
        values: dict[int, int | float] = {}
        for field in record.table.fields:
            value = attributes.get(field.name)
            if value is None:
                continue
            if field.kind is Kind.UNION:
                members = UNIONS[field.type]
                if not isinstance(value, Record) or value.table.name not in members:
                    raise self.error(f"{where}.{field.name} holds {value!r}, not a {field.type}")
                values[field.slot - 1] = 1 + members.index(value.table.name)
            if field.default is None:
                values[field.slot] = 0
                continue
            stored = self.number(field, value, where)
            if stored != field.stored_default:
                values[field.slot] = stored
        return tuple(values), values

    def number(self, field: Field, value: object, where: str) -> int | float:
        """The stored form of a scalar or enumeration member."""
        try:
            if field.type in ENUMS:
                return ENUMS[field.type].codes[value]  # type: ignore[index]  # or KeyError
            if field.type == "bool" and not isinstance(value, bool | int | np.bool_):
                raise TypeError
            return _PACKERS[field.type].unpack(_PACKERS[field.type].pack(value))[0]
        except (KeyError, OverflowError, TypeError, ValueError, struct.error):
            what = f"{where}.{field.name}"
            raise self.error(f"{what} holds {value!r}, not a {field.type}") from None

    def child(self, field: Field, value: object, at: int, where: str) -> None:
        """Append what the reference at byte `at` points to and fill the reference in."""
        where = f"{where}.{field.name}"
        if field.kind is Kind.STRING:
            self.refer(at, self.string(value, where))
        elif field.kind in (Kind.VECTOR, Kind.ENUM_VECTOR):
            self.vector(field, value, at, where)
        elif field.kind in (Kind.TABLE_VECTOR, Kind.STRING_VECTOR):
            are_strings = field.kind is Kind.STRING_VECTOR
            if not isinstance(value, list | tuple):
                what = "strings" if are_strings else "records"
                raise self.error(f"{where} holds {type(value).__name__}, not a list of {what}")
            self.align(4, 0)
            start = len(self.meta)
            self.refer(at, start)
            self.meta += _U32.pack(len(value)) + bytes(4 * len(value))
            for i, item in enumerate(value):
                name = f"{where}[{i}]"
                to = self.string(item, name) if are_strings else self.member(field, item, name)
                self.refer(start + 4 + 4 * i, to)
        else:
            self.refer(at, self.member(field, value, where))

    def member(self, field: Field, value: object, where: str) -> int:
        """Append a sub-table after checking its type; its position."""
        fits = isinstance(value, Record) and (
            field.kind is Kind.UNION or value.table.name == field.type
        )
        if not isinstance(value, Record) or not fits:
            raise self.error(f"{where} holds {value!r}, not a {field.type}")
        return self.table(value, where)

    def string(self, value: object, where: str) -> int:
        """Append a string (length, bytes, NUL); its position."""
        try:
            if not isinstance(value, str):
                raise self.error(f"{where} holds {value!r}, not a string")
            data = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as problem:
            raise self.error(f"{where} cannot be written as UTF-8: {problem.reason}") from None
        self.align(4, 0)
        at = len(self.meta)
        self.meta += _U32.pack(len(data)) + data + b"\0"
        return at

    def vector(self, field: Field, value: object, at: int, where: str) -> None:
        """Append a vector of scalars, or keep it for the end if it is large."""
        array = self.array(field, value, where)
        if array.nbytes >= _LATE_BYTES:
            self.late.append((at, array, field.align))
            return
        self.align(field.align, 4)
        self.refer(at, len(self.meta))
        self.meta += _U32.pack(array.size) + array.tobytes()

    def array(self, field: Field, value: object, where: str) -> np.ndarray:
        """A vector's elements as a contiguous 1-D array of the field's dtype, no value changed."""
        dtype = np.dtype(field.scalar.dtype)
        if isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == 1:
            return np.ascontiguousarray(value)
        try:
            if isinstance(value, bytes | bytearray | memoryview) and field.type == "ubyte":
                value = np.frombuffer(value, np.uint8)
            elif field.kind is Kind.ENUM_VECTOR:
                value = [self.number(field, item, where) for item in value]  # type: ignore[attr-defined]
            given = np.asarray(value)
            with np.errstate(invalid="ignore", over="ignore"):
                array = np.ascontiguousarray(given, dtype)
                exact = dtype.kind == "f" or bool((array == given).all())
        except (TypeError, ValueError, OverflowError):
            raise self.error(f"{where} holds {value!r}, not a vector of {field.type}") from None
        if given.ndim != 1 or not exact:
            raise self.error(
                f"{where} holds {given.dtype} {list(given.shape)}, which is not a vector of"
                f" {field.type}, or has values outside its range"
            )
        return array

    def refer(self, at: int, target: int) -> None:
        """Let the reference at byte `at` point to byte `target`."""
        if target > MAX_BYTES:
            raise self.error(f"a FlatBuffer has at most {MAX_BYTES} bytes; keep buffers outside it")
        _U32.pack_into(self.meta, at, target - at)

    def align(self, to: int, after: int) -> None:
        """Pad so that the byte `after` bytes from here is aligned."""
        self.meta += bytes(-(len(self.meta) + after) % to)

    def chunks(self) -> list[memoryview]:
        """Everything appended so far, large vectors last."""
        chunks: list[memoryview] = [memoryview(b"")]
        end = len(self.meta)
        for at, array, align in self.late:
            pad = -(end + 4) % align
            self.refer(at, end + pad)
            chunks += (memoryview(bytes(pad) + _U32.pack(array.size)), array.data.cast("B"))
            end += pad + 4 + array.nbytes
        if end > MAX_BYTES:
            raise self.error(f"a FlatBuffer has at most {MAX_BYTES} bytes; keep buffers outside it")
        chunks[0] = memoryview(self.meta)
        return chunks

    def error(self, rule: str) -> FormatError:
        return FormatError(rule, file=self.file)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Inline layout of a table with a given set of slots present."""

    vtable: bytes
    align: int  # of the byte after the vtable offset
    order: tuple[int, ...]  # slots as `pack` wants them
    pack: Callable[..., bytes]
    references: tuple[tuple[Field, int], ...]  # with their byte in the table


@cache
def _layout(name: str, present: tuple[int, ...]) -> _Layout:
    """Widest fields first, so that no padding is needed between them."""
    widths = {}
    codes = {}
    for field in table(name).fields:
        inline = field.kind in (Kind.SCALAR, Kind.ENUM)
        storage = field.scalar if inline else SCALARS["uint"]
        codes[field.slot], widths[field.slot] = storage.code, storage.width
        if field.kind is Kind.UNION:
            codes[field.slot - 1], widths[field.slot - 1] = "B", 1
    order = tuple(sorted(present, key=lambda slot: -widths[slot]))
    packer = struct.Struct("<i" + "".join(codes[slot] for slot in order))
    offsets = dict.fromkeys(range(max(present, default=-1) + 1), 0)
    end = 4
    for slot in order:
        offsets[slot] = end
        end += widths[slot]
    vtable = struct.pack(f"<{2 + len(offsets)}H", 4 + 2 * len(offsets), end, *offsets.values())
    references = tuple(
        (field, offsets[field.slot])
        for field in table(name).fields
        if field.slot in present and field.default is None
    )
    return _Layout(vtable, max([4, *(widths[s] for s in order)]), order, packer.pack, references)
