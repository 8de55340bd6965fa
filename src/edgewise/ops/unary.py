"""Elementwise mathematics of one operand: ABS to TANH's relatives, without the activations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, DType
from edgewise.ir.op import Arithmetic, In, NotQuantized, Role
from edgewise.ir.types import Quant, TensorType
from edgewise.ops import elementary
from edgewise.ops.l2_normalization import inverse_square_root
from edgewise.ops.requant import multiplier, multiply_fixed
from edgewise.ops.table import (
    Array,
    Unary,
    UnaryTable,
    point_of,
    real_value,
    saturate,
    scale_of,
)

COMPUTED_ON_INT16 = {
    DType.INT8: Arithmetic.TABLE,
    DType.UINT8: Arithmetic.TABLE,
    DType.INT16: Arithmetic.FIXED,
}
_ROOT_BITS = 20  # fractional bits of RSQRT's inverse root (kShift in elementwise.cc)


class Abs(UnaryTable, builtin="ABS", options="AbsOptions"):
    """y = |x|. Any shape; floats, int32 and int64 (the smallest integer stays), quantized.

    Quantized: |q - zero point| times a 32-bit multiplier and shift (none where the scales are
    equal), tabulated on 8 bits.
    **Source:** TensorFlow Lite elementwise.cc (AbsEvalQuantized), LiteRT 2.3.
    """

    operands = (In("x", FLOATS | QUANTIZED | INDICES),)
    arithmetic = COMPUTED_ON_INT16
    versions = {DType.INT8: 2, DType.UINT8: 2, DType.INT16: 3, DType.INT32: 5}

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        raw = x is not None and x.dtype is DType.INT16 and x.quant is None
        return 4 if raw else super().version(operands, results)

    def reference(self, x: Array) -> Array:
        return np.abs(x)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        y = np.abs(q - point_of(in_quant))
        if scale_of(in_quant) != scale_of(out_quant):
            y = multiply_fixed(y, *multiplier(float(scale_of(in_quant) / scale_of(out_quant))))
        return saturate(y.astype(np.int64) + point_of(out_quant), dtype)


class Neg(UnaryTable, builtin="NEG", options="NegOptions"):
    """y = -x. Any shape; floats, int32 and int64 (wrapping), quantized.

    Quantized: the real number is negated and saturates. LiteRT negates the stored int8 or int16
    itself, which is the same only for equal scales and zero points 0, and keeps -128 and -32768.
    **Source:** TensorFlow Lite neg.cc, LiteRT 2.3.
    """

    operands = (In("x", FLOATS | QUANTIZED | INDICES),)
    arithmetic = COMPUTED_ON_INT16

    def reference(self, x: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.negative(x)


class Sqrt(UnaryTable, builtin="SQRT"):
    """y = sqrt(x); NaN below 0. Any shape; floats, quantized.

    Quantized: sqrt(s_x * (q - z_x)) / s_y in float32, *truncated* towards the zero point as LiteRT
    does; operands below the zero point, which LiteRT refuses while running, give the zero point.
    **Source:** TensorFlow Lite elementwise.cc (SqrtEvalQuantized), LiteRT 2.3.
    """

    arithmetic = COMPUTED_ON_INT16

    def reference(self, x: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        root = np.sqrt(np.maximum(real_value(q, in_quant), 0).astype(np.float32))
        return saturate(np.trunc(root / scale_of(out_quant)) + point_of(out_quant), dtype)


class Rsqrt(UnaryTable, builtin="RSQRT"):
    """y = 1 / sqrt(x); infinity at 0, NaN below. Any shape; floats, quantized.

    Quantized: int8 and uint8 by LiteRT's fixed point (20 bits after the point of 1 / sqrt(q - z_x),
    then a 32-bit multiplier of 1 / (sqrt(s_x) * s_y)), one step from the table at some ties; int16
    a table. Operands at or below the zero point give the largest integer (LiteRT refuses those
    below while running).
    **Source:** TensorFlow Lite elementwise.cc, LiteRT 2.3.
    """

    versions = {DType.INT8: 2, DType.INT16: 3}

    def reference(self, x: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            return (1 / np.sqrt(x)).astype(x.dtype)

    def real(self, x: Array, dtype: DType, out_quant: Quant) -> Array:
        largest = float(scale_of(out_quant)) * (dtype.range[1] - point_of(out_quant))
        return np.where(x > 0, self.reference(x), largest)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        if dtype is DType.INT16:
            return super().stored(q, dtype, in_quant, out_quant)
        x = (q - point_of(in_quant)).astype(np.int64)
        inverse, shift = inverse_square_root(np.maximum(x, 1))
        roots = multiply_fixed(np.ones_like(x), inverse, shift + _ROOT_BITS).astype(np.int64)
        unit = 1 / float(np.sqrt(scale_of(in_quant)) * scale_of(out_quant))
        scale, exponent = multiplier(unit)
        y = multiply_fixed(roots, scale, exponent - _ROOT_BITS).astype(np.int64)
        return saturate(np.where(x > 0, y + point_of(out_quant), dtype.range[1]), dtype)


class Square(Unary, builtin="SQUARE", options="SquareOptions"):
    """y = x * x. Any shape; floats.

    **Source:** TensorFlow Lite elementwise.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        with np.errstate(over="ignore"):
            return x * x


