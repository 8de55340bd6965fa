"""`keras.ops` nodes of neighbours along an axis: running sums, differences, areas.

Source: keras/src/backend/tensorflow/numpy.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Unsupported, known_sizes
from edgewise.frontends.decompose.functions import scaled
from edgewise.frontends.decompose.scan import running
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import integer, number
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, axes_of, axis_in, real, tensor
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def _along(c: Context, layer: KerasLayer, x: Operand) -> tuple[Value, int]:
    """x in the dtype that is asked for, and the axis; as a vector where that is null."""
    y = tensor(c, x)
    name = layer.config.get("dtype")
    wanted = next((d for d in DType if d.text == name), y.dtype)
    y = c.cast(y, DType.INT32 if wanted is DType.BOOL else wanted)
    if layer.config.get("axis") is None:
        return c.reshape(y, [elements(y.shape)]), 0
    return y, axes_of(layer, len(y.shape))[0]


def _cumsum(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y, axis = _along(c, layer, x)
    return c.b.cumsum(y, c.b.constant(np.array(axis, np.int32)))


def _cumprod(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y, axis = _along(c, layer, x)
    known_sizes(y.shape[axis : axis + 1], "a running product")
    return running(c, y, axis, lambda c, a, b: c.b.mul(a, b), 1)


def _diff(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Of bools whether neighbours differ."""
    y, count = tensor(c, x), integer(layer, "n", 1)
    axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape))
    for _ in range(count):
        first, second = neighbours(c, y, axis)
        y = (c.b.not_equal if y.dtype is DType.BOOL else c.b.sub)(second, first)
    return y


def neighbours(c: Context, x: Value, axis: int) -> tuple[Value, Value]:
    """x without its last and without its first element along an axis."""
    rank, bits = len(x.shape), (1 << len(x.shape)) - 1
    zeros, ones = [0] * rank, c.ints([1] * rank)
    end, begin = list(zeros), list(zeros)
    end[axis], begin[axis] = -1, 1
    free = bits & ~(1 << axis)
    return (
        c.b.strided_slice(x, c.ints(zeros), c.ints(end), ones, begin_mask=bits, end_mask=free),
        c.b.strided_slice(x, c.ints(begin), c.ints(zeros), ones, begin_mask=free, end_mask=bits),
    )


def _trapezoid(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The area below straight lines between neighbours."""
    y = real(c, x)
    axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape))
    heights = c.b.add(*neighbours(c, y, axis))
    given, end = layer.config.get("x"), c.ints([axis])
    if given is None:
        return scaled(c, c.b.sum(heights, end), 0.5 * number(layer, "dx", 1.0))
    places = real(c, given)  # type: ignore[arg-type]
    rank = len(places.shape)
    if rank not in (1, len(y.shape)):
        raise Unsupported("its places have a rank of their own; give them that of the tensor, or 1")
    first, second = neighbours(c, places, axis if rank > 1 else 0)
    steps = c.b.sub(second, first)
    if rank < len(y.shape):
        steps = c.reshape(steps, [*steps.shape, *[1] * (len(y.shape) - 1 - axis)])
    return scaled(c, c.b.sum(c.b.mul(heights, steps), end), 0.5)


OPERATIONS: dict[str, Handler] = {
    "Cumsum": _cumsum,
    "Cumprod": _cumprod,
    "Diff": _diff,
    "Trapezoid": _trapezoid,
}
