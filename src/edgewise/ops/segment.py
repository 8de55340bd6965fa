"""Sums, products and extremes of the rows with one number: UNSORTED_SEGMENT_*."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.contents import dims
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Role, require
from edgewise.ops.axes import shown


class UnsortedSegment(Op, abstract=True):
    """y[s] combines x[i] over all i with segments[i] = s, in ascending order of i.

    Shapes: x [...D, ...E], segments [...D] of at least one axis, count a scalar, y [count, ...E].
    A negative number takes no part; one of `count` or more is an error, as it is in LiteRT.
    """

    combine: ClassVar[np.ufunc]

    operands = (
        In("x", {DType.FLOAT32, DType.INT32}),
        In("segments", {DType.INT32}, Role.PARAMETER),
        In("count", {DType.INT32}, Role.PARAMETER),
    )
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(self, x: Operand, segments: Operand, count: Operand) -> Shape:
        rank = len(segments.shape)
        require(rank > 0, "segments must have an axis; got a scalar")
        fits = len(x.shape) >= rank and all(
            same_dim(a, b) is not False for a, b in zip(x.shape, segments.shape, strict=False)
        )
        require(
            fits,
            f"segments must have the first dimensions of x; got {shown(segments.shape)} "
            f"and {shown(x.shape)}",
        )
        known = dims(count)
        require(known is None or len(known) == 1, "count must be one number")
        size: Dim = unknown_dim() if known is None else known[0]
        require(not isinstance(size, int) or size >= 0, f"count must not be negative; got {size}")
        if segments.data is not None and isinstance(size, int):
            _check(segments.data, size)
        return (size, *x.shape[rank:])

    def reference(self, x: np.ndarray, segments: np.ndarray, count: np.ndarray) -> np.ndarray:
        size = int(count.reshape(-1)[0])
        flat = segments.reshape(-1)
        _check(flat, size)
        rows = x.reshape(flat.size, *x.shape[segments.ndim :])
        y = np.full((size, *rows.shape[1:]), self.empty(x.dtype), x.dtype)
        for number, row in zip(flat, rows, strict=True):
            if number >= 0:
                y[number] = self.combine(y[number], row)
        return y

    def empty(self, dtype: np.dtype[np.generic]) -> float | int:
        """What a segment without rows has."""
        raise NotImplementedError


class UnsortedSegmentSum(
    UnsortedSegment, builtin="UNSORTED_SEGMENT_SUM", options="UnsortedSegmentSumOptions"
):
    """y[s] = sum of the rows x[i] with segments[i] = s; 0 without rows.

    **Source:** TensorFlow Lite kernels/unsorted_segment.cc.
    """

    combine = np.add

    def empty(self, dtype: np.dtype[np.generic]) -> float | int:
        return 0


class UnsortedSegmentProd(
    UnsortedSegment, builtin="UNSORTED_SEGMENT_PROD", options="UnsortedSegmentProdOptions"
):
    """y[s] = product of the rows x[i] with segments[i] = s; 1 without rows.

    **Source:** TensorFlow Lite kernels/unsorted_segment.cc.
    """

    combine = np.multiply

    def empty(self, dtype: np.dtype[np.generic]) -> float | int:
        return 1


class UnsortedSegmentMax(
    UnsortedSegment, builtin="UNSORTED_SEGMENT_MAX", options="UnsortedSegmentMaxOptions"
):
    """y[s] = largest of the rows x[i] with segments[i] = s; the lowest number without rows.

    **Source:** TensorFlow Lite kernels/unsorted_segment.cc.
    """

    combine = np.maximum

    def empty(self, dtype: np.dtype[np.generic]) -> float | int:
        return _ends(dtype)[0]


class UnsortedSegmentMin(
    UnsortedSegment, builtin="UNSORTED_SEGMENT_MIN", options="UnsortedSegmentMinOptions"
):
    """y[s] = smallest of the rows x[i] with segments[i] = s; the highest number without rows.

    **Source:** TensorFlow Lite kernels/unsorted_segment.cc.
    """

    combine = np.minimum

    def empty(self, dtype: np.dtype[np.generic]) -> float | int:
        return _ends(dtype)[1]


def _check(segments: np.ndarray, count: int) -> None:
    highest = int(segments.max(initial=-1))
    require(highest < count, f"segments must be below count, {count}; got {highest}")


def _ends(dtype: np.dtype[np.generic]) -> tuple[float | int, float | int]:
    """The lowest and the highest number of a type."""
    if dtype.kind == "f":
        return float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)
    return int(np.iinfo(np.int32).min), int(np.iinfo(np.int32).max)
