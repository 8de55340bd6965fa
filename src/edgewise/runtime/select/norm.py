"""Kernels of the normalisations: layer norm, L2_NORMALIZATION, LOCAL_RESPONSE_NORMALIZATION."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ops.l2_normalization import EPSILON
from edgewise.ops.local_response import LocalResponseNormalization
from edgewise.ops.norm import LayerNorm
from edgewise.runtime.calls import (
    Call,
    Selection,
    Site,
    is_8_bit,
    is_float,
    require,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import pack

TILE_ELEMENTS = 8192


def layer_norm(site: Site) -> Selection:
    """Over the last dimensions, as rows."""
    op, x = site.node.op, site.node.operand(0)
    assert isinstance(op, LayerNorm)
    shape = shape_of(x)
    axes = sorted(a % len(shape) for a in op.axes)
    require(axes == list(range(axes[0], len(shape))), "the axes are not the last ones")
    depth = math.prod(shape[axes[0] :])
    vectors: list[Value | np.ndarray] = []
    for index, default in ((1, 1.0), (2, 0.0)):
        value = site.node.optional(index)
        require(value is None or is_float(value), "gamma and beta are not float32")
        vectors.append(np.full(depth, default, np.float32) if value is None else value)
    return _rows(site, "layer_norm_f32", depth, vectors, op.epsilon)


def l2_normalization(site: Site) -> Selection:
    """Over the last dimension."""
    x, y = site.node.operand(0), site.node.output
    depth = shape_of(x)[-1]
    if is_8_bit(x, y):
        return _l2_normalization_8(x, y, depth)
    return _rows(site, "l2_normalization_f32", depth, [], EPSILON)


def _l2_normalization_8(x: Value, y: Value, depth: int) -> Selection:
    rows, rows_per_tile, n_tiles = _tiles(x, depth)
    fields = {
        "rows": rows,
        "depth": depth,
        "rows_per_tile": rows_per_tile,
        "is_signed": int(x.dtype is DType.INT8),
        "x_zero": zero_point(x.type),
        "y_zero": zero_point(y.type),
    }
    params = pack("ew_norm_b8", fields)
    per_tile = rows_per_tile * depth or None
    return [Call("l2_normalization_b8", params, (x, y), n_tiles, tile_elements=per_tile)]


def _rows(
    site: Site, kernel: str, depth: int, vectors: list[Value | np.ndarray], epsilon: float
) -> Selection:
    x, y = site.node.operand(0), site.node.output
    require(is_float(x, y), f"no kernel for {x.dtype.text}")
    rows, rows_per_tile, n_tiles = _tiles(x, depth)
    params = pack(
        "ew_norm",
        {"rows": rows, "depth": depth, "rows_per_tile": rows_per_tile, "epsilon": epsilon},
    )
    per_tile = rows_per_tile * depth or None
    return [Call(kernel, params, (x, *vectors, y), n_tiles, tile_elements=per_tile)]


def local_response(site: Site) -> Selection:
    """Over neighbouring channels."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, LocalResponseNormalization)
    require(is_float(x, y), f"no kernel for {x.dtype.text}")
    require(op.bias > 0 and op.alpha >= 0, "the sum may not be positive")
    depth = shape_of(x)[-1]
    rows, rows_per_tile, n_tiles = _tiles(x, depth)
    params = pack(
        "ew_local_response",
        {
            "rows": rows,
            "depth": depth,
            "rows_per_tile": rows_per_tile,
            "radius": min(op.radius, depth),
            "bias": op.bias,
            "alpha": op.alpha,
            "beta": op.beta,
        },
    )
    return [Call("local_response_normalization_f32", params, (x, y), n_tiles)]


def _tiles(x: Value, depth: int) -> tuple[int, int, int]:
    """Rows, rows of a tile, tiles."""
    rows = math.prod(shape_of(x)) // max(depth, 1)
    rows_per_tile = max(TILE_ELEMENTS // max(depth, 1), 1)
    return rows, rows_per_tile, -(-rows // rows_per_tile)
