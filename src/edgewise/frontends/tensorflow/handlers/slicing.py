"""Operations that pick: slices, gathers, one-hot, conditions, and writing into places.

Source: tensorflow/core/ops/array_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import Dim, is_static
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


def _scatter_nd(c: Context, node: TFNode, indices: Value, updates: Value, shape: Value) -> Value:
    """equal indices are added"""
    wanted = c.dims(shape)
    size = shape if wanted is None else c.cast(c.shape(wanted), indices.dtype)
    return c.b.scatter_nd(indices, updates, size)


def _scattered(c: Context, x: Value, indices: Value, updates: Value) -> Value:
    shape = c.cast(c.shape(x.shape), indices.dtype)
    return c.b.scatter_nd(indices, updates, shape)


def _written(c: Context, x: Value, indices: Value, updates: Value) -> Value:
    """True where an index points, of the shape of x up to the axes that updates fill."""
    depth = indices.shape[-1]
    if not isinstance(depth, int):
        raise Unsupported("its indices have an unknown length; give them a fixed shape")
    ones = c.b.fill(c.shape(indices.shape[:-1]), c.scalar(1))
    found = c.b.scatter_nd(indices, ones, c.cast(c.shape(x.shape[:depth]), indices.dtype))
    mask = c.b.greater(found, c.scalar(0))
    return c.reshape(mask, [*x.shape[:depth], *[1] * (len(x.shape) - depth)])


def _updated(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
    """SELECT_V2 between SCATTER_ND and the tensor; which of equal indices wins is undefined"""
    _distinct(c, indices)
    return c.b.select_v2(_written(c, x, indices, updates), _scattered(c, x, indices, updates), x)


def _distinct(c: Context, indices: Value) -> None:
    known = c.known(indices)
    if known is not None:
        rows = known.reshape(-1, known.shape[-1])
        if len(np.unique(rows, axis=0)) < len(rows):
            raise Unsupported("it writes to one place twice; write to each place once")


def _added(name: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
        y = getattr(c.b, name)(x, _scattered(c, x, indices, updates))
        assert isinstance(y, Value)
        return y

    handler.__doc__ = "SCATTER_ND and the tensor; equal indices are added"
    return handler


def _extreme(name: str) -> Handler:
    """x and the updates where there are any; equal indices would be added before."""

    def handler(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
        if c.known(indices) is None:
            raise Unsupported("extremes at computed places; use constant indices")
        _distinct(c, indices)
        there = c.b.select_v2(
            _written(c, x, indices, updates), _scattered(c, x, indices, updates), x
        )
        y = getattr(c.b, name)(x, there)
        assert isinstance(y, Value)
        return y

    handler.__doc__ = "constant indices, each place once"
    return handler


def _sparse_to_dense(
    c: Context, node: TFNode, indices: Value, shape: Value, values: Value, default: Value
) -> Value:
    size = shape if shape.dtype is indices.dtype else c.cast(shape, indices.dtype)
    return c.b.sparse_to_dense(indices, size, values, default)


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
    sizes = c.integers(size, "its size")
    if not is_static(x.shape):
        raise Unsupported("a slice of an unknown size; give the model a fixed input shape")
    last = [int(str(d)) - n for d, n in zip(x.shape, sizes, strict=True)]
    begin = c.b.minimum(c.b.maximum(int32(c, start), c.ints([0])), c.ints(last))
    return c.b.slice(x, begin, c.ints(sizes))


def _inverted(c: Context, node: TFNode, x: Value) -> Value:
    """SCATTER_ND of a range"""
    size = x.shape[0]
    if not isinstance(size, int):
        raise Unsupported("a permutation of unknown length; give the model a fixed input shape")
    places = c.b.constant(np.arange(size, dtype=x.dtype.numpy))
    return c.b.scatter_nd(c.reshape(x, (size, 1)), places, c.cast(c.ints([size]), x.dtype))


HANDLERS: dict[str, Handler] = {
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    "GatherV2": _gather_v2,
    "GatherNd": _gather_nd,
    "ScatterNd": _scatter_nd,
    "TensorScatterUpdate": _updated,
    "TensorScatterAdd": _added("add"),
    "TensorScatterSub": _added("sub"),
    "TensorScatterMax": _extreme("maximum"),
    "TensorScatterMin": _extreme("minimum"),
    "SparseToDense": _sparse_to_dense,
    "OneHot": _one_hot,
    "Where": _where,
    "Select": _select,
    "SelectV2": _select_v2,
    "XlaDynamicUpdateSlice": _update_slice,
    "XlaDynamicSlice": _dynamic_slice,
    "InvertPermutation": _inverted,
}
