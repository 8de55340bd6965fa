"""Kinds of protobuf fields: each gives the `Field`, and says the type that it becomes.

Numbers of a message that repeats are vectors, whether the writer packed them or not. A message
field of one value that appears twice is refused: merging would let a small file take quadratic
time, and nothing writes such models.

**Source:** "Encoding", protobuf.dev, 2025.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from edgewise.frontends.protobuf import Field, Later, Message, Reader
from edgewise.frontends.varints import BadVarint, varints

_T = TypeVar("_T", bound=Message)
_VARINT, _I64, _LENGTH, _, _, _I32 = range(6)
_STRUCTS = {f"<{np.dtype(c).str[1:]}": struct.Struct(f"<{c}") for c in "fdIQ"}


def int64(number: int) -> int:
    """A signed integer (`int32`, `int64`)."""
    return cast(int, Field(number, 0, {_VARINT: _varint}, convert=_signed))


def uint64(number: int) -> int:
    """An unsigned integer, or an enumeration (`uint32`, `uint64`, `enum`)."""
    return cast(int, Field(number, 0, {_VARINT: _varint}, convert=int))


def boolean(number: int) -> bool:
    """A truth value."""
    return cast(bool, Field(number, False, {_VARINT: _varint}, convert=bool))


def float32(number: int) -> float:
    """A `float`."""
    return cast(float, Field(number, 0.0, {_I32: _fixed}, convert=_STRUCTS["<f4"]))


def fixed32(number: int) -> int:
    """A `fixed32`."""
    return cast(int, Field(number, 0, {_I32: _fixed}, convert=_STRUCTS["<u4"]))


def fixed64(number: int) -> int:
    """A `fixed64`."""
    return cast(int, Field(number, 0, {_I64: _fixed}, convert=_STRUCTS["<u8"]))


def text(number: int) -> str:
    """A `string`; bytes that are no UTF-8 are an error."""
    return cast(str, Field(number, "", {_LENGTH: _one}, convert=_text))


def texts(number: int) -> Sequence[str]:
    """`repeated string`."""
    return cast("Sequence[str]", Field(number, (), {_LENGTH: _append}, convert=_text))


def raw(number: int) -> memoryview:
    """A `bytes` field: a view of the data."""
    return cast(memoryview, Field(number, memoryview(b""), {_LENGTH: _one}, convert=_raw))


def raws(number: int) -> Sequence[memoryview]:
    """`repeated bytes`: views of the data."""
    return cast("Sequence[memoryview]", Field(number, (), {_LENGTH: _append}, convert=_raw))


def nested(number: int, cls: Callable[[], type[_T]]) -> _T | None:
    """A message of the class that `cls` gives when the first is met."""
    return cast("_T | None", Field(number, None, {_LENGTH: _nested}, cls=cls))


def many(number: int, cls: Callable[[], type[_T]]) -> Sequence[_T]:
    """`repeated` messages."""
    return cast("Sequence[_T]", Field(number, (), {_LENGTH: _many}, cls=cls))


def later(number: int, cls: Callable[[], type[_T]]) -> Sequence[Later[_T]]:
    """`repeated` messages that are decoded when somebody asks."""
    return cast("Sequence[Later[_T]]", Field(number, (), {_LENGTH: _later}, cls=cls))


def mapping(number: int, cls: Callable[[], type[_T]]) -> Mapping[str, _T]:
    """A `map` from strings to messages."""
    return cast("Mapping[str, _T]", Field(number, {}, {_LENGTH: _map_to_message}, cls=cls))


def text_mapping(number: int) -> Mapping[str, str]:
    """A `map` from strings to strings."""
    return cast("Mapping[str, str]", Field(number, {}, {_LENGTH: _map_to_text}))


def numbers(number: int, dtype: str) -> np.ndarray:
    """Repeated numbers as a vector. `dtype` is what the wire has: `<f4`, `<f8`, `<u4`, `<u8` of
    fixed width, or `int64` and `uint64` for those that are varints."""
    kind = np.dtype(dtype)
    convert: object
    if dtype in _STRUCTS:
        convert = _STRUCTS[dtype]
        reads = {_I32 if kind.itemsize == 4 else _I64: _append_fixed, _LENGTH: _packed}
    else:
        convert = _signed if kind.kind == "i" else int
        reads = {_VARINT: _append_varint, _LENGTH: _packed_varints}
    empty = np.empty(0, kind)
    return cast(np.ndarray, Field(number, empty, reads, convert=convert, dtype=kind))


# --- how they are read: see `protobuf.Read` -------------------------------------------------------


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _text(reader: Reader, what: str, start: int, stop: int) -> str:
    try:
        return reader.data[start:stop].decode()
    except UnicodeDecodeError:
        raise reader.error(f"{what} is text in UTF-8; these bytes are not", start) from None


def _raw(reader: Reader, what: str, start: int, stop: int) -> memoryview:
    return reader.view[start:stop]


def _varint(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    value = reader.data[at]
    at += 1
    if value > 127:
        value, at = reader.varint(at - 1)
    values[field.name] = field.convert(value)
    return at


def _fixed(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    values[field.name], at = _unpacked(reader, field, at, end)
    return at


def _unpacked(reader: Reader, field: Field, at: int, end: int) -> tuple[float, int]:
    stop = at + field.convert.size
    if stop > end:
        raise reader.error(f"{field.what} ends at byte {stop}, beyond its message", at)
    return field.convert.unpack_from(reader.data, at)[0], stop


def _one(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    values[field.name] = field.convert(reader, field.what, start, stop)
    return stop


def _append(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    values.setdefault(field.name, []).append(field.convert(reader, field.what, start, stop))
    return stop


def _nested(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    if field.name in values:
        raise reader.error(f"{field.what} appears twice", at)
    values[field.name] = reader.message(field.cls(), start, stop)
    return stop


def _many(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    values.setdefault(field.name, []).append(reader.message(field.cls(), start, stop))
    return stop


def _later(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    values.setdefault(field.name, []).append(Later(field.cls(), reader, start, stop))
    return stop


def _map_to_message(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    key, span, stop = _entry(reader, field.what, at, end)
    values.setdefault(field.name, {})[key] = reader.message(field.cls(), *span)
    return stop


def _map_to_text(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    key, span, stop = _entry(reader, field.what, at, end)
    values.setdefault(field.name, {})[key] = _text(reader, field.what, *span)
    return stop


def _entry(reader: Reader, what: str, at: int, end: int) -> tuple[str, tuple[int, int], int]:
    """Key, where the value stands, and the entry's end: a message of fields 1 and 2."""
    at, stop = reader.span(what, at, end)
    key, value = "", (stop, stop)
    while at < stop:
        tag, start = reader.varint(at)
        if tag == 1 << 3 | _LENGTH:
            start, at = reader.span(what, start, stop)
            key = _text(reader, what, start, at)
        elif tag == 2 << 3 | _LENGTH:
            value = reader.span(what, start, stop)
            at = value[1]
        else:
            at = reader.skip(tag, start, stop)
    if at > stop:
        raise reader.error(f"an entry of {what} ends beyond it", at)
    return key, value, stop


def _append_varint(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    value, at = reader.varint(at)
    _singles(values, field.name).append(field.convert(value))
    return at


def _append_fixed(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    value, at = _unpacked(reader, field, at, end)
    _singles(values, field.name).append(value)
    return at


def _singles(values: dict[str, Any], name: str) -> list[float]:
    """The list that single elements are appended to; parts are lists and arrays."""
    parts = values.setdefault(name, [])
    if not parts or not isinstance(parts[-1], list):
        parts.append([])
    return cast("list[float]", parts[-1])


def _packed(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    count, rest = divmod(stop - start, field.dtype.itemsize)
    if rest:
        raise reader.error(f"{field.what} has elements of {field.dtype.itemsize} bytes", at)
    values.setdefault(field.name, []).append(np.frombuffer(reader.data, field.dtype, count, start))
    return stop


def _packed_varints(reader: Reader, field: Field, values: dict[str, Any], at: int, end: int) -> int:
    start, stop = reader.span(field.what, at, end)
    try:
        found = varints(np.frombuffer(reader.data, np.uint8, stop - start, start))
    except BadVarint as problem:
        raise reader.error(f"{field.what} {problem}", start) from None
    values.setdefault(field.name, []).append(found.view(field.dtype))
    return stop
