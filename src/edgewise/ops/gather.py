"""Elements picked and placed by index: GATHER, GATHER_ND, SCATTER_ND, SEGMENT_SUM."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.contents import contents, dims
from edgewise.ir.dim import Shape, same_dim, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import axis_in, shown, unknown_shape

INDEX = INDICES | {DType.INT16}


class Gather(Op, builtin="GATHER", options="GatherOptions"):
    """Slices of x along `axis`: y[b.., o.., i.., t..] = x[b.., o.., indices[b.., i..], t..].

    Shapes: x [B.., O.., A, T..] with A at `axis`, indices [B.., I..], y [B.., O.., I.., T..]; B are
    the first `batch_dims` dimensions of both. Any dtype; indices in [0, A).
    **Source:** TensorFlow Lite kernels/gather.cc, reference_ops Gather.
    """

    axis: int = 0
    batch_dims: int = 0

    operands = (In("x"), In("indices", INDEX, Role.PARAMETER))
    carries_dims = True

    def infer(self, x: Operand, indices: Operand) -> Shape:
        axis, batch = self.axes(len(x.shape), len(indices.shape))
        require(
            all(
                same_dim(a, b) is not False
                for a, b in zip(x.shape[:batch], indices.shape[:batch], strict=True)
            ),
            f"x and indices must have the same first {batch} dimensions; "
            f"got {shown(x.shape)} and {shown(indices.shape)}",
        )
        size = x.shape[axis]
        if isinstance(size, int) and indices.data is not None:
            check_range(indices.data, size)
        return x.shape[:axis] + indices.shape[batch:] + x.shape[axis + 1 :]

    def reference(self, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        axis, batch = self.axes(x.ndim, indices.ndim)
        check_range(indices, x.shape[axis])
        if batch == 0:
            return np.take(x, indices.astype(np.intp), axis)
        # one open grid over the batch; the dimensions between batch and axis move behind
        grid = np.ix_(*[np.arange(n) for n in x.shape[:batch]])
        inner = indices.ndim - batch
        rows = [g.reshape(g.shape + (1,) * inner) for g in grid]
        middle = range(batch, axis)
        front = np.moveaxis(x, axis, batch)  # [B.., A, O.., T..]
        picked = front[(*rows, indices.astype(np.intp))]  # [B.., I.., O.., T..]
        return np.moveaxis(picked, [d + inner for d in middle], list(middle))

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, indices = operands
        assert x is not None
        assert indices is not None
        if x.dtype is DType.INT4:
            return 7
        if indices.dtype is DType.INT16:
            return 6
        if self.batch_dims:
            return 5
        return {DType.INT16: 4, DType.BOOL: 3, DType.INT8: 2}.get(x.dtype, 1)

    def axes(self, rank: int, index_rank: int) -> tuple[int, int]:
        """The axis and the number of batch dimensions. Raises ShapeError."""
        batch = self.batch_dims + (index_rank if self.batch_dims < 0 else 0)
        require(rank >= 1, "x must have a dimension; got a scalar")
        axis = axis_in(self.axis, rank)
        require(
            0 <= batch <= min(index_rank, axis),
            f"batch_dims must be in [0, {min(index_rank, axis)}]; got {self.batch_dims}",
        )
        return axis, batch


class GatherNd(Op, builtin="GATHER_ND", options="GatherNdOptions"):
    """y[i..] = x[indices[i.., 0], ..., indices[i.., K-1]].

    Shapes: x [D_0, ..., D_K-1, T..], indices [I.., K], y [I.., T..]. Any dtype; every index lies
    inside its dimension.
    **Source:** TensorFlow Lite kernels/gather_nd.cc.
    """

    operands = (In("x"), In("indices", INDEX, Role.PARAMETER))

    def infer(self, x: Operand, indices: Operand) -> Shape | None:
        require(
            len(indices.shape) >= 1 and len(x.shape) >= 1,
            f"x and indices must have a dimension; got {shown(x.shape)}, {shown(indices.shape)}",
        )
        depth = indices.shape[-1]
        if not isinstance(depth, int):
            return None
        require(
            depth <= len(x.shape),
            f"indices must be [..., K], K at most the rank of x; got {depth} for {len(x.shape)}",
        )
        return indices.shape[:-1] + x.shape[depth:]

    def reference(self, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        check_ranges(indices, x.shape)
        index = np.moveaxis(indices.astype(np.intp), -1, 0)
        if len(index) == 0:
            return np.broadcast_to(x, indices.shape[:-1] + x.shape).copy()
        return x[tuple(index)]

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, indices = operands
        assert x is not None
        assert indices is not None
        if x.dtype is DType.BOOL:
            return 5
        if indices.dtype is DType.INT16:
            return 4
        return {DType.INT16: 3, DType.STRING: 2}.get(x.dtype, 1)


class ScatterNd(Op, builtin="SCATTER_ND", options="ScatterNdOptions"):
    """Zeros of the given shape, with updates[i..] added at [indices[i.., 0], ...].

    Shapes: indices [I.., K], updates [I.., T..], shape [R], y [shape] with the last dimensions T.
    Any numeric dtype or bool; indices that occur twice add up. Not quantized: a sum of stored
    integers means nothing.
    **Source:** TensorFlow Lite kernels/scatter_nd.cc, reference_ops ScatterNd.
    """

    operands = (
        In("indices", INDICES, Role.PARAMETER),
        In("updates"),
        In("shape", INDICES, Role.PARAMETER),
    )
    results = (Out("y", like="updates"),)
    quantization = NotQuantized()

    def infer(self, indices: Operand, updates: Operand, shape: Operand) -> Shape | None:
        require(
            len(indices.shape) >= 1 and len(shape.shape) == 1,
            "indices must have a dimension and shape be a vector; "
            f"got {shown(indices.shape)} and {shown(shape.shape)}",
        )
        require(
            indices.dtype is shape.dtype,
            f"indices and shape must have one type; got {indices.dtype} and {shape.dtype}",
        )
        wanted = dims(shape) or unknown_shape(shape.shape[0])
        depth = indices.shape[-1]
        if wanted is None or not isinstance(depth, int):
            return wanted
        require(
            all(not isinstance(d, int) or d >= 0 for d in wanted) and depth <= len(wanted),
            f"shape must hold {depth} or more sizes, none negative; got {shown(wanted)}",
        )
        expected = indices.shape[:-1] + wanted[depth:]
        require(
            len(updates.shape) == len(expected)
            and all(
                same_dim(a, b) is not False for a, b in zip(updates.shape, expected, strict=True)
            ),
            f"updates must be {shown(expected)}; got {shown(updates.shape)}",
        )
        return wanted

    def reference(self, indices: np.ndarray, updates: np.ndarray, shape: np.ndarray) -> np.ndarray:
        wanted, depth = tuple(int(d) for d in shape), indices.shape[-1]
        require(
            min(wanted, default=0) >= 0
            and updates.shape == indices.shape[:-1] + wanted[depth:]
            and depth <= len(wanted),
            f"shape {shown(wanted)} must fit indices {shown(indices.shape)} and updates "
            f"{shown(updates.shape)}, and have no negative size",
        )
        y = np.zeros(wanted, updates.dtype)
        check_ranges(indices, y.shape)
        index = tuple(np.moveaxis(indices.astype(np.intp), -1, 0))
        if not index:
            return y + updates.sum(tuple(range(indices.ndim - 1)), dtype=updates.dtype)
        np.add.at(y, index, updates)
        return y


class SegmentSum(Op, builtin="SEGMENT_SUM", options="SegmentSumOptions"):
    """y[s] = sum of the rows of x whose segment is s.

    Shapes: x [N, T..], segments [N] (ascending, not negative), y [last segment + 1, T..]. float32
    or int32. Segments that do not occur are zero.
    **Source:** TensorFlow Lite kernels/segment_sum.cc.
    """

    operands = (
        In("x", {DType.FLOAT32, DType.INT32}),
        In("segments", {DType.INT32}, Role.PARAMETER),
    )
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(self, x: Operand, segments: Operand) -> Shape:
        require(
            len(segments.shape) == 1
            and len(x.shape) >= 1
            and same_dim(segments.shape[0], x.shape[0]) is not False,
            f"segments must be a vector, one per row of x; "
            f"got {shown(segments.shape)} for {shown(x.shape)}",
        )
        if segments.data is not None:
            check_segments(segments.data)
            return (int(segments.data[-1]) + 1 if len(segments.data) else 0, *x.shape[1:])
        known = contents(segments)
        if known is not None and all(isinstance(s, int) for s in known):
            check_segments(known)
        rows = unknown_dim() if known is None else known[-1] + 1 if len(known) else 0
        return (rows, *x.shape[1:])

    def reference(self, x: np.ndarray, segments: np.ndarray) -> np.ndarray:
        check_segments(segments)
        rows = int(segments[-1]) + 1 if len(segments) else 0
        y = np.zeros((rows, *x.shape[1:]), x.dtype)
        np.add.at(y, segments.astype(np.intp), x)
        return y


def check_segments(segments: np.ndarray) -> None:
    """Raise ShapeError unless they ascend from 0 or more."""
    ordered = bool(np.all(segments[1:] >= segments[:-1])) and (
        len(segments) == 0 or segments[0] >= 0
    )
    require(ordered, f"segments must ascend from 0 or more; got {segments.tolist()[:8]}")


def check_range(indices: np.ndarray, size: int) -> None:
    """Raise ShapeError for an index outside a dimension of this size."""
    if indices.size == 0 or indices.dtype == object:
        return
    low, high = int(indices.min()), int(indices.max())
    require(low >= 0 and high < size, f"indices must be in [0, {size}); got {low}..{high}")


def check_ranges(indices: np.ndarray, shape: Sequence[int]) -> None:
    """Raise ShapeError for an index [..., k] outside dimension k."""
    for k in range(indices.shape[-1]):
        check_range(indices[..., k], shape[k])
