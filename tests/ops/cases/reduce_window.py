"""Cases of ops/reduce_window.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder
from edgewise.ir.enums import ReduceWindowFunction
from edgewise.ops.arithmetic import Add, Mul
from edgewise.ops.binary import Maximum, Minimum
from edgewise.ops.compare import LogicalAnd, LogicalOr
from edgewise.ops.reduce_window import ReduceWindow, StablehloReduceWindow
from edgewise.ops.stablehlo import (
    StablehloAdd,
    StablehloAnd,
    StablehloMaximum,
    StablehloMinimum,
    StablehloMultiply,
)
from tests.ops.case import Case, arg, const

STABLE = (StablehloAdd, StablehloMultiply, StablehloMaximum, StablehloMinimum)
NUMBERS = (*STABLE, Add, Mul, Maximum, Minimum)


def graph(*ops, dtype):
    b = Builder("body")
    x = [b.input(name, (), DType.of(dtype)) for name in ("a", "b")]
    made = x[0]
    for op in ops:
        made = b.node(op(), made, x[1]).output
    return b.finish(made)


def init(dtype, value):
    return const(np.array(value, DType.of(dtype).numpy))


def reduced(op, shape, dtype="float32", start=1, *, label="", error="", **attributes):
    ops = op if isinstance(op, tuple) else (op,)
    made = StablehloReduceWindow(body=graph(*ops, dtype=dtype), **attributes)
    args = (arg(shape, dtype), init(dtype, start))
    return Case(made, args, label=label or ops[0].__name__, error=error)


WINDOW = {
    "window_dimensions": (2, 3),
    "window_strides": (1, 2),
    "base_dilations": (1, 1),
    "window_dilations": (1, 1),
    "padding": (0, 0, 0, 0),
}
EVERY = {**WINDOW, "base_dilations": (2, 1), "window_dilations": (1, 2), "padding": (1, 2, -1, 0)}


def numbered(function, dtype, start=1, window=(2, 3), *, label="", error=""):
    args = (
        arg((4, 9), dtype, low=0, high=3),
        init(dtype, start),
        *(const(np.array(v, np.int64)) for v in (window, (1, 2), (2, 1))),
    )
    op = ReduceWindow(reduce_function=function)
    return Case(op, args, label=label or function.name, error=error)


F = ReduceWindowFunction

CASES = [
    *[reduced(op, (4, 9), **WINDOW) for op in NUMBERS],
    *[reduced(op, (4, 9), "bool", **WINDOW) for op in (LogicalAnd, LogicalOr, StablehloAnd)],
    reduced(StablehloAdd, (4, 9), label="every", **EVERY),
    *[
        reduced(StablehloAdd, (4, 9), d, label="every", **EVERY)
        for d in ("int8", "uint8", "int16", "int32", "int64")
    ],
    reduced((Add, Add), (4, 9), error="must be one operator", **WINDOW),
    reduced(Add, (4, 9), error="window_strides must be 2", **{**WINDOW, "window_strides": (0, 1)}),
    reduced(Add, (4, 9), error="padding must be 4", **{**WINDOW, "padding": (0, 0)}),
    reduced(Add, (4, 9, 2), error="must be 3 numbers", **WINDOW),
    *[numbered(f, d) for f in (F.ADD, F.MUL, F.MAXIMUM, F.MINIMUM) for d in ("float32", "int32")],
    *[numbered(F.ADD, d) for d in ("int8", "uint8", "int16", "int64")],
    *[numbered(f, d) for f in (F.ALL, F.ANY) for d in ("int32", "bool")],
    numbered(F.UNSUPPORTED, "int32", error="reduce_function must be one of"),
    numbered(F.ADD, "int32", window=(2, 0), error="window must be 2 numbers of 1 or more"),
    numbered(F.ADD, "int32", window=((2, 3),), label="rows", error="of 1 or more; got [1, 2]"),
]
