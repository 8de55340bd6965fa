"""Functions that move elements and change no number: shapes, axes, joins, slices, edges.

Source: jax/_src/lax/{lax,slicing}.py, JAX 0.10.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.jax.context import Context, Equation, Handler, Operand
from edgewise.ir.dim import Dim, is_static
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _reshape(c: Context, node: Equation, x: Value) -> Value:
    if node.params.get("dimensions") is not None:
        x = c.transpose(x, node.params["dimensions"])
    return c.reshape(x, node.shape)


def _squeeze(c: Context, node: Equation, x: Value) -> Value:
    return c.reshape(x, node.shape)


def _transpose(c: Context, node: Equation, x: Value) -> Value:
    return c.transpose(x, node.params["permutation"])


def _broadcast(c: Context, node: Equation, x: Operand, *sizes: Operand) -> Operand:
    """an axis per `broadcast_dimensions`, of size 1 elsewhere; repeated where somebody asks"""
    small = c.small(x)
    into = [1] * len(node.shape)
    shape: list[Dim] = list(into)
    for axis, size in zip(node.params["broadcast_dimensions"], small.shape, strict=True):
        shape[axis] = size
    return c.fitted(c.reshape(small, shape), node.shape)


def _iota(c: Context, node: Equation, *sizes: Value) -> Operand:
    """RANGE along an axis of unknown size, else a constant; repeated along the others"""
    axis = node.params["dimension"]
    size = node.shape[axis]
    shape: list[Dim] = [1] * len(node.shape)
    shape[axis] = size
    if isinstance(size, int):
        count = c.b.constant(np.arange(size).astype(node.dtype.numpy))
    else:
        zero, one = (c.b.constant(np.array(n, np.int32)) for n in (0, 1))
        count = c.cast(c.b.range(zero, c.dim(size), one), node.dtype)
        if count.shape != (size,):
            count = c.reshape(count, (size,))
    return c.fitted(c.reshape(count, shape), node.shape)


def _dim_as_value(c: Context, node: Equation) -> Value:
    return c.cast(c.dim(c.sizes.dim(node.params["dim"])), node.dtype)


def _concatenate(c: Context, node: Equation, *xs: Value) -> Value:
    kept = [x for x in xs if 0 not in x.shape] or xs[:1]
    return kept[0] if len(kept) == 1 else c.b.concatenation(*kept, axis=node.params["dimension"])


def _stack(c: Context, node: Equation, *xs: Value) -> Value:
    return c.b.pack(*xs, values_count=len(xs), axis=node.params["axis"])


def _unstack(c: Context, node: Equation, x: Value) -> Sequence[Value]:
    op = operator("unpack")(num=len(node.results), axis=node.params["axis"])
    return c.b.node(op, x).outputs


def _split(c: Context, node: Equation, x: Value) -> Sequence[Value]:
    axis, sizes = node.params["axis"], c.sizes.dims(node.params["sizes"])
    at = c.b.constant(np.array(axis, np.int32))
    if len(sizes) == 1:
        return [x]
    if len(set(sizes)) == 1:
        return c.b.node(operator("split")(num_splits=len(sizes)), at, x).outputs
    op = operator("split_v")(num_splits=len(sizes))
    return c.b.node(op, x, c.shape(sizes), at).outputs


def _reverse(c: Context, node: Equation, x: Value) -> Value:
    """one REVERSE_V2 per axis that is not next to the one before"""
    for axis in node.params["dimensions"]:
        x = c.b.reverse_v2(x, c.ints([axis]))
    return x


def _slice(c: Context, node: Equation, x: Value) -> Value:
    begin = c.sizes.dims(node.params["start_indices"])
    end = c.sizes.dims(node.params["limit_indices"])
    steps = node.params["strides"] or (1,) * len(begin)
    return sliced(c, x, begin, end, steps)


def sliced(
    c: Context, x: Value, begin: Sequence[Dim], end: Sequence[Dim], steps: Sequence[int]
) -> Value:
    """x[begin:end:step] of every axis; axes that are kept whole say so by masks."""
    open_begin = sum(1 << i for i, d in enumerate(begin) if d == 0)
    open_end = sum(
        1 << i for i, (d, size) in enumerate(zip(end, x.shape, strict=True)) if d == size
    )
    whole = (1 << len(begin)) - 1
    if open_begin == open_end == whole and all(step == 1 for step in steps):
        return x
    first = [0 if open_begin >> i & 1 else d for i, d in enumerate(begin)]
    last = [0 if open_end >> i & 1 else d for i, d in enumerate(end)]
    return c.b.strided_slice(
        x, c.shape(first), c.shape(last), c.ints(steps), begin_mask=open_begin, end_mask=open_end
    )


def _pad(c: Context, node: Equation, x: Value, value: Value) -> Value:
    """negative edges by STRIDED_SLICE, elements between by STABLEHLO_PAD"""
    config = node.params["padding_config"]
    low, high = (c.sizes.dims([edge[i] for edge in config]) for i in (0, 1))
    inner = [int(edge[2]) for edge in config]
    if any(inner) and x.dtype is not DType.BOOL:
        edges = (tuple(known_sizes(side, "an edge")) for side in (low, high))
        before, after = edges
        return c.b.stablehlo_pad(
            x, value, edge_padding_low=before, edge_padding_high=after,
            interior_padding=tuple(inner),
        )  # fmt: skip
    return padded(c, x, list(zip(low, high, strict=True)), value)


def padded(c: Context, x: Value, edges: Sequence[tuple[Dim, Dim]], value: Value) -> Value:
    """x with `value` around it, cut where an edge is negative."""
    if any(isinstance(d, int) and d < 0 for edge in edges for d in edge):
        cuts = [tuple(-min(d, 0) if isinstance(d, int) else 0 for d in edge) for edge in edges]
        begin = [low for low, _ in cuts]
        end = [size - high for size, (_, high) in zip(x.shape, cuts, strict=True)]
        x = sliced(c, x, begin, end, [1] * len(begin))
        edges = [(low + a, high + b) for (low, high), (a, b) in zip(edges, cuts, strict=True)]
    if all(edge == (0, 0) for edge in edges):
        return x
    flat = [d for edge in edges for d in edge]
    if is_static(flat):
        amounts = c.b.constant(np.array(edges, np.int32))
    else:
        amounts = c.reshape(c.shape(flat), (len(edges), 2))
    is_zero = value.data is not None and not value.data.any()
    if x.dtype is DType.BOOL:
        y = padded(c, c.cast(x, DType.INT32), edges, c.cast(value, DType.INT32))
        return c.cast(y, DType.BOOL)
    return c.b.pad(x, amounts) if is_zero else c.b.padv2(x, amounts, value)


def _tile(c: Context, node: Equation, x: Value) -> Value:
    return c.b.tile(x, c.shape(c.sizes.dims(node.params["reps"])))


HANDLERS: dict[str, Handler] = {
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _squeeze,
    "transpose": _transpose,
    "iota": _iota,
    "dim_as_value": _dim_as_value,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "split": _split,
    "rev": _reverse,
    "slice": _slice,
    "pad": _pad,
    "tile": _tile,
}
OBJECTS: dict[str, Handler] = {"broadcast_in_dim": _broadcast}
