"""SOFTMAX and LOG_SOFTMAX over the last axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.errors import QuantizationError
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
from edgewise.ops.requant import multiplier, multiply_fixed
from edgewise.ops.table import KNOTS, half_away, interpolate, point_of, saturate, scale_of

Array = np.ndarray


class LastAxis(Op, abstract=True):
    """An operator along the last axis that keeps the shape."""

    operands = (In("x", FLOATS | QUANTIZED),)
    tolerance = 1e-6

    def infer(self, x: Operand) -> Shape:
        require(len(x.shape) >= 1, "x must have at least 1 dimension; got a scalar")
        require(
            x.dtype.is_float or x.quant is not None,
            f"x must have a scale; got {x.dtype.text} without one",
        )
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
    versions = {DType.INT8: 2, DType.INT16: 3}

    def reference(self, x: Array) -> Array:
        e = elementary.exp((x - x.max(-1, keepdims=True, initial=-np.inf)) * _like(x, self.beta))
        return e / e.sum(-1, keepdims=True)

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        assert result.quant is not None
        if x.quant is None:
            raise QuantizationError(f"x must have a scale, as y has; it is {x.data.dtype}")
        if x.data.dtype == np.int16 and result.dtype is not DType.INT16:
            raise QuantizationError(f"y of int16 x must be int16; got {result.dtype.text}")
        if x.data.size == 0:
            return x.data.astype(result.dtype.numpy)
        distance = x.data.max(-1, keepdims=True).astype(np.int64) - x.data
        if x.data.dtype == np.int16:
            return _softmax_int16(distance, float(x.scale * np.float32(self.beta)))
        table = exponentials(x.scale * np.float32(self.beta))[distance]
        y = half_away(table * (np.float32(1) / (_sum_f32(table) * scale_of(result.quant))))
        return saturate(y + point_of(result.quant), result.dtype)

    def integer_steps(self, dtype: DType) -> float:
        return 8.0 if dtype is DType.INT16 else 1.5


class LogSoftmax(LastAxis, builtin="LOG_SOFTMAX", options="LogSoftmaxOptions"):
    """y = x - log(sum(exp(x))) over the last axis. Any shape of rank >= 1; floats, quantized with
    a prescribed result scale (1/16 on 8 bits, so the result ends at -255/16).

    int8, uint8: exponentials from a float32 table of 256, summed in float32; then float32. int16,
    which LiteRT refuses: exponentials as products of two such tables, summed in float64.
    **Source:** TensorFlow Lite optimized_ops.h (LogSoftmax with table), LiteRT 2.3.
    """

    quantization = FixedRange(
        ((DType.INT8, 1 / 16, 127), (DType.UINT8, 1 / 16, 255), (DType.INT16, 1 / 2048, 0))
    )
    arithmetic = {
        DType.INT8: Arithmetic.TABLE,
        DType.UINT8: Arithmetic.TABLE,
        DType.INT16: Arithmetic.TABLE,
    }
    versions = {DType.INT8: 2}

    def reference(self, x: Array) -> Array:
        shifted = x - x.max(-1, keepdims=True, initial=-np.inf)
        return shifted - elementary.log(elementary.exp(shifted).sum(-1, keepdims=True))

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        assert x.quant is not None
        assert result.quant is not None
        if x.data.size == 0:
            return x.data.astype(result.dtype.numpy)
        largest = x.data.max(-1, keepdims=True).astype(np.int64)
        if result.dtype is DType.INT16:
            return _log_softmax_int16(largest - x.data, x.scale, result.quant)
        total = _sum_f32(exponentials(x.scale)[largest - x.data])
        log = elementary.log(total.astype(np.float64)).astype(np.float32)
        offset = (x.scale * largest.astype(np.float32) + log) / scale_of(result.quant)
        steps = x.scale / scale_of(result.quant) * x.data.astype(np.float32) - offset
        return saturate(np.rint(steps) + point_of(result.quant), result.dtype)


def exponentials(scale: np.float32) -> Array:
    """float32 [256]: e**(-scale * d) for the distance d from the largest stored operand."""
    exponents = np.arange(256, dtype=np.float32) * -scale
    return elementary.exp(exponents.astype(np.float64)).astype(np.float32)


def int16_exponentials(scale: np.float32) -> tuple[Array, Array]:
    """float32 [256] each: e**(-256 * scale * d) and e**(-scale * d). The distance of two int16 is
    256 times a first such number and a second one."""
    return exponentials(scale * np.float32(256)), exponentials(scale)


@cache
def int16_tables() -> tuple[Array, Array]:
    """int16 [513] each: the knots of e**x on [-10, 0] and of 1 / (1 + x) on [0, 1]."""
    return _knots(elementary.exp, -10.0, 0.0), _knots(lambda x: 1 / (1 + x), 0.0, 1.0)


def int16_multiplier(beta_scale: float) -> tuple[int, int]:
    """What makes of a distance between stored int16 operands a 65535th of [-10, 0]."""
    return multiplier(beta_scale / (10.0 / 65535.0))


def _sum_f32(x: Array) -> Array:
    """float32 sums over the last axis, kept, one term after the other as LiteRT adds them."""
    return np.cumsum(x, -1, dtype=np.float32)[..., -1:]


def _like(x: Array, number: float) -> np.generic:
    return x.dtype.type(number)


def _softmax_int16(distance: Array, beta_scale: float) -> Array:
    """int16 of scale 2**-15 from the distances to the largest stored operand of each row."""
    exp_table, reciprocal_table = int16_tables()
    scaled = multiply_fixed(-distance, *int16_multiplier(beta_scale))
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


def _log_softmax_int16(distance: Array, scale: np.float32, quant: Quant) -> Array:
    """int16 from the distances to the largest stored operand of each row."""
    coarse, fine = int16_exponentials(scale)
    total = np.cumsum(coarse[distance >> 8] * fine[distance & 255], -1, dtype=np.float64)[..., -1:]
    offset = elementary.log(total).astype(np.float32) / scale_of(quant)
    steps = scale / scale_of(quant) * (-distance).astype(np.float32) - offset
    return saturate(np.rint(steps) + point_of(quant), DType.INT16)


def _knots(function: Callable[[Array], Array], low: float, high: float) -> Array:
    """int16 [513] of 2**15 * function on [low, high], as `table.knots`, but in float64.

    Source: gen_lut in TensorFlow Lite's common.h.
    """
    step = (high - low) / KNOTS
    at = low + np.arange(KNOTS + 1) * step
    ends = function(at) * 32768
    middles = half_away(function(at[:-1] + step / 2) * 32768)
    straight = half_away((ends[1:] + half_away(ends[:-1])) / 2)
    bias = half_away((straight - middles) / 2)
    return saturate(np.append(half_away(ends[:-1]) - bias, half_away(ends[-1])), DType.INT16)
