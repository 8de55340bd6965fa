"""Options of custom operators: bytes whose meaning is the operator's own.

Operators that have a class say what theirs are: a FlexBuffer map with an entry for each attribute,
or a C structure of 32-bit integers (`Op.packed_options`). Attributes without an entry have their
defaults, entries without an attribute mean nothing, as for LiteRT.
"""

from __future__ import annotations

import struct
from enum import IntEnum

from edgewise.format import flexbuffer
from edgewise.format.record import Record
from edgewise.ir.enums import Padding
from edgewise.ir.op import Op
from edgewise.ops.opaque import Opaque


def read_custom(cls: type[Op], record: Record) -> Op:
    """The operator of a class that an Operator record describes. Raises ValueError."""
    data = b"" if record.custom_options is None else record.custom_options.tobytes()
    if not cls.packed_options:
        found = flexbuffer.read(data) if data else {}
        if not isinstance(found, dict):
            raise ValueError(f"the options of {cls.custom} must be a map; got {found!r:.80}")
        return cls(**{n: _typed(cls, n, found[n]) for n in cls.names if found.get(n) is not None})
    count = len(cls.packed_options)
    if len(data) < 4 * count:
        raise ValueError(f"the options of {cls.custom} must be {4 * count} bytes; got {len(data)}")
    numbers = struct.unpack_from(f"<{count}i", data)
    pairs = zip(cls.packed_options, numbers, strict=True)
    return cls(**{name: _typed(cls, name, number - _base(cls, name)) for name, number in pairs})


def write_custom(op: Op) -> bytes:
    """The custom options of an operator; empty where it has none."""
    if isinstance(op, Opaque):
        return op.custom_options
    if not op.custom:
        return b""
    if op.packed_options:
        numbers = [int(getattr(op, n)) + _base(type(op), n) for n in op.packed_options]
        return struct.pack(f"<{len(numbers)}i", *numbers)
    return flexbuffer.write(dict(op.items()))


def _base(cls: type[Op], name: str) -> int:
    """TfLitePadding counts from 1: its 0 is unknown."""
    return 1 if cls.attributes()[name] is Padding else 0


def _typed(cls: type[Op], name: str, value: object) -> object:
    """The value as the attribute's type; numbers of any kind are numbers, as for LiteRT."""
    kind = cls.attributes()[name]
    if not isinstance(value, bool | int | float):
        raise ValueError(f"{name} of {cls.custom} must be a number; got {value!r:.80}")
    if issubclass(kind, IntEnum) and int(value) not in kind.__members__.values():
        raise ValueError(f"{name} of {cls.custom} must be one of {[*kind]}; got {value}")
    return kind(value)
