"""Tensors made of numbers and sizes.

Source: aten/src/ATen/native/{TensorFactories,RangeFactories}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import bounded, computed, known_sizes
from edgewise.frontends.torch.context import Context, Handler, Operand
from edgewise.ir.dim import Dim, SymbolicDim
from edgewise.ir.graph import Value


def _type_of(*numbers: object) -> DType:
    """The type of a tensor of Python numbers."""
    if any(isinstance(n, float) for n in numbers):
        return DType.FLOAT32
    if numbers and all(isinstance(n, bool) for n in numbers):
        return DType.BOOL
    return DType.INT64


def full(
    c: Context, size: Sequence[Dim], fill_value: Operand, dtype: DType | None = None, **_: object
) -> Value:
    """A tensor of one number."""
    given = fill_value.dtype if isinstance(fill_value, Value) else _type_of(fill_value)
    return c.full(size, fill_value, computed(dtype or given))


def _filled(value: float) -> Handler:
    def handler(c: Context, size: Sequence[Dim], dtype: DType | None = None, **_: object) -> Value:
        return c.full(size, value, computed(dtype or DType.FLOAT32))

    return handler


def _like(value: float) -> Handler:
    def handler(c: Context, x: Value, dtype: DType | None = None, **_: object) -> Value:
        return c.full(x.shape, value, computed(dtype or x.dtype))

    return handler


def _new(value: float) -> Handler:
    def handler(
        c: Context, x: Value, size: Sequence[Dim], dtype: DType | None = None, **_: object
    ) -> Value:
        return c.full(size, value, computed(dtype or x.dtype))

    return handler


def _full_like(
    c: Context, x: Value, fill_value: Operand, dtype: DType | None = None, **_: object
) -> Value:
    return c.full(x.shape, fill_value, computed(dtype or x.dtype))


def _new_full(
    c: Context,
    x: Value,
    size: Sequence[Dim],
    fill_value: Operand,
    dtype: DType | None = None,
    **_: object,
) -> Value:
    return c.full(size, fill_value, computed(dtype or x.dtype))


def arange(
    c: Context,
    start: float | SymbolicDim,
    end: float | SymbolicDim | None = None,
    step: float | SymbolicDim = 1,
    dtype: DType | None = None,
    **_: object,
) -> Value:
    """Numbers from `start` up to below `end`; of an unknown size by RANGE."""
    if end is None:
        start, end = 0, start
    given = (start, end, step)
    wanted = computed(dtype or _type_of(*given))
    if not any(isinstance(n, SymbolicDim) for n in given):
        count = max(0, math.ceil((end - start) / step))  # type: ignore[operator]
        bounded(count, "a range")
        return c.b.constant((start + step * np.arange(count)).astype(wanted.numpy))  # type: ignore[operator]
    computed_in = DType.FLOAT32 if wanted is DType.FLOAT32 else DType.INT32
    y = c.b.range(*(c.operand(n, computed_in) for n in given))
    if start == 0 and step == 1:
        y = c.reshape(y, (end,))  # type: ignore[arg-type]
    return c.cast(y, wanted)


def _linspace(
    c: Context, start: float, end: float, steps: int, dtype: DType | None = None, **_: object
) -> Value:
    wanted = computed(dtype or DType.FLOAT32)
    return c.b.constant(np.linspace(start, end, bounded(steps, "a range")).astype(wanted.numpy))


def _eye(
    c: Context, n: Dim, m: Dim | None = None, dtype: DType | None = None, **_: object
) -> Value:
    rows, columns = known_sizes([n, n if m is None else m], "a matrix")
    bounded(rows * columns, "a matrix")
    return c.b.constant(np.eye(rows, columns, dtype=computed(dtype or DType.FLOAT32).numpy))


def _scalar(c: Context, s: Operand, dtype: DType | None = None, **_: object) -> Value:
    return c.operand(s, computed(dtype or _type_of(s)))


def _fill(c: Context, x: Value, value: Operand) -> Value:
    return c.full(x.shape, value, x.dtype)


def _copy(c: Context, x: Value, source: Value, non_blocking: bool = False) -> Value:
    return c.spread(c.converted(source, x.dtype), x.shape)


HANDLERS: dict[str, Handler] = {
    "full": full,
    **dict.fromkeys(("zeros", "empty"), _filled(0)),
    "ones": _filled(1),
    **dict.fromkeys(("zeros_like", "empty_like", "zero"), _like(0)),
    "ones_like": _like(1),
    "full_like": _full_like,
    **dict.fromkeys(("new_zeros", "new_empty"), _new(0)),
    "new_ones": _new(1),
    "new_full": _new_full,
    "arange": arange,
    "linspace": _linspace,
    "eye": _eye,
    "scalar_tensor": _scalar,
    "fill": _fill,
    "copy": _copy,
}
