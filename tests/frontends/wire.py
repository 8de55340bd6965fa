"""Protocol buffers for tests: a message is bytes, made of fields one after the other.

message((1, "conv"), (2, "Conv2D"), (5, message((1, "T"), (2, message((6, 1))))))
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

Value = int | float | str | bytes


def varint(value: int) -> bytes:
    """A number in base 128; negative ones take ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: Value) -> bytes:
    """One field: an int is a varint, a float 32 bits wide, text and bytes have their length."""
    if isinstance(value, bool | int):
        return varint(number << 3) + varint(int(value))
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields: tuple[int, Value]) -> bytes:
    """A message of these fields."""
    return b"".join(field(number, value) for number, value in fields)


# --- TensorFlow's -----------------------------------------------------------------------------


def node(
    name: str, op: str, inputs: Iterable[str] = (), attrs: Mapping[str, bytes] | None = None
) -> bytes:
    """A NodeDef; attributes are serialized AttrValues."""
    entries = [(5, message((1, key), (2, value))) for key, value in (attrs or {}).items()]
    return message((1, name), (2, op), *((3, text) for text in inputs), *entries)


def function(
    name: str, arguments: Iterable[str], nodes: Iterable[bytes], results: Mapping[str, str]
) -> bytes:
    """A FunctionDef of float32 arguments and results."""
    signature = message(
        (1, name),
        *((2, message((1, argument), (3, 1))) for argument in arguments),
        *((3, message((1, result), (3, 1))) for result in results),
    )
    returns = [(4, message((1, key), (2, value))) for key, value in results.items()]
    return message((1, signature), *((3, data) for data in nodes), *returns)


def graph(nodes: Iterable[bytes], functions: Iterable[bytes] = ()) -> bytes:
    """A GraphDef."""
    library = message(*((1, data) for data in functions))
    return message(*((1, data) for data in nodes), (2, library))


FLOAT = message((6, 1))
PLACEHOLDER = {"dtype": FLOAT}
