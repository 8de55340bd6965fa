"""`keras.ops` nodes that leave out what is not a number: sums, extremes, moments, running sums.

Source: keras/src/backend/tensorflow/numpy.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Handler
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import operations_reduce as reduce
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, axes_of, real, tensor
from edgewise.frontends.keras.handlers.operations_scan import OPERATIONS as SCANS
from edgewise.ir.graph import Value

Filled = Callable[[Context, KerasLayer, Value], Value]


def _missing(c: Context, x: Value) -> Value:
    """True where x is not a number."""
    return c.b.not_equal(x, x)


def filled(c: Context, x: Value, number: float) -> Value:
    """x with a number where there is none; whole numbers are all there."""
    return c.b.select_v2(_missing(c, x), c.scalar(number, x), x) if x.dtype in FLOATS else x


def _as(name: str, number: float) -> Handler:
    """The operation `name` with `number` for what is missing."""
    table = {**reduce.OPERATIONS, **SCANS}

    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = table[name](c, layer, filled(c, tensor(c, x), number))
        assert isinstance(y, Value)
        return y

    return handler


def _if_any(handler: Handler, other: float) -> Handler:
    """The results of `handler`; `other` where everything is missing."""

    def chosen(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = tensor(c, x)
        found = handler(c, layer, y)
        assert isinstance(found, Value)
        if y.dtype not in FLOATS:
            return found
        axes = axes_of(layer, len(y.shape))
        nothing = c.b.reduce_all(_missing(c, y), c.ints(axes), keep_dims=flag(layer, "keepdims"))
        return c.b.select_v2(nothing, c.scalar(other, found), found)

    return chosen


def _mean(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = real(c, x)
    return _mean_over(c, y, c.ints(axes_of(layer, len(y.shape))), flag(layer, "keepdims"))


def _mean_over(c: Context, x: Value, axes: Value, keep: bool) -> Value:
    return c.b.div(c.b.sum(filled(c, x, 0), axes, keep_dims=keep), _count(c, x, axes, keep))


def _count(c: Context, x: Value, axes: Value, keep: bool) -> Value:
    return c.b.sum(c.cast(c.b.equal(x, x), DType.FLOAT32), axes, keep_dims=keep)


def _variance(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y, keep = real(c, x), flag(layer, "keepdims")
    axes = c.ints(axes_of(layer, len(y.shape)))
    distance = c.b.sub(y, _mean_over(c, y, axes, True))
    squares = c.b.sum(c.b.square(filled(c, distance, 0)), axes, keep_dims=keep)
    return c.b.div(squares, _count(c, y, axes, keep))


def _deviation(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return c.b.sqrt(_variance(c, layer, x))


OPERATIONS: dict[str, Handler] = {
    "Nansum": _as("Sum", 0),
    "Nanprod": _as("Prod", 1),
    "Nanmax": _if_any(_as("Max", -np.inf), np.nan),
    "Nanmin": _if_any(_as("Min", np.inf), np.nan),
    "Nanargmax": _if_any(_as("Argmax", -np.inf), -1),
    "Nanargmin": _if_any(_as("Argmin", np.inf), -1),
    "Nancumsum": _as("Cumsum", 0),
    "Nancumprod": _as("Cumprod", 1),
    "Nanmean": _mean,
    "Nanvar": _variance,
    "Nanstd": _deviation,
}
