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
from edgewise.runtime.library import Isa, Number, pack
from edgewise.runtime.select.computed import floats_of, packed_b8
from edgewise.runtime.select.conv import fully_connected
from edgewise.runtime.select.copy import constant_view, copies, view

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
    weights, before = _integers(site)
    return [*before, Call("svdf_s8", params, (x, *weights, state, y), n_tiles)]


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


def _integers(site: Site) -> tuple[Sequence[Value | Array], Sequence[Call]]:
    """Weights, and biases of the features and of the units; the calls that make them of computed
    ones."""
    node, units = site.node, shape_of(site.node.output)[1]
    values = node.operand(1), node.operand(2), node.optional(3)
    known = [None if v is None else site.known(v) for v in values]
    feature, time, bias = known
    zeros = np.zeros(units, np.int64)
    if feature is not None and time is not None and (bias is not None or values[2] is None):
        first = -zero_point(node.operand(0).type) * feature.astype(np.int64).sum(1)
        second = zeros if bias is None else bias.reshape(-1).astype(np.int64)
        biases = np.concatenate([first, second]).astype(np.int32)
        return [np.ascontiguousarray(feature), np.ascontiguousarray(time), biases], ()
    sources = [
        view(v) if a is None else constant_view(np.ascontiguousarray(a))
        for v, a in zip(values, known, strict=True)
        if v is not None
    ]
    require(values[2] is None or values[2].dtype is DType.INT32, "a bias is no int32")
    filters = shape_of(values[0])[0]
    numbers = {"flip": 0, "x_zero": zero_point(node.operand(0).type), "w_zero": 0}
    none = np.zeros(filters, np.int32)
    packed, first_biases, calls = packed_b8(sources[0], none, (1, 1), (Isa.SCALAR, 1), numbers)
    y = Value(TensorType((filters + units,), DType.INT32), "biases")
    whole, moved = view(y), view(first_biases)
    last = sources[2] if len(sources) > 2 else constant_view(zeros.astype(np.uint32))
    pairs = [
        (moved, whole.of(whole.elements[:filters])),
        (last.of(last.elements.reshape(-1).view(np.uint32)), whole.of(whole.elements[filters:])),
    ]
    return [packed, sources[1].value, y], [*calls, *copies(pairs)]


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
