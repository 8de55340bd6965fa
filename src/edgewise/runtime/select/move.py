"""Operators that only move elements: aliases, and copies from one view to another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Node, Value
from edgewise.ops.join import Concatenation, Pack, Unpack
from edgewise.ops.slice import StridedSlice
from edgewise.ops.space import DepthToSpace, SpaceToDepth
from edgewise.runtime.calls import BYTES_8, Alias, Call, Selection, Site, require, shape_of
from edgewise.runtime.library import constant
from edgewise.runtime.library import pack as pack_params
from edgewise.runtime.select.copy import TILE_BYTES, View, constant_view, copies, copy, filled, view
from edgewise.runtime.select.pad import border_of
from edgewise.runtime.select.unary import unary_call


def alias(site: Site) -> Alias:
    """The same bytes under another shape."""
    x, y = site.node.operand(0), site.node.output
    require(x.dtype is y.dtype, "x and y have different dtypes")
    return Alias()


def as_copy(node: Node) -> Sequence[Call]:
    """What `alias` says, for bytes that must be apart."""
    x, y = view(node.operand(0)), view(node.output)
    return copy(x.of(x.elements.reshape(-1)), y.of(y.elements.reshape(-1)))


def bitcast(site: Site) -> Selection:
    """The same bytes as another type; those of bool are 0 or 1."""
    x, y = view(site.node.operand(0)), view(site.node.output)
    if site.node.output.dtype is DType.BOOL:
        types = {"low": constant("EW_TYPE_u8"), "high": constant("EW_TYPE_bool")}
        return unary_call(site, "cast", (site.node.operand(0),), **types)
    x, y = (v.of(v.elements.reshape(-1).view("u1")) for v in (x, y))
    return copy(x, y)


def shown(site: Site) -> Selection:
    """Operators whose reference is a view of x: SLICE, TRANSPOSE, REVERSE_V2."""
    x = view(site.node.operand(0))
    count = len(site.node.inputs)
    operands = [site.constant(i, "positions, sizes or axes") for i in range(1, count)]
    elements = site.node.op.reference(x.elements, *operands)
    assert isinstance(elements, np.ndarray)
    return _moved(site, x, elements)


def strided_slice(site: Site) -> Selection:
    """STRIDED_SLICE; the ellipsis keeps a single element an array."""
    op, x = site.node.op, view(site.node.operand(0))
    assert isinstance(op, StridedSlice)
    bounds = [site.constant(i, "bounds") for i in (1, 2, 3)]
    return _moved(site, x, x.elements[(*op.index(x.elements.shape, *bounds), ...)])


def broadcast_to(site: Site) -> Selection:
    """BROADCAST_TO and, from a scalar, FILL."""
    at = 1 if site.node.op.name == "fill" else 0
    x = view(site.node.operand(at))
    return _moved(site, x, np.broadcast_to(x.elements, shape_of(site.node.output)))


def tile(site: Site) -> Selection:
    """TILE: every dimension of y as [multiple, dimension of x]."""
    x, y = view(site.node.operand(0)), view(site.node.output)
    shape = x.elements.shape
    times = [b // a if a else 0 for a, b in zip(shape, y.elements.shape, strict=True)]
    paired = [n for pair in zip(times, shape, strict=True) for n in pair]
    spread = x.elements.reshape([n for d in shape for n in (1, d)])
    return copies([(x.of(np.broadcast_to(spread, paired)), y.of(y.elements.reshape(paired)))])


def space_to_depth(site: Site) -> Selection:
    """[N, H/b, b, W/b, b, C] -> [N, H/b, W/b, b, b, C]."""
    return copies([_blocks(site, site.node.operand(0), site.node.output)])


def depth_to_space(site: Site) -> Selection:
    """The copy of SPACE_TO_DEPTH, the other way."""
    y, x = _blocks(site, site.node.output, site.node.operand(0))
    return copies([(x, y)])


def _blocks(site: Site, space: Value, depth: Value) -> tuple[View, View]:
    op = site.node.op
    assert isinstance(op, SpaceToDepth | DepthToSpace)
    b, wide, deep = op.block_size, view(space), view(depth)
    n, h, w, c = shape_of(space)
    blocks = wide.elements.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
    return wide.of(blocks), deep.of(deep.elements.reshape(blocks.shape))


def space_to_batch(site: Site) -> Selection:
    """One copy per place in the block, of its pixels inside x. With paddings, a fill before."""
    x, y = site.node.operand(0), site.node.output
    sizes = site.constant(1, "block sizes").tolist()
    paddings = site.constant(2, "paddings").reshape(-1, 2)
    fill: Sequence[Call] = []
    if paddings.any():
        fill = filled(view(y), constant_view(border_of(x)))
    return [*fill, *copies(list(_places(x, y, sizes, paddings[:, 0].tolist())))]


def batch_to_space(site: Site) -> Selection:
    """The copies of SPACE_TO_BATCH_ND, the other way; crops are what paddings are there."""
    x, y = site.node.operand(0), site.node.output
    sizes = site.constant(1, "block sizes").tolist()
    before = site.constant(2, "crops").reshape(-1, 2)[:, 0].tolist()
    return copies([(b, a) for a, b in _places(y, x, sizes, before)])


def _places(
    space: Value, batch: Value, sizes: Sequence[int], before: Sequence[int]
) -> Iterator[tuple[View, View]]:
    """For each place in a block, the same pixels in space [N, S.., T..] and in batch
    [place * N + n, S / block.., T..]."""
    wide, deep = view(space), view(batch)
    parts = deep.elements.reshape(*sizes, wide.elements.shape[0], *deep.elements.shape[1:])
    for place in np.ndindex(*sizes):
        here: list[slice] = []
        there: list[slice] = []
        for k, b, p, total in zip(place, sizes, before, wide.elements.shape[1:], strict=False):
            first = max(-(-(p - k) // b), 0)
            end = max((total - 1 + p - k) // b + 1, first)
            start = first * b + k - p
            here.append(slice(start, start + (end - first) * b, b))
            there.append(slice(first, end))
        pixels = wide.elements[(slice(None), *here)]
        yield wide.of(pixels), deep.of(parts[place][(slice(None), *there)])


def concatenation(site: Site) -> Selection:
    """One copy per operand, through a table where its scale is not that of the result."""
    op, y = site.node.op, site.node.output
    assert isinstance(op, Concatenation)
    act, axis, whole, at = op.fused_activation_function, op.axis, view(y), 0
    require(act is Activation.NONE or y.dtype in BYTES_8, f"the fused {act.name} has no kernel")
    calls: list[Call] = []
    for part in site.node.inputs:
        if part is None:
            continue
        x = view(part)
        length = x.elements.shape[axis]
        place = np.moveaxis(np.moveaxis(whole.elements, axis, 0)[at : at + length], 0, axis)
        calls += copy(x, whole.of(place), _rescaled(op, part, y))
        at += length
    return calls


def _rescaled(op: Concatenation, part: Value, y: Value) -> np.ndarray | None:
    """The result for each of the 256 values of `part`; None where they stay as they are."""
    if part.quant == y.quant and op.fused_activation_function is Activation.NONE:
        return None
    require(y.dtype in BYTES_8, f"{y.dtype.text} operands have other scales than the result")
    every = np.arange(256, dtype=np.uint8).view(y.dtype.numpy)
    alone = Concatenation(fused_activation_function=op.fused_activation_function)
    return evaluate_op(alone, [every], [part.type.with_shape((256,))], [y.type])[0]


def pack(site: Site) -> Selection:
    """PACK: one copy per operand."""
    op, whole = site.node.op, view(site.node.output)
    assert isinstance(op, Pack)
    parts = [v for v in site.node.inputs if v is not None]
    slots = np.moveaxis(whole.elements, op.axis, 0)
    return copies([(view(x), whole.of(slots[i, ...])) for i, x in enumerate(parts)])


def unpack(site: Site) -> Selection:
    """UNPACK: one copy per result."""
    op, whole = site.node.op, view(site.node.operand(0))
    assert isinstance(op, Unpack)
    slots = np.moveaxis(whole.elements, op.axis, 0)
    return copies([(whole.of(slots[i, ...]), view(y)) for i, y in enumerate(site.node.outputs)])


def split(site: Site) -> Selection:
    """SPLIT and SPLIT_V: one copy per result."""
    is_v = site.node.op.name == "split_v"
    whole = view(site.node.operand(0 if is_v else 1))
    axis = int(site.constant(2 if is_v else 0, "axes").reshape(-1)[0])
    along, at = np.moveaxis(whole.elements, axis, 0), 0
    calls: list[Call] = []
    for result in site.node.outputs:
        y = view(result)
        length = y.elements.shape[axis]
        calls += copy(whole.of(np.moveaxis(along[at : at + length], 0, axis)), y)
        at += length
    return calls


def dynamic_update_slice(site: Site) -> Selection:
    """x, then `update` over a part of it."""
    x, update, y = site.node.operand(0), site.node.operand(1), view(site.node.output)
    known = site.known(site.node.operand(2))
    if known is None:
        return [*copies([(view(x), y)]), *_placed(site)]
    starts = known.tolist()
    part = tuple(
        slice(first := min(max(at, 0), total - n), first + n)
        for at, n, total in zip(starts, shape_of(update), shape_of(x), strict=True)
    )
    return copies([(view(x), y), (view(update), y.of(y.elements[part]))])


def _placed(site: Site) -> Sequence[Call]:
    """`update` over a part of y, whose place is computed while the model runs."""
    update, start, y = site.node.operand(1), site.node.operand(2), site.node.output
    part, whole = shape_of(update), shape_of(y)
    if not math.prod(part):
        return []
    # the dimensions behind the last one that is not taken whole are one run with it
    rank = max(
        (d + 1 for d, (n, m) in enumerate(zip(part, whole, strict=True)) if n != m), default=0
    )
    most = constant("EW_COPY_RANK")
    require(rank <= most, f"an update over {rank} dimensions; the kernel takes {most}")
    size = y.dtype.numpy.itemsize
    run_bytes = size * math.prod(part[max(rank - 1, 0) :])
    rows = math.prod(part[: max(rank - 1, 0)])
    rows_per_tile = max(TILE_BYTES // run_bytes, 1)
    params = pack_params(
        "ew_update_slice",
        {
            "rank": rank,
            "index_bytes": start.dtype.numpy.itemsize,
            "run_bytes": run_bytes,
            "rows_per_tile": rows_per_tile,
            "dims": [*part[: rank - 1], 1] if rank else [],
            "most": [m - n for n, m in zip(part[:rank], whole, strict=False)],
            "y_stride": [size * math.prod(whole[d + 1 :]) for d in range(rank)],
        },
    )
    return [Call("update_slice", params, (update, start, y), -(-rows // rows_per_tile))]


def _moved(site: Site, x: View, elements: np.ndarray) -> Selection:
    """y is these elements of x."""
    return copy(x.of(elements), view(site.node.output))
