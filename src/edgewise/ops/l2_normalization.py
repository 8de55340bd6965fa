"""L2_NORMALIZATION over the last axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED_8, DType
from edgewise.ir.dim import Shape
from edgewise.ir.enums import Activation
from edgewise.ir.op import Arithmetic, FixedRange, In, Op, Operand, Quantized, require
from edgewise.ir.types import TensorType
from edgewise.ops.fixed_point import centred
from edgewise.ops.requant import high_mul, multiply_fixed
from edgewise.ops.table import point_of, saturate

Array = np.ndarray

EPSILON = 1e-6


class L2Normalization(Op, builtin="L2_NORMALIZATION", options="L2NormOptions"):
    """y = x / max(sqrt(sum(x * x)), 1e-6) over the last axis. Any shape of rank >= 1.

    Floats and 8 bits with a prescribed result scale of 1/128, without a fused activation. 8 bits:
    the inverse square root of the integer sum of squares as a 32-bit multiplier.
    **Source:** TensorFlow Lite l2norm.cc, reference l2normalization.h, LiteRT 2.3.
    """

    fused_activation_function: Activation = Activation.NONE

    operands = (In("x", FLOATS | QUANTIZED_8),)
    quantization = FixedRange(((DType.INT8, 1 / 128, 0), (DType.UINT8, 1 / 128, 128)))
    arithmetic = Arithmetic.FIXED
    tolerance = 1e-6
    versions = {DType.INT8: 2}

    def infer(self, x: Operand) -> Shape:
        require(len(x.shape) >= 1, "x must have at least 1 dimension; got a scalar")
        act = self.fused_activation_function
        require(act is Activation.NONE, f"fused_activation_function must be NONE; got {act.name}")
        return x.shape

    def reference(self, x: Array) -> Array:
        norm = np.sqrt((x * x).sum(-1, keepdims=True))
        return x / np.maximum(norm, x.dtype.type(EPSILON))

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        assert result.quant is not None
        q = centred(x)
        inverse, shift = inverse_square_root((q * q).sum(-1, keepdims=True))
        if result.dtype is DType.UINT8:  # where LiteRT puts the factor 128 decides the rounding
            y = multiply_fixed(q << 7, inverse, shift)
        else:
            y = multiply_fixed(q, inverse, shift + 7)
        return saturate(y.astype(np.int64) + point_of(result.quant), result.dtype)


def inverse_square_root(x: Array) -> tuple[Array, Array]:
    """(m, shift) with 1 / sqrt(x) = m * 2**(shift - 31) for non-negative x < 2**31 (0 counts as 1).

    Five Newton-Raphson steps from 1 in gemmlowp's fixed point with three integer bits.
    Source: GetInvSqrtQuantizedMultiplierExp in TensorFlow Lite's common.h.
    """
    x = x.astype(np.int64)
    halvings = np.where(x >= 1 << 29, np.where(x >> 2 >= 1 << 29, 2, 1), 0)
    scaled = np.maximum(x >> (2 * halvings), 1)
    bits = np.frexp(scaled.astype(np.float64))[1].astype(np.int64)
    pairs = (31 - bits) // 2 - 1
    shift = 11 + halvings - pairs
    half = (scaled << (2 * pairs)) >> 1
    quarter = (half >> 1) + (half & 1)
    r = np.full(x.shape, 1 << 28, np.int64)
    for _ in range(5):
        cube = _shifted(high_mul(high_mul(r, r), r), 6)
        r = _shifted(
            high_mul(r, (1 << 28) + (1 << 27)).astype(np.int64) - high_mul(quarter, cube), 3
        )
    m = high_mul(r, 1518500250).astype(np.int64)  # sqrt(1/2)
    m, shift = m << np.maximum(-shift, 0), np.maximum(shift, 0)
    one = x <= 1
    return np.where(one, (1 << 31) - 1, m), np.where(one, 0, -shift)


def _shifted(x: Array, bits: int) -> Array:
    """x * 2**bits, saturated to int32."""
    return np.clip(x.astype(np.int64) << bits, -(1 << 31), (1 << 31) - 1)
