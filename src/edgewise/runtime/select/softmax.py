"""Kernels of SOFTMAX and LOG_SOFTMAX."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.softmax import (
    Softmax,
    exponentials,
    int16_exponentials,
    int16_multiplier,
    int16_tables,
)
from edgewise.runtime.calls import (
    Call,
    Selection,
    Site,
    is_float,
    require,
    require_8_bit,
    require_16_bit,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import pack

TILE_ELEMENTS = 4096


def softmax(site: Site) -> Selection:
    """Rows along the last axis."""
    op = site.node.op
    assert isinstance(op, Softmax)
    require(op.beta >= 0, "beta is negative")
    return _rows(site, "softmax", op.beta)


def log_softmax(site: Site) -> Selection:
    """Rows along the last axis."""
    return _rows(site, "log_softmax", 1.0)


def _rows(site: Site, name: str, beta: float) -> Selection:
    x, y = site.node.operand(0), site.node.output
    shape = shape_of(x)
    rows = math.prod(shape[:-1]) if shape[-1] else 0
    rows_per_tile = max(TILE_ELEMENTS // max(shape[-1], 1), 1)
    n_tiles, elements = -(-rows // rows_per_tile), rows_per_tile * shape[-1] or None
    fields: dict[str, int | float] = {
        "rows": rows,
        "depth": shape[-1],
        "rows_per_tile": rows_per_tile,
        "beta": beta,
        "multiplier": 0,
        "shift": 0,
    }
    if is_float(x, y):
        fields |= dict.fromkeys(("is_signed", "y_zero", "low", "high", "x_scale", "y_scale"), 0)
        scratch = 4 * rows_per_tile * shape[-1] if name == "log_softmax" else 0
        return [Call(f"{name}_f32", pack("ew_softmax", fields), (x, y), n_tiles, scratch, elements)]
    if x.dtype is DType.INT16 and name == "softmax":
        return [_softmax_s16(site, fields, beta, n_tiles, elements)]
    is_wide = x.dtype is DType.INT16
    (require_16_bit if is_wide else require_8_bit)(x, y)
    # all steps and a logarithm, which must not be NaN: NumPy saturates it in another way than C
    steps = 131072.0 if is_wide else 512.0
    reach = steps * max(float(scale(x.type)), 1.0) * max(beta, 1.0) / min(float(scale(y.type)), 1.0)
    require(reach < 1e38, "its scale is too large")
    low, high = y.dtype.range
    fields |= {
        "is_signed": int(x.dtype is DType.INT8),
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
        "x_scale": float(scale(x.type)),
        "y_scale": float(scale(y.type)),
    }
    if is_wide:
        operands = (x, *int16_exponentials(scale(x.type)), y)
        params = pack("ew_softmax", fields)
        return [Call("log_softmax_s16", params, operands, n_tiles, tile_elements=elements)]
    table = exponentials(scale(x.type) * np.float32(beta))
    scratch = 16 * shape[-1]
    return [
        Call(f"{name}_b8", pack("ew_softmax", fields), (x, table, y), n_tiles, scratch, elements)
    ]


def _softmax_s16(
    site: Site,
    fields: dict[str, int | float],
    beta: float,
    n_tiles: int,
    elements: int | None,
) -> Call:
    """LiteRT's two tables; y has the scale 2**-15 whatever is declared (ops/softmax.py)."""
    x, y = site.node.operand(0), site.node.output
    require_16_bit(x, y)
    depth = shape_of(x)[-1]
    require(depth < 1 << 16, f"rows of {depth}, whose sums are kept in 32 bits")
    zeros = dict.fromkeys(("is_signed", "y_zero", "low", "high", "x_scale", "y_scale"), 0)
    wide = float(scale(x.type) * np.float32(beta))
    require(wide < 1, "its scale is so large that distances in it exceed 32 bits")
    m, shift = int16_multiplier(wide)
    params = pack("ew_softmax", {**fields, **zeros, "multiplier": m, "shift": shift})
    operands = (x, *int16_tables(), y)
    return Call("softmax_s16", params, operands, n_tiles, 2 * depth, elements)
