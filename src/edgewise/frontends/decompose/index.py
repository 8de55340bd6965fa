"""Picking and moving elements along an axis."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.frontends.context import Context
from edgewise.ir.dim import Dim, elements
from edgewise.ir.graph import Value


def one_hot(c: Context, x: Value, depth: int | Value, axis: int, dtype: DType) -> Value:
    """1 at the index along a new axis, else 0; nothing but 0 where the index is out of range."""
    i = x if x.dtype in INDICES else c.cast(x, DType.INT32)
    size = depth if isinstance(depth, Value) else c.b.constant(np.array(depth, np.int32))
    on, off = (c.b.constant(np.array(v, dtype.numpy)) for v in (1, 0))
    return c.b.one_hot(i, size, on, off, axis=axis)


def from_start(c: Context, indices: Value, size: Dim) -> Value:
    """Indices with negative ones counted from the start."""
    i = indices if indices.dtype in INDICES else c.cast(indices, DType.INT32)
    from_end = c.b.add(i, c.cast(c.dim(size), i.dtype))
    return c.b.select_v2(c.b.less(i, c.scalar(0, i)), from_end, i)


def roll(c: Context, x: Value, shift: int, axis: int) -> Value:
    """The elements moved along an axis, those at the end to the front."""
    size = x.shape[axis]
    cut = -shift if not isinstance(size, int) else (size - shift % size) % size
    if cut == 0:
        return x
    begin, whole, one = ([0] * (axis + 1) for _ in range(3))
    begin[axis], one = cut, [1] * (axis + 1)
    others = (1 << axis) - 1
    parts = [
        c.b.strided_slice(
            x, c.ints(begin), c.ints(whole), c.ints(one),
            begin_mask=others, end_mask=others | 1 << axis,
        ),
        c.b.strided_slice(
            x, c.ints(whole), c.ints(begin), c.ints(one),
            begin_mask=others | 1 << axis, end_mask=others,
        ),
    ]  # fmt: skip
    return c.b.concatenation(*parts, axis=axis)


def repeat(c: Context, x: Value, axis: int, times: int) -> Value:
    """Every element along an axis `times` times in a row."""
    before, after = elements(x.shape[: axis + 1]), elements(x.shape[axis + 1 :])
    rows = c.b.tile(c.reshape(x, (before, 1, after)), c.ints([1, times, 1]))
    return c.reshape(rows, (*x.shape[:axis], x.shape[axis] * times, *x.shape[axis + 1 :]))


def last_axis(c: Context, x: Value, axis: int) -> tuple[Value, list[int]]:
    """x with `axis` swapped to the end, and the permutation that does and undoes it."""
    perm = list(range(len(x.shape)))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return c.transpose(x, perm), perm
