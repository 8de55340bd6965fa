"""Fixed-point logistic, tanh and inverse square root, bit for bit as gemmlowp computes them.

An int16 `FixedPoint<I>` has I integer bits: real = raw / 2**(15 - I). Raws are held in int64
arrays. Sums of such numbers stay inside int16 here by construction; products round to nearest and
saturate (`SaturatingRoundingDoublingHighMul`).

Used by the fully integer LSTM (LiteRT's LOGISTIC and TANH operators use tables instead).
Source: gemmlowp's fixedpoint.h; GetInvSqrtQuantizedMultiplierExp in TensorFlow Lite's common.h.
"""

from __future__ import annotations

import numpy as np

from edgewise.ops.requant import divide_by_power

Array = np.ndarray
LOW, HIGH = -(1 << 15), (1 << 15) - 1
ONE = HIGH  # one as FixedPoint<0>, saturated

# exp(-2**k) as 32-bit FixedPoint<0>, by k
EXP_BITS = {
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
EXP_MINUS_EIGHTH = 1895147668  # exp(-1/8)
ONE_THIRD = 715827883
SEVENTEENTHS_48, SEVENTEENTHS_MINUS_32 = 1515870810, -1010580540  # FixedPoint<2>


def logistic_16(x: Array, integer_bits: int = 3) -> Array:
    """1 / (1 + exp(-x)) of an int16 FixedPoint<integer_bits> as FixedPoint<0>, int64 array.

    Measured on every number and 1 to 6 integer bits: at most 6.8 units of 2**-15 off."""
    x = x.astype(np.int64)
    positive = _one_over_one_plus(_exp_of_negative(-np.abs(x), integer_bits))
    return np.where(x > 0, positive, np.where(x == 0, 1 << 14, ONE - positive))


def tanh_16(x: Array, integer_bits: int) -> Array:
    """tanh of an int16 FixedPoint<integer_bits> as FixedPoint<0>, int64 array.

    Measured on every number and 1 to 6 integer bits: at most 12.1 units of 2**-15 off."""
    x = x.astype(np.int64)
    magnitude = _one_minus_over_one_plus(_exp_of_negative(-np.abs(x), integer_bits + 1))
    return np.where(x == 0, 0, np.where(x < 0, -magnitude, magnitude))


def inverse_sqrt(number: int) -> tuple[int, int]:
    """(m, shift) with 1 / sqrt(number) = m * 2**(shift - 31), for `requant.multiply_fixed`.

    Five Newton steps in 32-bit fixed point with 3 integer bits; relative error at most 1.3e-6
    (at 2). 0 counts as 1.
    """
    if number <= 1:
        return (1 << 31) - 1, 0
    shift = 11
    while number >= 1 << 29:
        number //= 4
        shift += 1
    pairs = (32 - number.bit_length() - 1) // 2 - 1
    shift -= pairs
    number <<= 2 * pairs
    value = number >> 1
    half = _round_shift(value, 1)
    x = 1 << 28
    for _ in range(5):
        cube = _saturate_32(_high_mul(_high_mul(x, x), x) << 6)
        x = _saturate_32((_high_mul(3 << 27, x) - _high_mul(half, cube)) << 3)
    m = _high_mul(x, 1518500250)  # sqrt(2) / 2
    return (m << -shift, 0) if shift < 0 else (m, -shift)


def _exp_of_negative(a: Array, integer_bits: int) -> Array:
    """exp(a) for a <= 0 as FixedPoint<0>: the quarter by a polynomial, the rest bit by bit."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = (a & (quarter - 1)) - quarter
    result = _exp_of_quarter(_shifted(within, integer_bits))
    remainder = within - a
    for exponent, factor in EXP_BITS.items():
        if integer_bits > exponent:
            bit = 1 << (fraction_bits + exponent)
            result = np.where(remainder & bit, _mul(result, _narrow(factor)), result)
    if integer_bits > 5:
        result = np.where(a < _narrow(-(1 << (36 - integer_bits))), 0, result)
    return np.where(a == 0, ONE, result)


def _exp_of_quarter(a: Array) -> Array:
    """exp(a) for a in [-1/4, 0): Taylor of the fourth degree around -1/8."""
    x = a + (1 << 12)
    x2 = _mul(x, x)
    x3, x4 = _mul(x2, x), _mul(x2, x2)
    tail = _mul(_halved(x4, 2) + x3, _narrow(ONE_THIRD)) + x2
    constant = _narrow(EXP_MINUS_EIGHTH)
    return np.clip(constant + _mul(np.int64(constant), x + _halved(tail, 1)), LOW, HIGH)


def _one_over_one_plus(a: Array) -> Array:
    return _shifted(_reciprocal(a), 1)


def _one_minus_over_one_plus(a: Array) -> Array:
    return _shifted(_reciprocal(a) - (1 << 13), 2)


def _reciprocal(a: Array) -> Array:
    """2 / (1 + a) for a in [0, 1] as FixedPoint<2>: three Newton steps."""
    total = a + ONE
    half = np.sign(total) * ((np.abs(total) + 1) // 2)
    x = _narrow(SEVENTEENTHS_48) + _mul(half, _narrow(SEVENTEENTHS_MINUS_32))
    for _ in range(3):
        error = (1 << 13) - _mul(half, x)
        x = x + _shifted(_mul(x, error), 2)
    return x


def _narrow(raw: int) -> int:
    """A 32-bit constant as the 16-bit one of the same value."""
    return int(divide_by_power(np.array(raw), 16))


def _mul(a: Array | np.int64, b: Array | int) -> Array:
    product = np.asarray(a, np.int64) * b
    total = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    quotient = np.where(total >= 0, total >> 15, -((-total) >> 15))
    return np.minimum(quotient, HIGH)


def _shifted(a: Array, bits: int) -> Array:
    return np.clip(a << bits, LOW, HIGH)


def _halved(a: Array, bits: int) -> Array:
    return divide_by_power(a, bits).astype(np.int64)


def _high_mul(a: int, b: int) -> int:
    product = a * b
    total = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    return min(total >> 31 if total >= 0 else -((-total) >> 31), (1 << 31) - 1)


def _saturate_32(a: int) -> int:
    return min(max(a, -(1 << 31)), (1 << 31) - 1)


def _round_shift(a: int, bits: int) -> int:
    return int(divide_by_power(np.array(a), bits))
