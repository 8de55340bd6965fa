"""Whole numbers of types that there is no arithmetic for: they are computed in wider ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from edgewise.dtypes import DType
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
