"""Operators that move, join, pool and reduce elements: `keras.ops`, and layers for pooling.

The first dimension may be the open batch: what a model says in numbers about it (a shape, the end
of a slice) is said of the rest only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.ir.enums import MirrorPadMode, Padding
from edgewise.ops import gather, join, pad, pool, reduce, reshape, resize, space
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.slice import Slice, StridedSlice
from edgewise.train.forms.context import (
    Context,
    Form,
    Tensor,
    Untrainable,
    constant,
    integers,
    need_floats,
)


def _pool(kind: str) -> Form:
    def form(c: Context, op: pool.Pool, x: Tensor) -> Tensor:
        layer = c.layer(
            kind, {}, pool_size=(op.filter_height, op.filter_width),
            strides=(op.stride_h, op.stride_w),
            padding="same" if op.padding is Padding.SAME else "valid",
        )  # fmt: skip
        return c.activated(op.fused_activation_function, layer(x))

    return form


def _reduce(name: str) -> Form:
    def form(c: Context, op: reduce.Reduction, x: Tensor, axes: object) -> Tensor:
        rank = len(x.shape)
        chosen = tuple(dict.fromkeys(axis % rank for axis in integers(axes, "axes")))
        if not chosen:
            raise Untrainable("it reduces no axis")
        if name == "mean":
            need_floats(c)
        return getattr(c.ops, name)(x, axis=chosen, keepdims=op.keep_dims)

    return form


def _reshape(c: Context, op: object, x: Tensor, shape: object = None) -> Tensor:
    """RESHAPE, SQUEEZE, EXPAND_DIMS by the result's shape, so that an open batch stays one."""
    return c.ops.reshape(x, _shape(c, x))


def _shape(c: Context, x: Tensor) -> tuple[int, ...]:
    """The current node's result shape; -1 for what is open."""
    assert c.node is not None
    wanted: list[Any] = list(c.node.output.shape)
    if wanted and x.shape and x.shape[0] is None and c.node.output.shape[0] == _batch(c):
        wanted[0] = -1
    sizes = [size if isinstance(size, int) else -1 for size in wanted]
    if sizes.count(-1) > 1:
        raise Untrainable(f"more than one size of its result is open: {wanted}")
    return tuple(sizes)


def _batch(c: Context) -> object:
    """The first dimension of what the current node reads."""
    assert c.node is not None
    first = next(v for v in c.node.inputs if v is not None and not v.is_constant)
    return first.shape[0] if first.shape else None


def _transpose(c: Context, op: object, x: Tensor, axes: object) -> Tensor:
    return c.ops.transpose(x, axes=integers(axes, "permutation"))


def _pad(c: Context, op: object, x: Tensor, pads: object, value: object = None) -> Tensor:
    amounts = constant(pads, "padding").tolist()
    fill = 0 if value is None else constant(value, "padding value").item()
    return c.ops.pad(x, amounts, mode="constant", constant_values=fill)


def _mirror_pad(c: Context, op: pad.MirrorPad, x: Tensor, pads: object) -> Tensor:
    mode = "reflect" if op.mode is MirrorPadMode.REFLECT else "symmetric"
    return c.ops.pad(x, constant(pads, "padding").tolist(), mode=mode)


def _concatenation(c: Context, op: join.Concatenation, *xs: Tensor) -> Tensor:
    y = c.ops.concatenate(list(xs), axis=op.axis)
    return c.activated(op.fused_activation_function, y)


def _pack(c: Context, op: join.Pack, *xs: Tensor) -> Tensor:
    return c.ops.stack(list(xs), axis=op.axis)


def _unpack(c: Context, op: join.Unpack, x: Tensor) -> list[Tensor]:
    return list(c.ops.unstack(x, num=op.num, axis=op.axis))


def _split(c: Context, op: join.Split, axis: object, x: Tensor) -> list[Tensor]:
    return list(c.ops.split(x, op.num_splits, axis=integers(axis, "axis")[0]))


def _split_v(c: Context, op: join.SplitV, x: Tensor, sizes: object, axis: object) -> list[Tensor]:
    assert c.node is not None
    where = integers(axis, "axis")[0]
    parts = [value.shape[where] for value in c.node.outputs]
    ends = np.cumsum([part for part in parts if isinstance(part, int)])
    return list(c.ops.split(x, ends[:-1].tolist(), axis=where))


def _slice(c: Context, op: Slice, x: Tensor, begin: object, size: object) -> Tensor:
    """A cropping layer where it is one (it comes back as SLICE, an index does as STRIDED_SLICE)."""
    starts, sizes = integers(begin, "begin"), integers(size, "size")
    ends = [None if n == -1 else b + n for b, n in zip(starts, sizes, strict=True)]
    cut = _cropping(c, starts, ends)
    if cut:
        return c.layer(f"Cropping{len(cut)}D", {}, cropping=cut if len(cut) > 1 else cut[0])(x)
    return x[tuple(_part(c, i, b, e, 1) for i, (b, e) in enumerate(zip(starts, ends, strict=True)))]


