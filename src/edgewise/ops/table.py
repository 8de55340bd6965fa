"""Operators of one operand, and those that a table holds on quantized tensors.

A quantized unary operator is a function from stored integer to stored integer. `UnaryTable`
derives it from the operator's reference; `table` is what a kernel needs: all 256 values for 8-bit
types, 513 for int16, between which kernels interpolate as LiteRT does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.errors import QuantizationError
from edgewise.ir.dim import Shape
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    NotQuantized,
    Op,
    Operand,
    Quantized,
    QuantRule,
)
from edgewise.ir.types import Quant, TensorType

Array = np.ndarray

F32 = np.float32
KNOTS = 512  # intervals of an int16 table, of 128 stored values each


class Unary(Op, abstract=True):
    """y = f(x), elementwise: the result has the operand's shape and dtype."""

    operands = (In("x", FLOATS),)
    quantization: ClassVar[QuantRule] = NotQuantized()
    tolerance = 1e-6

    def infer(self, x: Operand) -> Shape:
        return x.shape

    def reference(self, x: Array) -> Array:
        raise NotImplementedError


class UnaryTable(Unary, abstract=True):
    """A unary operator that is a table on int8, uint8 and int16 tensors.

    The value for stored integer q is the reference in float64 at float32(scale * (q - zero
    point)), rounded to float32, times float32(1 / scale of the result), rounded half away from
    zero, moved by the zero point and saturated: LUTPopulate of LiteRT 2.3, bit for bit. int16 keeps
    every 128th value and interpolates between them, unless `arithmetic` says that an operator has
    its own formula (`stored`) there.
    """

    operands = (In("x", FLOATS | QUANTIZED),)
    quantization: ClassVar[QuantRule] = FreeScale()
    arithmetic: ClassVar[Arithmetic | dict[DType, Arithmetic]] = Arithmetic.TABLE

    def table(self, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        """Stored results: [256] in order of the stored operand (-128 or 0 first), of `dtype`; for
        int16 [513], the value at every 128th operand from -32768 on, one past the last included.

        Raises:
            QuantizationError: int16, where the operator is not a table (`arithmetic_for`).
        """
        if dtype is not DType.INT16:
            low, high = dtype.range
            return self.stored(np.arange(low, high + 1), dtype, in_quant, out_quant)
        if self.arithmetic_for(dtype) is not Arithmetic.TABLE:
            raise QuantizationError(f"{self.name} on int16 is computed, not tabulated")
        return knots(lambda x: self.real(x, dtype, out_quant), in_quant, out_quant)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        """Stored results of `dtype` for the stored operands `q` (any shape)."""
        y = self.real(real_value(q, in_quant), dtype, out_quant)
        with np.errstate(over="ignore"):  # infinity saturates
            steps = y.astype(F32) * (F32(1) / scale_of(out_quant))
        return saturate(half_away(steps) + point_of(out_quant), dtype)

    def real(self, x: Array, dtype: DType, out_quant: Quant) -> Array:
        """The real function behind the table: float64 in, float64 out. Operators whose reference
        leaves its domain say here what the table holds there."""
        return self.reference(x)

    def integer_steps(self, dtype: DType) -> float:
        """Between the knots of an int16 table the error grows with curvature."""
        return 8.0 if self.arithmetic_for(dtype) is Arithmetic.TABLE and dtype.bits > 8 else 1.5

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        assert x.quant is not None
        assert result.quant is not None
        dtype = result.dtype
        if dtype is not DType.INT16:
            table = self.table(dtype, x.quant, result.quant)
            return table[x.data.astype(np.int64) - dtype.range[0]]
        if self.arithmetic_for(dtype) is Arithmetic.TABLE:
            return interpolate(self.table(dtype, x.quant, result.quant), x.data)
        return self.stored(x.data.astype(np.int64), dtype, x.quant, result.quant)


def knots(real: Callable[[Array], Array], in_quant: Quant, out_quant: Quant) -> Array:
    """LiteRT's int16 table of a function of float64: [513], each value corrected by half the error
    in the middle of its interval. Every operation but the function is float32, as there.

    Source: LUTPopulate in TensorFlow Lite's common.h, LiteRT 2.3.
    """
    low, high = DType.INT16.range
    first, last = (_scaled(in_quant, q) for q in (low, high))
    step = (last - first) / F32(KNOTS)
    inverse = F32(65536) / (_scaled(out_quant, high) - _scaled(out_quant, low))
    at = first + np.arange(KNOTS + 1, dtype=F32) * step
    points = np.concatenate([at, at[:-1] + step / F32(2), [last]]).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        y = real(points).astype(F32) * inverse
        ends, middles, final = y[: KNOTS + 1], y[KNOTS + 1 : -1], y[-1]
        straight = half_away((ends[1:] + half_away(ends[:-1])) / F32(2))
        bias = half_away((straight - half_away(middles)) / F32(2))
    bias = np.where(np.isfinite(bias), bias, F32(0))  # what is infinite saturates
    return saturate(np.append(half_away(ends[:-1]) - bias, half_away(final)), DType.INT16)


def interpolate(table: Array, q: Array) -> Array:
    """Values of a [513] int16 table at stored operands `q`: 128 steps per interval, half up."""
    q = q.astype(np.int64)
    index, offset = 256 + (q >> 7), q & 127
    table = table.astype(np.int64)
    slope = (table[index + 1] - table[index]).astype(np.int16).astype(np.int64)
    return (table[index] + ((slope * offset + 64) >> 7)).astype(np.int16)


def scale_of(quant: Quant) -> np.float32:
    """The only scale."""
    return F32(quant.scale.flat[0])


def point_of(quant: Quant) -> int:
    """The only zero point."""
    return int(quant.zero_point.flat[0])


def real_value(q: Array, quant: Quant) -> Array:
    """float64 array of float32(scale * (q - zero_point))."""
    return ((q - point_of(quant)).astype(F32) * scale_of(quant)).astype(np.float64)


def saturate(values: Array, dtype: DType) -> Array:
    """Whole numbers to a stored type, clamped to its range; NaN gives the minimum."""
    low, high = dtype.range
    return np.clip(np.where(np.isnan(values), low, values), low, high).astype(dtype.numpy)


def half_away(x: Array) -> Array:
    """Nearest whole numbers, halves away from zero, in the dtype of `x`."""
    return np.trunc(x + np.copysign(x.dtype.type(0.5), x))


def _scaled(quant: Quant, q: int) -> np.float32:
    return scale_of(quant) * F32(q - point_of(quant))
