"""Operands of operations: tensors, numbers, lists and arrays, brought to one element type.

Source: keras/src/backend/common/dtypes.py (`result_type`), Keras 3.15: Python numbers are weak.
Everything that is no integer and no bool is computed in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.errors import FormatError
from edgewise.frontends.context import Unsupported, is_float
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value

Operand: TypeAlias = "Value | np.ndarray | float | Sequence[Operand]"

_WIDTHS = (DType.BOOL, DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64)


def tensor(c: Context, x: Operand, like: Value | None = None) -> Value:
    """x as a Value; a number gets the dtype of `like` if it fits that.

    Raises:
        Unsupported: it is no tensor.
    """
    if isinstance(x, Value):
        return x
    if isinstance(x, list | tuple) and any(isinstance(item, Value) for item in x):
        parts = promoted(c, *x)
        return c.b.pack(*parts, values_count=len(parts), axis=0)
    data = np.asarray(x)
    if data.dtype.kind not in "biuf":
        raise Unsupported(f"an argument of type {type(x).__name__}; use numbers and tensors")
    if like is not None and not isinstance(x, np.ndarray) and _holds(like, data.dtype.kind):
        return c.b.constant(data, like.dtype)
    if data.dtype.kind == "f":
        return c.b.constant(data.astype(np.float32))
    return c.b.constant(
        data if isinstance(x, np.ndarray) or data.dtype.kind == "b" else data.astype(np.int32)
    )


def _holds(like: Value, kind: str) -> bool:
    return is_float(like) or (like.dtype.is_integer and kind in "bi")


def promoted(c: Context, *xs: Operand) -> list[Value]:
    """All operands as Values of the one dtype that Keras computes in."""
    given = [x for x in xs if isinstance(x, Value)]
    like = max(given, key=_width, default=None)
    values = [tensor(c, x, like) for x in xs]
    dtype = _common([v.dtype for v in values])
    return [c.cast(v, dtype) for v in values]


def real(c: Context, x: Operand) -> Value:
    """x as float32."""
    return c.real(tensor(c, x))


def _width(x: Value) -> int:
    return len(_WIDTHS) if is_float(x) else _WIDTHS.index(x.dtype) if x.dtype in _WIDTHS else 0


def _common(dtypes: Sequence[DType]) -> DType:
    if any(d in FLOATS for d in dtypes):
        return DType.FLOAT32
    if any(d not in _WIDTHS for d in dtypes):
        named = ", ".join(d.text for d in dtypes)
        if len(set(dtypes)) == 1:
            return dtypes[0]
        raise Unsupported(f"operands of dtypes {named}; cast them to one")
    if {DType.INT8, DType.UINT8} <= set(dtypes):
        return DType.INT16
    return max(dtypes, key=_WIDTHS.index)


def constant(x: Operand) -> np.ndarray:
    """A constant operand. Raises Unsupported for a computed one."""
    data = x.data if isinstance(x, Value) else np.asarray(x)
    if data is None:
        raise Unsupported("its kernel or statistics are computed; use constants")
    return data.astype(np.float32)


# -- arguments --------------------------------------------------------------------------------


def axes_of(layer: KerasLayer, rank: int, key: str = "axis") -> list[int]:
    """The entry `key` as non-negative axes; every axis where it is null.

    Raises:
        FormatError: it is no axis of a tensor of this rank.
    """
    given = layer.config.get(key)
    if given is None:
        return list(range(rank))
    items = given if isinstance(given, list | tuple) else [given]
    return [axis_in(layer, item, rank) for item in items]


def axis_in(layer: KerasLayer, axis: object, rank: int) -> int:
    """A non-negative axis. Raises FormatError as `axes_of`."""
    if isinstance(axis, int) and -rank <= axis < rank:
        return axis % rank
    raise FormatError(
        f"layer '{layer.name}' ({layer.class_name}): an axis must be in [{-rank}, {rank - 1}];"
        f" found {axis!r:.40}"
    )


def as_layer(
    layer: KerasLayer,
    class_name: str,
    changes: Mapping[str, object],
    weights: Mapping[str, np.ndarray] | None = None,
) -> KerasLayer:
    """The layer of a class that means the same as an operation."""
    config = {**layer.config, **changes}
    return KerasLayer(class_name, layer.name, config, weights=weights or {})
