"""Cases of ops/segment.py."""

import numpy as np

from edgewise.ops.segment import (
    UnsortedSegmentMax,
    UnsortedSegmentMin,
    UnsortedSegmentProd,
    UnsortedSegmentSum,
)
from tests.ops.case import Case, arg, const


def segments(op, shape, numbers, count, dtype="float32", *, label="", error=""):
    operands = (arg(shape, dtype), const(np.array(numbers, np.int32)), const(count, "int32"))
    return Case(op(), operands, label=label, error=error)


CASES = [
    case
    for op in (UnsortedSegmentSum, UnsortedSegmentProd, UnsortedSegmentMax, UnsortedSegmentMin)
    for case in (
        segments(op, (5, 3), [2, 0, 2, 1, 0], 3),
        segments(op, (5, 3), [2, 0, 2, 4, 0], 5, label="empty-segments"),
        segments(op, (5,), [2, -1, 2, 1, 0], 3, "int32", label="negative"),
        segments(op, (2, 3, 2), [[0, 1, 0], [1, 1, 2]], 4, label="matrix"),
        segments(op, (5, 1), [2, 0, 3, 1, 0], 3, error="segments must be below count, 3; got 3"),
        segments(op, (5, 3), [0, 1], 3, error="segments must have the first dimensions of x"),
        segments(op, (5, 3), 1, 3, error="segments must have an axis"),
        segments(op, (2, 3), [0, 1], -1, error="count must not be negative; got -1"),
    )
]
