"""SVDF: in float32 (features by integer weights as a fully connected layer's), and in integers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.fully_connected import FullyConnected
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
from edgewise.runtime.select.computed import floats_of
from edgewise.runtime.select.conv import fully_connected

Array = np.ndarray
_INTEGERS = ("feature_multiplier", "feature_shift", "y_multiplier", "y_shift", "y_zero")


def svdf(site: Site) -> Selection:
    """The features, in integers with the rest; the rest, which also moves the state on."""
    op, node = site.node.op, site.node
    assert isinstance(op, SVDF)
    x, state, y = node.operand(0), node.operand(4), node.output
    filters, memory = shape_of(node.operand(2))
    fields: dict[str, Number] = {
        "batch": shape_of(x)[0],
        "inputs": shape_of(x)[1],
        "units": shape_of(y)[1],
        "rank": op.rank,
        "memory": memory,
    }
    n_tiles = 1 if math.prod(shape_of(y)) and memory else 0
    if is_float(x, state, y):
        return _float(site, op, filters, fields, n_tiles)
    types = (x.dtype, node.operand(1).dtype, node.operand(2).dtype, state.dtype, y.dtype)
    wanted = (DType.INT8, DType.INT8, DType.INT16, DType.INT16, DType.INT8)
    require(types == wanted, f"no kernel for {x.dtype.text} with these types")
    fields |= _multipliers(site)
    params = pack("ew_svdf", fields)
    return [Call("svdf_s8", params, (x, *_integers(site), state, y), n_tiles)]


def _float(
    site: Site, op: SVDF, filters: int, fields: dict[str, Number], n_tiles: int
) -> Sequence[Call]:
    x, feature, kept, state = (site.node.operand(i) for i in (0, 1, 2, 4))
    features = Value(TensorType((shape_of(x)[0], filters), DType.FLOAT32), "features")
    product = Node(FullyConnected(), [x, feature, None], [features])
    quant = kept.quant
    is_s8 = kept.dtype is DType.INT8 and quant is not None and quant.scale.size == 1
    is_s8 = is_s8 and not zero_point(kept.type)
    low, high = float_bounds(op.fused_activation_function)
    fields |= dict.fromkeys(_INTEGERS, 0)
    fields |= {"is_time_s8": int(is_s8), "low_f32": low, "high_f32": high}
    fields["time_scale"] = float(scale(kept.type)) if is_s8 else 1.0
    weights = kept if is_s8 else floats_of(site, kept)
    added = site.node.optional(3)
    zeros = np.zeros(int(fields["units"]), np.float32)
    bias = zeros if added is None else floats_of(site, added)
    operands = (features, weights, bias, state, site.node.output)
    return [
        *fully_connected(Site(product, site.target, site.known)),
        Call("svdf_f32", pack("ew_svdf", fields), operands, n_tiles),
    ]


def _integers(site: Site) -> Sequence[Array]:
    """Weights, and biases of the features and of the units."""
    feature, time = site.constant(1, "weights"), site.constant(2, "weights")
    bias = site.optional_constant(3, "biases")
    units = shape_of(site.node.output)[1]
    first = -zero_point(site.node.operand(0).type) * feature.astype(np.int64).sum(1)
    second = np.zeros(units, np.int64) if bias is None else bias.reshape(-1).astype(np.int64)
    biases = np.concatenate([first, second]).astype(np.int32)
    return [np.ascontiguousarray(feature), np.ascontiguousarray(time), biases]


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
        "is_time_s8": 0,
        "time_scale": 0.0,
        "low_f32": 0.0,
        "high_f32": 0.0,
    }
