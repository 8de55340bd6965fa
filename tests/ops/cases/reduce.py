"""Cases of ops/reduce.py."""

from edgewise.ops.reduce import (
    Mean,
    ReduceAll,
    ReduceAny,
    ReduceMax,
    ReduceMin,
    ReduceProd,
    Sum,
)
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")
SCALED = (Mean, Sum, ReduceMax, ReduceMin)
EMPTY = "LiteRT leaves an empty reduction to chance"


def reduction(op, shape, axes, dtype="float32", *, label="", error="", **attributes):
    quantize = ALL if op in SCALED and dtype == "float32" and 0 not in shape else ()
    return Case(
        op(**attributes),
        (arg(shape, dtype), const(axes, "int32")),
        label=label,
        quantize=() if error else quantize,
        error=error,
        no_litert=EMPTY if 0 in shape else "",
    )


CASES = [
    case
    for op in (*SCALED, ReduceProd)
    for case in (
        reduction(op, (2, 3, 4, 5), [1, 2], keep_dims=True),
        reduction(op, (2, 3, 4, 5), [1, 2], label="drop"),
        reduction(op, (2, 3, 5), [-1], label="last"),
        reduction(op, (2, 3, 5), [0], label="first"),
        reduction(op, (7, 3), [0, 1], label="all"),
        reduction(op, (2, 3, 5), [1, 1, -2], label="repeated"),
        reduction(op, (2, 3, 2, 3, 2), [1, 3], label="alternating"),
        reduction(op, (3, 5, 3, 61), [0, 2], label="columns"),
        reduction(op, (2, 3, 5), 1, label="scalar-axis"),
        reduction(op, (1, 1), [1], keep_dims=True, label="ones"),
        reduction(op, (2, 3, 5), [2], "int32", label="integers"),
        reduction(op, (2, 3, 5), [0, 2], "int64", label="integers"),
        reduction(op, (2, 3, 5), [3], error="axes must be in [-3, 2]; got 3"),
        reduction(op, (2, 3, 5), [[0], [1]], error="axes must be a list"),
    )
]
CASES += [
    case
    for op in (ReduceAny, ReduceAll)
    for case in (
        reduction(op, (2, 3, 5), [1], "bool", keep_dims=True),
        reduction(op, (2, 3, 5), [0, -1], "bool", label="two"),
        reduction(op, (2, 3), [2], "bool", error="axes must be in [-2, 1]; got 2"),
    )
]
CASES += [
    reduction(Mean, (4, 25, 13, 24), [1, 2], keep_dims=True, label="long"),
    reduction(Sum, (4, 25, 13, 24), [1, 2], keep_dims=True, label="long"),
    *(reduction(op, (3, 517), [1], label="long-row") for op in SCALED),
    *(reduction(op, (2, 7, 7, 301), [1, 2], label="wide") for op in SCALED),
    reduction(Sum, (7, 3, 41), [0, 1], "int32", label="columns"),
    reduction(ReduceMax, (2, 0, 3), [1], label="empty"),
    reduction(Sum, (2, 0, 3), [1], label="empty"),
    reduction(ReduceProd, (2, 0, 3), [1], label="empty"),
    Case(
        ReduceProd(),
        (arg((5, 3, 7), low=0.8, high=1.5), const([1], "int32")),
        label="near-one",
        quantize=("int8", "int16"),
    ),
]