def _cropping(c: Context, starts: list[int], ends: list[int | None]) -> tuple[tuple[int, int], ...]:
    """What is cut before and after each spatial axis; nothing where batch or channels are cut, too,
    or the end of an open axis."""
    assert c.node is not None
    shape = c.node.operand(0).shape
    cuts: list[tuple[int, int]] = []
    for start, end, size in zip(starts, ends, shape, strict=True):
        if end is None:
            cuts.append((start, 0))
        elif isinstance(size, int):
            cuts.append((start, size - end))
    has_layer = 3 <= len(cuts) == len(shape) <= 5
    return tuple(cuts[1:-1]) if has_layer and cuts[0] == cuts[-1] == (0, 0) else ()


def _strided_slice(
    c: Context, op: StridedSlice, x: Tensor, begin: object, end: object, strides: object
) -> Tensor:
    if op.offset or op.new_axis_mask or op.ellipsis_mask:
        raise Untrainable("new axes, ellipses and ends by offset of a STRIDED_SLICE")
    parts: list[Any] = []
    rows = zip(*(integers(v, "bounds") for v in (begin, end, strides)), strict=True)
    for i, (b, e, step) in enumerate(rows):
        bit = 1 << i
        if op.shrink_axis_mask & bit:
            parts.append(b)
            continue
        low = None if op.begin_mask & bit else b
        high = None if op.end_mask & bit else e
        parts.append(_part(c, i, low, high, step))
    return x[tuple(parts)]


def _part(c: Context, axis: int, begin: int | None, end: int | None, step: int) -> Any:
    """A slice; all of the axis where that is what the numbers say, so that it may be open."""
    assert c.node is not None
    size = c.node.operand(0).shape[axis]
    is_all = begin in (0, None) and step == 1 and isinstance(size, int)
    if is_all and (end is None or (isinstance(size, int) and end >= size)):
        return slice(None)
    return slice(begin, end, step)


def _gather(c: Context, op: gather.Gather, x: object, indices: object) -> Tensor:
    """Rows of a constant table are an Embedding, whose rows train."""
    if op.batch_dims:
        raise Untrainable("GATHER with batch dimensions")
    is_table = isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype.kind == "f"
    if is_table and op.axis == 0 and not isinstance(indices, np.ndarray):
        assert isinstance(x, np.ndarray)
        rows, width = x.shape
        return c.layer("Embedding", {"embeddings": x}, input_dim=rows, output_dim=width)(indices)
    return c.ops.take(x, indices, axis=op.axis)


def _batch_matmul(c: Context, op: BatchMatMul, a: Tensor, b: Tensor) -> Tensor:
    a = c.ops.swapaxes(a, -1, -2) if op.adj_x else a
    b = c.ops.swapaxes(b, -1, -2) if op.adj_y else b
    return c.ops.matmul(a, b)


def _resize_bilinear(c: Context, op: resize.ResizeBilinear, x: Tensor, size: object) -> Tensor:
    if not op.half_pixel_centers or op.align_corners:
        raise Untrainable("Keras resizes with half pixel centres only")
    return c.ops.image.resize(x, tuple(integers(size, "size")), interpolation="bilinear",
                              data_format="channels_last")  # fmt: skip


def _resize_nearest(c: Context, op: Any, x: Tensor, size: object) -> Tensor:
    """UpSampling2D, where the size is a multiple."""
    factors = [to / have for to, have in zip(integers(size, "size"), x.shape[1:3], strict=True)]
    if op.align_corners or any(f != int(f) for f in factors):
        raise Untrainable("nearest neighbours of a size that is no multiple")
    return c.layer("UpSampling2D", {}, size=tuple(int(f) for f in factors))(x)


def _depth_to_space(c: Context, op: space.DepthToSpace, x: Tensor) -> Tensor:
    return c.ops.depth_to_space(x, op.block_size, data_format="channels_last")


def _space_to_depth(c: Context, op: space.SpaceToDepth, x: Tensor) -> Tensor:
    return c.ops.space_to_depth(x, op.block_size, data_format="channels_last")


FORMS: dict[type, Form] = {
    pool.AveragePool2D: _pool("AveragePooling2D"),
    pool.MaxPool2D: _pool("MaxPooling2D"),
    reduce.Mean: _reduce("mean"),
    reduce.Sum: _reduce("sum"),
    reduce.ReduceMax: _reduce("max"),
    reduce.ReduceMin: _reduce("min"),
    reduce.ReduceProd: _reduce("prod"),
    reduce.ReduceAny: _reduce("any"),
    reduce.ReduceAll: _reduce("all"),
    reshape.Reshape: _reshape,
    reshape.Squeeze: _reshape,
    reshape.ExpandDims: _reshape,
    reshape.Transpose: _transpose,
    pad.Pad: _pad,
    pad.PadV2: _pad,
    pad.MirrorPad: _mirror_pad,
    join.Concatenation: _concatenation,
    join.Pack: _pack,
    join.Unpack: _unpack,
    join.Split: _split,
    join.SplitV: _split_v,
    Slice: _slice,
    StridedSlice: _strided_slice,
    gather.Gather: _gather,
    BatchMatMul: _batch_matmul,
    resize.ResizeBilinear: _resize_bilinear,
    resize.ResizeNearestNeighbor: _resize_nearest,
    space.DepthToSpace: _depth_to_space,
    space.SpaceToDepth: _space_to_depth,
}
