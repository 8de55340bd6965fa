"""Comparisons and logic: two operands that broadcast, a result of booleans (or of bits)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.op import Arithmetic, FreeScale, In, Out, Quantized
from edgewise.ir.types import TensorType
from edgewise.ops.binary import INTEGERS, Binary
from edgewise.ops.fixed_point import comparable
from edgewise.ops.table import Unary

Array = np.ndarray

COMPARED = FLOATS | QUANTIZED | INTEGERS
BITS = {DType.INT8, DType.UINT8, DType.INT16, DType.UINT16, DType.INT32, DType.UINT32}
BOOL = {DType.BOOL}
EQUAL = COMPARED | {DType.BOOL, DType.STRING}


class Comparison(Binary, abstract=True):
    """y = a (relation) b, as bool. Shapes broadcast; floats, integers, quantized.

    Quantized: LiteRT rounds both real operands to multiples of 1/256 (a 32-bit multiplier after
    a shift by 8) before it compares, so nearer values are equal. `raw_int16`: the four orderings
    compare int16 tensors as stored, whatever their scales.
    """

    raw_int16: ClassVar[bool] = True

    operands = (In("a", COMPARED), In("b", COMPARED))
    results = (Out("y", like=None, dtype=DType.BOOL),)
    quantization = FreeScale()
    arithmetic = Arithmetic.FIXED
    tolerance = 0.0

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        a, b = operands[0], operands[1]
        assert a is not None
        assert b is not None
        if self.raw_int16 and a.data.dtype == np.int16:
            return self.reference(a.data, b.data)
        return self.reference(*comparable(operands))


class Equal(Comparison, builtin="EQUAL", options="EqualOptions"):
    """y = (a == b), also of booleans and strings. Shapes, dtypes and arithmetic as `Comparison`.

    **Source:** TensorFlow Lite comparisons.cc, LiteRT 2.3.
    """

    raw_int16 = False
    operands = (In("a", EQUAL), In("b", EQUAL))
    versions = {DType.INT8: 2, DType.INT16: 4, DType.STRING: 3}

    def _compute(self, a: Array, b: Array) -> Array:
        return a == b


class NotEqual(Comparison, builtin="NOT_EQUAL", options="NotEqualOptions"):
    """y = (a != b), also of booleans and strings. Shapes, dtypes and arithmetic as `Comparison`.

    **Source:** TensorFlow Lite comparisons.cc, LiteRT 2.3.
    """

    raw_int16 = False
    operands = (In("a", EQUAL), In("b", EQUAL))
    versions = {DType.INT8: 2, DType.STRING: 3}

    def _compute(self, a: Array, b: Array) -> Array:
        return a != b


class Less(Comparison, builtin="LESS", options="LessOptions"):
    """y = (a < b). Shapes, dtypes and arithmetic as `Comparison`.

    **Source:** TensorFlow Lite comparisons.cc, LiteRT 2.3.
    """

    versions = {DType.INT8: 2, DType.INT16: 3}

    def _compute(self, a: Array, b: Array) -> Array:
        return a < b


class LessEqual(Comparison, builtin="LESS_EQUAL", options="LessEqualOptions"):
    """y = (a <= b). Shapes, dtypes and arithmetic as `Comparison`.

    **Source:** TensorFlow Lite comparisons.cc, LiteRT 2.3.
    """

    versions = {DType.INT8: 2}

    def _compute(self, a: Array, b: Array) -> Array:
        return a <= b


class Greater(Comparison, builtin="GREATER", options="GreaterOptions"):
    """y = (a > b). Shapes, dtypes and arithmetic as `Comparison`.

    **Source:** TensorFlow Lite comparisons.cc, LiteRT 2.3.
    """

    versions = {DType.INT8: 2}

    def _compute(self, a: Array, b: Array) -> Array:
        return a > b


class GreaterEqual(Comparison, builtin="GREATER_EQUAL", options="GreaterEqualOptions"):
    """y = (a >= b). Shapes, dtypes and arithmetic as `Comparison`.

    **Source:** TensorFlow Lite comparisons.cc, LiteRT 2.3.
    """

    versions = {DType.INT8: 2, DType.INT16: 3}

    def _compute(self, a: Array, b: Array) -> Array:
        return a >= b


class LogicalAnd(Binary, builtin="LOGICAL_AND", options="LogicalAndOptions"):
    """y = a and b. Shapes broadcast; bool.

    **Source:** TensorFlow Lite logical.cc, LiteRT 2.3.
    """

    operands = (In("a", BOOL), In("b", BOOL))
    tolerance = 0.0

    def _compute(self, a: Array, b: Array) -> Array:
        return a & b


class LogicalOr(Binary, builtin="LOGICAL_OR", options="LogicalOrOptions"):
    """y = a or b. Shapes broadcast; bool.

    **Source:** TensorFlow Lite logical.cc, LiteRT 2.3.
    """

    operands = (In("a", BOOL), In("b", BOOL))
    tolerance = 0.0

    def _compute(self, a: Array, b: Array) -> Array:
        return a | b


class LogicalNot(Unary, builtin="LOGICAL_NOT", options="LogicalNotOptions"):
    """y = not x. Any shape; bool.

    **Source:** TensorFlow Lite elementwise.cc, LiteRT 2.3.
    """

    operands = (In("x", BOOL),)
    tolerance = 0.0

    def reference(self, x: Array) -> Array:
        return ~x


class BitwiseXor(Binary, builtin="BITWISE_XOR", options="BitwiseXorOptions"):
    """y = a ^ b, bit by bit. Shapes broadcast; integers up to 32 bits, without scales.

    **Source:** TensorFlow Lite bitwise_xor.cc, LiteRT 2.3.
    """

    operands = (In("a", BITS), In("b", BITS))
    tolerance = 0.0

    def _compute(self, a: Array, b: Array) -> Array:
        return a ^ b


class RightShift(Binary, builtin="RIGHT_SHIFT", options="RightShiftOptions"):
    """y = a >> b, filling with the sign. Shapes broadcast; integers up to 32 bits.

    b is clamped to [0, bits - 1], so an over-wide shift leaves 0 or -1.
    **Source:** TensorFlow Lite right_shift.cc, LiteRT 2.3.
    """

    operands = (In("a", BITS), In("b", BITS))
    tolerance = 0.0

    def _compute(self, a: Array, b: Array) -> Array:
        last = np.array(a.dtype.itemsize * 8 - 1, b.dtype)
        return a >> np.clip(b, np.array(0, b.dtype), last).astype(a.dtype)
