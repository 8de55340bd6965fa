"""Operations that write into places: scatters, updates of slices, stitches, permutations.

Source: tensorflow/core/ops/{array_ops,data_flow_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.frontends.context import bounded, known_sizes
from edgewise.frontends.decompose.scatter import combined, replaced, scattered
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ops.slice import StridedSlice

_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def _scatter_nd(c: Context, node: TFNode, indices: Value, updates: Value, shape: Value) -> Value:
    """equal indices are added"""
    wanted = c.dims(shape)
    size = shape if wanted is None else c.cast(c.shape(wanted), indices.dtype)
    return c.b.scatter_nd(indices, updates, size)


def updated(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
    """SELECT_V2 between SCATTER_ND and the tensor; which of equal indices wins is undefined"""
    _distinct(c, indices)
    return replaced(c, x, indices, updates)


def _distinct(c: Context, indices: Value) -> None:
    known = c.known(indices)
    if known is not None:
        rows = known.reshape(-1, known.shape[-1])
        if len(np.unique(rows, axis=0)) < len(rows):
            raise Unsupported("it writes to one place twice; write to each place once")


def added(name: str) -> Handler:
    """The operator `name` of the tensor and the scattered updates."""

    def handler(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
        y = getattr(c.b, name)(x, scattered(c, x, indices, updates))
        assert isinstance(y, Value)
        return y

    handler.__doc__ = "SCATTER_ND and the tensor; equal indices are added"
    return handler


def extreme(name: str) -> Handler:
    """`max` or `min`."""

    def handler(c: Context, node: TFNode, x: Value, indices: Value, updates: Value) -> Value:
        return combined(c, name, x, indices, updates)

    handler.__doc__ = f"UNSORTED_SEGMENT_{name.upper()} of the updates, and the tensor"
    return handler


def _sparse_to_dense(
    c: Context, node: TFNode, indices: Value, shape: Value, values: Value, default: Value
) -> Value:
    size = shape if shape.dtype is indices.dtype else c.cast(shape, indices.dtype)
    return c.b.sparse_to_dense(indices, size, values, default)


def _inverted(c: Context, node: TFNode, x: Value) -> Value:
    """SCATTER_ND of a range"""
    (size,) = known_sizes(x.shape, "a permutation")
    bounded(size, "a permutation")
    places = c.b.constant(np.arange(size, dtype=x.dtype.numpy))
    return c.b.scatter_nd(c.reshape(x, (size, 1)), places, c.cast(c.ints([size]), x.dtype))


def slice_updated(
    c: Context, node: TFNode, x: Value, begin: Value, end: Value, strides: Value, value: Value
) -> Value:
    """GATHER from the tensor and the value, one behind the other; constant bounds"""
    shape, of_value = known_sizes(x.shape, "a tensor"), known_sizes(value.shape, "a value")
    masks = {name: attrs.integer(node, name, 0) for name in _MASKS}
    op = StridedSlice(**masks)  # type: ignore[arg-type]
    bounds = [c.array(v, "its bounds").reshape(-1) for v in (begin, end, strides)]
    sources = np.arange(bounded(math.prod(shape), "a tensor"))
    places = sources.reshape(shape)[op.index(shape, *bounds)]
    count = bounded(math.prod(of_value), "a value")
    given = np.arange(count).reshape(of_value)
    sources[places.reshape(-1)] = len(sources) + np.broadcast_to(given, places.shape).reshape(-1)
    both = c.b.concatenation(c.reshape(x, [len(sources)]), c.reshape(value, [count]), axis=0)
    return c.reshape(c.b.gather(both, c.ints([int(i) for i in sources])), shape)


def _stitched(c: Context, node: TFNode, *operands: Value) -> Value:
    """CONCATENATION and GATHER; constant indices, of equal ones the last counts"""
    half = len(operands) // 2
    indices = [c.array(v, "its indices") for v in operands[:half]]
    rows = []
    for places, x in zip(indices, operands[half:], strict=True):
        rows.append(c.reshape(x, (places.size, *x.shape[places.ndim :])))
    flat = np.concatenate([places.reshape(-1) for places in indices])
    sources = np.zeros(bounded(int(flat.max(initial=-1)) + 1, "the result"), np.int64)
    sources[flat] = np.arange(len(flat))
    x = rows[0] if len(rows) == 1 else c.b.concatenation(*rows, axis=0)
    return c.b.gather(x, c.ints([int(i) for i in sources]))


HANDLERS: dict[str, Handler] = {
    "ScatterNd": _scatter_nd,
    "TensorScatterUpdate": updated,
    "TensorScatterAdd": added("add"),
    "TensorScatterSub": added("sub"),
    "TensorScatterMax": extreme("max"),
    "TensorScatterMin": extreme("min"),
    "SparseToDense": _sparse_to_dense,
    "InvertPermutation": _inverted,
    "ScatterNdNonAliasingAdd": added("add"),
    "TensorStridedSliceUpdate": slice_updated,
    **dict.fromkeys(("DynamicStitch", "ParallelDynamicStitch"), _stitched),
}
