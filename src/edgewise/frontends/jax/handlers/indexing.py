"""Parts at computed places: gathers and dynamic slices.

A gather takes windows of its operand; most take whole axes and one element of the others, which is
GATHER or GATHER_ND. JAX leaves open what an index outside of the tensor gives in its default modes
(a NaN, or the nearest element); here it must be inside, except where `mode="clip"` says otherwise.
Source: jax/_src/lax/slicing.py, JAX 0.10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.frontends.jax.handlers.shapes import sliced
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class _Gather:
    """`indices` are [batch.., axes]; `axes` of the operand are indexed, `paired` go along with
    those at `pairs` of the indices; `window` has a size per axis of the operand."""

    indices: Value
    axes: tuple[int, ...]
    paired: tuple[int, ...]
    pairs: tuple[int, ...]
    window: tuple[Dim, ...]
    collapsed: tuple[int, ...]
    offsets: tuple[int, ...]

    @property
    def batch(self) -> int:
        """The number of axes of the indices but the last."""
        return len(self.indices.shape) - 1


def _gather(c: Context, node: Equation, x: Value, indices: Value) -> Value:
    numbers = node.params["dimension_numbers"]
    i = indices if indices.dtype in INDICES else c.cast(indices, DType.INT32)
    found = _Gather(
        i, tuple(numbers.start_index_map), tuple(numbers.operand_batching_dims),
        tuple(numbers.start_indices_batching_dims), c.sizes.dims(node.params["slice_sizes"]),
        tuple(numbers.collapsed_slice_dims), tuple(numbers.offset_dims),
    )  # fmt: skip
    if node.params["mode"] is not None and node.params["mode"].name == "CLIP":
        found = _clipped(c, x, found)
    moved = [axis for axis in found.axes if found.window[axis] != 1]
    whole = all(
        size == x.shape[axis]
        for axis, size in enumerate(found.window)
        if axis not in (*found.axes, *found.paired)
    )
    if moved or not whole:
        return _windows(c, node, x, found)
    return _elements(c, node, x, found)


def _clipped(c: Context, x: Value, g: _Gather) -> _Gather:
    """The indices moved into the tensor."""
    sizes = [x.shape[axis] - g.window[axis] for axis in g.axes]
    last = c.cast(c.shape(sizes), g.indices.dtype)
    zero = c.scalar(0, g.indices)
    indices = c.b.minimum(c.b.maximum(g.indices, zero), last)
    return _Gather(indices, g.axes, g.paired, g.pairs, g.window, g.collapsed, g.offsets)


def _elements(c: Context, node: Equation, x: Value, g: _Gather) -> Value:
    """One element along each indexed axis, whole other axes."""
    rest = [a for a in range(len(x.shape)) if a not in (*g.axes, *g.paired)]
    batch = g.indices.shape[:-1]
    if len(g.axes) == 1 and not g.paired:
        y = c.b.gather(x, c.reshape(g.indices, batch), axis=g.axes[0])
        made = list(range(g.axes[0], g.axes[0] + len(batch)))
        others = [i for i in range(len(y.shape)) if i not in made]
        y = c.transpose(y, [*made, *others])
    elif len(g.axes) == 1 and g.pairs == tuple(range(len(g.pairs))):
        x = c.transpose(x, [*g.paired, g.axes[0], *rest])
        count = len(g.paired)
        y = c.b.gather(x, c.reshape(g.indices, batch), axis=count, batch_dims=count)
    else:
        x = c.transpose(x, [*g.paired, *g.axes, *rest])
        y = c.b.gather_nd(x, _with_pairs(c, g))
    # the axes of the window stand at `offsets`; those that are not collapsed have a size of 1
    kept = [a for a in range(len(g.window)) if a not in (*g.collapsed, *g.paired)]
    places = [rest.index(a) + len(batch) for a in kept if a in rest]
    into = [o for o, a in zip(g.offsets, kept, strict=True) if a in rest]
    ones = [o for o, a in zip(g.offsets, kept, strict=True) if a not in rest]
    order: list[int] = []
    outer = iter(range(len(batch)))
    for axis in range(len(node.shape)):
        if axis in into:
            order.append(places[into.index(axis)])
        elif axis not in ones:
            order.append(next(outer))
    return c.reshape(c.transpose(y, order), node.shape)


def _with_pairs(c: Context, g: _Gather) -> Value:
    """The indices with those of the axes that go along before them."""
    if not g.paired:
        return g.indices
    batch = known_sizes(g.indices.shape[:-1], "indices")
    counts = [
        np.broadcast_to(
            np.arange(batch[at]).reshape([-1 if i == at else 1 for i in range(len(batch))]), batch
        )
        for at in g.pairs
    ]
    along = c.b.constant(np.stack(counts, -1).astype(g.indices.dtype.numpy))
    return c.b.concatenation(along, g.indices, axis=len(batch))


def _windows(c: Context, node: Equation, x: Value, g: _Gather) -> Value:
    """Windows of more than one element: of one place a slice, else STABLEHLO_GATHER."""
    if g.paired:
        raise Unsupported("takes windows along axes that go along; take elements, or a slice")
    if g.batch == 0 or all(d == 1 for d in g.indices.shape[:-1]):
        begin = c.reshape(g.indices, (len(g.axes),))
        starts: list[Dim | Value] = [0] * len(x.shape)
        for place, axis in enumerate(g.axes):
            starts[axis] = part(c, begin, place)
        return c.reshape(sliced_at(c, x, starts, g.window), node.shape)
    sizes = tuple(known_sizes(g.window, "a window"))
    return c.b.stablehlo_gather(
        x, g.indices, offset_dims=g.offsets, collapsed_slice_dims=g.collapsed,
        start_index_map=g.axes, index_vector_dim=g.batch, slice_sizes=sizes,
    )  # fmt: skip


def part(c: Context, vector: Value, place: int) -> int | Value:
    """An element of a vector, a number where it is known."""
    if vector.data is not None:
        return int(vector.data[place])
    return c.b.strided_slice(
        vector, c.ints([place]), c.ints([place + 1]), c.ints([1]), shrink_axis_mask=1
    )


def sliced_at(c: Context, x: Value, starts: Sequence[Dim | Value], sizes: Sequence[Dim]) -> Value:
    """The window of these sizes that begins at `starts`, moved into the tensor as JAX does."""
    known = [start for start in starts if isinstance(start, int)]
    if len(known) == len(starts):
        begin = [
            min(max(start, 0), size - n) if isinstance(size, int) and isinstance(n, int) else start
            for start, size, n in zip(known, x.shape, sizes, strict=True)
        ]
        end = [start + n for start, n in zip(begin, sizes, strict=True)]
        return sliced(c, x, begin, end, [1] * len(begin))
    return c.b.slice(x, _inside(c, x, starts, sizes), c.shape(sizes))


def _inside(c: Context, x: Value, starts: Sequence[Dim | Value], sizes: Sequence[Dim]) -> Value:
    """The begin of a window, [rank], where all of it lies in x."""
    zero = c.b.constant(np.array(0, np.int32))
    found = []
    for start, size, n in zip(starts, x.shape, sizes, strict=True):
        if isinstance(start, Value):
            room = c.dim(size - n)
            start = c.b.minimum(c.b.maximum(c.cast(start, DType.INT32), zero), room)
            found.append(c.reshape(start, ()))
        else:
            found.append(c.dim(start))
    return c.b.pack(*found, values_count=len(found), axis=0)


def _dynamic_slice(c: Context, node: Equation, x: Value, *starts: Value) -> Value:
    """STRIDED_SLICE where the place is known, else SLICE"""
    sizes = c.sizes.dims(node.params["slice_sizes"])
    return sliced_at(c, x, _starts(starts, x, sizes), sizes)


def _starts(starts: Sequence[Value], x: Value, sizes: Sequence[Dim]) -> list[Dim | Value]:
    return [
        0 if size == n else start if start.data is None else int(start.data)
        for start, size, n in zip(starts, x.shape, sizes, strict=True)
    ]


def _dynamic_update(c: Context, node: Equation, x: Value, y: Value, *starts: Value) -> Value:
    return updated_at(c, x, y, _starts(starts, x, y.shape))


def updated_at(c: Context, x: Value, y: Value, starts: Sequence[Dim | Value]) -> Value:
    """x with y written at `starts`, moved into the tensor as JAX does."""
    return (
        y if x.shape == y.shape else c.b.dynamic_update_slice(x, y, _inside(c, x, starts, y.shape))
    )


HANDLERS: dict[str, Handler] = {
    "gather": _gather,
    "dynamic_slice": _dynamic_slice,
    "dynamic_update_slice": _dynamic_update,
}
