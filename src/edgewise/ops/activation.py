"""Activations of one operand (and PRELU, whose slope is a tensor); LOGISTIC and TANH: sigmoid.py.

On int8 and uint8 all are tables. RELU and its clipped relatives are LiteRT's fixed point there
and on int16: one 32-bit multiplier and a clamp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import Arithmetic, FreeScale, In, Op, Operand, Quantized, Role, require
from edgewise.ir.types import Quant, TensorType
from edgewise.ops import elementary
from edgewise.ops.axes import shown
from edgewise.ops.broadcast import broadcast_shape
from edgewise.ops.requant import (
    divide_by_power,
    multiplier,
    multiply_fixed,
    round_half_away,
)
from edgewise.ops.table import (
    F32,
    Array,
    UnaryTable,
    point_of,
    real_value,
    saturate,
    scale_of,
)
from edgewise.ops.unary import COMPUTED_ON_INT16


class Clipped(UnaryTable, abstract=True):
    """y = min(max(x, low), high); what the RELU operators share."""

    low: ClassVar[float] = 0.0
    high: ClassVar[float] = math.inf
    arithmetic = COMPUTED_ON_INT16

    def reference(self, x: Array) -> Array:
        y = np.maximum(x, x.dtype.type(self.low))
        return y if math.isinf(self.high) else np.minimum(y, x.dtype.type(self.high))

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        ratio = scale_of(in_quant) / scale_of(out_quant)
        point = point_of(out_quant)
        y = multiply_fixed(q - point_of(in_quant), *multiplier(float(ratio))).astype(np.int64)
        bounds = [self._bound(v, out_quant) for v in (self.low, self.high)]
        return saturate(np.clip(y + point, bounds[0], bounds[1]), dtype)

    def _bound(self, real: float, quant: Quant) -> float:
        if math.isinf(real):
            return real
        return round_half_away(float(F32(real) / scale_of(quant))) + point_of(quant)


class Relu(Clipped, builtin="RELU"):
    """y = max(x, 0). Any shape; floats, quantized.

    **Source:** TensorFlow Lite activations.cc (QuantizedReluX), LiteRT 2.3.
    """

    versions = {DType.INT8: 2, DType.UINT8: 2, DType.INT16: 3}


class Relu6(Clipped, builtin="RELU6"):
    """y = min(max(x, 0), 6). Any shape; floats, quantized.

    **Source:** TensorFlow Lite activations.cc (QuantizedReluX), LiteRT 2.3.
    """

    high = 6.0
    versions = {DType.INT8: 2, DType.INT16: 3}


class ReluN1To1(Clipped, builtin="RELU_N1_TO_1"):
    """y = min(max(x, -1), 1). Any shape; floats, quantized.

    **Source:** TensorFlow Lite activations.cc (QuantizedReluX), LiteRT 2.3.
    """

    low, high = -1.0, 1.0


class Relu0To1(Clipped, builtin="RELU_0_TO_1"):
    """y = min(max(x, 0), 1). Any shape; floats, quantized.

    **Source:** TensorFlow Lite activations.cc (QuantizedReluX), LiteRT 2.3.
    """

    high = 1.0


class HardSwish(UnaryTable, builtin="HARD_SWISH", options="HardSwishOptions"):
    """y = x * min(max(x + 3, 0), 6) / 6. Any shape; floats, quantized.

    int8, uint8: LiteRT's fixed point with 16-bit multipliers, up to one step from the exact value
    (0.4 % of the operands). int16, which LiteRT refuses: the interpolated table.
    **Source:** TensorFlow Lite reference_ops hard_swish.h, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        three, six = x.dtype.type(3), x.dtype.type(6)
        return x * np.clip(x + three, x.dtype.type(0), six) / six

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        fine = (q - point_of(in_quant)) << 7
        fine_scale = F32(1 / 128) * scale_of(in_quant)
        m_out, shift_out = _reduced(float(fine_scale / scale_of(out_quant)))
        m_gate, shift_gate = _reduced(float(fine_scale / F32(3 / 32768)))
        x = _high_mul_16(fine, m_out)
        gate = fine  # becomes (x + 3) / 6 in [0, 1], as 15-bit fraction
        if shift_gate > 0:
            gate = saturate(gate << (shift_gate - 1), DType.INT16).astype(np.int64)
        gate = _high_mul_16(gate, m_gate)
        if shift_gate > 0:
            gate = saturate(gate << 1, DType.INT16).astype(np.int64)
        if shift_gate < 0:
            gate = divide_by_power(gate, -shift_gate).astype(np.int64)
        gate = (gate + (1 << 15)) >> 1
        product = gate * x
        y = np.sign(product) * (np.abs(product) >> 15)
        y = divide_by_power(y, -shift_out) if shift_out <= 0 else y << shift_out
        return saturate(y + point_of(out_quant), dtype)


class Gelu(UnaryTable, builtin="GELU", options="GeluOptions"):
    """y = x/2 * erfc(-x / sqrt 2), or with `approximate`
    y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x**3))). Any shape; floats, quantized by table.

    **Source:** TensorFlow Lite reference gelu.h, LiteRT 2.3.
    """

    approximate: bool = False
    versions = {DType.INT8: 2, DType.UINT8: 2}

    def real(self, x: Array, dtype: DType, out_quant: Quant) -> Array:
        if self.approximate:
            return super().real(x, dtype, out_quant)
        # LiteRT evaluates in float32; `math.erfc` rounded to that gives its bits, on every CPU
        return self.reference(x.astype(F32))

    def reference(self, x: Array) -> Array:
        of = x.dtype.type
        if not self.approximate:
            return of(0.5) * x * elementary.erfc(x * of(-math.sqrt(0.5)))
        with np.errstate(over="ignore"):
            inner = of(math.sqrt(2 / math.pi)) * (x + of(0.044715) * x * x * x)
        return of(0.5) * x * (of(1) + elementary.tanh(inner))


