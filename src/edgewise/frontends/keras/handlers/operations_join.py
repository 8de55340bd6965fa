"""`keras.ops` nodes that join, split, repeat and turn tensors.

Source: keras/src/ops/numpy.py and core.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.decompose.index import repeat as repeated
from edgewise.frontends.decompose.index import roll
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import numbers
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import (
    Operand,
    axes_of,
    axis_in,
    promoted,
    tensor,
)
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _concatenate(c: Context, layer: KerasLayer, xs: Sequence[Operand]) -> Value:
    values = promoted(c, *xs)
    if layer.config.get("axis", 0) is None:
        values, axis = [c.reshape(v, [elements(v.shape)]) for v in values], 0
    else:
        axis = axis_in(layer, layer.config.get("axis", 0), len(values[0].shape))
    return values[0] if len(values) == 1 else c.b.concatenation(*values, axis=axis)


def _append(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    return _concatenate(c, layer, [x, y])


def _joined(axis_of: Callable[[int], int]) -> Handler:
    """hstack, vstack, dstack of tensors of rank 2 or more (3 for dstack)."""

    def handler(c: Context, layer: KerasLayer, xs: Sequence[Operand]) -> Value:
        values = promoted(c, *xs)
        axis = axis_of(len(values[0].shape))
        if axis >= len(values[0].shape):
            raise Unsupported("it joins along an axis that is not there; add it by expand_dims")
        return c.b.concatenation(*values, axis=axis)

    return handler


def _stack(c: Context, layer: KerasLayer, xs: Sequence[Operand]) -> Value:
    values = promoted(c, *xs)
    axis = axis_in(layer, layer.config.get("axis", 0), len(values[0].shape) + 1)
    return c.b.pack(*values, values_count=len(values), axis=axis)


def _unstack(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    y = tensor(c, x)
    axis = axis_in(layer, layer.config.get("axis", 0), len(y.shape))
    size = y.shape[axis]
    if not isinstance(size, int):
        raise Unsupported("it splits an axis of unknown size; give the model a fixed input shape")
    return c.b.node(operator("unpack")(num=size, axis=axis), y).outputs


def _split(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """Into equal parts, or at given positions."""
    axis = axis_in(layer, layer.config.get("axis", 0), len(tensor(c, x).shape))
    return _parted(c, layer, x, axis)


def _split_along(axis_of: Callable[[int], int]) -> Handler:
    """hsplit, vsplit, dsplit."""
    return lambda c, layer, x: _parted(c, layer, x, axis_of(len(tensor(c, x).shape)))


def _parted(c: Context, layer: KerasLayer, x: Operand, axis: int) -> Structure:
    y = tensor(c, x)
    size, given = y.shape[axis], layer.config.get("indices_or_sections")
    if isinstance(given, int) and layer.class_name == "ArraySplit" and isinstance(size, int):
        longer = size % given  # of the parts have one element more
        given = [i * (size // given) + min(i, longer) for i in range(1, given)]
    if isinstance(given, int):
        where = c.b.constant(np.array(axis, np.int32))
        return c.b.node(operator("split")(num_splits=given), where, y).outputs
    ends = [int(end) for end in given]  # type: ignore[attr-defined]
    if not isinstance(size, int):
        raise Unsupported("it splits an axis of unknown size; give the model a fixed input shape")
    places = [0, *(min(end % size if end < 0 else end, size) for end in ends), size]
    parts = c.ints([max(b - a, 0) for a, b in pairwise(places)])
    where = c.b.constant(np.array(axis, np.int32))
    return c.b.node(operator("split_v")(num_splits=len(ends) + 1), y, parts, where).outputs


def _tile(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y, times = tensor(c, x), numbers(layer, "repeats")
    rank = max(len(y.shape), len(times))
    y = c.reshape(y, [*[1] * (rank - len(y.shape)), *y.shape])
    return c.b.tile(y, c.ints([1] * (rank - len(times)) + times))


def _repeat(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Every element as often as `repeats` says, in a row."""
    y, times = tensor(c, x), numbers(layer, "repeats")
    if layer.config.get("axis") is None:
        y = c.reshape(y, [elements(y.shape)])
        axis = 0
    else:
        axis = axes_of(layer, len(y.shape))[0]
    if len(times) == 1:
        return repeated(c, y, axis, times[0])
    return c.b.gather(y, c.ints(np.repeat(np.arange(len(times)), times).tolist()), axis=axis)


def _roll(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The elements moved along each axis, those at the end to the front."""
    y, shifts = tensor(c, x), numbers(layer, "shift")
    shape = y.shape
    is_flat = layer.config.get("axis") is None
    y = c.reshape(y, [elements(shape)]) if is_flat else y
    for shift, axis in zip(shifts, axes_of(layer, len(y.shape)), strict=False):
        y = roll(c, y, shift, axis)
    return c.reshape(y, shape) if is_flat else y


def _flip(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    for axis in axes_of(layer, len(y.shape)):
        y = c.b.reverse_v2(y, c.ints([axis]))
    return y


def _flipped(axis: int) -> Handler:
    return lambda c, layer, x: c.b.reverse_v2(tensor(c, x), c.ints([axis]))


OPERATIONS: dict[str, Handler] = {
    "Concatenate": _concatenate,
    "Append": _append,
    "Hstack": _joined(lambda rank: 0 if rank == 1 else 1),
    "Vstack": _joined(lambda rank: 2 if rank == 1 else 0),
    "Dstack": _joined(lambda rank: 2),
    "Stack": _stack,
    "Unstack": _unstack,
    "Split": _split,
    "ArraySplit": _split,
    "Hsplit": _split_along(lambda rank: 0 if rank == 1 else 1),
    "Vsplit": _split_along(lambda rank: 0),
    "Dsplit": _split_along(lambda rank: 2),
    "Tile": _tile,
    "Repeat": _repeat,
    "Roll": _roll,
    "Flip": _flip,
    "Flipud": _flipped(0),
    "Fliplr": _flipped(1),
}
