"""`keras.ops` nodes that write to places or reduce over groups: scatters and segments.

Source: keras/src/ops/{core,math}.py and backend/tensorflow/{core,math}.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose.index import one_hot
from edgewise.frontends.decompose.scatter import combined, replaced, scattered
from edgewise.frontends.decompose.segments import per_segment
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import dims, flag, integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, tensor
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def _segment(name: str, empty: float) -> Handler:
    """Rows that one id names. A segment without rows has what the unsorted operator gives; of
    sorted ids, `empty`."""

    def handler(c: Context, layer: KerasLayer, x: Operand, segments: Operand) -> Value:
        y, ids = tensor(c, x), c.cast(tensor(c, segments), DType.INT32)
        if layer.config.get("num_segments") is not None:
            count = c.dim(dims(layer, "num_segments")[0])
        else:
            flat = c.reshape(ids, (elements(ids.shape),))
            count = c.b.add(c.b.reduce_max(flat, c.ints([0])), c.scalar(1, flat))
        is_sorted = flag(layer, "sorted") and layer.config.get("num_segments") is None
        return per_segment(c, name, y, ids, count, empty if is_sorted else None)

    return handler


def _indices(c: Context, x: Operand) -> Value:
    i = tensor(c, x)
    return i if i.dtype in INDICES else c.cast(i, DType.INT32)


def _scatter(c: Context, layer: KerasLayer, indices: Operand, values: Operand) -> Value:
    """Zeros with values at places; values of one place are added."""
    i = c.cast(_indices(c, indices), DType.INT32)
    return c.b.scatter_nd(i, tensor(c, values), c.shape(dims(layer, "shape")))


def _scatter_update(
    c: Context, layer: KerasLayer, x: Operand, indices: Operand, updates: Operand
) -> Value:
    y, i = tensor(c, x), _indices(c, indices)
    new, reduction = c.cast(tensor(c, updates, y), y.dtype), layer.config.get("reduction")
    if reduction == "add":
        return c.b.add(y, scattered(c, y, i, new))
    if reduction in _COMBINED:
        return combined(c, _COMBINED[reduction], y, i, new)
    if reduction is not None:
        raise Unsupported(f"the reduction '{reduction}'; use None, add, max, min or mul")
    if i.data is not None and len(np.unique(rows := _rows(i.data), axis=0)) < len(rows):
        raise Unsupported("it writes to one place twice; write to each place once")
    return replaced(c, y, i, new)


def _rows(data: np.ndarray) -> np.ndarray:
    return data.reshape(-1, data.shape[-1])


def _bincount(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """How often every number up to the largest, or `minlength` numbers, stand in a row."""
    if flag(layer, "sparse"):
        raise Unsupported("a sparse tensor as its result; use sparse=False")
    i, weights = c.cast(tensor(c, x), DType.INT32), layer.config.get("weights")
    axis, flat = len(i.shape) - 1, c.reshape(i, (elements(i.shape),))
    size = c.b.add(c.b.reduce_max(flat, c.ints([0])), c.scalar(1, i))
    size = c.b.maximum(size, c.dim(integer(layer, "minlength", 0)))
    if weights is None:
        return c.b.sum(one_hot(c, i, size, axis + 1, DType.INT32), c.ints([axis]))
    w = tensor(c, weights)  # type: ignore[arg-type]
    hot = one_hot(c, i, size, axis + 1, w.dtype)
    return c.b.sum(c.b.mul(hot, c.reshape(w, (*w.shape, 1))), c.ints([axis]))


_COMBINED: dict[object, str] = {"max": "max", "min": "min", "mul": "prod"}


OPERATIONS: dict[str, Handler] = {
    "SegmentSum": _segment("sum", 0),
    "SegmentMax": _segment("max", 0),
    "SegmentMin": _segment("min", 0),
    "SegmentProd": _segment("prod", 1),
    "Scatter": _scatter,
    "ScatterUpdate": _scatter_update,
    "Bincount": _bincount,
}
