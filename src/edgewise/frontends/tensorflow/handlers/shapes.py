"""Operations about shapes: reshape, transpose, tile, pad, fill, and the shape as a tensor.

Shapes stay symbolic: what is computed from the dimensions of inputs is known as far as they are.
Source: tensorflow/core/ops/array_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import bounded
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.convolution import arranged
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import elements, exact_quotient, is_static
from edgewise.ir.enums import MirrorPadMode
from edgewise.ir.graph import Value


def _reshape(c: Context, node: TFNode, x: Value, shape: Value) -> Value:
    """a computed shape is followed to the dimensions it is made of"""
    wanted = c.dims(shape)
    if wanted is None:
        return c.b.reshape(x, int32(c, shape))
    if -1 not in wanted:
        return c.reshape(x, wanted)
    hole = wanted.index(-1)
    rest = elements(d for i, d in enumerate(wanted) if i != hole)
    size = exact_quotient(elements(x.shape), rest)
    if size is not None:
        return c.reshape(x, [*wanted[:hole], size, *wanted[hole + 1 :]])
    if is_static(wanted):
        return c.b.reshape(x, c.ints([d for d in wanted if isinstance(d, int)]))
    return c.b.reshape(x, int32(c, shape))


def int32(c: Context, x: Value) -> Value:
    """A shape or index operand as int32, a constant where it is known."""
    known = c.known(x)
    if known is not None:
        return c.b.constant(np.asarray(known).astype(np.int32))
    return c.cast(x, DType.INT32)


def _squeeze(c: Context, node: TFNode, x: Value) -> Value:
    rank = len(x.shape)
    axes = [axis % rank for axis in attrs.integers(node, "squeeze_dims", ())]
    if not axes:
        axes = [i for i, d in enumerate(x.shape) if d == 1]
        if not is_static(x.shape):
            return c.b.squeeze(x, squeeze_dims=tuple(axes))
    return c.reshape(x, [d for i, d in enumerate(x.shape) if i not in axes])


def _expand_dims(c: Context, node: TFNode, x: Value, axis: Value) -> Value:
    place = c.integer(axis, "its axis")
    at = place % (len(x.shape) + 1)
    return c.reshape(x, [*x.shape[:at], 1, *x.shape[at:]])


def _transpose(c: Context, node: TFNode, x: Value, perm: Value) -> Value:
    if c.known(perm) is None:
        return c.b.transpose(x, int32(c, perm))
    return arranged(c, x, [i % len(x.shape) for i in c.integers(perm, "its permutation")])


def _shape(c: Context, node: TFNode, x: Value) -> Value:
    """a constant where every dimension is known"""
    wanted = attrs.dtype(node, "out_type", DType.INT32)
    if is_static(x.shape):
        return c.b.constant(np.array(x.shape, wanted.numpy))
    return c.b.shape(x, out_type=wanted)


def _shapes(c: Context, node: TFNode, *xs: Value) -> Sequence[Value]:
    """SHAPE of each"""
    return [_shape(c, node, x) for x in xs]


def _size(c: Context, node: TFNode, x: Value) -> Value:
    """REDUCE_PROD of SHAPE, or a constant"""
    shape = _shape(c, node, x)
    return c.b.reduce_prod(shape, c.ints([0]))


def _rank(c: Context, node: TFNode, x: Value) -> Value:
    return c.b.constant(np.array(len(x.shape), np.int32))


def _broadcast_to(c: Context, node: TFNode, x: Value, shape: Value) -> Value:
    wanted = c.dims(shape)
    if wanted is None:
        return c.b.broadcast_to(x, int32(c, shape))
    return x if wanted == x.shape else c.b.broadcast_to(x, c.shape(wanted))


def _tile(c: Context, node: TFNode, x: Value, times: Value) -> Value:
    return c.b.tile(x, int32(c, times))


def _fill(c: Context, node: TFNode, shape: Value, value: Value) -> Value:
    wanted = c.dims(shape)
    return c.b.fill(int32(c, shape) if wanted is None else c.shape(wanted), value)


def _empty(c: Context, node: TFNode, shape: Value) -> Value:
    """zeros, whether asked for or not"""
    return _fill(c, node, shape, c.b.constant(np.array(0, attrs.dtype(node, "dtype").numpy)))


def _range(c: Context, node: TFNode, start: Value, limit: Value, delta: Value) -> Value:
    return c.b.range(start, limit, delta)


def _linspace(c: Context, node: TFNode, start: Value, stop: Value, count: Value) -> Value:
    """start + range(count) * (stop - start) / (count - 1)"""
    n = bounded(c.integer(count, "its number of elements"), "the range")
    if n == 1:
        return c.reshape(start, (1,))
    steps = c.b.constant((np.arange(n) / (n - 1)).astype(np.float32))
    return c.b.add(c.b.mul(c.b.sub(stop, start), steps), start)


def _pad(c: Context, node: TFNode, x: Value, amounts: Value) -> Value:
    return c.b.pad(x, int32(c, amounts))


def _pad_v2(c: Context, node: TFNode, x: Value, amounts: Value, value: Value) -> Value:
    known = c.known(value)
    if known is not None and not np.any(known) and x.dtype in FLOATS:
        return c.b.pad(x, int32(c, amounts))
    return c.b.padv2(x, int32(c, amounts), value)


def _mirror_pad(c: Context, node: TFNode, x: Value, amounts: Value) -> Value:
    mode = MirrorPadMode[attrs.choice(node, "mode", ("REFLECT", "SYMMETRIC"))]
    return c.b.mirror_pad(x, int32(c, amounts), mode=mode)


def _ensure_shape(c: Context, node: TFNode, x: Value) -> Value:
    """nothing; the dimensions that it tells are not used"""
    return x


def _format_permuted(c: Context, node: TFNode, x: Value) -> Value:
    """GATHER by the places of `dst_format` in `src_format`"""
    return c.b.gather(x, c.ints(_format_order(node)), axis=0)


def _format_mapped(c: Context, node: TFNode, x: Value) -> Value:
    """GATHER from the axes of `src_format` in `dst_format`"""
    order = _format_order(node)
    places = c.b.constant(np.array([order.index(i) for i in range(len(order))], x.dtype.numpy))
    rank = c.scalar(len(order), x)
    return c.b.gather(places, c.b.floor_mod(x, rank))


def _format_order(node: TFNode) -> list[int]:
    source, target = (attrs.text(node, key, d) for key, d in _FORMATS)
    if sorted(source) != sorted(target):
        raise Unsupported(f"data formats {source} and {target}; use two of the same axes")
    return [source.index(axis) for axis in target]


_FORMATS = (("src_format", "NHWC"), ("dst_format", "NCHW"))


HANDLERS: dict[str, Handler] = {
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "ExpandDims": _expand_dims,
    **dict.fromkeys(("Transpose", "ConjugateTranspose"), _transpose),
    "Shape": _shape,
    "ShapeN": _shapes,
    "Size": _size,
    "Rank": _rank,
    "BroadcastTo": _broadcast_to,
    "Tile": _tile,
    "Fill": _fill,
    "Empty": _empty,
    "Range": _range,
    "LinSpace": _linspace,
    "Pad": _pad,
    "PadV2": _pad_v2,
    "MirrorPad": _mirror_pad,
    "EnsureShape": _ensure_shape,
    "DataFormatVecPermute": _format_permuted,
    "DataFormatDimMap": _format_mapped,
}
