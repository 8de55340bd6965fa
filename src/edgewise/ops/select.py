"""Positions and classes: ONE_HOT, WHERE, UNIQUE, BUCKETIZE."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, DType
from edgewise.ir.dim import Shape, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import axis_in, scalar, shown


class OneHot(Op, builtin="ONE_HOT", options="OneHotOptions"):
    """`on` where the position along the new dimension `axis` equals the index, `off` elsewhere.

    Shapes: indices [...], depth [], on and off [], y with `depth` elements at `axis` (-1: last).
    Indices outside [0, depth) give `off` everywhere.
    **Source:** TensorFlow Lite kernels/one_hot.cc.
    """

    axis: int = 0

    operands = (
        In("indices", INDICES, Role.PARAMETER),
        In("depth", INDICES, Role.PARAMETER),
        In("on"),
        In("off"),
    )
    results = (Out("y", like="on"),)

    def infer(self, indices: Operand, depth: Operand, on: Operand, off: Operand) -> Shape:
        require(on.dtype is off.dtype, f"on and off must agree; got {on.dtype}, {off.dtype}")
        for name, operand in (("depth", depth), ("on", on), ("off", off)):
            require(
                all(d == 1 or not isinstance(d, int) for d in operand.shape),
                f"{name} must be a scalar; got {shown(operand.shape)}",
            )
        axis = axis_in(self.axis, len(indices.shape) + 1)
        size = scalar(depth, "depth")
        require(size is None or size >= 0, f"depth must not be negative; got {size}")
        new = unknown_dim() if size is None else size
        return (*indices.shape[:axis], new, *indices.shape[axis:])

    def reference(
        self, indices: np.ndarray, depth: np.ndarray, on: np.ndarray, off: np.ndarray
    ) -> np.ndarray:
        axis = axis_in(self.axis, indices.ndim + 1)
        size = int(depth.reshape(-1)[0])
        require(size >= 0, f"depth must not be negative; got {size}")
        places = np.arange(size).reshape((-1,) + (1,) * (indices.ndim - axis))
        hit = np.expand_dims(indices, axis) == places
        return np.where(hit, on.reshape(-1)[0], off.reshape(-1)[0]).astype(on.dtype)


class Where(Op, builtin="WHERE", options="WhereOptions"):
    """The positions of the elements of x that are not zero, in row-major order.

    Shapes: x of rank R, y [how many, R]. x of any numeric dtype or bool, y int64.
    **Source:** TensorFlow Lite kernels/where.cc.
    """

    operands = (In("x"),)
    results = (Out("y", dtype=DType.INT64),)
    quantization = NotQuantized()

    def infer(self, x: Operand) -> Shape:
        if x.data is not None:
            return (int(np.count_nonzero(x.data)), len(x.shape))
        return (unknown_dim(), len(x.shape))

    def reference(self, x: np.ndarray) -> np.ndarray:
        return np.argwhere(x).astype(np.int64)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        assert x is not None
        return 1 if x.dtype is DType.BOOL else 2


class Unique(Op, builtin="UNIQUE", options="UniqueOptions"):
    """The distinct elements of x in order of first occurrence, and for each element its place.

    Shapes: x [N], y [how many], index [N] with y[index] = x. Index dtype `idx_out_type`. Both zeros
    are one element, and so is NaN.
    **Source:** TensorFlow Lite kernels/unique.cc.
    """

    idx_out_type: DType = DType.INT32

    operands = (In("x"),)
    results = (Out("y"), Out("index", attr="idx_out_type"))
    is_bounded = True

    def infer(self, x: Operand) -> tuple[Shape, ...]:
        require(len(x.shape) == 1, f"x must be a vector; got {shown(x.shape)}")
        require(
            self.idx_out_type in INDICES,
            f"idx_out_type must be int32 or int64; got {self.idx_out_type.text}",
        )
        if x.data is not None:
            return (len(np.unique(_ordered(x.data))),), x.shape
        return (unknown_dim(),), x.shape

    def reference(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        keys = _ordered(x)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return x[first[order]], place[inverse.reshape(-1)].astype(self.idx_out_type.numpy)


def _ordered(x: np.ndarray) -> np.ndarray:
    """x in a type of which NumPy knows that NaN is one element: not bfloat16."""
    return x.astype(np.float32) if x.dtype.kind == "V" and DType.of(x.dtype).is_float else x


class Bucketize(Op, builtin="BUCKETIZE", options="BucketizeOptions"):
    """How many of the ascending `boundaries` are at most x.

    Shapes: x [...], y as x. x float32, float64, int32 or int64, y int32.
    **Source:** TensorFlow Lite kernels/bucketize.cc (std::upper_bound).
    """

    boundaries: tuple[float, ...] = ()

    operands = (In("x", FLOATS | INDICES),)
    results = (Out("y", dtype=DType.INT32),)
    quantization = NotQuantized()

    def infer(self, x: Operand) -> Shape:
        ordered = all(a <= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False))
        require(
            ordered and not any(isnan(b) for b in self.boundaries),
            f"boundaries must ascend; got {list(self.boundaries)[:8]}",
        )
        return x.shape

    def reference(self, x: np.ndarray) -> np.ndarray:
        bounds = np.array(self.boundaries, np.float32)
        x = x.astype(np.float32) if x.dtype.kind == "i" else x  # as C compares int and float
        return np.searchsorted(bounds, x, side="right").astype(np.int32)