class Elu(UnaryTable, builtin="ELU"):
    """y = x above 0, e**x - 1 below. Any shape; floats, quantized by table.

    The table rounds half to even after the zero point is added, as LiteRT's default does.
    **Source:** XNNPACK unary operators; TensorFlow Lite activations.cc, LiteRT 2.3.
    """

    def reference(self, x: Array) -> Array:
        zero = x.dtype.type(0)
        return np.where(x < zero, elementary.expm1(np.minimum(x, zero)), x)

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        y = self.real(real_value(q, in_quant), dtype, out_quant).astype(F32)
        return saturate(
            np.rint(y * (F32(1) / scale_of(out_quant)) + F32(point_of(out_quant))), dtype
        )


class LeakyRelu(UnaryTable, builtin="LEAKY_RELU", options="LeakyReluOptions"):
    """y = x above 0, alpha * x below. Any shape; floats, quantized.

    int8, uint8: 8-bit multipliers, `((q - z_x) * round(256 * s) + 128) >> 8` with s = s_x / s_y
    (times alpha below 0): LiteRT's default. Its own kernels use 32-bit multipliers, which differ
    from that by one step in 12 to 19 % of the operands. int16: 32-bit multipliers in both.
    **Source:** XNNPACK vlrelu; TensorFlow Lite reference leaky_relu.h; LiteRT 2.3.
    """

    alpha: float = 0.0
    arithmetic = COMPUTED_ON_INT16
    versions = {DType.INT16: 2}

    def reference(self, x: Array) -> Array:
        return np.where(x > 0, x, x * x.dtype.type(self.alpha))

    def stored(self, q: Array, dtype: DType, in_quant: Quant, out_quant: Quant) -> Array:
        x, alpha = q - point_of(in_quant), F32(self.alpha)
        if dtype is DType.INT16:
            s_x, s_y = scale_of(in_quant), scale_of(out_quant)  # quotients in float32
            above = multiply_fixed(x, *multiplier(float(s_x / s_y)))
            below = multiply_fixed(x, *_signed_multiplier(float(s_x * alpha / s_y)))
            y = np.where(x >= 0, above, below).astype(np.int64)
        else:
            ratio = scale_of(in_quant) / scale_of(out_quant)
            above_8, below_8 = (int(np.rint(s * F32(256))) for s in (ratio, alpha * ratio))
            y = (x * np.where(x >= 0, above_8, below_8) + 128) >> 8
        return saturate(y + point_of(out_quant), dtype)


class Prelu(Op, builtin="PRELU"):
    """y = x above 0, alpha * x below; alpha broadcasts to the shape of x.

    Shapes: x [...], alpha broadcastable to x (usually [1, 1, C]), y as x. Floats, quantized.

    Quantized: 32-bit multipliers, s_x / s_y above 0 and s_x * s_alpha / s_y below. LiteRT's int16
    kernel is wrong below 0 (results unrelated to the product, even in sign); ours is not.
    **Source:** TensorFlow Lite reference prelu.h, LiteRT 2.3.
    """

    operands = (In("x", FLOATS | QUANTIZED), In("alpha", FLOATS | QUANTIZED, Role.DATA))
    quantization = FreeScale()
    arithmetic = Arithmetic.FIXED
    tolerance = 1e-6

    def infer(self, x: Operand, alpha: Operand) -> Shape:
        shape = broadcast_shape(x.shape, alpha.shape)
        same = len(shape) == len(x.shape) and all(
            same_dim(a, b) is not False for a, b in zip(shape, x.shape, strict=True)
        )
        require(
            same,
            "alpha must broadcast to the shape of x; "
            f"got {shown(alpha.shape)} and {shown(x.shape)}",
        )
        return x.shape

    def reference(self, x: Array, alpha: Array) -> Array:
        return np.where(x >= 0, x, x * alpha)

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, alpha = operands[0], operands[1]
        assert x is not None
        assert alpha is not None
        assert results[0].quant is not None
        quant, dtype = results[0].quant, results[0].dtype
        q = x.data.astype(np.int64) - x.zero_point
        above = multiply_fixed(q, *multiplier(float(x.scale / scale_of(quant))))
        slope = float(x.scale * alpha.scale / scale_of(quant))
        product = q * (alpha.data.astype(np.int64) - alpha.zero_point)
        below = multiply_fixed(product, *multiplier(slope))
        y = np.where(q >= 0, above, below).astype(np.int64)
        return saturate(y + point_of(quant), dtype)


def _signed_multiplier(real: float) -> tuple[int, int]:
    """`multiplier` of a number that may be negative (a negative alpha)."""
    m, shift = multiplier(abs(real))
    return (-m if real < 0 else m), shift


def _reduced(real: float) -> tuple[int, int]:
    """A multiplier rounded to 16 bits, and its shift."""
    m, shift = multiplier(real)
    return min((m + (1 << 15)) >> 16, 32767), shift


def _high_mul_16(a: Array, m: int) -> Array:
    """`SaturatingRoundingDoublingHighMul` on int16: a * m / 2**15, halves away from zero."""
    product = a * m
    total = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.sign(total) * (np.abs(total) >> 15)
