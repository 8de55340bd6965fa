"""`keras.ops` nodes that pick by position: x[...], take, slice, one_hot, buckets.

Source: keras/src/ops/{numpy,core,nn}.py and backend/tensorflow/numpy.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose.index import from_start, last_axis, one_hot
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import dims, integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import (
    Operand,
    axes_of,
    axis_in,
    tensor,
)
from edgewise.ir.dim import Dim, elements
from edgewise.ir.graph import Value
from edgewise.ops.broadcast import broadcast_shape


@dataclass
class _Index:
    """Vectors and masks of a STRIDED_SLICE, an entry per axis."""

    begin: list[Value | int] = field(default_factory=list)
    end: list[Value | int] = field(default_factory=list)
    strides: list[int] = field(default_factory=list)
    masks: dict[str, int] = field(default_factory=dict)

    def add(
        self, begin: Value | int | None, end: Value | int | None, stride: int, shrinks: bool = False
    ) -> None:
        bit = 1 << len(self.begin)
        for name, is_set in (
            ("begin_mask", begin is None),
            ("end_mask", end is None),
            ("shrink_axis_mask", shrinks),
        ):
            self.masks[name] = self.masks.get(name, 0) | (bit if is_set else 0)
        self.begin.append(0 if begin is None else begin)
        self.end.append(0 if end is None else end)
        self.strides.append(stride)

    @property
    def is_whole(self) -> bool:
        bits = (1 << len(self.begin)) - 1
        masks = self.masks.get("begin_mask", 0) & self.masks.get("end_mask", 0)
        return masks == bits and all(stride == 1 for stride in self.strides)


def indexed(c: Context, x: Value, key: object) -> Value:
    """x[key] as NumPy means it: numbers, slices, None, Ellipsis, and one list or tensor.

    Raises:
        Unsupported: several lists, or a mask of bools.
    """
    keys = list(key) if isinstance(key, list | tuple) else [key]
    taken = sum(k is not None and k is not Ellipsis for k in keys)
    whole: list[object] = [slice(None)] * (len(x.shape) - taken)
    if not any(k is Ellipsis for k in keys):
        keys.append(Ellipsis)
    keys = [k for key in keys for k in (whole if key is Ellipsis else [key])]
    index, gathers = _Index(), []
    shape: list[int | None] = []  # of the result: None is an axis of what is sliced
    for k in keys:
        if k is None:
            shape.append(1)
        elif isinstance(k, slice):
            index.add(k.start, k.stop, 1 if k.step is None else k.step)
            shape.append(None)
        elif isinstance(k, int):
            index.add(k, k + 1 if k != -1 else None, 1, shrinks=True)
        elif isinstance(k, Value) and k.shape == ():
            index.add(k, k, 1, shrinks=True)
        else:
            gathers.append((sum(s is None for s in shape), k))
            index.add(None, None, 1)
            shape.append(None)
    if len(gathers) > 1:
        raise Unsupported("it is indexed by several tensors at once; use take or reshape")
    y = x if index.is_whole else _sliced(c, x, index)
    if any(size == 1 for size in shape):
        sizes = iter(y.shape)
        y = c.reshape(y, [next(sizes) if size is None else size for size in shape])
    for axis, k in gathers:
        place = [i for i, size in enumerate(shape) if size is None][axis]
        y = taken_along(c, y, k, place)  # type: ignore[arg-type]
    return y


def _sliced(c: Context, x: Value, index: _Index) -> Value:
    begin, end = _vector(c, index.begin), _vector(c, index.end)
    return c.b.strided_slice(x, begin, end, c.ints(index.strides), **index.masks)


def _vector(c: Context, items: Sequence[Value | int]) -> Value:
    whole = [item for item in items if isinstance(item, int)]
    if len(whole) == len(items):
        return c.ints(whole)
    parts = [item if isinstance(item, Value) else c.ints([item]) for item in items]
    scalars = [c.reshape(c.cast(part, DType.INT32), ()) for part in parts]
    return c.b.pack(*scalars, values_count=len(scalars), axis=0)


def taken_along(c: Context, x: Value, indices: Operand, axis: int) -> Value:
    """The elements at `indices` of one axis; negative ones count from the end."""
    size = x.shape[axis]
    if not isinstance(indices, Value):
        picked = np.asarray(indices)
        if picked.dtype.kind not in "iu":
            raise Unsupported("an index that is a mask or not whole; use where or whole numbers")
        if isinstance(size, int):
            picked = np.where(picked < 0, picked + size, picked)
        return c.b.gather(x, c.b.constant(picked.astype(np.int32)), axis=axis)
    if indices.dtype is DType.BOOL:
        raise Unsupported("an index that is a mask has as many results as the data says; use where")
    return c.b.gather(x, from_start(c, indices, size), axis=axis)


def _take(c: Context, layer: KerasLayer, x: Operand, indices: Operand) -> Value:
    y = tensor(c, x)
    if layer.config.get("axis") is None:
        return taken_along(c, c.reshape(y, [elements(y.shape)]), indices, 0)
    return taken_along(c, y, indices, axes_of(layer, len(y.shape))[0])


def _take_along_axis(c: Context, layer: KerasLayer, x: Operand, indices: Operand) -> Value:
    """An index for every element of the result; the other axes broadcast."""
    y, i = tensor(c, x), tensor(c, indices)
    if layer.config.get("axis") is None:
        y, axis = c.reshape(y, [elements(y.shape)]), 0
    else:
        axis = axes_of(layer, len(y.shape))[0]
    i = from_start(c, i, y.shape[axis])
    outer = y.shape[:axis]
    if i.shape[:axis] == outer and all(size == 1 for size in i.shape[axis + 1 :]):
        # whole rows: what is behind the axis comes along
        return c.b.gather(y, c.reshape(i, i.shape[: axis + 1]), axis=axis, batch_dims=axis)
    shape = list(broadcast_shape(_without(y.shape, axis), _without(i.shape, axis)))
    y, i = (
        c.b.broadcast_to(v, c.shape([*shape[:axis], v.shape[axis], *shape[axis:]]))
        if _without(v.shape, axis) != tuple(shape) else v
        for v in (y, i)
    )  # fmt: skip
    y, perm = last_axis(c, y, axis)
    i, _ = last_axis(c, i, axis)
    count = len(perm) - 1
    return c.transpose(c.b.gather(y, i, axis=count, batch_dims=count), perm)


def _without(shape: Sequence[Dim], axis: int) -> tuple[Dim, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


def _get_item(c: Context, layer: KerasLayer, x: Operand, key: object) -> Value:
    return indexed(c, tensor(c, x), key)


def _slice(c: Context, layer: KerasLayer, x: Operand, start: Sequence[Operand]) -> Value:
    """`shape` elements from `start` on along each axis."""
    size = c.shape(dims(layer, "shape"))
    begin = tensor(c, start)
    return c.b.slice(tensor(c, x), c.cast(begin, DType.INT32), size)


def _slice_update(
    c: Context, layer: KerasLayer, x: Operand, start: Sequence[Operand], updates: Operand
) -> Value:
    y = tensor(c, x)
    begin = c.cast(tensor(c, start), DType.INT32)
    return c.b.dynamic_update_slice(y, tensor(c, updates, y), begin)


def _one_hot(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape) + 1)
    return one_hot(c, y, integer(layer, "num_classes"), axis, _dtype(layer))


def _multi_hot(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """1 at every index of a row."""
    y = tensor(c, x)
    axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape) + 1)
    ones = one_hot(c, y, integer(layer, "num_classes"), axis, DType.FLOAT32)
    found = c.b.reduce_max(ones, c.ints([min(1, len(y.shape) - 1)]))
    return c.cast(found, _dtype(layer))


def _dtype(layer: KerasLayer) -> DType:
    name = layer.config.get("dtype")
    name = name if isinstance(name, str) else "float32"
    found = next((d for d in DType if d.text == name), DType.FLOAT32)
    return DType.FLOAT32 if found in FLOATS else found


def _digitize(c: Context, layer: KerasLayer, x: Operand, bins: Operand | None = None) -> Value:
    """How many of the ascending bins are at most x."""
    edges = layer.config.get("bins") if bins is None else bins
    if isinstance(edges, Value):
        edges = edges.data
    if edges is None:
        raise Unsupported("its bins are computed; use constant ones")
    return c.b.bucketize(
        tensor(c, x), boundaries=tuple(float(edge) for edge in np.asarray(edges).reshape(-1))
    )


OPERATIONS: dict[str, Handler] = {
    "GetItem": _get_item,
    "Take": _take,
    "TakeAlongAxis": _take_along_axis,
    "Slice": _slice,
    "SliceUpdate": _slice_update,
    "OneHot": _one_hot,
    "MultiHot": _multi_hot,
    "Digitize": _digitize,
}
