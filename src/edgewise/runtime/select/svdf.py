"""SVDF: in float32 (weights of any kind dequantized), and in integers."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ops.requant import multiplier
from edgewise.ops.svdf import SVDF
from edgewise.runtime.calls import (
    Call,
    Selection,
    Site,
    float_bounds,
    is_float,
    require,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Number, pack
from edgewise.runtime.select.weights import real


def svdf(site: Site) -> Selection:
    """One call, which also moves the state on."""
    op, node = site.node.op, site.node
    assert isinstance(op, SVDF)
    x, state, y = node.operand(0), node.operand(4), node.output
    feature, time = site.constant(1, "weights"), site.constant(2, "weights")
    bias = site.optional_constant(3, "biases")
    (batch, inputs), units = shape_of(x), shape_of(y)[1]
    fields: dict[str, Number] = {
        "batch": batch,
        "inputs": inputs,
        "units": units,
        "rank": op.rank,
        "memory": time.shape[1],
    }
    if is_float(x, state, y):
        low, high = float_bounds(op.fused_activation_function)
        fields |= dict.fromkeys(
            ("feature_multiplier", "feature_shift", "y_multiplier", "y_shift", "y_zero"), 0
        )
        fields |= {"low_f32": low, "high_f32": high}
        added = np.zeros(units, np.float32)
        if bias is not None:
            require(node.operand(3).dtype in FLOATS, "the bias is not a float")
            added = real(node.operand(3), bias).reshape(-1)
        weights = [real(node.operand(1), feature), real(node.operand(2), time), added]
        kernel = "svdf_f32"
    else:
        types = (x.dtype, node.operand(1).dtype, node.operand(2).dtype, state.dtype, y.dtype)
        wanted = (DType.INT8, DType.INT8, DType.INT16, DType.INT16, DType.INT8)
        require(types == wanted, f"no kernel for {x.dtype.text} with these types")
        fields |= _multipliers(site)
        first = -zero_point(x.type) * feature.astype(np.int64).sum(1)
        second = np.zeros(units, np.int64) if bias is None else bias.reshape(-1).astype(np.int64)
        weights = [feature, time, np.concatenate([first, second]).astype(np.int32)]
        kernel = "svdf_s8"
    arrays = [np.ascontiguousarray(w) for w in weights]
    n_tiles = 1 if math.prod(shape_of(y)) and time.shape[1] else 0
    return [Call(kernel, pack("ew_svdf", fields), (x, *arrays, state, y), n_tiles)]


def _multipliers(site: Site) -> dict[str, Number]:
    x, feature, time, state = (site.node.operand(i) for i in (0, 1, 2, 4))
    y = site.node.output
    for value in (x, feature, time, state, y):
        require(value.quant is not None and value.quant.scale.size == 1, "a scale is missing")
    first = float(scale(x.type)) * float(scale(feature.type)) / float(scale(state.type))
    second = float(scale(state.type)) * float(scale(time.type)) / float(scale(y.type))
    (m, shift), (y_m, y_shift) = multiplier(first), multiplier(second)
    return {
        "feature_multiplier": m,
        "feature_shift": shift,
        "y_multiplier": y_m,
        "y_shift": y_shift,
        "y_zero": zero_point(y.type),
        "low_f32": 0.0,
        "high_f32": 0.0,
    }
