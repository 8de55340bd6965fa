"""Quantized arithmetic of two operands that broadcast: sums, products, quotients, comparisons.

Stored integers in, stored integers out, bit for bit as LiteRT's default. "Multiplier" is LiteRT's
32-bit multiplier and shift (`requant.multiplier`, `requant.multiply_fixed`).

Source: TensorFlow Lite reference kernels add.h, mul.h, div.h, comparisons.h and
squared_difference.cc; gemmlowp's fixedpoint.h for the reciprocal; measured on LiteRT 2.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.op import Quantized
from edgewise.ir.types import TensorType
from edgewise.ops.requant import (
    activation_range,
    divide_by_power,
    high_mul,
    multiplier,
    multiply_fixed,
    round_f32,
)
from edgewise.ops.table import point_of, scale_of

Array = np.ndarray


def add_fixed(
    operands: Sequence[Quantized | None],
    result: TensorType,
    act: Activation,
    sign: int,
    pot_scale_int16: bool,
) -> Array:
    """act(a + sign * b): both operands at twice the larger scale with 20 spare bits (int16: 15)."""
    a, b = _pair(operands)
    shifts = _powers_of_two(a, b, result) if pot_scale_int16 else None
    if shifts is not None:
        x, y = (divide_by_power(v.data, s) for v, s in zip((a, b), shifts, strict=True))
        total = x.astype(np.int64) + sign * y.astype(np.int64)
        return _clamped(total, act, result)
    common = 2 * float(max(a.scale, b.scale))
    spare = 15 if result.dtype is DType.INT16 else 20
    x, y = (
        multiply_fixed(centred(v) << spare, *multiplier(float(v.scale) / common)).astype(np.int64)
        for v in (a, b)
    )
    assert result.quant is not None
    out = multiplier(common / ((1 << spare) * float(scale_of(result.quant))))
    return _clamped(multiply_fixed(x + sign * y, *out), act, result)


def multiply_f32(
    operands: Sequence[Quantized | None], result: TensorType, act: Activation
) -> Array:
    """act(a * b): one float32 multiplication; int16: a multiplier."""
    a, b = _pair(operands)
    assert result.quant is not None
    product = centred(a) * centred(b)
    scale = np.asarray(a.scale * b.scale / scale_of(result.quant))
    if result.dtype is DType.INT16:
        return _clamped(multiply_fixed(product, *multiplier(float(scale))), act, result)
    low, high = activation_range(act, result)
    point = point_of(result.quant)
    return round_f32(product, scale, point, low, high).astype(result.dtype.numpy)


def divide_fixed(
    operands: Sequence[Quantized | None], result: TensorType, act: Activation
) -> Array:
    """act(a / b) by the reciprocal of b. Where b is its zero point (LiteRT's result is undefined)
    the result saturates with the sign of a; 0 / 0 is 0."""
    a, b = _pair(operands)
    assert result.quant is not None
    m, shift = multiplier(float(a.scale / (b.scale * scale_of(result.quant))))
    divisor = centred(b)
    dividend = centred(a) * np.where(divisor < 0, -1, 1)
    inverse, over_unit = _reciprocal(np.maximum(np.abs(divisor), 1))
    headroom = 31 - _bit_length(np.where(dividend < 0, -dividend - 1, dividend))
    quotient = high_mul(dividend << headroom, inverse)
    y = divide_by_power(high_mul(quotient, m), np.clip(headroom + over_unit - shift, 0, 62))
    limit = np.sign(dividend) << 30
    return _clamped(np.where(divisor == 0, limit, y), act, result)


def squared_difference_fixed(operands: Sequence[Quantized | None], result: TensorType) -> Array:
    """(a - b)**2 with 7 spare bits."""
    a, b = _pair(operands)
    assert result.quant is not None
    common = 2 * float(max(a.scale, b.scale))
    x, y = (multiply_fixed(centred(v) << 7, *multiplier(float(v.scale) / common)) for v in (a, b))
    out = multiplier(common * common / ((1 << 14) * float(scale_of(result.quant))))
    # int32 wraps, as LiteRT's does
    difference = np.asarray(x - y)
    difference *= difference
    return _clamped(multiply_fixed(difference, *out), Activation.NONE, result)


def comparable(operands: Sequence[Quantized | None]) -> tuple[Array, Array]:
    """Both operands as whole multiples of 1/256, which is all that LiteRT's comparisons see."""
    a, b = _pair(operands)
    x, y = (multiply_fixed(centred(v) << 8, *multiplier(float(v.scale))) for v in (a, b))
    return x, y


def centred(operand: Quantized) -> Array:
    """Stored integers minus the zero point, int64."""
    return operand.data.astype(np.int64) - operand.zero_point


def _pair(operands: Sequence[Quantized | None]) -> tuple[Quantized, Quantized]:
    a, b = operands[0], operands[1]
    assert a is not None
    assert b is not None
    return a, b


def _clamped(y: Array, act: Activation, result: TensorType) -> Array:
    assert result.quant is not None
    low, high = activation_range(act, result)
    point = point_of(result.quant)
    # of at most 16 bits: the bounds and their distance to the zero point are int32's
    steps = np.asarray(y.clip(low - point, high - point))
    steps += point
    return steps.astype(result.dtype.numpy)


def power_of_two(scale: np.float32) -> int | None:
    """log2 of a scale that LiteRT takes for a power of two (within 0.001), else None."""
    log2 = math.log2(float(scale))
    return round(log2) if abs(log2 - round(log2)) < 1e-3 else None


def _powers_of_two(a: Quantized, b: Quantized, result: TensorType) -> tuple[int, int] | None:
    """Right shifts of both operands where int16 scales are powers of two and one equals s_y."""
    assert result.quant is not None
    if result.dtype is not DType.INT16:
        return None
    logs = [power_of_two(s) for s in (a.scale, b.scale, scale_of(result.quant))]
    if logs[0] is None or logs[1] is None or logs[2] is None:
        return None
    shifts = logs[2] - logs[0], logs[2] - logs[1]
    return shifts if min(shifts) == 0 else None


def _bit_length(x: Array) -> Array:
    """Bits of non-negative integers below 2**31: 0 for 0, 1 for 1, 2 for 2 and 3."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def _reciprocal(x: Array) -> tuple[Array, Array]:
    """1 / x for positive x < 2**31 as (r, k): r * 2**-31 * 2**-k with 2**30 <= r < 2**31.

    Newton-Raphson from 48/17 - 32/17 d, three steps, in gemmlowp's 32-bit fixed point.
    """
    over_unit = _bit_length(x) - 1
    fraction = (x << (31 - over_unit)) - (1 << 31)  # x / 2**over_unit - 1 with 31 bits
    half = (fraction + (1 << 31)) >> 1  # (1 + fraction) / 2, gemmlowp's RoundingHalfSum
    r = 1515870810 + high_mul(half, -1010580540).astype(np.int64)  # 48/17, -32/17; 29 bits
    for _ in range(3):
        error = (1 << 29) - high_mul(half, r).astype(np.int64)
        r = r + (high_mul(r, error).astype(np.int64) << 2)
    return np.minimum(r << 1, (1 << 31) - 1), over_unit
