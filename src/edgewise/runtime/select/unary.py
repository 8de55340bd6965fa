"""Kernels of one operand: tables for whatever maps 8 bits to 8 bits, float activations, and the
change between stored integers and floats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Value
from edgewise.ops.activation import Clipped
from edgewise.runtime.calls import (
    BYTES_8,
    Call,
    NotNative,
    Site,
    is_8_bit,
    is_float,
    require,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import pack

PER_TILE = 16384  # elements


def table(site: Site) -> Sequence[Call]:
    """256 results of the reference, for 8-bit operands with one scale."""
    x, y = site.node.operand(0), site.node.output
    require(
        is_8_bit(x) and is_8_bit(y), f"no kernel for {x.dtype.text} here (only tables of 8 bits)"
    )
    every = np.arange(256, dtype=np.uint8).view(x.dtype.numpy)
    results = evaluate_op(site.node.op, [every], [x.type.with_shape((256,))], [y.type])
    return _call(site, "table_b8", (x, results[0], y))


def clipped(site: Site) -> Sequence[Call]:
    """RELU and its relatives."""
    op = site.node.op
    assert isinstance(op, Clipped)
    if not is_float(site.node.operand(0)):
        return table(site)
    return _float(site, "clip_f32", low_f32=op.low, high_f32=op.high)


def hard_swish(site: Site) -> Sequence[Call]:
    """x * clip(x + 3, 0, 6) / 6."""
    return _float(site, "hard_swish_f32") if is_float(site.node.operand(0)) else table(site)


def logistic(site: Site) -> Sequence[Call]:
    """1 / (1 + e**-x)."""
    return _float(site, "logistic_f32") if is_float(site.node.operand(0)) else table(site)


def tanh(site: Site) -> Sequence[Call]:
    """tanh(x)."""
    return _float(site, "tanh_f32") if is_float(site.node.operand(0)) else table(site)


def quantize(site: Site) -> Sequence[Call]:
    """Floats to 8 bits; 8 bits to 8 bits by table."""
    x, y = site.node.operand(0), site.node.output
    if x.dtype in BYTES_8:
        return table(site)
    require(is_float(x) and is_8_bit(y), f"no kernel from {x.dtype.text} to {y.dtype.text}")
    low, high = y.dtype.range
    factor = float(np.float32(1) / scale(y.type))
    return _call(
        site, "quantize_b8", (x, y), zero=zero_point(y.type), low=low, high=high, scale=factor
    )


def dequantize(site: Site) -> Sequence[Call]:
    """8 bits to floats."""
    x, y = site.node.operand(0), site.node.output
    require(is_8_bit(x) and is_float(y), f"no kernel from {x.dtype.text} to {y.dtype.text}")
    return _call(
        site,
        "dequantize_b8",
        (x, y),
        is_signed=int(x.dtype is DType.INT8),
        zero=zero_point(x.type),
        scale=float(scale(x.type)),
    )


def _float(site: Site, kernel: str, **numbers: float) -> Sequence[Call]:
    x, y = site.node.operand(0), site.node.output
    if not is_float(x, y):
        raise NotNative(f"no kernel from {x.dtype.text} to {y.dtype.text}")
    return _call(site, kernel, (x, y), **numbers)


def _call(
    site: Site, kernel: str, operands: tuple[Value | np.ndarray, ...], **numbers: float
) -> Sequence[Call]:
    count = math.prod(shape_of(site.node.output))
    per_tile = site.tile_elements or PER_TILE
    none = dict.fromkeys(["is_signed", "zero", "low", "high", "scale", "low_f32", "high_f32"], 0.0)
    integers = ("is_signed", "zero", "low", "high")
    fields = {k: int(v) if k in integers else float(v) for k, v in {**none, **numbers}.items()} | {
        "count": count,
        "per_tile": per_tile,
    }
    x, y = site.node.operand(0), site.node.output
    return [
        Call(
            kernel,
            pack("ew_unary", fields),
            operands,
            -(-count // per_tile),
            tile_elements=per_tile,
            in_place=(0,) if x.dtype.numpy.itemsize == y.dtype.numpy.itemsize else (),
            is_elementwise=True,
        )
    ]
