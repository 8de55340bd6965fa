"""Kernels of ARG_MAX, ARG_MIN, TOPK_V2 and CUMSUM."""

from __future__ import annotations

import math

from edgewise.ir.graph import Value
from edgewise.ops.gather import INDEX
from edgewise.ops.ranking import ArgMin
from edgewise.ops.scan import Cumsum
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select.typed import typed

TILE_ELEMENTS = 8192  # of x


def arg(site: Site) -> Selection:
    """The place of the extreme along an axis."""
    x, y = site.node.operand(0), site.node.output
    outer, n, inner = _around(x, int(site.constant(1, "axes").reshape(-1)[0]))
    kernel = typed("arg", x.dtype)
    rows_per_tile = max(TILE_ELEMENTS // max(n * inner, 1), 1)
    params = pack(
        "ew_arg",
        {
            "outer": outer,
            "n": n,
            "inner": inner,
            "is_min": int(isinstance(site.node.op, ArgMin)),
            "index_bytes": y.dtype.numpy.itemsize,
            "rows_per_tile": rows_per_tile,
        },
    )
    n_tiles = -(-outer // rows_per_tile) if n * inner else 0
    return [Call(kernel, params, (x, y), n_tiles)]


def topk(site: Site) -> Selection:
    """The elements and their indices."""
    x = site.node.operand(0)
    values, indices = site.node.outputs
    # a file may declare any type
    require(indices.dtype in INDEX, f"no kernel for indices of {indices.dtype.text}")
    shape, k = shape_of(x), int(shape_of(values)[-1])
    rows, n = math.prod(shape[:-1]), shape[-1]
    rows_per_tile = max(TILE_ELEMENTS // max(n, 1), 1)
    fields = {
        "rows": rows,
        "n": n,
        "k": k,
        "index_bytes": indices.dtype.numpy.itemsize,
        "rows_per_tile": rows_per_tile,
    }
    n_tiles = -(-rows // rows_per_tile) if k else 0
    operands = (x, values, indices)
    kernel = typed("topk", x.dtype)
    return [Call(kernel, pack("ew_topk", fields), operands, n_tiles, 4 * k, results=2)]


def cumsum(site: Site) -> Selection:
    """Running sums along an axis."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Cumsum)
    outer, n, inner = _around(x, int(site.constant(1, "axes").reshape(-1)[0]))
    kernel = typed("cumsum", x.dtype)
    params = pack(
        "ew_cumsum",
        {
            "n": n,
            "inner": inner,
            "is_exclusive": int(op.exclusive),
            "is_reverse": int(op.reverse),
        },
    )
    return [Call(kernel, params, (x, y), outer if n * inner else 0)]


def _around(x: Value, axis: int) -> tuple[int, int, int]:
    """x as [outer, n, inner]."""
    shape = shape_of(x)
    require(-len(shape) <= axis < len(shape), "the axis is beyond the rank")
    axis %= len(shape)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
