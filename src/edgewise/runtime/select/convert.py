"""Kernels between element types: QUANTIZE, DEQUANTIZE and CAST."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.convert import Cast
from edgewise.ops.requant import multiplier
from edgewise.runtime.calls import (
    BYTES_8,
    Alias,
    Call,
    Selection,
    Site,
    is_float,
    require,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.broadcast import PER_TILE
from edgewise.runtime.select.unary import table, unary_call
from edgewise.values import replace

_STORED = {DType.INT8: "s8", DType.UINT8: "u8", DType.INT16: "s16"}
_CAST = {
    DType.FLOAT32: "EW_TYPE_f32",
    DType.FLOAT16: "EW_TYPE_f16",
    DType.INT8: "EW_TYPE_s8",
    DType.UINT8: "EW_TYPE_u8",
    DType.BOOL: "EW_TYPE_bool",
    DType.INT16: "EW_TYPE_s16",
    DType.INT32: "EW_TYPE_s32",
    DType.INT64: "EW_TYPE_s64",
    DType.FLOAT64: "EW_TYPE_f64",
    DType.BFLOAT16: "EW_TYPE_bf16",
    DType.UINT16: "EW_TYPE_u16",
    DType.UINT32: "EW_TYPE_u32",
    DType.UINT64: "EW_TYPE_u64",
    DType.INT4: "EW_TYPE_s4",
    DType.COMPLEX64: "EW_TYPE_c64",
}


def quantize(site: Site) -> Sequence[Call]:
    """Floats to 8 or 16 bits; 8 bits to 8 bits by table, and from or to 16 bits by a multiplier.
    Integers without a scale are numbers."""
    x, y = site.node.operand(0), site.node.output
    if x.quant is None and x.dtype.is_integer:
        floats = Value(TensorType(x.shape, DType.FLOAT32), "floats")
        read = Node(Cast(in_data_type=x.dtype, out_data_type=DType.FLOAT32), [x], [floats])
        stored = Node(site.node.op, [floats], [y])
        return [*_cast(replace(site, node=read)), *quantize(replace(site, node=stored))]
    if x.dtype in BYTES_8 and y.dtype in BYTES_8:
        return table(site)
    if {x.dtype, y.dtype} <= {*_STORED, DType.INT32}:
        return _requantize(site)
    sentence = f"no kernel from {x.dtype.text} to {y.dtype.text} (with these scales)"
    require(is_float(x) and y.dtype in _STORED and _has_one_scale(y), sentence)
    low, high = y.dtype.range
    kernel = "quantize_s16" if y.dtype is DType.INT16 else "quantize_b8"
    factor = float(np.float32(1) / scale(y.type))
    numbers = {"zero": zero_point(y.type), "low": low, "high": high, "scale": factor}
    return unary_call(site, kernel, (x,), **numbers)


def _requantize(site: Site) -> Sequence[Call]:
    x, y = site.node.operand(0), site.node.output
    sentence = f"no kernel from {x.dtype.text} to {y.dtype.text} (with these scales)"
    require(_has_one_scale(x) and _has_one_scale(y), sentence)
    m, shift = multiplier(float(scale(x.type)) / float(scale(y.type)))
    low, high = y.dtype.range
    count, per_tile = math.prod(shape_of(y)), site.tile_elements or PER_TILE
    fields = {
        "count": count,
        "per_tile": per_tile,
        "from": constant(_CAST[x.dtype]),
        "to": constant(_CAST[y.dtype]),
        "x_zero": zero_point(x.type),
        "y_zero": zero_point(y.type),
        "multiplier": m,
        "shift": shift,
        "low": low,
        "high": high,
    }
    return [
        Call(
            "requantize",
            pack("ew_requantize", fields),
            (x, y),
            -(-count // per_tile),
            tile_elements=per_tile,
            in_place=(0,) if x.dtype.numpy.itemsize == y.dtype.numpy.itemsize else (),
            is_elementwise=True,
        )
    ]


def dequantize(site: Site) -> Sequence[Call]:
    """8 or 16 bits, or float16, to floats."""
    x, y = site.node.operand(0), site.node.output
    if x.dtype in (DType.FLOAT16, DType.BFLOAT16):
        return _cast(site)
    sentence = f"no kernel from {x.dtype.text} (with these scales)"
    require(is_float(y) and x.dtype in _STORED and _has_one_scale(x), sentence)
    kernel = {"s8": "dequantize_s8", "u8": "dequantize_u8", "s16": "dequantize_s16"}
    numbers = {"zero": zero_point(x.type), "scale": float(scale(x.type))}
    return unary_call(site, kernel[_STORED[x.dtype]], (x,), **numbers)


def cast(site: Site) -> Selection:
    """Another element type; nothing to do where it is the same."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Cast)
    require(op.out_data_type in (x.dtype, y.dtype), f"it casts to {op.out_data_type.text} first")
    return Alias() if x.dtype is y.dtype else _cast(site)


def as_type(site: Site, x: Value, dtype: DType) -> tuple[Value, Sequence[Call]]:
    """The numbers of x in another element type, and the call that makes them."""
    if x.dtype is dtype:
        return x, []
    y = Value(TensorType(x.shape, dtype), x.name)
    node = Node(Cast(in_data_type=x.dtype, out_data_type=dtype), [x], [y])
    return y, _cast(Site(node, site.target, site.known))


def _cast(site: Site) -> Sequence[Call]:
    x, y = site.node.operand(0), site.node.output
    known = x.dtype in _CAST and y.dtype in _CAST
    require(known, f"no kernel from {x.dtype.text} to {y.dtype.text}")
    numbers = {"low": constant(_CAST[x.dtype]), "high": constant(_CAST[y.dtype])}
    return unary_call(site, "cast", (x,), **numbers)


def _has_one_scale(value: Value) -> bool:
    quant = value.quant
    if quant is None or quant.scale.size != 1:
        return False
    low, high = value.dtype.range
    return low <= zero_point(value.type) <= high
