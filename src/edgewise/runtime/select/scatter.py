"""Kernels that write runs where indices say: SCATTER_ND, SEGMENT_SUM, UNSORTED_SEGMENT_*,
SPARSE_TO_DENSE and ONE_HOT.

What y holds before is a fill of its own. Indices that are known are checked here; one that is
computed while the model runs and lies outside stops the run, as in gather.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.graph import Value
from edgewise.ir.op import Op
from edgewise.ops.axes import axis_in
from edgewise.ops.gather import SegmentSum
from edgewise.ops.segment import (
    UnsortedSegment,
    UnsortedSegmentMax,
    UnsortedSegmentMin,
    UnsortedSegmentProd,
    UnsortedSegmentSum,
)
from edgewise.ops.select import OneHot
from edgewise.ops.sparse import SparseToDense
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.broadcast import BITS, suffixed
from edgewise.runtime.select.copy import constant_view, filled, view
from edgewise.runtime.select.typed import typed

TILE_BYTES = 32768  # of y
_JOINS: Mapping[type[Op], str] = {
    UnsortedSegmentSum: "EW_JOIN_add",
    UnsortedSegmentProd: "EW_JOIN_mul",
    UnsortedSegmentMax: "EW_JOIN_max",
    UnsortedSegmentMin: "EW_JOIN_min",
}


def scatter_nd(site: Site) -> Selection:
    """Updates [I.., T..] added at indices [I.., K] of zeros [D_0, ..., D_K-1, T..]."""
    indices, updates, y = site.node.operand(0), site.node.operand(1), site.node.output
    places = shape_of(indices)
    op = "EW_JOIN_any" if y.dtype is DType.BOOL else "EW_JOIN_add"
    kernel = typed("scatter", y.dtype)
    call = _scatter(site, kernel, updates, indices, op, places[-1], math.prod(places[:-1]))
    return [*_fill(y, 0), *call]


def segments(site: Site) -> Selection:
    """Rows of x that join the row of y with their number, from what a segment without rows has."""
    op, x, numbers, y = site.node.op, site.node.operand(0), site.node.operand(1), site.node.output
    kernel, is_sorted = typed("scatter", y.dtype), isinstance(op, SegmentSum)
    join = "EW_JOIN_add" if is_sorted else _JOINS[type(op)]
    start = op.empty(y.dtype.numpy) if isinstance(op, UnsortedSegment) else 0
    if is_sorted:
        site.constant(1, "segments")  # how many there are is y's shape
    count = math.prod(shape_of(numbers))
    return [*_fill(y, start), *_scatter(site, kernel, x, numbers, join, 1, count, below=is_sorted)]


def sparse_to_dense(site: Site) -> Selection:
    """Values (or one for all) at indices, `default` elsewhere."""
    op, indices, values, default = site.node.op, *(site.node.operand(i) for i in (0, 2, 3))
    assert isinstance(op, SparseToDense)
    y, places = site.node.output, shape_of(indices)
    depth = len(y.shape)
    require(y.dtype.numpy.itemsize in BITS, f"no kernel for {y.dtype.text}")
    kernel = suffixed("scatter", BITS[y.dtype.numpy.itemsize])
    call = _scatter(
        site,
        kernel,
        values,
        indices,
        "EW_JOIN_set",
        depth,
        math.prod(places[:1]),
        is_one=not values.shape,
        is_ascending=op.validate_indices,
    )
    return [*filled(view(y), view(default)), *call]


def one_hot(site: Site) -> Selection:
    """`on` at the place that an index says, `off` elsewhere."""
    op, indices, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, OneHot)
    shape, size = shape_of(indices), y.dtype.numpy.itemsize
    axis = axis_in(op.axis, len(shape) + 1)
    outer, inner, depth = math.prod(shape[:axis]), math.prod(shape[axis:]), shape_of(y)[axis]
    rows_per_tile = max(TILE_BYTES // max(depth * inner * size, 1), 1)
    params = pack(
        "ew_one_hot",
        {
            "outer": outer,
            "depth": depth,
            "inner": inner,
            "element_bytes": size,
            "index_bytes": indices.dtype.numpy.itemsize,
            "rows_per_tile": rows_per_tile,
        },
    )
    n_tiles = -(-outer // rows_per_tile) if depth * inner else 0
    per_tile = rows_per_tile * depth * inner or None
    operands = (indices, site.node.operand(2), site.node.operand(3), y)
    return [Call("one_hot", params, operands, n_tiles, tile_elements=per_tile)]


def _fill(y: Value, number: float) -> Sequence[Call]:
    element = np.array(number, y.dtype.numpy)
    whole = view(y)
    return filled(whole, constant_view(element.view(whole.elements.dtype)))


def _scatter(
    site: Site,
    kernel: str,
    updates: Value,
    indices: Value,
    op: str,
    depth: int,
    count: int,
    *,
    below: bool = True,
    is_one: bool = False,
    is_ascending: bool = False,
) -> Sequence[Call]:
    """`below`: a negative index is an error, too. `is_one`: one update for all places."""
    y, shape = site.node.output, shape_of(site.node.output)
    most = constant("EW_COPY_RANK")
    require(depth <= most, f"indices of {depth} numbers; the kernel takes {most}")
    require(indices.dtype in INDICES, f"no kernel for {indices.dtype.text} indices")
    known = site.known(indices)
    if known is not None and known.size:
        rows = known.reshape(-1, max(depth, 1))
        is_inside = (rows < np.array(shape[:depth])) & ((rows >= 0) | (not below))
        require(bool(is_inside.all()), "an index lies outside")
    run = math.prod(shape[depth:])
    params = pack(
        "ew_scatter",
        {
            "count": count,
            "run": run,
            "x_step": 0 if is_one else run,
            "op": constant(op),
            "may_be_negative": int(not below),
            "is_ascending": int(is_ascending),
            "depth": depth,
            "index_bytes": indices.dtype.numpy.itemsize,
            "dims": shape[:depth],
        },
    )
    return [Call(kernel, params, (updates, indices, y), int(count > 0), 4)]
