"""SOFTMAX and LOG_SOFTMAX over the last axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.dim import Shape
from edgewise.ir.op import (
    Arithmetic,
    FixedRange,
    In,
    Op,
    Operand,
    Out,
    Quantized,
    require,
)
from edgewise.ir.types import Quant, TensorType
from edgewise.ops import elementary
from edgewise.ops.requant import multiplier, multiply_fixed, quantize_real
from edgewise.ops.table import half_away, interpolate, knots, saturate

Array = np.ndarray

_UNIT = Quant(2 / 65535)  # int16 for [-1, 1]


class LastAxis(Op, abstract=True):
    """An operator along the last axis that keeps the shape."""

    operands = (In("x", FLOATS | QUANTIZED),)
    tolerance = 1e-6

    def infer(self, x: Operand) -> Shape:
        require(len(x.shape) >= 1, "x must have at least 1 dimension; got a scalar")
        return x.shape


class Softmax(LastAxis, builtin="SOFTMAX", options="SoftmaxOptions"):
    """y = exp(beta * x) / sum(exp(beta * x)) over the last axis. Any shape of rank >= 1.

    Floats and quantized with a prescribed result scale; 8-bit x may give int16 y.
    int8, uint8: exponentials from a float32 table of 256, summed in float32, halves up. int16:
    LiteRT's two tables of 513 (e**x on [-10, 0] and 1 / (1 + x)), at most 8 steps from the exact
    value.
    **Source:** TensorFlow Lite optimized_ops.h (Softmax with table), reference softmax.h
    (SoftmaxInt16), LiteRT 2.3.
    """

    beta: float = 1.0

    results = (Out("y", free=True),)
    quantization = FixedRange(
        ((DType.INT8, 1 / 256, -128), (DType.UINT8, 1 / 256, 0), (DType.INT16, 1 / 32768, 0))
    )
    arithmetic = {
        DType.INT8: Arithmetic.TABLE,
        DType.UINT8: Arithmetic.TABLE,
        DType.INT16: Arithmetic.FIXED,
    }

    def reference(self, x: Array) -> Array:
        e = elementary.exp((x - x.max(-1, keepdims=True, initial=-np.inf)) * _like(x, self.beta))
        return e / e.sum(-1, keepdims=True)

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        assert result.quant is not None
        if x.data.size == 0:
            return x.data.astype(result.dtype.numpy)
        distance = x.data.max(-1, keepdims=True).astype(np.int64) - x.data
        if x.data.dtype == np.int16:
            return _softmax_int16(distance, float(np.float32(x.scale * np.float32(self.beta))))
        table = self.exponentials(float(x.scale))[distance]
        total = np.cumsum(table, -1, dtype=np.float32)[..., -1:]  # one after the other, as there
        scale = result.quant.scale.reshape(-1)[0]
        y = half_away(table * (np.float32(1) / (total * scale)))
        return saturate(y + result.quant.zero_point.flat[0], result.dtype)

    def exponentials(self, scale: float) -> Array:
        """float32 [256]: e**(-beta * scale * d) for the distance d from the largest operand."""
        step = np.float64(np.float32(-scale) * np.float32(self.beta))
        exact = np.arange(256, dtype=np.float32).astype(np.float64) * step
        return elementary.exp(exact.astype(np.float32).astype(np.float64)).astype(np.float32)

    def integer_steps(self, dtype: DType) -> float:
        return 8.0 if dtype is DType.INT16 else 1.5


class LogSoftmax(LastAxis, builtin="LOG_SOFTMAX", options="LogSoftmaxOptions"):
    """y = x - log(sum(exp(x))) over the last axis. Any shape of rank >= 1; floats, quantized with
    a prescribed result scale (1/16 on 8 bits, so the result ends at -255/16).

    Quantized: dequantized, computed in float64, rounded half to even.
    **Source:** TensorFlow Lite reference log_softmax.h, LiteRT 2.3.
    """

    quantization = FixedRange(
        ((DType.INT8, 1 / 16, 127), (DType.UINT8, 1 / 16, 255), (DType.INT16, 1 / 2048, 0))
    )
    arithmetic = Arithmetic.FLOAT

    def reference(self, x: Array) -> Array:
        shifted = x - x.max(-1, keepdims=True, initial=-np.inf)
        return shifted - elementary.log(elementary.exp(shifted).sum(-1, keepdims=True))

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        assert x.quant is not None
        assert result.quant is not None
        real = self.reference(x.quant.dequantize(x.data).astype(np.float64))
        return quantize_real(real, result.quant, result.dtype)


def _like(x: Array, number: float) -> np.generic:
    return x.dtype.type(number)


def _softmax_int16(distance: Array, beta_scale: float) -> Array:
    """int16 of scale 2**-15 from the distances to the largest stored operand of each row."""
    exp_table = knots(elementary.exp, Quant(10 / 65535, 32767), _UNIT)
    reciprocal_table = knots(lambda x: 1 / (1 + x), Quant(1 / 65535, -32768), _UNIT)
    scaled = multiply_fixed(-distance, *multiplier(beta_scale / (10.0 / 65535.0)))
    centred = np.clip(scaled.astype(np.int64) + 32767, -32768, 32767)
    e = interpolate(exp_table, centred).astype(np.int64)
    total = e.sum(-1, keepdims=True)
    bits = np.frexp(total.astype(np.float64))[1].astype(np.int64)
    # the sum, scaled to [1, 2) with 16 bits; minus 1 and recentred for the table
    shifted = ((total << (31 - bits)) + (1 << 13)) >> 14
    inverse = interpolate(reciprocal_table, np.clip(shifted - 3 * (1 << 15), -32768, 32767))
    shift = bits - 1
    y = (e * inverse.astype(np.int64) + (np.int64(1) << (shift - 1))) >> shift
    return np.clip(y, 0, 32767).astype(np.int16)
