"""Cases of ops/unary.py."""

import dataclasses

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ops.unary import (
    Abs,
    Ceil,
    Cos,
    Erf,
    Exp,
    Floor,
    Log,
    Neg,
    Round,
    Rsqrt,
    Sign,
    Sin,
    Sqrt,
    Square,
    ZerosLike,
)
from tests.ops.case import Case, arg, const

SHAPES = ((3, 5, 7), (1,), (), (2, 0, 3))
ALL = ("int8", "uint8", "int16")
SIGNED = ("int8", "int16")
HALVES = np.array([-2.5, -1.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5, 7.25, -7.75], np.float32)
EDGES = np.array([-np.inf, -1.0, -0.0, 0.0, 1e-38, 1.0, 3e38, np.inf], np.float32)


def each(op, *, quantize=(), low=-3.0, high=3.0):
    """The operator on several shapes; quantized forms of the first."""
    cases = [
        Case(op, (arg(s, low=low, high=high),), label=f"rank{len(s)}", quantize=quantize * (not i))
        for i, s in enumerate(SHAPES)
    ]
    if quantize:
        x = arg(SHAPES[0], low=low, high=high)
        cases.append(Case(op, (x,), label="byte", quantize=("uint8",), no_litert=REFUSED))
    return cases


def integers(op, *dtypes):
    return [
        Case(op, (arg((4, 9), d, low=-100, high=100),), label="integers", no_litert=why)
        for d, why in dtypes
    ]


REFUSED = "LiteRT has no kernel for this dtype"
LOWERED = "not a TFLite operator; tests/passes compares what it is lowered to"
LITERT_NEGATES_RAW = "LiteRT negates the stored integer and ignores the zero point"

CASES = [
    *each(Abs(), quantize=SIGNED),
    *integers(Abs(), ("int32", ""), ("int64", "LiteRT has no int64 kernel")),
    *each(Neg()),
    Case(Neg(), (arg((5, 7)),), label="real", quantize=ALL, no_litert=LITERT_NEGATES_RAW),
    *integers(Neg(), ("int32", ""), ("int64", "")),
    *each(Sqrt(), quantize=SIGNED, low=0.0, high=9.0),
    *each(Rsqrt(), quantize=SIGNED, low=1.0, high=4.0),
    *each(Square()),
    *each(Exp(), quantize=SIGNED),
    *each(Log(), quantize=SIGNED, low=1.0, high=4.0),
    *each(Sin(), low=-20, high=20),
    *each(Cos(), low=-20, high=20),
    *each(Floor()),
    *each(Ceil()),
    *each(Round()),
    *each(Sign()),
    *integers(Sign(), ("int32", "")),
    *each(ZerosLike()),
    *integers(ZerosLike(), ("int32", ""), ("int64", "")),
    *[dataclasses.replace(case, no_litert=LOWERED) for case in each(Erf())],
    Case(Erf(), (const(EDGES),), label="edges", no_litert=LOWERED),
    *[Case(op, (const(HALVES),), label="halves") for op in (Floor(), Ceil(), Round(), Sign())],
    *[Case(op, (const(EDGES),), label="edges") for op in (Abs(), Neg(), Sqrt(), Rsqrt(), Sign())],
    *[Case(op, (const(EDGES),), label="edges") for op in (Exp(), Log())],
    # operand 83 lies at 27.5000 steps: LiteRT's fixed point rounds it up, a table down
    Case(
        Rsqrt(),
        (const(np.arange(-127, 128, dtype=np.int8), quant=Quant(0.0292, -128)),),
        label="tie",
        results=(TensorType(None, DType.INT8, Quant(0.01465, -128)),),
    ),
    Case(Floor(), (arg((3,), "int8"),), error="operand 'x' must be one of"),
    Case(Exp(), (arg((3,), "int32"),), error="operand 'x' must be one of"),
]
