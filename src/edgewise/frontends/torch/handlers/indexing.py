"""Picking elements by position: slices, indices, gather, windows; moving them along an axis.

Source: aten/src/ATen/native/{TensorAdvancedIndexing,TensorShape,Embedding}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.frontends.decompose import index as idx
from edgewise.frontends.torch.context import (
    Context,
    Handler,
    Unsupported,
    axes_of,
    axis_of,
)
from edgewise.frontends.torch.handlers.elementwise import to
from edgewise.ir.dim import Dim, elements, same_dim
from edgewise.ir.graph import Value
from edgewise.ops.broadcast import broadcast_shape

END = 1 << 62  # ends beyond it are none
MASK = (
    "it picks by truth values, as many as there are; write it with torch.where, which keeps the"
    " shape"
)


def span(size: Dim, start: Dim | None, end: Dim | None) -> tuple[Dim | None, Dim | None]:
    """start:end of an axis, None for an end that is the axis's own."""
    if (isinstance(end, int) and end >= END) or (end is not None and same_dim(end, size)):
        end = None
    if isinstance(size, int) and all(isinstance(e, int | None) for e in (start, end)):
        start, end, _ = slice(start, end).indices(size)
    return (None if start == 0 else start), (None if end == size else end)


def sliced(
    c: Context,
    x: Value,
    dim: int = 0,
    start: Dim | None = None,
    end: Dim | None = None,
    step: int = 1,
) -> Value:
    """x[..., start:end:step, ...]."""
    at = axis_of(dim, len(x.shape))
    start, end = span(x.shape[at], start, end)
    if start is None and end is None and step == 1:
        return x
    before = [0] * at
    others = (1 << at) - 1
    return c.b.strided_slice(
        x,
        c.shape([*before, 0 if start is None else start]),
        c.shape([*before, 0 if end is None else end]),
        c.ints([1] * at + [step]),
        begin_mask=others | (1 << at if start is None else 0),
        end_mask=others | (1 << at if end is None else 0),
    )


def select(c: Context, x: Value, dim: int, index: Dim) -> Value:
    """x[..., index, ...], without the axis."""
    at = axis_of(dim, len(x.shape))
    before, others = [0] * at, (1 << at) - 1
    return c.b.strided_slice(
        x,
        c.shape([*before, index]),
        c.shape([*before, index + 1]),
        c.ints([1] * (at + 1)),
        begin_mask=others,
        end_mask=others | (1 << at if isinstance(index, int) and index == -1 else 0),
        shrink_axis_mask=1 << at,
    )


def _narrow(c: Context, x: Value, dim: int, start: Dim, length: Dim) -> Value:
    return sliced(c, x, dim, start, start + length)


def places(c: Context, index: Value, size: Dim) -> Value:
    """Indices, those below 0 counted from the start."""
    if index.dtype is DType.BOOL:
        raise Unsupported(MASK)
    if index.data is None:
        return idx.from_start(c, index, size)
    found = index.data.astype(np.int32)
    if (found < 0).any():
        if not isinstance(size, int):
            raise Unsupported("it counts from the end of an axis of unknown size; give a fixed one")
        found = np.where(found < 0, found + size, found).astype(np.int32)
    return c.b.constant(found)


def index(c: Context, x: Value, indices: Sequence[Value | None]) -> Value:
    """x[i, :, j]: tensors of places, one result per place of them together."""
    given = [(axis, i) for axis, i in enumerate(indices) if i is not None]
    axes = [axis for axis, _ in given]
    found = [places(c, i, x.shape[axis]) for axis, i in given]
    if len(found) == 1:
        return c.b.gather(x, found[0], axis=axes[0])
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    turned = c.transpose(x, [*axes, *rest])
    y = c.b.gather_nd(turned, together(c, found))
    stand_together = axes == list(range(axes[0], axes[-1] + 1))
    if not stand_together or axes[0] == 0:
        return y
    count = len(y.shape) - len(rest)  # axes of the places, which go where the indices stood
    order = [count + i for i in range(axes[0])] + list(range(count))
    return c.transpose(y, [*order, *range(count + axes[0], len(y.shape))])


def together(c: Context, found: Sequence[Value]) -> Value:
    """Indices of several axes, broadcast to one shape, in a last axis."""
    shape: tuple[Dim, ...] = ()
    for i in found:
        shape = broadcast_shape(shape, i.shape)
    spread = [c.spread(c.cast(i, DType.INT32), shape) for i in found]
    return c.b.pack(*spread, values_count=len(spread), axis=len(shape))


def index_select(c: Context, x: Value, dim: int, index: Value) -> Value:
    """The elements at places of one axis."""
    at = axis_of(dim, len(x.shape))
    return c.b.gather(x, places(c, index, x.shape[at]), axis=at)


