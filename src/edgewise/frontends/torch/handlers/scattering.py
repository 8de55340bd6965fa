"""Replacing elements by position: scatter, index_put, and what is written into slices.

Source: aten/src/ATen/native/{TensorAdvancedIndexing,TensorShape}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.torch.context import Context, Handler, Operand, Unsupported, axis_of
from edgewise.frontends.torch.handlers.binary import truth
from edgewise.frontends.torch.handlers.creating import arange
from edgewise.frontends.torch.handlers.indexing import MASK, places, sliced, span, together
from edgewise.frontends.torch.handlers.shapes import unsqueeze
from edgewise.ir.dim import Dim, SymbolicDim, elements, same_dim
from edgewise.ir.graph import Value


def _coordinates(c: Context, index: Value, at: int) -> Value:
    """Where each element of `scatter` goes: its own place, but along one axis the index."""
    rank = len(index.shape)
    parts = []
    for axis, size in enumerate(index.shape):
        if axis == at:
            parts.append(c.cast(index, DType.INT32))
            continue
        steps = arange(c, size, dtype=DType.INT32)
        shape = [size if i == axis else 1 for i in range(rank)]
        parts.append(c.spread(c.reshape(steps, shape), index.shape))
    return c.b.pack(*parts, values_count=rank, axis=rank)


def _put(c: Context, x: Value, where: Value, values: Value, *, adds: bool) -> Value:
    """x with values at coordinates: added, or in place of what is there."""
    shape, where = c.shape(x.shape), c.cast(where, DType.INT32)
    if adds:
        return c.b.add(x, c.b.scatter_nd(where, values, shape))
    ones = c.full(values.shape, 1, DType.INT32)
    is_put = c.b.greater(c.b.scatter_nd(where, ones, shape), c.operand(0, DType.INT32))
    return c.b.select_v2(is_put, c.b.scatter_nd(where, values, shape), x)


def scatter(c: Context, x: Value, dim: int, index: Value, src: Operand) -> Value:
    """x[i, index[i, j]] = src[i, j] for `dim` 1; of several at one place the sum, PyTorch's is
    any of them. One number may be put at a place more than once."""
    at = axis_of(dim, len(x.shape))
    where = _coordinates(c, index, at)
    if isinstance(src, Value) and src.shape:
        return _put(c, x, where, _as_many(c, src, index), adds=False)
    ones = c.full(index.shape, 1, DType.INT32)
    count = c.b.scatter_nd(where, ones, c.shape(x.shape))
    return c.b.select_v2(c.b.greater(count, c.operand(0, DType.INT32)), c.operand(src, x.dtype), x)


def _as_many(c: Context, src: Value, index: Value) -> Value:
    """Those of the source that have an index."""
    for axis, (size, wanted) in enumerate(zip(src.shape, index.shape, strict=True)):
        src = src if same_dim(size, wanted) else sliced(c, src, axis, 0, wanted)
    return src


def _scatter_add(c: Context, x: Value, dim: int, index: Value, src: Value) -> Value:
    at = axis_of(dim, len(x.shape))
    return _put(c, x, _coordinates(c, index, at), _as_many(c, src, index), adds=True)


def _index_add(c: Context, x: Value, dim: int, index: Value, source: Value) -> Value:
    at = axis_of(dim, len(x.shape))
    shape = [d if i == at else 1 for i, d in enumerate(source.shape)]
    return _scatter_add(c, x, at, c.spread(c.reshape(index, shape), source.shape), source)


def _index_put(
    c: Context,
    x: Value,
    indices: Sequence[Value | None],
    values: Value,
    accumulate: bool = False,
) -> Value:
    """x[i, j] = values."""
    found = [i for i in indices if i is not None]
    if len(found) == 1 and found[0].dtype is DType.BOOL and indices[0] is found[0]:
        if values.shape not in ((), (1,)):
            raise Unsupported(MASK)
        mask = c.reshape(found[0], (*found[0].shape, *([1] * (len(x.shape) - len(found[0].shape)))))
        return c.b.select_v2(mask, c.converted(values, x.dtype), x)
    if list(indices[: len(found)]) != found:
        raise Unsupported("it puts values behind an axis that is taken whole; transpose before")
    where = together(c, [places(c, i, d) for i, d in zip(found, x.shape, strict=False)])
    shape = (*where.shape[:-1], *x.shape[len(found) :])
    return _put(c, x, where, c.spread(c.converted(values, x.dtype), shape), adds=accumulate)


def _index_fill(c: Context, x: Value, dim: int, index: Value, value: Operand) -> Value:
    """One number at places of one axis."""
    at = axis_of(dim, len(x.shape))
    count = elements(index.shape)
    where = c.reshape(c.cast(places(c, index, x.shape[at]), DType.INT32), (count, 1))
    ones = c.full((count,), 1, DType.INT32)
    found = c.b.scatter_nd(where, ones, c.shape([x.shape[at]]))
    is_put = c.b.greater(found, c.operand(0, DType.INT32))
    shape = [d if i == at else 1 for i, d in enumerate(x.shape)]
    return c.b.select_v2(c.reshape(is_put, shape), c.operand(value, x.dtype), x)


def _replaced(c: Context, x: Value, src: Value, at: int, taken: np.ndarray) -> Value:
    """x with those of an axis that `taken` names replaced by those of `src`."""
    size = x.shape[at]
    if not isinstance(size, int):
        raise Unsupported("it writes into an axis of unknown size; give the model a fixed shape")
    order = np.arange(size)
    order[taken] = size + np.arange(len(taken))
    both = c.b.concatenation(x, c.converted(src, x.dtype), axis=at)
    return c.b.gather(both, c.ints([int(i) for i in order]), axis=at)


def _slice_scatter(
    c: Context,
    x: Value,
    src: Value,
    dim: int = 0,
    start: Dim | None = None,
    end: Dim | None = None,
    step: int = 1,
) -> Value:
    """x[..., start:end:step, ...] = src."""
    at = axis_of(dim, len(x.shape))
    size = x.shape[at]
    start, end = span(size, start, end)
    if start is None and end is None and step == 1:
        return c.spread(c.converted(src, x.dtype), x.shape)
    if isinstance(start, SymbolicDim) or isinstance(end, SymbolicDim):
        raise Unsupported("it writes into a slice of unknown size; give the model a fixed shape")
    taken = np.arange(size if isinstance(size, int) else 0)[start:end:step]
    return _replaced(c, x, src, at, taken)


def _select_scatter(c: Context, x: Value, src: Value, dim: int, index: int) -> Value:
    at = axis_of(dim, len(x.shape))
    size = x.shape[at]
    place = index % size if isinstance(size, int) and isinstance(index, int) else 0
    return _replaced(c, x, unsqueeze(c, src, at), at, np.array([place]))


def _masked_scatter(c: Context, x: Value, mask: Value, source: Value) -> Value:
    truth(c, mask)
    raise Unsupported(MASK)


HANDLERS: dict[str, Handler] = {
    "scatter": scatter,
    "scatter_add": _scatter_add,
    "index_add": _index_add,
    "index_fill": _index_fill,
    **dict.fromkeys(("index_put", "_unsafe_index_put"), _index_put),
    "slice_scatter": _slice_scatter,
    "select_scatter": _select_scatter,
    "masked_scatter": _masked_scatter,
}
