"""Cases of ops/slice.py."""

import numpy as np

from edgewise.ops.slice import DynamicUpdateSlice, Slice, StridedSlice
from tests.ops.case import Case, arg, const

ALL = ("int8", "uint8", "int16")


def vector(*numbers):
    return const(np.array(numbers, np.int32))


def slice_(x, begin, size, *, dtype="float32", quantize=(), label="", error=""):
    return Case(
        Slice(),
        (arg(x, dtype), vector(*begin), vector(*size)),
        quantize=quantize,
        label=label,
        error=error,
    )


def strided(x, begin, end, strides, *, quantize=(), label="", error="", no_litert="", **masks):
    return Case(
        StridedSlice(**masks),
        (arg(x), vector(*begin), vector(*end), vector(*strides)),
        quantize=quantize,
        label=label,
        error=error,
        no_litert=no_litert,
    )


def update(x, part, start, *, quantize=(), label="", error=""):
    return Case(
        DynamicUpdateSlice(),
        (arg(x), arg(part), vector(*start)),
        quantize=quantize,
        label=label,
        error=error,
    )


CASES = [
    slice_((4, 5, 3), (1, 0, 2), (2, 5, 1), quantize=ALL),
    slice_((4, 5), (2, 1), (-1, -1), label="rest"),
    slice_((4, 5), (4, 1), (0, 2), label="empty"),
    slice_((31, 47, 29), (1, 2, 0), (29, 41, 29), quantize=ALL, label="tiles"),
    slice_((3, 33000), (1, 5), (2, 32990), quantize=("int8",), label="long-rows"),
    slice_((2, 1, 3, 1, 2), (1, 0, 1, 0, 0), (1, 1, 2, 1, -1), label="rank5"),
    slice_((3, 3), (0, 1), (3, 2), dtype="int32", label="int32"),
    slice_((4, 5), (2, 1), (3, 2), error="must lie inside 4 elements; got begin 2 and size 3"),
    slice_((4, 5), (2, -1), (1, 2), error="must lie inside 5 elements; got begin -1"),
    slice_((4, 5), (2, 1), (1, -2), error="got begin 1 and size -2"),
    slice_((4, 5), (2,), (1, 2), error="begin must be [2]; got [1]"),
    strided((6, 7, 3), (1, 0, 0), (5, 7, 2), (2, 3, 1), quantize=ALL),
    strided((6, 7), (0, 2), (0, 0), (1, 2), begin_mask=1, end_mask=3, label="masks"),
    strided((6, 7), (5, -1), (0, -6), (-2, -1), label="backwards"),
    strided((6, 7), (0, 0), (0, 0), (-1, -3), begin_mask=3, end_mask=3, label="reversed"),
    strided((6, 7), (-9, 3), (99, 100), (1, 1), label="clamped"),
    strided((6, 7), (4, 3), (2, 3), (1, 1), label="empty"),
    strided((6, 7, 3), (2, 0), (0, 4), (1, 1), shrink_axis_mask=1, label="shrink"),
    strided((6, 7), (-1, -2), (0, 0), (1, 1), shrink_axis_mask=3, label="scalar"),
    strided((6, 7, 3), (0, 1), (0, 3), (1, 2), ellipsis_mask=1, label="ellipsis"),
    strided((6, 7), (0, 0, 1), (0, 0, 3), (1, 1, 1), new_axis_mask=1, end_mask=2, label="new"),
    strided(
        (4, 5, 3, 2),
        (1, 0, 0, 1),
        (2, 0, 0, 2),
        (1, 1, 1, 1),
        ellipsis_mask=2,
        new_axis_mask=4,
        shrink_axis_mask=8,
        label="all",
    ),
    strided((6, 7), (2, 1), (3, 4), (1, 2), offset=True, label="offset"),
    strided((6, 7), (3,), (5,), (1,), label="short"),
    strided((6, 7), (0, 0), (1, 1), (1, 0), error="strides must not be 0; got 0 in entry 1"),
    strided((6,), (0, 0), (1, 1), (1, 1), error="must fit rank 1; got 2 entries"),
    strided((6,), (0,), (1, 1), (1,), error="must have one length of at most 31; got [1, 2, 1]"),
    strided((6,), (6,), (7,), (1,), shrink_axis_mask=1, error="an index must lie inside"),
    strided(
        (6, 7), (0, 0), (1, 1), (1, 1), ellipsis_mask=3, error="ellipsis_mask must have one bit"
    ),
    update((5, 6), (2, 3), (1, 2), quantize=ALL),
    update((5, 6), (2, 3), (4, -9), label="clamped"),
    update((5, 6), (0, 3), (1, 1), label="empty"),
    update((5, 6), (6, 3), (0, 0), error="no larger than x; got [6, 3] for [5, 6]"),
    update((5, 6), (2,), (0, 0), error="update must be float32 of rank 2; got float32[2]"),
    update((5, 6), (2, 2), (0,), error="start must be [2]; got [1]"),
]
