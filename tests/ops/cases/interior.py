"""Cases of ops/interior.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.interior import Dilate, StablehloPad
from tests.ops.case import Case, arg, const


def number(dtype, value=7):
    return const(np.array(value, DType.of(dtype).numpy))


def dilated(shape, steps, dtype="float32", *, padding=None, label="", error=""):
    args = (arg(shape, dtype), const(steps, "int32"), padding or number(dtype))
    return Case(Dilate(), args, label=label, error=error)


def padded(shape, low, high, inner, dtype="float32", *, padding=None, label="", error=""):
    op = StablehloPad(
        edge_padding_low=tuple(low), edge_padding_high=tuple(high), interior_padding=tuple(inner)
    )
    return Case(op, (arg(shape, dtype), padding or number(dtype)), label=label, error=error)


CASES = [
    dilated((3, 3), [2, 3]),
    *[dilated((3, 2, 2), [1, 3, 2], d) for d in ("int8", "int16", "int32", "int64", "uint8")],
    dilated((3, 2, 2), [2, 1, 1], label="outer"),
    dilated((3, 2, 2), [1, 1, 1], label="nothing"),
    dilated((5,), [4], "bool", padding=number("bool", 1)),
    dilated((3, 3), [2, 0], error="dilations must be at least 1; got [2, 0]"),
    dilated((3, 3), [2], error="dilations must be [2]"),
    dilated((3, 0), [2, 2], error="x must have elements; got [3, 0]"),
    dilated((3,), [2], padding=number("int32"), error="padding must be one float32"),
    padded((3, 4), [1, 0], [2, 3], [0, 0]),
    padded((3, 4), [1, 0], [2, 3], [2, 1], label="interior"),
    padded((3, 4), [-1, 2], [1, -3], [2, 1], label="crop"),
    padded((3, 4), [-4, 0], [0, 0], [2, 1], label="crop-some"),
    *[padded((2, 3), [1, 0], [0, 2], [1, 2], d) for d in ("int8", "int16", "int32", "int64")],
    padded((2, 3), [1, 0], [0, 2], [1, 2], "uint8"),
    padded((2, 3), [1, 0], [0, 2], [1, 2], "bool", padding=number("bool", 1)),
    padded((2, 3), [1, 0], [0, 2], [1, 2], "float16"),
    padded((5,), [-3], [-3], [0], error="they leave [-1]"),
    padded((5, 2), [1], [1], [0], error="paddings must be as many as the axes of x"),
    padded((5,), [1], [1], [-1], error="interior_padding must not be negative; got [-1]"),
]
