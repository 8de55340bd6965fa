"""Cases of ops/compare.py."""

import numpy as np

from edgewise.ops.compare import (
    BitwiseXor,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    NotEqual,
    RightShift,
)
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")
NANS = np.array([np.nan, 1.0, np.inf, -0.0], np.float32)
OTHER = np.array([np.nan, np.nan, np.inf, 0.0], np.float32)
VALUES = np.array([-128, -7, -1, 0, 1, 7, 100, 127], np.int32)
SHIFTS = np.array([0, 1, 3, 7, 9, 31, 33, -1], np.int32)


def ordered(op):
    return [
        Case(op, (arg((3, 5, 7)), arg((3, 5, 7))), quantize=ALL),
        Case(op, (arg((3, 1, 7)), arg((5, 1))), label="broadcast", quantize=ALL),
        Case(op, (arg((0, 3)), arg((3,))), label="empty"),
        Case(op, (arg((4, 9), "int32", low=-2, high=2), arg((9,), "int32", low=-2, high=2))),
        Case(op, (arg((4, 9), "int64", low=-2, high=2), arg((), "int64", low=-2, high=2))),
        Case(op, (const(NANS), arg((4,), values=OTHER)), label="nan"),
    ]


def bits(op, a, b, *dtypes):
    return [
        Case(op, (arg(a.shape, d, values=a.astype(d)), const(b.astype(d))), label="bits")
        for d in dtypes
    ]


CASES = [
    *ordered(Equal()),
    *ordered(NotEqual()),
    *ordered(Less()),
    *ordered(LessEqual()),
    *ordered(Greater()),
    *ordered(GreaterEqual()),
    *[Case(op(), (arg((9,), "bool"), arg((9,), "bool"))) for op in (Equal, NotEqual)],
    *[Case(op(), (arg((4, 9), "bool"), arg((9,), "bool"))) for op in (LogicalAnd, LogicalOr)],
    *[Case(LogicalNot(), (arg(s, "bool"),), label=f"rank{len(s)}") for s in ((4, 9), (), (0, 2))],
    *bits(BitwiseXor(), VALUES, SHIFTS, "int8", "uint8", "int16", "uint16", "int32", "uint32"),
    *bits(RightShift(), VALUES, SHIFTS, "int8", "int16", "int32"),
    *bits(RightShift(), VALUES, np.abs(SHIFTS), "uint8", "uint16", "uint32"),
    Case(Less(), (arg((2,)), arg((3,))), error="shapes must broadcast"),
    Case(Less(), (arg((2,), "bool"), arg((2,), "bool")), error="operand 'a' must be one of"),
    Case(LogicalAnd(), (arg((2,)), arg((2,))), error="operand 'a' must be one of bool"),
    Case(LogicalNot(), (arg((2,)),), error="operand 'x' must be one of bool"),
    Case(RightShift(), (arg((2,), "int32"), arg((2,), "int8")), error="must have one dtype"),
]
