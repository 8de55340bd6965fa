"""Reductions over axes, places of extremes, running combinations.

Source: jax/_src/lax/{lax,control_flow/loops}.py, JAX 0.10.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.functions import log_sum
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.decompose.scan import running
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _reduction(name: str) -> Handler:
    def handler(c: Context, node: Equation, x: Value) -> Value:
        axes = node.params["axes"]
        if not axes:
            return x
        y = getattr(c.b, name)(wide(c, x), c.ints(axes))
        assert isinstance(y, Value)
        return c.cast(y, node.dtype)

    return handler


def _logic(name: str) -> Handler:
    def handler(c: Context, node: Equation, x: Value) -> Value:
        if x.dtype is not DType.BOOL:
            raise Unsupported("combines bits along axes; compute it of bools")
        y = getattr(c.b, name)(x, c.ints(node.params["axes"]))
        assert isinstance(y, Value)
        return y

    return handler


def _extreme(name: str) -> Handler:
    def handler(c: Context, node: Equation, x: Value) -> Value:
        (axis,) = node.params["axes"]
        if x.dtype is DType.BOOL:
            x = c.cast(x, DType.INT32)
        at = c.b.constant(np.array(axis, np.int32))
        wanted = node.dtype if node.dtype is DType.INT64 else DType.INT32
        y = c.b.node(operator(name)(output_type=wanted), wide(c, x), at).output
        return c.cast(y, node.dtype)

    return handler


def _cumsum(c: Context, node: Equation, x: Value) -> Value:
    axis = c.b.constant(np.array(node.params["axis"], np.int32))
    y = c.b.cumsum(wide(c, x), axis, reverse=bool(node.params["reverse"]))
    return c.cast(y, node.dtype)


def _running(name: str, of_float: float, lowest: bool | None = None) -> Handler:
    """Combinations with an operator; of whole numbers from the end of their range."""

    def handler(c: Context, node: Equation, x: Value) -> Value:
        axis = node.params["axis"]
        known_sizes([x.shape[axis]], "a running combination along an axis")
        y = wide(c, x)
        neutral = of_float
        if y.dtype not in FLOATS and lowest is not None:
            neutral = y.dtype.range[0 if lowest else 1]

        def combined(c: Context, a: Value, b: Value) -> Value:
            z = getattr(c.b, name)(a, b)
            assert isinstance(z, Value)
            return z

        y = running(c, y, axis, combined, neutral, reverse=bool(node.params["reverse"]))  # type: ignore[arg-type]
        return c.cast(y, node.dtype)

    return handler


def _log_sums(c: Context, node: Equation, x: Value) -> Value:
    """from a number that is as good as minus infinity and leaves no NaN"""
    axis = node.params["axis"]
    known_sizes([x.shape[axis]], "a running combination along an axis")
    return running(c, x, axis, log_sum, -3e38, reverse=bool(node.params["reverse"]))


HANDLERS: dict[str, Handler] = {
    "reduce_sum": _reduction("sum"),
    "reduce_prod": _reduction("reduce_prod"),
    "reduce_max": _reduction("reduce_max"),
    "reduce_min": _reduction("reduce_min"),
    "reduce_and": _logic("reduce_all"),
    "reduce_or": _logic("reduce_any"),
    "argmax": _extreme("arg_max"),
    "argmin": _extreme("arg_min"),
    "cumsum": _cumsum,
    "cumprod": _running("mul", 1),
    "cummax": _running("maximum", -np.inf, lowest=True),
    "cummin": _running("minimum", np.inf, lowest=False),
    "cumlogsumexp": _log_sums,
}
