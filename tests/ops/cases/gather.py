"""Cases of ops/gather.py."""

import numpy as np

from edgewise.ops.gather import Gather, GatherNd, ScatterNd, SegmentSum
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def gather(x, indices, axis=0, batch_dims=0, *, dtype="float32", quantize=(), label="", error=""):
    return Case(
        Gather(axis=axis, batch_dims=batch_dims),
        (arg(x, dtype), indices),
        quantize=quantize,
        label=label,
        error=error,
    )


def picks(shape, high, dtype="int32"):
    """Indices given at run time."""
    return arg(shape, dtype, low=0, high=high)


def gather_nd(x, indices, *, quantize=(), label="", error=""):
    return Case(GatherNd(), (arg(x), indices), quantize=quantize, label=label, error=error)


def scatter(indices, updates, shape, *, dtype="float32", label="", error=""):
    return Case(
        ScatterNd(),
        (indices, arg(updates, dtype), const(np.array(shape, np.int32))),
        label=label,
        error=error,
    )


def segment_sum(x, segments, *, dtype="float32", label="", error=""):
    return Case(
        SegmentSum(),
        (arg(x, dtype), const(np.array(segments, np.int32))),
        label=label,
        error=error,
    )


CASES = [
    gather((5, 3), const([4, 0, 0, 2]), quantize=ALL),
    gather((5, 3, 2), picks((2, 3), 2), 1, label="matrix"),
    gather((5, 3), const(2), 1, label="scalar"),
    gather((5, 3), const(np.array([1, 0], np.int64)), -1, label="int64"),
    gather((4, 5, 3), picks((4, 2), 4), 1, 1, label="batch"),
    gather((4, 2, 5, 3), picks((4, 2), 4), 2, 1, label="batch-outer"),
    gather((4, 2, 5, 3), picks((4, 2, 6), 4), 2, 2, label="batch2"),
    gather((4, 5), picks((4, 2), 4), 1, -1, label="batch-negative"),
    gather((5, 3), const(np.zeros(0, np.int32)), label="empty"),
    gather((5,), const([1, 3]), dtype="int32", label="int32"),
    gather((5, 3), const([5]), error="indices must be in [0, 5); got 5..5"),
    gather((5, 3), const([-1]), error="indices must be in [0, 5); got -1..-1"),
    gather((5, 3), const([1]), 2, error="axis must be in [-2, 1]; got 2"),
    gather((5, 3), const([1]), 0, 1, error="batch_dims must be in [0, 0]; got 1"),
    gather((4, 5), picks((3, 2), 4), 1, 1, error="the same first 1 dimensions"),
    gather((), const([0]), error="x must have a dimension"),
    gather_nd((4, 5, 3), const([[0, 1], [3, 4], [2, 2]]), quantize=ALL),
    gather_nd((4, 5), const([[3], [0]]), label="rows"),
    gather_nd((4, 5), arg((2, 3, 2), "int32", low=0, high=3), label="elements"),
    gather_nd((4, 5), const([1, 2]), label="one"),
    gather_nd((4, 5), const([[0, 0, 0]]), error="K at most the rank of x; got 3 for 2"),
    scatter(const([[1], [3], [1]]), (3, 2), (5, 2)),
    scatter(const([[0, 1], [2, 0]]), (2,), (3, 2), label="elements"),
    scatter(const([[0, 1], [2, 0]]), (2, 4), (3, 2, 4), dtype="int32", label="slices"),
    scatter(const([[0], [1]]), (3,), (4,), error="updates must be [2]; got [3]"),
    scatter(const([[0, 0]]), (1,), (4,), error="shape must hold 2 or more sizes"),
    scatter(const([[0]]), (1,), (-4,), error="none negative; got [-4]"),
    segment_sum((5, 3), (0, 0, 1, 3, 3)),
    segment_sum((4, 2), (0, 0, 1, 2), label="all occur"),
    segment_sum((4,), (0, 1, 1, 2), dtype="int32", label="int32"),
    segment_sum((3, 2), (0, 2, 1), error="segments must ascend"),
    segment_sum((3, 2), (0, 1), error="one per row of x; got [2] for [3, 2]"),
]
