"""Operations that pick: slices, gathers, one-hot, conditions, partitions.

Source: tensorflow/core/ops/array_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import MAX_RESULTS, bounded, known_sizes
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Value

_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _slice(c: Context, node: TFNode, x: Value, begin: Value, size: Value) -> Value:
    return c.b.slice(x, int32(c, begin), int32(c, size))


def _strided_slice(
    c: Context, node: TFNode, x: Value, begin: Value, end: Value, strides: Value
) -> Value:
    """new axes by RESHAPE, an ellipsis written out; reads of a shape are folded"""
    masks = {name: attrs.integer(node, name, 0) for name in _MASKS}
    count = begin.shape[0]
    places = _spread(masks, count, len(x.shape)) if isinstance(count, int) else None
    if places is None or not (masks["new_axis_mask"] or masks["ellipsis_mask"]):
        return c.b.strided_slice(x, int32(c, begin), int32(c, end), int32(c, strides), **masks)
    vectors = [_entries(c, v, places) for v in (begin, end, strides)]
    bits = {name: 0 for name in _MASKS if name not in ("ellipsis_mask", "new_axis_mask")}
    for at, place in enumerate(p for p in places if p != _NEW):
        for name in bits:
            whole = name != "shrink_axis_mask"
            bits[name] |= (masks[name] >> place & 1 if place >= 0 else whole) << at
    y = c.b.strided_slice(x, *vectors, **bits) if any(p >= 0 for p in places) else x
    sizes = iter(y.shape)
    shape: list[Dim] = []
    for place in places:
        if place == _NEW:
            shape.append(1)
        elif place < 0 or not masks["shrink_axis_mask"] >> place & 1:
            shape.append(next(sizes))
    return c.reshape(y, shape)


_WHOLE, _NEW = -1, -2


def _spread(masks: dict[str, int], count: int, rank: int) -> list[int] | None:
    """The entry for every axis of the result before any goes: its number, _WHOLE or _NEW."""
    given: list[int] = []
    ellipsis = None
    for i in range(count):
        if masks["ellipsis_mask"] >> i & 1:
            ellipsis = len(given)
        elif masks["new_axis_mask"] >> i & 1:
            given.append(_NEW)
        else:
            given.append(i)
    missing = rank - sum(place >= 0 for place in given)
    if missing < 0:
        return None
    at = len(given) if ellipsis is None else ellipsis
    return [*given[:at], *[_WHOLE] * missing, *given[at:]]


def _entries(c: Context, vector: Value, places: list[int]) -> Value:
    """The vector's entries for the axes of x; 1 where an axis is taken whole."""
    axes = [place for place in places if place != _NEW]
    known = c.known(vector)
    if known is not None:
        return c.ints([int(known[place]) if place >= 0 else 1 for place in axes])
    longer = c.b.concatenation(int32(c, vector), c.ints([1]), axis=0)
    last = vector.shape[0]
    assert isinstance(last, int)
    return c.b.gather(longer, c.ints([place if place >= 0 else last for place in axes]))


def _gather(c: Context, node: TFNode, x: Value, indices: Value) -> Value:
    return c.b.gather(x, indices)


def _gather_v2(c: Context, node: TFNode, x: Value, indices: Value, axis: Value) -> Value:
    rank = len(x.shape)
    batch = attrs.integer(node, "batch_dims", 0)
    batch = batch + len(indices.shape) if batch < 0 else batch
    return c.b.gather(x, indices, axis=c.integer(axis, "its axis") % rank, batch_dims=batch)


def _gather_nd(c: Context, node: TFNode, x: Value, indices: Value) -> Value:
    return c.b.gather_nd(x, indices)


def _one_hot(
    c: Context, node: TFNode, indices: Value, depth: Value, on: Value, off: Value
) -> Value:
    """as many as `depth`; an index out of range has only `off`"""
    i = indices if indices.dtype in (DType.INT32, DType.INT64) else c.cast(indices, DType.INT32)
    return c.b.one_hot(i, int32(c, depth), on, off, axis=attrs.integer(node, "axis", -1))


def _where(c: Context, node: TFNode, x: Value) -> Value:
    """as many rows as the data says"""
    return c.b.where(x)


def _select(c: Context, node: TFNode, condition: Value, x: Value, y: Value) -> Value:
    return c.b.select(condition, x, y)


def _select_v2(c: Context, node: TFNode, condition: Value, x: Value, y: Value) -> Value:
    return c.b.select_v2(condition, x, y)


def _update_slice(c: Context, node: TFNode, x: Value, update: Value, start: Value) -> Value:
    return c.b.dynamic_update_slice(x, update, int32(c, start))


def _dynamic_slice(c: Context, node: TFNode, x: Value, start: Value, size: Value) -> Value:
    """a start beyond the end is moved back, as XLA does"""
    counts = c.integers(size, "its size")
    last = [d - n for d, n in zip(known_sizes(x.shape, "a tensor"), counts, strict=True)]
    begin = c.b.minimum(c.b.maximum(int32(c, start), c.ints([0])), c.ints(last))
    return c.b.slice(x, begin, c.ints(counts))


def _dynamic_partition(c: Context, node: TFNode, x: Value, places: Value) -> Sequence[Value]:
    """WHERE and GATHER_ND per partition"""
    parts = []
    count = bounded(attrs.integer(node, "num_partitions"), "its results", MAX_RESULTS)
    for number in range(count):
        chosen = c.b.where(c.b.equal(places, c.scalar(number, places)))
        parts.append(c.b.gather_nd(x, chosen))
    return parts


def _list_difference(c: Context, node: TFNode, x: Value, y: Value) -> Sequence[Value]:
    """constants"""
    known, left_out = c.array(x, "its list"), c.array(y, "what it leaves out")
    kept = np.flatnonzero(~np.isin(known, left_out))
    places = kept.astype(attrs.dtype(node, "out_idx", DType.INT32).numpy)
    return c.b.constant(known[kept]), c.b.constant(places)


HANDLERS: dict[str, Handler] = {
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    "GatherV2": _gather_v2,
    "GatherNd": _gather_nd,
    "OneHot": _one_hot,
    "Where": _where,
    "Select": _select,
    "SelectV2": _select_v2,
    "XlaDynamicUpdateSlice": _update_slice,
    "XlaDynamicSlice": _dynamic_slice,
    "DynamicPartition": _dynamic_partition,
    "ListDiff": _list_difference,
}
