"""Operations that join, split, repeat and turn tensors.

Source: tensorflow/core/ops/{array_ops,manip_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import MAX_RESULTS, bounded, known_sizes
from edgewise.frontends.decompose.index import roll
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.convolution import arranged
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _concat_v2(c: Context, node: TFNode, *operands: Value) -> Value:
    *xs, axis = operands
    at = c.integer(axis, "its axis")
    return xs[0] if len(xs) == 1 else c.b.concatenation(*xs, axis=at)


def _concat(c: Context, node: TFNode, axis: Value, *xs: Value) -> Value:
    return _concat_v2(c, node, *xs, axis)


def _parallel_concat(c: Context, node: TFNode, *xs: Value) -> Value:
    return xs[0] if len(xs) == 1 else c.b.concatenation(*xs, axis=0)


def _pack(c: Context, node: TFNode, *xs: Value) -> Value:
    rank = len(xs[0].shape) + 1
    return c.b.pack(*xs, values_count=len(xs), axis=attrs.integer(node, "axis", 0) % rank)


def _unpack(c: Context, node: TFNode, x: Value) -> Sequence[Value]:
    axis = attrs.integer(node, "axis", 0) % len(x.shape)
    count = bounded(attrs.integer(node, "num"), "its results", MAX_RESULTS)
    return c.b.node(operator("unpack")(num=count, axis=axis), x).outputs


def _split(c: Context, node: TFNode, axis: Value, x: Value) -> Sequence[Value]:
    count = bounded(attrs.integer(node, "num_split"), "its results", MAX_RESULTS)
    return c.b.node(operator("split")(num_splits=count), int32(c, axis), x).outputs


def _split_v(c: Context, node: TFNode, x: Value, sizes: Value, axis: Value) -> Sequence[Value]:
    count = bounded(attrs.integer(node, "num_split"), "its results", MAX_RESULTS)
    op = operator("split_v")(num_splits=count)
    return c.b.node(op, x, int32(c, sizes), int32(c, axis)).outputs


def _concat_offset(c: Context, node: TFNode, axis: Value, *shapes: Value) -> Sequence[Value]:
    """constants"""
    at, before = c.integer(axis, "its axis"), 0
    offsets = []
    for shape in shapes:
        sizes = c.integers(shape, "a shape that it joins")
        offset = np.zeros(len(sizes), shape.dtype.numpy)
        offset[at] = before
        before += sizes[at]
        offsets.append(c.b.constant(offset))
    return offsets


def _reverse(c: Context, node: TFNode, x: Value, axes: Value) -> Value:
    """one REVERSE_V2 per run of neighbouring axes"""
    chosen = sorted({axis % len(x.shape) for axis in c.integers(axes, "its axes")})
    runs: list[list[int]] = []
    for axis in chosen:
        if runs and runs[-1][-1] == axis - 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    for run in runs:
        x = c.b.reverse_v2(x, c.ints(run))
    return x


def _old_reverse(c: Context, node: TFNode, x: Value, chosen: Value) -> Value:
    """as ReverseV2"""
    flags = c.array(chosen, "its axes").reshape(-1)
    return _reverse(c, node, x, c.ints([int(i) for i in np.flatnonzero(flags)]))


def _reverse_sequence(c: Context, node: TFNode, x: Value, lengths: Value) -> Value:
    return c.b.reverse_sequence(
        x,
        lengths,
        seq_dim=attrs.integer(node, "seq_dim"),
        batch_dim=attrs.integer(node, "batch_dim", 0),
    )


def _roll(c: Context, node: TFNode, x: Value, shift: Value, axis: Value) -> Value:
    """two STRIDED_SLICE and a CONCATENATION per axis"""
    shifts, axes = c.integers(shift, "its shift"), c.integers(axis, "its axis")
    totals: dict[int, int] = {}
    for by, at in zip(shifts, axes, strict=True):
        totals[at % len(x.shape)] = totals.get(at % len(x.shape), 0) + by
    for at, by in totals.items():
        x = roll(c, x, by, at)
    return x


def _space_to_batch(c: Context, node: TFNode, x: Value, block: Value, margins: Value) -> Value:
    """PAD, RESHAPE and TRANSPOSE where x has other than 3 or 4 axes"""
    if _is_plain(x, block):
        return c.b.space_to_batch_nd(x, int32(c, block), int32(c, margins))
    sizes = c.integers(block, "its block")
    pairs = c.array(margins, "its padding").astype(np.int32).reshape(-1, 2)
    count = len(sizes)
    edges = np.array([(0, 0), *pairs, *[(0, 0)] * (len(x.shape) - 1 - count)], np.int32)
    x = c.b.pad(x, c.b.constant(edges)) if edges.any() else x
    n, *inner = x.shape
    shape = [n, *(part for d, b in zip(inner, sizes, strict=False) for part in (d // b, b))]
    blocks, cells = range(2, 2 * count + 1, 2), range(1, 2 * count + 1, 2)
    y = c.reshape(x, [*shape, elements(inner[count:])])
    y = c.transpose(y, [*blocks, 0, *cells, 2 * count + 1])
    cut = [d // b for d, b in zip(inner, sizes, strict=False)]
    return c.reshape(y, [n * int(np.prod(sizes)), *cut, *inner[count:]])


def _is_plain(x: Value, block: Value) -> bool:
    """[N, H, C] or [N, H, W, C] with a block over all but the first and last axis."""
    return len(x.shape) in (3, 4) and block.shape[0] == len(x.shape) - 2


def _batch_to_space(c: Context, node: TFNode, x: Value, block: Value, crops: Value) -> Value:
    """RESHAPE, TRANSPOSE and SLICE where x has other than 3 or 4 axes"""
    if _is_plain(x, block):
        return c.b.batch_to_space_nd(x, int32(c, block), int32(c, crops))
    sizes = c.integers(block, "its block")
    pairs = c.array(crops, "its crops").astype(np.int32).reshape(-1, 2)
    count, (n, *inner) = len(sizes), x.shape
    batch = n // int(np.prod(sizes))
    y = c.reshape(x, [*sizes, batch, *inner[:count], elements(inner[count:])])
    order = [part for i in range(count) for part in (count + 1 + i, i)]
    y = c.transpose(y, [count, *order, 2 * count + 1])
    wide = [d * b for d, b in zip(inner, sizes, strict=False)]
    y = c.reshape(y, [batch, *wide, *inner[count:]])
    if not pairs.any():
        return y
    kept = [d - a - b for d, (a, b) in zip(wide, pairs.tolist(), strict=True)]
    rest = len(y.shape) - 1 - count
    begin = [0, *(int(a) for a, _ in pairs), *[0] * rest]
    return c.b.slice(y, c.ints(begin), c.ints([-1, *known_sizes(kept, "crops"), *[-1] * rest]))


def _old_space_to_batch(c: Context, node: TFNode, x: Value, margins: Value) -> Value:
    """as SpaceToBatchND"""
    return _space_to_batch(c, node, x, c.ints([attrs.integer(node, "block_size")] * 2), margins)


def _old_batch_to_space(c: Context, node: TFNode, x: Value, crops: Value) -> Value:
    """as BatchToSpaceND"""
    return _batch_to_space(c, node, x, c.ints([attrs.integer(node, "block_size")] * 2), crops)


def _blocks(name: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value) -> Value:
        block, layout = attrs.integer(node, "block_size"), attrs.text(node, "data_format", "NHWC")
        if layout not in ("NHWC", "NCHW"):
            raise Unsupported(f"the data format {layout}; use NHWC or NCHW")
        x = arranged(c, x, [0, 2, 3, 1]) if layout == "NCHW" else x
        y = getattr(c.b, name)(x, block_size=block)
        return c.transpose(y, [0, 3, 1, 2]) if layout == "NCHW" else y

    return handler


HANDLERS: dict[str, Handler] = {
    "ConcatV2": _concat_v2,
    "Concat": _concat,
    "ConcatOffset": _concat_offset,
    "ParallelConcat": _parallel_concat,
    "Pack": _pack,
    "Unpack": _unpack,
    "Split": _split,
    "SplitV": _split_v,
    "ReverseV2": _reverse,
    "Reverse": _old_reverse,
    "ReverseSequence": _reverse_sequence,
    "Roll": _roll,
    "SpaceToBatchND": _space_to_batch,
    "BatchToSpaceND": _batch_to_space,
    "SpaceToBatch": _old_space_to_batch,
    "BatchToSpace": _old_batch_to_space,
    "SpaceToDepth": _blocks("space_to_depth"),
    "DepthToSpace": _blocks("depth_to_space"),
}
