"""Whole numbers of types that there is no arithmetic for: they are computed in wider ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Context
from edgewise.ir.graph import Value

C = TypeVar("C", bound=Context)

# Whole numbers that are no quantized ones: the kernels of narrow types ask for a scale.
_COMPUTED_IN = {
    DType.INT8: DType.INT32,
    DType.UINT8: DType.INT32,
    DType.INT16: DType.INT32,
    DType.UINT16: DType.INT32,
    DType.UINT32: DType.INT64,
}


def wide(c: Context, x: Value) -> Value:
    """x in a type that there is arithmetic for: whole numbers of 32 or 64 bits."""
    return c.cast(x, _COMPUTED_IN.get(x.dtype, x.dtype))


def widened(c: C, x: Value, function: Callable[[C, Value], Value]) -> Value:
    """A function of a tensor in a type that there is arithmetic for, in the tensor's own type."""
    return c.cast(function(c, wide(c, x)), x.dtype)


def by_type(c: C, x: Value, on_floats: str, on_integers: Callable[[C, Value], Value]) -> Value:
    """The operator of that name of floats, another function of whole numbers."""
    if x.dtype not in FLOATS:
        return widened(c, x, on_integers)
    y = getattr(c.b, on_floats)(x)
    assert isinstance(y, Value)
    return y


def negated(c: Context, x: Value) -> Value:
    """0 - x: NEG has fewer types."""
    return c.b.sub(c.scalar(0, x), x)


def absolute(c: Context, x: Value) -> Value:
    """max(x, 0 - x): ABS has fewer types."""
    return c.b.maximum(x, negated(c, x))