def _take(c: Context, x: Value, index: Value) -> Value:
    return index_select(c, c.reshape(x, (elements(x.shape),)), 0, index)


def _embedding(
    c: Context,
    weight: Value,
    indices: Value,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    i = indices if indices.dtype in INDICES else c.cast(indices, DType.INT32)
    return c.b.gather(weight, i, axis=0)


def gather(c: Context, x: Value, dim: int, index: Value, sparse_grad: bool = False) -> Value:
    """y[i, j] = x[i, index[i, j]] for `dim` 1: an index per element of the result."""
    at = axis_of(dim, len(x.shape))
    for axis, (size, wanted) in enumerate(zip(x.shape, index.shape, strict=True)):
        if axis != at and not same_dim(size, wanted):
            x = sliced(c, x, axis, 0, wanted)
    last, perm = idx.last_axis(c, x, at)
    i, _ = idx.last_axis(c, index if index.dtype in INDICES else to(c, index, DType.INT32), at)
    y = c.b.gather(last, i, axis=len(x.shape) - 1, batch_dims=len(x.shape) - 1)
    return c.transpose(y, perm)


def _along(c: Context, x: Value, indices: Value, dim: int | None = None) -> Value:
    if dim is None:
        return _take(c, x, c.reshape(indices, (elements(indices.shape),)))
    at = axis_of(dim, len(x.shape))
    shape = [a if i == at else broadcast_shape((a,), (b,))[0]
             for i, (a, b) in enumerate(zip(indices.shape, x.shape, strict=True))]  # fmt: skip
    wide = [b if i == at else a for i, (a, b) in enumerate(zip(shape, x.shape, strict=True))]
    return gather(c, c.spread(x, wide), at, c.spread(indices, shape))


def _flip(c: Context, x: Value, dims: int | Sequence[int]) -> Value:
    axes = axes_of(dims, len(x.shape))
    for axis in axes:
        x = c.b.reverse_v2(x, c.ints([axis]))
    return x


def roll(
    c: Context, x: Value, shifts: int | Sequence[int], dims: int | Sequence[int] = ()
) -> Value:
    """The elements moved along axes, those at the end to the front."""
    amounts = [shifts] if isinstance(shifts, int) else list(shifts)
    if not isinstance(dims, int) and len(dims) == 0:
        return c.reshape(roll(c, c.reshape(x, (elements(x.shape),)), amounts, 0), x.shape)
    for shift, axis in zip(amounts, axes_of(dims, len(x.shape)), strict=True):
        x = idx.roll(c, x, shift, axis)
    return x


def _one_hot(c: Context, x: Value, num_classes: int = -1) -> Value:
    if num_classes < 0:
        raise Unsupported("the number of classes depends on the elements; give num_classes")
    return idx.one_hot(c, x, num_classes, len(x.shape), DType.INT64)


def _unfold(c: Context, x: Value, dimension: int, size: int, step: int) -> Value:
    """Windows along an axis, which become the last axis."""
    at = axis_of(dimension, len(x.shape))
    length = x.shape[at]
    if not isinstance(length, int):
        raise Unsupported("windows over an axis of unknown size; give the model a fixed shape")
    starts = np.arange(0, length - size + 1, step)
    windows = (starts[:, None] + np.arange(size)).astype(np.int32)
    y = c.b.gather(x, c.b.constant(windows), axis=at)
    order = [i for i in range(len(y.shape)) if i != at + 1]
    return c.transpose(y, [*order, at + 1])


def _broadcast_tensors(c: Context, tensors: Sequence[Value]) -> list[Value]:
    shape: tuple[Dim, ...] = ()
    for x in tensors:
        shape = broadcast_shape(shape, x.shape)
    return [c.spread(x, shape) for x in tensors]


def _meshgrid(c: Context, tensors: Sequence[Value], indexing: str = "ij") -> list[Value]:
    sizes = [elements(x.shape) for x in tensors]
    count = len(sizes)
    made = []
    for axis, x in enumerate(tensors):
        shape = [sizes[axis] if i == axis else 1 for i in range(count)]
        y = c.spread(c.reshape(x, shape), sizes)
        made.append(c.transpose(y, [1, 0, *range(2, count)]) if indexing == "xy" else y)
    return made


HANDLERS: dict[str, Handler] = {
    "slice": sliced,
    "select": select,
    "narrow": _narrow,
    "index": index,
    "index_select": index_select,
    "take": _take,
    "embedding": _embedding,
    "gather": gather,
    "take_along_dim": _along,
    "_unsafe_index": index,
    "flip": _flip,
    "fliplr": lambda c, x: _flip(c, x, 1),
    "flipud": lambda c, x: _flip(c, x, 0),
    "roll": roll,
    "one_hot": _one_hot,
    "unfold": _unfold,
    "broadcast_tensors": _broadcast_tensors,
    "meshgrid": _meshgrid,
}
