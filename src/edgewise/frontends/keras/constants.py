"""Constants among the arguments of calls: arrays of live models, and those of unknown size."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.keras.description import Counted, Repeated
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.dim import SymbolicDim
from edgewise.ir.graph import Value


def value_of(c: Context, value: object) -> object:
    """Arrays and sizes as Values; anything else as it is.

    Whole numbers in arrays stay arrays where they are few: handlers read them as indices."""
    if isinstance(value, np.ndarray):
        is_index = value.dtype.kind in "iu" and value.ndim <= 1
        return value if is_index else c.shared(value)
    if isinstance(value, Repeated):
        return c.b.broadcast_to(c.shared(value.array), c.shape(value.shape))
    if isinstance(value, Counted):
        return _counted(c, value)
    if isinstance(value, SymbolicDim):
        return c.reshape(c.shape([value]), ())
    return value


def _counted(c: Context, value: Counted) -> Value:
    """start + step * (0, 1, ...)."""
    size = c.reshape(c.shape([value.count]), ())
    zero, one = (c.b.constant(np.array(n, np.int32)) for n in (0, 1))
    index = c.b.range(zero, size, one)
    dtype = DType.FLOAT32 if value.dtype.kind == "f" else DType.of(value.dtype)
    y = c.cast(index, dtype)
    y = y if value.step == 1 else c.b.mul(y, c.scalar(value.step, y))
    return y if value.start == 0 else c.b.add(y, c.scalar(value.start, y))
