"""Cases of ops/stablehlo.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.stablehlo import (
    StablehloAdd,
    StablehloAnd,
    StablehloMaximum,
    StablehloMinimum,
    StablehloMultiply,
    StablehloShiftLeft,
)
from tests.ops.case import Case, arg

WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool")
NANS = np.array([np.nan, 1.0, np.inf, -0.0, 5.0], np.float32)
OTHER = np.array([1.0, np.nan, np.inf, 0.0, -5.0], np.float32)
SHIFTS = np.array([0, 1, 3, 6, 7, 2, 5, 4], np.int32)
VALUES = np.array([-128, -7, -1, 0, 1, 7, 100, 127], np.int32)


def both(op, name):
    """Of the widest range, so that results wrap."""
    dtype = DType.of(name)
    low, high = dtype.range if dtype.is_integer and dtype.bits <= 32 else (-2, 9)
    low = max(low, -(1 << 30))
    high = min(high, 1 << 30)
    if name.startswith("u"):
        low = 0
    return Case(op(), (arg((3, 7), name, low=low, high=high), arg((3, 7), name, low=0, high=9)))


CASES = [
    *[
        both(op, dtype)
        for op in (StablehloAdd, StablehloMultiply, StablehloMaximum, StablehloMinimum)
        for dtype in ("float32", "float16", *WHOLE)
    ],
    *[both(StablehloAnd, dtype) for dtype in WHOLE],
    *[
        Case(op(), (arg((5,), values=NANS), arg((5,), values=OTHER)), "nan")
        for op in (StablehloMaximum, StablehloMinimum)
    ],
    *[
        Case(
            StablehloShiftLeft(), tuple(arg((8,), d, values=v.astype(d)) for v in (VALUES, SHIFTS))
        )
        for d in ("int8", "int16", "int32")
    ],
    Case(StablehloAdd(), (arg(()), arg(())), "scalar"),
    Case(StablehloAdd(), (arg((2, 3)), arg((3,))), error="a and b must have one shape"),
    Case(StablehloAdd(), (arg((3,)), arg((3,), "int32")), error="must have one dtype"),
    Case(StablehloAnd(), (arg((3,)), arg((3,))), error="operand 'a' must be one of"),
    Case(StablehloShiftLeft(), (arg((2,), "int32"), arg((1,), "int32")), error="have one shape"),
]
