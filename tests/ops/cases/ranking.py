"""Cases of ops/ranking.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant
from edgewise.ops.ranking import ArgMax, ArgMin, TopKV2
from tests.ops.case import Case, arg, const

TIES = np.array([[3, 1, 3, 2, 1], [0, 0, 0, 0, 0]], np.float32)


def search(op, shape, axis, dtype="float32", *, label="", error="", **keywords):
    attributes = {k: keywords.pop(k) for k in ("output_type",) if k in keywords}
    return Case(
        op(**attributes),
        (arg(shape, dtype, **keywords), const(axis, "int32")),
        label=label,
        error=error,
    )


def top(shape, k, dtype="float32", *, label="", error="", **keywords):
    operands = (arg(shape, dtype, **keywords), const(k, "int32"))
    return Case(TopKV2(), operands, label=label, error=error)


CASES = [
    case
    for op in (ArgMax, ArgMin)
    for case in (
        search(op, (2, 3, 5), 1),
        search(op, (7,), 0, label="vector"),
        search(op, (2, 3, 5), -1, label="last"),
        search(op, (2, 3, 5), [0], label="list", output_type=DType.INT64),
        search(op, (3, 50), 1, "int8", label="ties", quant=Quant(0.1, 3)),
        search(op, (3, 50), 1, "uint8", label="ties", quant=Quant(0.1, 3)),
        search(op, (3, 50), 1, "int32", label="integers", low=-4, high=4),
        search(op, (3, 50), 1, "bool", label="truth"),
        Case(op(), (const(TIES), const(1)), label="first", no_litert="no input"),
        search(op, (2, 3, 5), 3, error="axis must be in [-3, 2]; got 3"),
        search(op, (2, 3, 5), [1, 2], error="axis must be one number; got 2"),
        search(op, (2, 0, 5), 1, error="must not be empty"),
        search(op, (), 0, error="x must have an axis"),
        search(op, (3,), 0, output_type=DType.FLOAT32, error="must be int32 or int64"),
    )
]
CASES += [
    top((2, 3, 7), 3),
    top((9,), 9, label="all"),
    top((2, 5), 0, label="none"),
    top((3, 40), 20, "int32", label="ties", low=-4, high=4),
    top((3, 40), 20, "int8", label="ties", quant=Quant(0.1, 3)),
    Case(TopKV2(), (const(TIES), const(4)), label="first", no_litert="no input"),
    top((2, 5), 6, error="k must be in [0, 5]; got 6"),
    top((2, 5), -1, error="k must be in [0, 5]; got -1"),
    top((2, 5), [1, 2], error="k must be one number"),
]
