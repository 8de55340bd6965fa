"""Operations about order and groups: the largest, the distinct, sums per segment, buckets.

Source: tensorflow/core/ops/{nn_ops,array_ops,math_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose import order
from edgewise.frontends.decompose.index import last_axis, one_hot
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.decompose.segments import per_segment
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import elements
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


def _segment(name: str, empty: float) -> Handler:
    """Per segment of ascending ids; a segment without elements has `empty`."""

    def handler(c: Context, node: TFNode, x: Value, segments: Value) -> Value:
        known = c.known(segments)
        if known is None:
            at = c.b.strided_slice(segments, c.ints([-1]), c.ints([0]), c.ints([1]), end_mask=1)
            last = c.reshape(int32(c, at), ())
            return per_segment(c, name, x, int32(c, segments), fn.plus(c, last, 1), empty)
        ids = known.astype(np.int32).reshape(-1)
        count = int(ids.max()) + 1 if ids.size else 0
        has_all = len(np.unique(ids)) == count
        size = c.b.constant(np.array(count, np.int32))
        return per_segment(c, name, x, c.b.constant(ids), size, None if has_all else empty)

    handler.__doc__ = "by the unsorted one; SELECT_V2 where a segment may have no elements"
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
    return order.in_top_k(c, scores, targets, int32(c, k))


def _sparse_segment(name: str) -> Handler:
    def handler(
        c: Context, node: TFNode, x: Value, indices: Value, segments: Value, *count: Value
    ) -> Value:
        rows = c.b.gather(x, indices)
        if count:
            return per_segment(c, name, rows, int32(c, segments), int32(c, count[0]), 0)
        if name == "sum":
            return _segment_sum(c, node, rows, segments)
        y = _segment(name, 0.0)(c, node, rows, segments)
        assert isinstance(y, Value)
        return y

    handler.__doc__ = "GATHER, then as SegmentSum or SegmentMean"
    return handler


def _bound(*, or_equal: bool) -> Handler:
    def handler(c: Context, node: TFNode, row: Value, x: Value) -> Value:
        count = order.smaller(c, wide(c, row), wide(c, x), or_equal=or_equal)
        return c.cast(count, attrs.dtype(node, "out_type", DType.INT32))

    handler.__doc__ = "how many elements of the row are smaller (UpperBound: or equal)"
    return handler


def _in_top_k_of(c: Context, node: TFNode, scores: Value, targets: Value) -> Value:
    """as InTopKV2"""
    k = c.b.constant(np.array(attrs.integer(node, "k"), np.int32))
    return _in_top_k(c, node, scores, targets, k)


def _approximate_top_k(c: Context, node: TFNode, x: Value) -> Sequence[Value]:
    """TOPK_V2, which is exact; of the smallest numbers with their signs changed"""
    axis = attrs.integer(node, "reduction_dimension", -1) % len(x.shape)
    if not attrs.flag(node, "aggregate_to_topk", True):
        raise Unsupported("candidates that are not sorted; use aggregate_to_topk=True")
    k = c.b.constant(np.array(attrs.integer(node, "k"), np.int32))
    largest = attrs.flag(node, "is_max_k", True)
    x, perm = last_axis(c, x, axis)
    values, places = c.b.node(operator("topk_v2")(), x if largest else c.b.neg(x), k).outputs
    values = values if largest else c.b.neg(values)
    return c.transpose(values, perm), c.transpose(places, perm)


def _nth_element(c: Context, node: TFNode, x: Value, n: Value) -> Value:
    """the last element of TOPK_V2"""
    place = c.integer(n, "its n")
    reverse = attrs.flag(node, "reverse", False)
    k = c.b.constant(np.array(place + 1, np.int32))
    values = c.b.node(operator("topk_v2")(), x if reverse else c.b.neg(x), k).outputs[0]
    rank = len(x.shape)
    start, size = [*[0] * (rank - 1), place], [*[-1] * (rank - 1), 1]
    y = c.reshape(c.b.slice(values, c.ints(start), c.ints(size)), x.shape[:-1])
    return y if reverse else c.b.neg(y)


def _histogram(c: Context, node: TFNode, x: Value, ends: Value, count: Value) -> Value:
    """the sum of ONE_HOT of floor((x - low) / width), limited to the bins"""
    low, high = (float(end) for end in c.array(ends, "its range").reshape(-1))
    bins = c.integer(count, "its number of bins")
    if not high > low:
        raise Unsupported(f"a histogram from {low} to {high}; give it a range that is not empty")
    flat = c.reshape(c.real(x), (elements(x.shape),))
    place = fn.scaled(c, fn.plus(c, flat, -low), bins / (high - low))
    place = c.cast(fn.clip(c, c.b.floor(place), 0, bins - 1), DType.INT32)
    hot = one_hot(c, place, bins, 1, attrs.dtype(node, "dtype", DType.INT32))
    return c.b.sum(hot, c.ints([0]))


def _unraveled(c: Context, node: TFNode, index: Value, dims: Value) -> Value:
    """FLOOR_DIV and FLOOR_MOD by the sizes of the parts; constant dimensions"""
    sizes = c.integers(dims, "its dimensions")
    parts = np.cumprod([1, *sizes[:0:-1]])[::-1]
    shape = (len(sizes), *[1] * len(index.shape))
    steps, limits = (
        c.b.constant(np.array(v, index.dtype.numpy).reshape(shape)) for v in (parts, sizes)
    )
    return c.b.floor_mod(c.b.floor_div(index, steps), limits)


_COMBINED = ("Sum", "Prod", "Max", "Min")

HANDLERS: dict[str, Handler] = {
    "TopKV2": _top_k_v2,
    **dict.fromkeys(("Unique", "UniqueV2"), _unique),
    **dict.fromkeys(("UniqueWithCounts", "UniqueWithCountsV2"), _unique_with_counts),
    "SegmentSum": _segment_sum,
    "SegmentMean": _segment("mean", 0.0),
    "SegmentProd": _segment("prod", 1.0),
    "SegmentMax": _segment("max", 0.0),
    "SegmentMin": _segment("min", 0.0),
    "UnsortedSegmentSum": _unsorted_segment("sum"),
    "UnsortedSegmentProd": _unsorted_segment("prod"),
    "UnsortedSegmentMax": _unsorted_segment("max"),
    "UnsortedSegmentMin": _unsorted_segment("min"),
    "Bucketize": _bucketize,
    **dict.fromkeys(("Bincount", "DenseBincount"), _bincount),
    "InTopKV2": _in_top_k,
    **{f"Segment{name}V2": _unsorted_segment(name.lower()) for name in _COMBINED},
    **{
        f"SparseSegment{name}{suffix}": _sparse_segment(kind)
        for name, kind in (("Sum", "sum"), ("Mean", "mean"), ("SqrtN", "sqrt_n"))
        for suffix in ("", "WithNumSegments")
    },
    "InTopK": _in_top_k_of,
    "ApproxTopK": _approximate_top_k,
    "NthElement": _nth_element,
    "HistogramFixedWidth": _histogram,
    "UnravelIndex": _unraveled,
    "LowerBound": _bound(or_equal=False),
    "UpperBound": _bound(or_equal=True),
}