class Exp(UnaryTable, builtin="EXP", options="ExpOptions"):
    """y = e**x. Any shape; floats, quantized by table.

    **Source:** TensorFlow Lite exp.cc, LiteRT 2.3.
    """

    tolerance = 4e-6  # LiteRT's default, at e**88
    versions = {DType.INT8: 2, DType.INT16: 2}

    def reference(self, x: Array) -> Array:
        return elementary.exp(x)


class Log(UnaryTable, builtin="LOG"):
    """y = ln(x); -inf at 0, NaN below. Any shape; floats, quantized.

    Quantized: a table; operands at or below the zero point give the smallest integer.
    **Source:** TensorFlow Lite elementwise.cc (LogLUTPrepare), LiteRT 2.3.
    """

    versions = {DType.INT8: 2, DType.INT16: 2}

    def reference(self, x: Array) -> Array:
        return elementary.log(x)

    def real(self, x: Array, dtype: DType, out_quant: Quant) -> Array:
        smallest = float(scale_of(out_quant)) * (dtype.range[0] - point_of(out_quant))
        return np.where(x > 0, self.reference(x), smallest)


class Erf(Unary):
    """y = erf(x) = 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x. Any shape; floats.

    TFLite has no such operator: it becomes part of a GELU (`passes/recompose.py`), or is computed
    from one (`passes/lower.py`).
    """

    quantization = NotQuantized()
    tolerance = 1e-6

    def reference(self, x: Array) -> Array:
        return elementary.erf(x)


class Sin(Unary, builtin="SIN"):
    """y = sin(x), x in radians. Any shape; floats.

    **Source:** TensorFlow Lite elementwise.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        return elementary.sin(x)


class Cos(Unary, builtin="COS", options="CosOptions"):
    """y = cos(x), x in radians. Any shape; floats.

    **Source:** TensorFlow Lite elementwise.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        return elementary.cos(x)


class Floor(Unary, builtin="FLOOR"):
    """y = the largest whole number not above x. Any shape; floats.

    **Source:** TensorFlow Lite floor.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        return np.floor(x)


class Ceil(Unary, builtin="CEIL"):
    """y = the smallest whole number not below x. Any shape; floats.

    **Source:** TensorFlow Lite ceil.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        return np.ceil(x)


class Round(Unary, builtin="ROUND"):
    """y = the whole number nearest to x, halves to even. Any shape; floats.

    **Source:** TensorFlow Lite round.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        return np.rint(x)


class Sign(Unary, builtin="SIGN", options="SignOptions"):
    """y = 1 above 0, -1 below, 0 at 0; NaN stays. Any shape; floats, int32.

    **Source:** TensorFlow Lite sign.cc, LiteRT 2.3.
    """

    operands = (In("x", FLOATS | {DType.INT32}),)
    versions = {DType.INT32: 2}

    def reference(self, x: Array) -> Array:
        return np.sign(x)


class ZerosLike(Unary, builtin="ZEROS_LIKE", options="ZerosLikeOptions"):
    """y = 0 in the shape and dtype of x.

    **Source:** TensorFlow Lite zeros_like.cc, LiteRT 2.3.
    """

    operands = (In("x", FLOATS | INDICES, Role.DATA),)

    def reference(self, x: Array) -> Array:
        return np.zeros_like(x)
