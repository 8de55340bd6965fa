"""Operations about order and groups: the largest, the distinct, sums per segment, buckets.

Source: tensorflow/core/ops/{nn_ops,array_ops,math_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.index import one_hot
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.binary import wide
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _top_k_v2(c: Context, node: TFNode, x: Value, k: Value) -> Sequence[Value]:
    """the indices int32; a CAST where they are asked for as int64"""
    values, indices = c.b.node(operator("topk_v2")(), wide(c, x), int32(c, k)).outputs
    wanted = attrs.dtype(node, "index_type", DType.INT32)
    return c.cast(values, x.dtype), c.cast(indices, wanted)


def _unique(c: Context, node: TFNode, x: Value, *axis: Value) -> Sequence[Value]:
    """of a vector"""
    if len(x.shape) != 1:
        raise Unsupported("the distinct parts of a tensor of several axes; flatten it before")
    op = operator("unique")(idx_out_type=attrs.dtype(node, "out_idx", DType.INT32))
    return c.b.node(op, x).outputs


def _unique_with_counts(c: Context, node: TFNode, x: Value, *axis: Value) -> Sequence[Value]:
    """UNIQUE, and a UNSORTED_SEGMENT_SUM of ones"""
    values, places = _unique(c, node, x, *axis)
    ones = c.b.fill(c.shape(x.shape), c.scalar(1, places))
    count = c.b.reduce_prod(c.b.shape(values), c.ints([0]))
    return values, places, c.b.unsorted_segment_sum(ones, c.cast(places, DType.INT32), count)


def _segment_sum(c: Context, node: TFNode, x: Value, segments: Value) -> Value:
    """as many as the last id says; constant ids that leave numbers out by the unsorted one"""
    known = c.known(segments)
    if known is not None and len(np.unique(known)) < int(known.max(initial=-1)) + 1:
        count = c.b.constant(np.array(known.max() + 1, np.int32))
        return c.b.unsorted_segment_sum(x, int32(c, segments), count)
    return c.b.segment_sum(x, int32(c, segments))


def _segment(name: str, empty: float | None) -> Handler:
    """Per segment of ascending ids; a segment without elements has `empty`."""

    def handler(c: Context, node: TFNode, x: Value, segments: Value) -> Value:
        ids = c.array(segments, "its segments").astype(np.int32).reshape(-1)
        count = int(ids.max()) + 1 if ids.size else 0
        if len(np.unique(ids)) < count and empty is None:
            raise Unsupported("a segment without elements; number the segments one after the other")
        size = c.b.constant(np.array(count, np.int32))
        if name != "mean":
            y = getattr(c.b, f"unsorted_segment_{name}")(x, c.b.constant(ids), size)
            assert isinstance(y, Value)
            return y
        total = c.b.unsorted_segment_sum(x, c.b.constant(ids), size)
        counts = np.maximum(np.bincount(ids, minlength=count), 1).astype(x.dtype.numpy)
        return c.b.div(total, c.b.constant(counts.reshape(-1, *[1] * (len(x.shape) - 1))))

    handler.__doc__ = "by the unsorted one; constant segments, none of them empty"
    return handler


def _unsorted_segment(name: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value, segments: Value, count: Value) -> Value:
        y = getattr(c.b, f"unsorted_segment_{name}")(x, int32(c, segments), int32(c, count))
        assert isinstance(y, Value)
        return y

    return handler


def _bucketize(c: Context, node: TFNode, x: Value) -> Value:
    return c.b.bucketize(x, boundaries=attrs.reals(node, "boundaries"))


def _bincount(c: Context, node: TFNode, x: Value, size: Value, weights: Value) -> Value:
    """the sum (binary_output: the maximum) of ONE_HOT"""
    depth = c.integer(size, "its size")
    wanted = attrs.dtype(node, "T")
    batched = len(x.shape) == 2 and node.op == "DenseBincount"
    flat = x if batched else c.reshape(x, (int(np.prod(known_sizes(x.shape, "a tensor"))),))
    hot = one_hot(c, flat, depth, len(flat.shape), wanted)
    if weights.shape and weights.shape[-1] != 0:
        hot = c.b.mul(hot, c.reshape(weights, (*flat.shape, 1)))
    axis = c.ints([len(flat.shape) - 1])
    if attrs.flag(node, "binary_output", False):
        return c.b.reduce_max(hot, axis)
    return c.b.sum(hot, axis)


def _in_top_k(c: Context, node: TFNode, scores: Value, targets: Value, k: Value) -> Value:
    """fewer than k elements of the row exceed that of the target"""
    index = c.b.expand_dims(int32(c, targets), c.ints([1]))
    own = c.b.gather(scores, index, axis=1, batch_dims=1)
    above = c.cast(c.b.greater(scores, own), DType.INT32)
    return c.b.less(c.b.sum(above, c.ints([1])), int32(c, k))


def _sparse_segment(name: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value, indices: Value, segments: Value) -> Value:
        rows = c.b.gather(x, indices)
        if name == "sum":
            return _segment_sum(c, node, rows, segments)
        y = _segment("mean", 0.0)(c, node, rows, segments)
        assert isinstance(y, Value)
        return y

    handler.__doc__ = "GATHER, then as SegmentSum or SegmentMean"
    return handler


def _bound(name: str) -> Handler:
    def handler(c: Context, node: TFNode, row: Value, x: Value) -> Value:
        smaller = getattr(c.b, name)(
            wide(c, c.b.expand_dims(row, c.ints([1]))), wide(c, c.b.expand_dims(x, c.ints([2])))
        )
        count = c.b.sum(c.cast(smaller, DType.INT32), c.ints([2]))
        return c.cast(count, attrs.dtype(node, "out_type", DType.INT32))

    handler.__doc__ = "how many elements of the row are smaller (UpperBound: or equal)"
    return handler


_COMBINED = ("Sum", "Prod", "Max", "Min")

HANDLERS: dict[str, Handler] = {
    "TopKV2": _top_k_v2,
    **dict.fromkeys(("Unique", "UniqueV2"), _unique),
    **dict.fromkeys(("UniqueWithCounts", "UniqueWithCountsV2"), _unique_with_counts),
    "SegmentSum": _segment_sum,
    "SegmentMean": _segment("mean", 0.0),
    "SegmentProd": _segment("prod", 1.0),
    "SegmentMax": _segment("max", None),
    "SegmentMin": _segment("min", None),
    "UnsortedSegmentSum": _unsorted_segment("sum"),
    "UnsortedSegmentProd": _unsorted_segment("prod"),
    "UnsortedSegmentMax": _unsorted_segment("max"),
    "UnsortedSegmentMin": _unsorted_segment("min"),
    "Bucketize": _bucketize,
    **dict.fromkeys(("Bincount", "DenseBincount"), _bincount),
    "InTopKV2": _in_top_k,
    **{f"Segment{name}V2": _unsorted_segment(name.lower()) for name in _COMBINED},
    "SparseSegmentSum": _sparse_segment("sum"),
    "SparseSegmentMean": _sparse_segment("mean"),
    "LowerBound": _bound("less"),
    "UpperBound": _bound("less_equal"),
}
