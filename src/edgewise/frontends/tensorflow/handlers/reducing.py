"""Operations over axes: sums, extremes, means, running sums and products.

Source: tensorflow/core/ops/math_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends import context
from edgewise.frontends.decompose.functions import log_sum
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.decompose.scan import running
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _reduced(name: str) -> Handler:
    """The operator of that name; narrow whole numbers are computed in wider ones."""

    def handler(c: Context, node: TFNode, x: Value, axes: Value) -> Value:
        keep = attrs.flag(node, "keep_dims", False)
        known = c.known(axes)
        if known is not None and known.size == 0:
            return x
        return c.cast(getattr(c.b, name)(wide(c, x), _axes(c, axes), keep_dims=keep), x.dtype)

    return handler


def _axes(c: Context, axes: Value) -> Value:
    known = c.known(axes)
    return int32(c, axes) if known is None else c.ints([int(axis) for axis in known.reshape(-1)])


def _norm(c: Context, node: TFNode, x: Value, axes: Value) -> Value:
    """sqrt(sum(x**2))"""
    keep = attrs.flag(node, "keep_dims", False)
    return c.b.sqrt(c.b.sum(c.b.square(x), _axes(c, axes), keep_dims=keep))


def _extreme_index(name: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value, axis: Value) -> Value:
        if x.dtype is DType.INT64:
            raise Unsupported("an index among int64 elements; cast them to int32")
        wanted = attrs.dtype(node, "output_type", DType.INT64)
        y = getattr(c.b, name)(wide(c, x), _axes(c, axis), output_type=wanted)
        assert isinstance(y, Value)
        return y

    return handler


def _cumulative_sum(c: Context, node: TFNode, x: Value, axis: Value) -> Value:
    return c.b.cumsum(x, int32(c, axis), **_direction(node))


def _direction(node: TFNode) -> dict[str, bool]:
    return {key: attrs.flag(node, key, False) for key in ("exclusive", "reverse")}


def _running(function: Callable[[context.Context, Value, Value], Value], neutral: float) -> Handler:
    def handler(c: Context, node: TFNode, x: Value, axis: Value) -> Value:
        at = c.integer(axis, "its axis") % len(x.shape)
        size = x.shape[at]
        if not isinstance(size, int):
            raise Unsupported("it runs along an axis of unknown size; give the model a fixed shape")
        return running(c, x, at, function, neutral, **_direction(node))

    handler.__doc__ = "log2(n) steps, each of every element with the one 1, 2, 4, ... before it"
    return handler


HANDLERS: dict[str, Handler] = {
    "Sum": _reduced("sum"),
    "Mean": _reduced("mean"),
    "Prod": _reduced("reduce_prod"),
    "Max": _reduced("reduce_max"),
    "Min": _reduced("reduce_min"),
    "All": _reduced("reduce_all"),
    "Any": _reduced("reduce_any"),
    "EuclideanNorm": _norm,
    "ArgMax": _extreme_index("arg_max"),
    "ArgMin": _extreme_index("arg_min"),
    "Cumsum": _cumulative_sum,
    "CumulativeLogsumexp": _running(log_sum, float(np.finfo(np.float32).min)),
    "Cumprod": _running(lambda c, x, y: c.b.mul(x, y), 1),
}
