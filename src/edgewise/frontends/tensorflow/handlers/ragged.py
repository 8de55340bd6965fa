"""Ragged and sparse tensors as the dense ones that they are made of.

Source: tensorflow/core/ops/{ragged_conversion_ops,sparse_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _to_tensor(
    c: Context, node: TFNode, shape: Value, values: Value, default: Value, *partitions: Value
) -> Value:
    """SCATTER_ND of the rows' elements; one ragged axis"""
    kinds = node.attrs.get("row_partition_types", ())
    if kinds == (b"ROW_SPLITS",):
        splits = int32(c, partitions[0])
        starts = c.b.strided_slice(splits, c.ints([0]), c.ints([-1]), c.ints([1]))
        rows = _rows_of(c, splits, values)
    elif kinds == (b"FIRST_DIM_SIZE", b"VALUE_ROWIDS"):
        rows = int32(c, partitions[1])
        ones = c.b.fill(_length(c, rows), c.scalar(1, rows))
        counts = c.b.unsorted_segment_sum(ones, rows, int32(c, partitions[0]))
        starts = c.b.cumsum(counts, c.b.constant(np.array(0, np.int32)), exclusive=True)
    else:
        raise Unsupported("several ragged axes; give it one, or a dense tensor and a mask")
    place = c.b.sub(_range(c, rows), c.b.gather(starts, rows))
    count, wanted = _length(c, starts), _width(c, shape)
    # the longest row; where nothing is in any row, 0
    least = c.ints([max(wanted, 0)])
    longest = c.b.add(c.b.reduce_max(c.b.concatenation(place, c.ints([-1]), axis=0), c.ints([0]),
                                     keep_dims=True), c.ints([1]))  # fmt: skip
    rest = known_sizes(values.shape[1:], "an element")
    width = c.b.maximum(longest, least)
    size = c.b.concatenation(count, width, *([c.ints(rest)] if rest else []), axis=0)
    points = c.b.pack(rows, place, values_count=2, axis=1)
    y = c.b.scatter_nd(points, values, size)
    known = c.known(default)
    if known is None or np.any(known):
        grid = c.b.concatenation(count, width, axis=0)
        ones = c.b.fill(_length(c, rows), c.b.constant(np.array(1, np.int32)))
        there = c.b.greater(c.b.scatter_nd(points, ones, grid), c.ints([0]))
        there = c.b.reshape(
            there, c.b.concatenation(grid, c.ints([1] * len(rest)), axis=0) if rest else grid
        )
        y = c.b.select_v2(there, y, default)
    if wanted < 0:
        return y
    kept = c.ints([-1, wanted, *[-1] * len(rest)])
    return c.b.slice(y, c.ints([0] * (2 + len(rest))), kept)


def _width(c: Context, shape: Value) -> int:
    """The length of rows that is asked for, -1 where the longest row says it."""
    known = c.known(shape)
    if known is None:
        raise Unsupported("its shape is computed when the model runs; make it a constant")
    flat = known.reshape(-1)
    return int(flat[1]) if known.ndim and len(flat) > 1 else -1


def _rows_of(c: Context, splits: Value, values: Value) -> Value:
    """The row of every value: how many rows have ended before it."""
    ends = c.b.strided_slice(splits, c.ints([1]), c.ints([0]), c.ints([1]), end_mask=1)
    at = c.b.reshape(_range(c, values), c.ints([-1, 1]))
    ended = c.cast(c.b.greater_equal(at, c.b.reshape(ends, c.ints([1, -1]))), DType.INT32)
    return c.b.sum(ended, c.ints([1]))


def _range(c: Context, x: Value) -> Value:
    """0, 1, ... for every element of the first axis."""
    count = c.b.reshape(_length(c, x), c.ints([]))
    zero, one = (c.b.constant(np.array(n, np.int32)) for n in (0, 1))
    return c.b.range(zero, count, one)


def _length(c: Context, x: Value) -> Value:
    """The size of the first axis, [1]."""
    first = x.shape[0]
    if isinstance(first, int):
        return c.ints([first])
    return c.b.strided_slice(c.b.shape(x), c.ints([0]), c.ints([1]), c.ints([1]))


def _sparse_matmul(
    c: Context, node: TFNode, indices: Value, values: Value, shape: Value, dense: Value
) -> Value:
    """UNSORTED_SEGMENT_SUM of the values times the rows of the dense matrix that they meet"""
    turned = attrs.flag(node, "adjoint_a", False)
    if attrs.flag(node, "adjoint_b", False):
        dense = c.transpose(dense, [1, 0])
    row, column = (
        c.b.reshape(c.b.slice(indices, c.ints([0, i]), c.ints([-1, 1])), c.ints([-1]))
        for i in (0, 1)
    )
    row, column = (column, row) if turned else (row, column)
    sizes = int32(c, shape)
    place = 1 if turned else 0
    count = c.b.strided_slice(
        sizes, c.ints([place]), c.ints([place + 1]), c.ints([1]), shrink_axis_mask=1
    )
    parts = c.b.mul(c.b.gather(dense, int32(c, column)), c.b.reshape(values, c.ints([-1, 1])))
    return c.b.unsorted_segment_sum(parts, int32(c, row), count)


HANDLERS: dict[str, Handler] = {
    "RaggedTensorToTensor": _to_tensor,
    "SparseTensorDenseMatMul": _sparse_matmul,
}
