"""Kernels of GATHER, GATHER_ND and EMBEDDING_LOOKUP: runs of elements by index.

Indices that are known are checked here. One that is computed while the model runs and lies outside
stops the run; exported C, which cannot, has zeros there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.ir.graph import Value
from edgewise.ops.gather import Gather
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import constant, pack

TILE_BYTES = 32768  # of y


def gather(site: Site) -> Selection:
    """x [B.., O.., A, T..] by indices [B.., I..]."""
    op, x, indices = site.node.op, site.node.operand(0), site.node.operand(1)
    assert isinstance(op, Gather)
    shape, places = shape_of(x), shape_of(indices)
    axis, batch = op.axes(len(shape), len(places))
    return _runs(
        site,
        x,
        indices,
        batch=math.prod(shape[:batch]),
        outer=math.prod(shape[batch:axis]),
        count=math.prod(places[batch:]),
        dims=shape[axis : axis + 1],
        run=shape[axis + 1 :],
    )


def gather_nd(site: Site) -> Selection:
    """x [D_0, ..., D_K-1, T..] by indices [I.., K]."""
    x, indices = site.node.operand(0), site.node.operand(1)
    shape, places = shape_of(x), shape_of(indices)
    depth = places[-1]
    return _runs(
        site,
        x,
        indices,
        batch=1,
        outer=1,
        count=math.prod(places[:-1]),
        dims=shape[:depth],
        run=shape[depth:],
    )


def embedding_lookup(site: Site) -> Selection:
    """Rows of a table, as they are stored."""
    ids, x, y = site.node.operand(0), site.node.operand(1), site.node.output
    require(x.dtype is y.dtype, f"no kernel from {x.dtype.text} to {y.dtype.text}")
    require(x.quant is None or x.quant.scale.size == 1, "the table is quantized per row")
    shape, count = shape_of(x), math.prod(shape_of(ids))
    return _runs(site, x, ids, batch=1, outer=1, count=count, dims=shape[:1], run=shape[1:])


def _runs(
    site: Site,
    x: Value,
    indices: Value,
    *,
    batch: int,
    outer: int,
    count: int,
    dims: Sequence[int],
    run: Sequence[int],
) -> Selection:
    y = site.node.output
    most = constant("EW_COPY_RANK")
    require(len(dims) <= most, f"indices of {len(dims)} numbers; the kernel takes {most}")
    known = site.known(indices)
    if known is not None and known.size:
        last = known.reshape(-1, max(len(dims), 1))
        require(bool(((last >= 0) & (last < np.array(dims))).all()), "an index lies outside x")
    run_bytes = math.prod(run) * x.dtype.numpy.itemsize
    if not math.prod(shape_of(y)):  # nothing to copy, but indices to look at
        batch, outer, run_bytes = 1, 1, 0
        count = math.prod(shape_of(indices)) // max(len(dims), 1)
    rows = batch * outer * count
    rows_per_tile = max(TILE_BYTES // max(run_bytes, 1), 1)
    params = pack(
        "ew_gather",
        {
            "batch": batch,
            "outer": outer,
            "count": count,
            "depth": len(dims),
            "dims": dims,
            "run_bytes": run_bytes,
            "index_bytes": indices.dtype.numpy.itemsize,
            "rows_per_tile": rows_per_tile,
        },
    )
    n_tiles = -(-rows // rows_per_tile)
    per_tile = rows_per_tile * math.prod(run) or None
    return [Call("gather", params, (x, indices, y), n_tiles, 4, per_tile)]
