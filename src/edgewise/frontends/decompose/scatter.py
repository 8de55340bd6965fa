"""Tensors with other elements at places that an index names: [..., depth] indices, and updates of
the shape [..., rest] for a tensor [d_1, ..., d_depth, rest]."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Context, Unsupported, known_sizes
from edgewise.frontends.decompose.segments import per_segment
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def scattered(c: Context, x: Value, indices: Value, updates: Value) -> Value:
    """The updates in a tensor of zeros of the shape of x; equal indices are added."""
    shape = c.cast(c.shape(x.shape), indices.dtype)
    return c.b.scatter_nd(indices, updates, shape)


def written(c: Context, x: Value, indices: Value) -> Value:
    """True where an index points, of the shape of x up to the axes that updates fill."""
    depth = _depth(indices)
    ones = c.b.fill(c.shape(indices.shape[:-1]), c.scalar(1))
    found = c.b.scatter_nd(indices, ones, c.cast(c.shape(x.shape[:depth]), indices.dtype))
    mask = c.b.greater(found, c.scalar(0))
    return c.reshape(mask, [*x.shape[:depth], *[1] * (len(x.shape) - depth)])


def replaced(c: Context, x: Value, indices: Value, updates: Value) -> Value:
    """x with the updates in their places; which of equal indices wins is undefined."""
    return c.b.select_v2(written(c, x, indices), scattered(c, x, indices, updates), x)


def combined(c: Context, name: str, x: Value, indices: Value, updates: Value) -> Value:
    """x and the updates of each place in one `max`, `min` or `prod`: the indices as places in the
    flattened first axes are the ids of segments. What a segment without elements has is neutral.

    Raises:
        Unsupported: the axes that an index names have an unknown size.
    """
    depth = _depth(indices)
    sizes = known_sizes(x.shape[:depth], "a tensor that is written to")
    rest = x.shape[depth:]
    steps = np.cumprod([1, *sizes[:0:-1]])[::-1].astype(np.int32)
    places = c.b.mul(c.cast(indices, DType.INT32), c.b.constant(np.ascontiguousarray(steps)))
    rows = elements(indices.shape[:-1])
    ids = c.reshape(c.b.sum(places, c.ints([len(indices.shape) - 1])), (rows,))
    parts = c.reshape(updates, (rows, *rest))
    count = c.b.constant(np.array(math.prod(sizes), np.int32))
    found = per_segment(c, name, parts, ids, count, None)
    found = c.reshape(found, (*sizes, *rest))
    if name == "prod":
        return c.b.mul(x, found)
    return c.b.maximum(x, found) if name == "max" else c.b.minimum(x, found)


def _depth(indices: Value) -> int:
    depth = indices.shape[-1] if indices.shape else None
    if not isinstance(depth, int):
        raise Unsupported("its indices have an unknown length; give them a fixed shape")
    return depth
