"""LOGISTIC, TANH and SWISH. On 8 bits a table; on int16 LiteRT's interpolated sigmoid."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape
from edgewise.ir.op import Arithmetic, FixedRange, In, Op, Operand, Out
from edgewise.ir.types import Quant
from edgewise.ops import elementary
from edgewise.ops.fixed_point import power_of_two
from edgewise.ops.table import Array, UnaryTable, saturate, scale_of

ON_INT16 = {
    DType.INT8: Arithmetic.TABLE,
    DType.UINT8: Arithmetic.TABLE,
    DType.INT16: Arithmetic.FIXED,
}


class Logistic(UnaryTable, builtin="LOGISTIC"):
    """y = 1 / (1 + e**-x). Any shape; floats, quantized with a prescribed result scale.

    int16: interpolation in 256 values of the sigmoid, 1/24 apart, with the operand scaled by a
    15-bit multiplier; at most 3 steps of 2**-15 from the exact value.
    **Source:** TensorFlow Lite reference/integer_ops/logistic.h, LiteRT 2.3.
    """

    quantization = FixedRange(
        ((DType.INT8, 1 / 256, -128), (DType.UINT8, 1 / 256, 0), (DType.INT16, 1 / 32768, 0))
    )
    arithmetic = ON_INT16
    versions = {DType.INT8: 2, DType.INT16: 3}

    def reference(self, x: Array) -> Array:
        return elementary.logistic(x)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        if dtype is not DType.INT16:
            return super().stored(q, dtype, in_quant, out_quant)
        x = _in_24ths(q, in_quant)
        y = _sigmoid(np.abs(x), fraction_bits=9, last=0x7FFF << 10)
        y = np.where(x >= 0, y + (1 << 9), (1 << 25) - y + (1 << 9) - 1)
        return saturate(y >> 10, dtype)

    def integer_steps(self, dtype: DType) -> float:
        return 3.0 if dtype is DType.INT16 else 1.5


class Swish(Op):
    """y = x / (1 + e**-x) = x * LOGISTIC(x). Any shape; float32.

    TFLite has no such operator: it is what the product of a value and its sigmoid is to a kernel.
    """

    operands = (In("x", {DType.FLOAT32}),)
    results = (Out("y"),)

    def infer(self, x: Operand) -> Shape:
        return x.shape

    def reference(self, x: Array) -> Array:
        return x * elementary.logistic(x)


class Tanh(UnaryTable, builtin="TANH"):
    """y = tanh(x) = 2 / (1 + e**-2x) - 1. Any shape; floats, quantized as LOGISTIC.

    int16: from the same 256 values; at most 4 steps of 2**-15 from the exact value.
    **Source:** TensorFlow Lite reference/integer_ops/tanh.h, LiteRT 2.3.
    """

    quantization = FixedRange(
        ((DType.INT8, 1 / 128, 0), (DType.UINT8, 1 / 128, 128), (DType.INT16, 1 / 32768, 0))
    )
    arithmetic = ON_INT16
    versions = {DType.INT8: 2, DType.INT16: 3}

    def reference(self, x: Array) -> Array:
        return elementary.tanh(x)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        if dtype is not DType.INT16:
            return super().stored(q, dtype, in_quant, out_quant)
        x = _in_24ths(q, in_quant)
        y = _sigmoid(np.abs(x), fraction_bits=8, last=0xFFFF << 8) - (1 << 23)
        y = np.where(x >= 0, y + (1 << 7), -y + (1 << 7) - 1)
        return saturate(y >> 8, dtype)

    def integer_steps(self, dtype: DType) -> float:
        return 4.0 if dtype is DType.INT16 else 1.5


@cache
def _table() -> Array:
    """65536 * sigmoid(i / 24) for i in 0..255, as int64 [256]. Each value is moved by half the
    error that linear interpolation has in the middle of its interval."""

    def value(i: float) -> float:
        return 65536 / (1 + math.exp(-i / 24))

    def moved(i: int) -> int:
        chord = (value(i) + value(i + 1)) / 2
        return math.floor(value(i) - (chord - value(i + 0.5)) / 2 + 0.5)

    return np.array([moved(i) for i in range(255)] + [65535], np.int64)


def _sigmoid(distance: Array, fraction_bits: int, last: int) -> Array:
    """The table at `distance >> fraction_bits`, interpolated linearly; `last` beyond its end."""
    table, index = _table(), distance >> fraction_bits
    low = np.minimum(index, 254)
    fraction = distance & ((1 << fraction_bits) - 1)
    between = (table[low] << fraction_bits) + fraction * (table[low + 1] - table[low])
    return np.where(index >= 255, last, between)


def _in_24ths(q: Array, quant: Quant) -> Array:
    """The operand in units of 1/24 * 2**-9 (LOGISTIC; TANH doubles it by a shorter fraction)."""
    log2 = power_of_two(scale_of(quant))
    if log2 in (-12, -11):
        return q * (3 << (12 + log2))
    m, shift = float(scale_of(quant)) * 4096 * 3, 0
    while m <= 32767 / 2 and shift <= 30:
        m, shift = m * 2, shift + 1
    return (q * int(m) + ((1 << shift) >> 1)) >> shift
