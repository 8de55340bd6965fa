"""Requantization arithmetic shared by the integer references (and, as constants, by the planner).

Source: architecture section 4 (measured against LiteRT 2.3); gemmlowp's fixed-point functions as
documented in TensorFlow Lite's quantization specification.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.enums import Activation
from edgewise.ir.op import require
from edgewise.ir.types import Quant, TensorType

Array = np.ndarray


def wrap_int32(acc: Array) -> Array:
    """An exactly computed accumulator (float64 or int64) as a wrapping int32 register holds it."""
    return acc.astype(np.int64).astype(np.int32)


def round_f32(acc: Array, scale: Array, zero_point: int, low: int, high: int) -> Array:
    """Arithmetic F32: `rne(clamp(float32(acc) * scale, low - zp, high - zp)) + zp`, as int32.

    `scale` is float32 and broadcasts against `acc`; NaN gives `low`.
    """
    product = acc.astype(np.float32) * scale.astype(np.float32)
    clamped = np.clip(product, np.float32(low - zero_point), np.float32(high - zero_point))
    rounded = np.rint(np.where(np.isnan(product), np.float32(low - zero_point), clamped))
    return rounded.astype(np.int32) + zero_point


def quantize_real(real: Array, quant: Quant, dtype: DType) -> Array:
    """Real numbers to stored integers: round half to even, saturating; NaN gives the minimum."""
    low, high = dtype.range
    scale, point = quant.broadcast(real.shape)
    steps = real.astype(np.float64) / scale.astype(np.float64)
    q = np.rint(np.where(np.isnan(steps), -np.inf, steps)) + point
    return np.clip(q, low, high).astype(dtype.numpy)


def symmetric(real: Array, dtype: DType) -> Quant:
    """The smallest scale under which the largest number is stored, with zero point 0; 1 where all
    are zero."""
    largest = float(np.abs(real).max(initial=0)) / dtype.range[1]
    return Quant(largest or 1.0, 0)


def multiplier(real: float) -> tuple[int, int]:
    """(m, shift) with real = m * 2**(shift - 31), 2**30 <= m < 2**31; (0, 0) for 0.

    Source: QuantizeMultiplier in TensorFlow Lite's quantization_util.

    Raises:
        QuantizationError: `real` is no number.
    """
    if not math.isfinite(real):
        raise QuantizationError(f"scales (and alpha) must give a finite factor; got {real}")
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    m = round_half_away(fraction * (1 << 31))
    if m == 1 << 31:
        m, shift = m // 2, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return m, shift


def round_half_away(x: float) -> int:
    """The nearest integer, halves away from zero (C's `round`)."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def round_away(x: Array) -> Array:
    """The nearest integers, halves away from zero, in the floating-point dtype of `x`."""
    return np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x)


def high_mul(a: Array, m: int | Array) -> Array:
    """`SaturatingRoundingDoublingHighMul`: (a*m*2) >> 32 with rounding half up, int32.

    Its C code rounds a negative product by 1 - 2**30 and a division that truncates, which is half
    up, too.
    """
    product = _half_product(a, m)
    return np.minimum(product, (1 << 31) - 1, out=product).astype(np.int32)


def _half_product(a: Array, m: int | Array) -> Array:
    """(a*m*2) >> 32 with rounding half up, int64; at most 2**31, and that only where both are
    -2**31."""
    product = np.asarray(a * np.asarray(m, np.int64))
    product += 1 << 30
    product >>= 31
    return product


def divide_by_power(x: Array, exponent: int | Array) -> Array:
    """`RoundingDivideByPOT`: x / 2**exponent, halves away from zero, int32."""
    if isinstance(exponent, int):  # as most; arrays of one element cost more than they compute
        return _divided(x.astype(np.int64), exponent).astype(np.int32)
    exponent = np.asarray(exponent, np.int64)
    half = (np.int64(1) << exponent) >> 1
    wide = np.asarray(x + half)
    wide -= (x < 0) & (half > 0)
    wide >>= exponent
    return wide.astype(np.int32)


def _divided(wide: Array, exponent: int) -> Array:
    """`divide_by_power` in place of int64."""
    if exponent:
        is_below = wide < 0
        wide += (1 << exponent) >> 1
        wide -= is_below
        wide >>= exponent
    return wide


def multiply_fixed(x: Array, m: int | Array, shift: int | Array) -> Array:
    """`MultiplyByQuantizedMultiplier` (double rounding): x * m * 2**(shift - 31), int32."""
    if isinstance(shift, int):
        left = (x if shift <= 0 else x.astype(np.int64) << shift).astype(np.int32, copy=False)
        if isinstance(m, int) and m >= 0:  # nothing saturates
            return _divided(_half_product(left, m), max(-shift, 0)).astype(np.int32)
        return divide_by_power(high_mul(left, m), max(-shift, 0))
    shift = np.asarray(shift, np.int64)
    left = (x << np.maximum(shift, 0)).astype(np.int32)
    return divide_by_power(high_mul(left, m), np.maximum(-shift, 0))


def multiply_fixed_64(acc: Array, m: int | Array, shift: int | Array) -> Array:
    """`MultiplyByQuantizedMultiplier(int64)`: 15-bit reduced multiplier, |acc| < 2**47, int32.

    Source: TensorFlow Lite common.cc; used by 16x8 operators (Arithmetic.LITERT_16X8).
    """
    m, shift = np.asarray(m, np.int64), np.asarray(shift, np.int64)
    reduced = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - shift
    rounded = acc.astype(np.int64) * reduced + (np.int64(1) << (total - 1))
    return (rounded >> total).astype(np.int32)


def activation_range(act: Activation, type_: TensorType) -> tuple[int, int]:
    """Smallest and largest stored integer that a fused activation lets through.

    Source: CalculateActivationRangeQuantized in TensorFlow Lite's kernel_util (the bound is
    float32 `round(f / scale) + zero_point`, halves away from zero).
    """
    low, high = type_.dtype.range
    assert type_.quant is not None
    scale, point = np.float32(type_.quant.scale.flat[0]), int(type_.quant.zero_point.flat[0])
    bounds = _BOUNDS.get(act)
    if bounds is None:
        return low, high
    lower, upper = bounds
    if lower is not None:
        low = max(low, point + round_half_away(float(np.float32(lower) / scale)))
    if upper is not None:
        high = min(high, point + round_half_away(float(np.float32(upper) / scale)))
    return low, high


def check_activation(act: Activation) -> None:
    """Raise ShapeError for a fused activation that has no meaning on numbers (SIGN_BIT)."""
    known = act in (Activation.NONE, Activation.TANH) or act in _BOUNDS
    require(known, f"the fused activation must be defined on numbers; got {act.name}")


def activate(x: Array, act: Activation) -> Array:
    """A fused activation on real numbers.

    Raises:
        ValueError: an activation that has no meaning here (SIGN_BIT).
    """
    if act is Activation.NONE:
        return x
    if act is Activation.TANH:
        return np.tanh(x)
    if act not in _BOUNDS:
        raise ValueError(f"fused activation {act.name} is not defined on numbers")
    lower, upper = _BOUNDS[act]
    if x.dtype.kind in "iu":  # float64 would round those of 64 bits
        least = max(int(lower), np.iinfo(x.dtype).min)
        return np.clip(x, least, None if upper is None else int(upper))
    return np.clip(x, lower, upper).astype(x.dtype)


_BOUNDS: dict[Activation, tuple[float, float | None]] = {
    Activation.RELU: (0.0, None),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
    Activation.RELU6: (0.0, 6.0),
}
