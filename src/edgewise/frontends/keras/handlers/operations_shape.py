"""`keras.ops` nodes about shapes: reshape, transpose, broadcast, pad, fill, triangles.

Source: keras/src/ops/numpy.py and core.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import (
    Operand,
    axes_of,
    axis_in,
    tensor,
)
from edgewise.ir.dim import Dim, elements, exact_quotient
from edgewise.ir.enums import MirrorPadMode
from edgewise.ir.graph import Value


def reshaped(c: Context, x: Value, wanted: Sequence[object]) -> Value:
    """x in a shape of sizes, tensors and at most one -1 (or None)."""
    if any(isinstance(size, Value) for size in wanted):
        sizes = [s if isinstance(s, Value) else -1 if s is None else s for s in wanted]
        return c.b.reshape(x, tensor(c, sizes))  # type: ignore[arg-type]
    whole: list[Dim] = [-1 if size is None else size for size in wanted]  # type: ignore[misc]
    if -1 not in whole:
        return c.reshape(x, whole)
    hole = whole.index(-1)
    rest = elements(d for i, d in enumerate(whole) if i != hole)
    size = exact_quotient(elements(x.shape), rest)
    if size is None:
        return c.b.reshape(x, c.ints([d for d in whole if isinstance(d, int)]))
    return c.reshape(x, [*whole[:hole], size, *whole[hole + 1 :]])


def _reshape(c: Context, layer: KerasLayer, x: Operand) -> Value:
    wanted = layer.config.get("newshape")
    return reshaped(c, tensor(c, x), wanted if isinstance(wanted, list) else [wanted])


def _ravel(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    return c.reshape(y, [elements(y.shape)])


def _transpose(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    if layer.config.get("axes") is None:
        return c.transpose(y, list(reversed(range(len(y.shape)))))
    return c.transpose(y, axes_of(layer, len(y.shape), "axes"))


def _swapaxes(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    perm = list(range(len(y.shape)))
    i, j = (axis_in(layer, layer.config.get(key), len(perm)) for key in ("axis1", "axis2"))
    perm[i], perm[j] = j, i
    return c.transpose(y, perm)


def _moveaxis(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    rank = len(y.shape)
    source, target = (axes_of(layer, rank, key) for key in ("source", "destination"))
    perm = [axis for axis in range(rank) if axis not in source]
    for to, axis in sorted(zip(target, source, strict=True)):
        perm.insert(to, axis)
    return c.transpose(y, perm)


def _squeeze(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    axes = axes_of(layer, len(y.shape))
    if layer.config.get("axis") is None:
        axes = [axis for axis in axes if y.shape[axis] == 1]
    return c.reshape(y, [d for axis, d in enumerate(y.shape) if axis not in axes])


def _expand_dims(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    added = layer.config.get("axis")
    added = added if isinstance(added, list | tuple) else [added]
    rank = len(y.shape) + len(added)
    places = [axis_in(layer, axis, rank) for axis in added]
    old = iter(y.shape)
    return c.reshape(y, [1 if axis in places else next(old) for axis in range(rank)])


def _pad(c: Context, layer: KerasLayer, x: Operand, constant_values: float = 0) -> Value:
    y, mode = tensor(c, x), layer.config.get("mode", "constant")
    width = np.asarray(layer.config.get("pad_width"), np.int32)
    pads = np.broadcast_to(width if width.ndim else width.reshape(1, 1), (len(y.shape), 2))
    amounts = c.b.constant(np.ascontiguousarray(pads))
    if mode == "constant":
        if not constant_values:
            return c.b.pad(y, amounts)
        return c.b.padv2(y, amounts, c.scalar(constant_values, y))
    if mode not in ("reflect", "symmetric"):
        raise Unsupported(f"padding mode '{mode}'; use constant, reflect or symmetric")
    kind = MirrorPadMode.REFLECT if mode == "reflect" else MirrorPadMode.SYMMETRIC
    return c.b.mirror_pad(y, amounts, mode=kind)


def _broadcast_to(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y, wanted = tensor(c, x), layer.config.get("shape")
    if not isinstance(wanted, list):
        raise FormatError(f"layer '{layer.name}': shape must be a list; found {wanted!r:.40}")
    if any(isinstance(size, Value) for size in wanted):
        return c.b.broadcast_to(y, tensor(c, wanted))
    own = [*[1] * (len(wanted) - len(y.shape)), *y.shape]
    sizes = [d if s is None or s == -1 else s for s, d in zip(wanted, own, strict=True)]
    return c.b.broadcast_to(y, c.shape(sizes))


def _filled(number: float | None) -> Handler:
    """A tensor of the shape of x, full of one number."""

    def handler(
        c: Context, layer: KerasLayer, x: Operand, fill_value: float = 0, dtype: str | None = None
    ) -> Value:
        y = tensor(c, x)
        name = dtype or layer.config.get("dtype")
        wanted = next((d for d in DType if d.text == name), y.dtype)
        value = c.b.constant(np.array(fill_value if number is None else number, wanted.numpy))
        return c.b.fill(c.shape(y.shape), value)

    return handler


def _arange(
    c: Context,
    layer: KerasLayer,
    start: Operand,
    stop: Operand | None = None,
    step: Operand | None = None,
) -> Value:
    """start, start + step, ... below stop; of an unknown size where an end is a tensor."""
    ends = (0, start, 1 if step is None else step) if stop is None else (start, stop, step or 1)
    values = [tensor(c, end) for end in ends]
    is_whole = not any(v.dtype in FLOATS and (v.data is None or v.data % 1) for v in values)
    counted = DType.INT32 if is_whole else DType.FLOAT32
    y = c.b.range(*(c.cast(v, counted) for v in values))
    name = layer.config.get("dtype") or "int32"
    found = next((d for d in DType if d.text == name), DType.FLOAT32)
    return c.cast(y, DType.FLOAT32 if found in FLOATS else found)


def _triangle(keep_lower: bool) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y, k = tensor(c, x), integer(layer, "k", 0)
        lower = _lower(c, y.shape[-2], y.shape[-1], k if keep_lower else k - 1)
        mask = lower if keep_lower else c.b.logical_not(lower)
        return c.b.select_v2(mask, y, c.scalar(0, y))

    return handler


def _lower(c: Context, rows: Dim, columns: Dim, k: int) -> Value:
    """[rows, columns]: whether an element is on the diagonal k or below it."""
    if isinstance(rows, int) and isinstance(columns, int):
        return c.b.constant(np.tri(rows, columns, k, bool))
    row, column = (c.b.range(c.dim(0), c.dim(d), c.dim(1)) for d in (rows, columns))
    return c.b.less_equal(column, c.b.add(c.b.reshape(row, c.ints([-1, 1])), c.dim(k)))


OPERATIONS: dict[str, Handler] = {
    "Reshape": _reshape,
    "Ravel": _ravel,
    "Transpose": _transpose,
    "Swapaxes": _swapaxes,
    "Moveaxis": _moveaxis,
    "Squeeze": _squeeze,
    "ExpandDims": _expand_dims,
    "Pad": _pad,
    "BroadcastTo": _broadcast_to,
    "ZerosLike": _filled(0),
    "EmptyLike": _filled(0),
    "OnesLike": _filled(1),
    "FullLike": _filled(None),
    "Arange": _arange,
    "Tril": _triangle(True),
    "Triu": _triangle(False),
}
