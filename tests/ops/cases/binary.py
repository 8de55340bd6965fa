"""Cases of ops/arithmetic.py and ops/binary.py."""

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.ops.arithmetic import Add, AddN, Div, Mul, Sub
from edgewise.ops.binary import (
    Atan2,
    FloorDiv,
    FloorMod,
    Maximum,
    Minimum,
    Pow,
    SquaredDifference,
)
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")
PAIRS = (
    ((2, 3, 5, 7), (2, 3, 5, 7)),
    ((2, 3, 5, 7), (7,)),
    ((2, 3, 1, 7), (3, 5, 1)),
    ((1,), (4, 3)),
    ((), (3,)),
    ((0, 3), (3,)),
)
SIGNS = np.array([7, -7, 7, -7, 6, -6, 1, 0], np.int32)
DIVISORS = np.array([3, 3, -3, -3, -3, 3, -1, 5], np.int32)


def each(op, quantize=(), *, low=-3.0, high=3.0, by=(-3.0, 3.0)):
    """The operator on every pair of shapes; quantized forms of the first three."""
    return [
        Case(
            op,
            (arg(a, low=low, high=high), arg(b, low=by[0], high=by[1])),
            label=f"pair{index}",
            quantize=quantize if index < 3 else (),
        )
        for index, (a, b) in enumerate(PAIRS)
    ]


def whole(op, dtype, a=SIGNS, b=DIVISORS, label="integers", **kwargs):
    args = (arg(a.shape, dtype, values=a.astype(dtype)), const(b.astype(dtype)))
    return Case(op, args, label=label, **kwargs)


def fused(op_class):
    return [
        Case(
            op_class(fused_activation_function=act),
            (arg((3, 5, 7)), arg((7,))),
            label=act.name.lower(),
            quantize=ALL,
        )
        for act in (Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)
    ]


BIG = np.array([2**31 - 1, -(2**31), 65536, -65537], np.int64)
MORE = np.array([1, -1, 65536, 65537], np.int64)

CASES = [
    *each(Add(), ALL),
    *fused(Add),
    *each(Sub(), ALL),
    *fused(Sub),
    *each(Mul(), ALL),
    *fused(Mul),
    *each(Div(), by=(1.0, 3.0)),
    Case(
        Div(),
        (arg((3, 5, 7)), arg((7,), low=1.0, high=3.0)),
        label="quotients",
        quantize=ALL,
        no_litert="LiteRT shifts by more than 31 bits where the quotient is small",
    ),
    *[whole(op(), "int32", BIG, MORE, "wraps") for op in (Add, Sub, Mul, SquaredDifference)],
    *[whole(op(), "int64") for op in (Add, Sub, Mul)],
    whole(Div(), "int32"),
    whole(Div(), "int64", no_litert="LiteRT has no int64 kernel"),
    whole(Add(fused_activation_function=Activation.RELU6), "int32", label="relu6"),
    *each(Maximum(), ALL),
    *each(Minimum(), ALL),
    *[whole(op(), d) for op in (Maximum, Minimum) for d in ("int32", "int64")],
    *each(Pow(), low=0.1, by=(-2.0, 2.0)),
    whole(Pow(), "int32", SIGNS, np.abs(DIVISORS)),
    *each(FloorDiv(), by=(0.5, 3.0)),
    *[whole(FloorDiv(), d) for d in ("int32", "int16", "int8")],
    *each(FloorMod(), by=(-3.0, -0.5)),
    *[whole(FloorMod(), d) for d in ("int32", "int64", "int16", "int8")],
    *each(SquaredDifference(), ("int8",)),
    Case(
        SquaredDifference(),
        (arg((3, 5, 7)), arg((7,))),
        label="byte",
        quantize=("uint8",),
        no_litert="LiteRT has no uint8 kernel",
    ),
    *each(Atan2()),
    Case(AddN(), (arg((3, 5)), arg((3, 5)), arg((3, 5))), label="three"),
    Case(AddN(), (arg((7,), "int32", low=-9, high=9),) * 2, label="integers"),
    Case(AddN(), (arg((0, 2)),), label="empty"),
    Case(Add(), (arg((2, 3)), arg((2,))), error="shapes must broadcast; got [2, 3] and [2]"),
    Case(Mul(), (arg((2,)), arg((2,), "int32")), error="a and b must have one dtype"),
    Case(Div(), (arg((2,), "int32"), const([1, 0])), error="divisor must not be 0"),
    Case(FloorDiv(), (arg((2,), "int32"), const([1, 0])), error="divisor must not be 0"),
    Case(FloorMod(), (arg((2,), "int32"), const([1, 0])), error="divisor must not be 0"),
    Case(Pow(), (arg((2,), "int32"), const([1, -1])), error="exponent must not be negative"),
    Case(
        Add(fused_activation_function=Activation.TANH),
        (arg((2,)), arg((2,))),
        error="fused_activation_function must be one of NONE, RELU, RELU_N1_TO_1, RELU6; got TANH",
    ),
    Case(AddN(), (arg((3,)), arg((1,))), error="operands must have one shape"),
]
