"""Cases of ops/fill.py."""

import numpy as np

from edgewise.ops.fill import BroadcastArgs, BroadcastTo, Fill, Range, Tile
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def vector(*numbers, dtype=np.int32):
    return const(np.array(numbers, dtype))


def fill(shape, value, *, quantize=(), label="", error=""):
    return Case(Fill(), (shape, value), quantize=quantize, label=label, error=error)


def span(start, limit, delta, dtype="int32", *, label="", error=""):
    operands = tuple(const(np.array(v), dtype) for v in (start, limit, delta))
    return Case(Range(), operands, label=label, error=error)


def tile(x, times, *, dtype="float32", quantize=(), label="", error=""):
    return Case(
        Tile(), (arg(x, dtype), vector(*times)), quantize=quantize, label=label, error=error
    )


def broadcast(x, shape, *, dtype="float32", quantize=(), label="", error=""):
    return Case(
        BroadcastTo(),
        (arg(x, dtype), vector(*shape)),
        quantize=quantize,
        label=label,
        error=error,
    )


def args(a, b, *, label="", error=""):
    return Case(BroadcastArgs(), (vector(*a), vector(*b)), label=label, error=error)


CASES = [
    fill(vector(2, 3), arg(()), quantize=ALL),
    fill(vector(4), arg((), "bool"), label="bool"),
    fill(vector(), arg((), "int32"), label="scalar"),
    fill(vector(0, 3), arg(()), label="empty"),
    fill(vector(2, -3), arg(()), error="sizes must not be negative; got [2, -3]"),
    fill(vector(2), arg((1,)), error="value must be a scalar; got [1]"),
    fill(const(2), arg(()), error="shape must be a vector; got []"),
    span(0, 10, 3),
    span(10, 0, -3, label="down"),
    span(4, 4, 1, label="empty"),
    span(2, 9, 2, "int64", label="int64"),
    span(0.0, 1.0, 0.1, "float32", label="float"),
    span(1.0, -2.0, -0.3, "float32", label="float-down"),
    span(0, 10, 0, error="delta must not be 0"),
    span(0, 10, -1, error="delta must lead from start to limit; got 0, 10, -1"),
    tile((2, 3), (2, 1), quantize=ALL),
    tile((3, 1, 2, 5), (2, 3, 2, 3), quantize=ALL, label="rank4"),
    tile((2, 1, 3), (1, 4, 2), label="three"),
    tile((3,), (0,), label="empty"),
    tile((2, 3), (3, 2), dtype="int32", label="int32"),
    tile((2, 3), (2,), error="multiples must be [2]; got [1]"),
    tile((2, 3), (2, -1), error="multiples must not be negative; got [2, -1]"),
    broadcast((3, 1), (2, 3, 4), quantize=("int8", "int16")),
    broadcast((), (2, 2), label="scalar"),
    broadcast((1, 5), (0, 5), label="empty"),
    broadcast((2, 1), (2, 3), dtype="int32", label="int32"),
    broadcast((3, 2), (3, 4), error="x must broadcast to the shape; got [3, 2] for [3, 4]"),
    broadcast((2, 3), (3,), error="x must broadcast to the shape"),
    args((2, 1, 3), (4, 1)),
    args((5,), (5,), label="same"),
    args((), (2, 3), label="scalar"),
    args((2, 3), (2, 4), error="equal or 1 to broadcast; got 3 and 4"),
]
