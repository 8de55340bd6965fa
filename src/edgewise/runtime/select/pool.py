"""Kernels of AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ops.pool import Pool
from edgewise.ops.requant import activation_range
from edgewise.ops.window import Axis
from edgewise.runtime.calls import (
    Call,
    Site,
    float_bounds,
    is_float,
    is_narrow,
    require,
    require_8_bit,
    require_16_bit,
    shape_of,
)
from edgewise.runtime.library import Fields, pack
from edgewise.runtime.select.weights import window

_SUFFIX = {DType.FLOAT32: "f32", DType.BFLOAT16: "bf16", DType.INT16: "s16"}


def average_pool_2d(site: Site) -> Sequence[Call]:
    """Mean of the taps inside x."""
    return _pool(site, "average_pool_2d")


def max_pool_2d(site: Site) -> Sequence[Call]:
    """Largest of the taps inside x."""
    return _pool(site, "max_pool_2d")


def _pool(site: Site, name: str) -> Sequence[Call]:
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Pool)
    act = op.fused_activation_function
    shape, out = shape_of(x), shape_of(y)
    if is_float(x, y) or (name == "max_pool_2d" and is_narrow(x, y)):
        low_f32, high_f32 = float_bounds(act)
        bounds: Fields = {"low": 0, "high": 0, "low_f32": low_f32, "high_f32": high_f32}
    else:
        is_16 = x.dtype is DType.INT16
        if is_16:
            require_16_bit(x, y)
        else:
            require_8_bit(x, y)
        taps = min(op.filter_height, shape[1]) * min(op.filter_width, shape[2])
        most = 1 << 15 if is_16 else 1 << 23
        require(taps < most, f"a window of {taps} elements; the sum is kept in 32 bits")
        require(act is not Activation.TANH, "the fused activation TANH has no kernel")
        low, high = activation_range(act, y.type)
        bounds = {"low": low, "high": high, "low_f32": 0.0, "high_f32": 0.0}
    rows, cols = Axis(op.filter_height, op.stride_h), Axis(op.filter_width, op.stride_w)
    params = pack(
        "ew_pool_2d",
        {
            "window": window(shape, out, rows, cols, op.padding),
            "y_stride": out[3],
            "is_signed": int(x.dtype is DType.INT8),
            **bounds,
        },
    )
    n_tiles = out[0] * out[1] if np.prod(out, dtype=np.int64) else 0
    kernel = f"{name}_{_SUFFIX.get(x.dtype, 'b8')}"
    return [Call(kernel, params, (x, y), n_tiles, tile_elements=out[2] * out[3])]
