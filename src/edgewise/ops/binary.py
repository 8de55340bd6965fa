"""Elementwise operators of two operands that broadcast against each other: arithmetic.

Their quantized forms are in fixed_point.py; comparisons and logic are in compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, QUANTIZED_8, DType
from edgewise.errors import InputError
from edgewise.ir.dim import Shape
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    NotQuantized,
    Op,
    Operand,
    Out,
    Quantized,
    QuantRule,
    SameScale,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops import elementary
from edgewise.ops.broadcast import broadcast_shape, broadcasts_above
from edgewise.ops.fixed_point import squared_difference_fixed

Array = np.ndarray

INTEGERS = INDICES | {DType.INT8, DType.UINT8, DType.INT16, DType.UINT32, DType.UINT64}


class Binary(Op, abstract=True):
    """y = f(a, b), elementwise with NumPy's broadcasting, in the dtype of both operands."""

    operands = (In("a", FLOATS | INDICES), In("b", FLOATS | INDICES))
    results = (Out("y", like="a"),)
    quantization: ClassVar[QuantRule] = NotQuantized()
    tolerance = 1e-6

    def infer(self, a: Operand, b: Operand) -> Shape:
        require(
            a.dtype is b.dtype,
            f"a and b must have one dtype; got {a.dtype.text} and {b.dtype.text}",
        )
        return broadcast_shape(a.shape, b.shape)

    def reference(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return self._compute(a, b)

    def _compute(self, a: Array, b: Array) -> Array:
        """The formula; overflow and invalid operations are silent."""
        raise NotImplementedError


class Extreme(Binary, abstract=True):
    """MAXIMUM and MINIMUM: stored integers are compared as they are, under one scale."""

    operands = (In("a", FLOATS | QUANTIZED | INTEGERS), In("b", FLOATS | QUANTIZED | INTEGERS))
    quantization = SameScale()
    tolerance = 0.0
    versions = {DType.INT8: 2}

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        if operands[0] is not None and operands[0].dtype is DType.INT16:
            return 4
        return 3 if broadcasts_above(operands, 4) else super().version(operands, results)


class Maximum(Extreme, builtin="MAXIMUM", options="MaximumMinimumOptions"):
    """y = a where a > b, else b (so a NaN in a gives b). Shapes broadcast; floats, integers.

    **Source:** TensorFlow Lite maximum_minimum.cc, LiteRT 2.3.
    """

    def _compute(self, a: Array, b: Array) -> Array:
        return np.where(a > b, a, b)


class Minimum(Extreme, builtin="MINIMUM", options="MaximumMinimumOptions"):
    """y = a where a < b, else b (so a NaN in a gives b). Shapes broadcast; floats, integers.

    **Source:** TensorFlow Lite maximum_minimum.cc, LiteRT 2.3.
    """

    def _compute(self, a: Array, b: Array) -> Array:
        return np.where(a < b, a, b)


class Pow(Binary, builtin="POW", options="PowOptions"):
    """y = a ** b. Shapes broadcast; floats, int32 and int64 (wrapping).

    A negative integer exponent is refused: constants by the verifier, others while running.
    **Source:** TensorFlow Lite pow.cc, LiteRT 2.3.
    """

    tolerance = 1e-5

    def infer(self, a: Operand, b: Operand) -> Shape:
        if b.data is not None:
            require_exponent(b.data)
        return super().infer(a, b)

    def _compute(self, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            return elementary.power(a, b)
        require_exponent(b)
        return np.power(a, b)


class FloorDiv(Binary, builtin="FLOOR_DIV", options="FloorDivOptions"):
    """y = floor(a / b). Shapes broadcast; floats, integers. An integer zero in b is refused.

    **Source:** TensorFlow Lite floor_div.cc, LiteRT 2.3.
    """

    operands = (In("a", FLOATS | INTEGERS), In("b", FLOATS | INTEGERS))
    versions = {DType.FLOAT32: 2, DType.INT8: 3, DType.INT16: 3}

    def infer(self, a: Operand, b: Operand) -> Shape:
        if b.data is not None:
            require_divisor(b.data)
        return super().infer(a, b)

    def _compute(self, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            return np.floor(a.astype(np.float64) / b.astype(np.float64)).astype(a.dtype)
        require_divisor(b)
        return a // b


class FloorMod(Binary, builtin="FLOOR_MOD", options="FloorModOptions"):
    """y = a - floor(a / b) * b, with the sign of b. Shapes broadcast; floats, integers.

    An integer zero in b is refused.
    **Source:** TensorFlow Lite floor_mod.cc, LiteRT 2.3.
    """

    operands = (In("a", FLOATS | INTEGERS), In("b", FLOATS | INTEGERS))
    versions = {DType.INT8: 2, DType.INT16: 2}

    def infer(self, a: Operand, b: Operand) -> Shape:
        if b.data is not None:
            require_divisor(b.data)
        return super().infer(a, b)

    def _compute(self, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            rest = np.fmod(a, b)
            return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)
        require_divisor(b)
        return np.mod(a, b)


class SquaredDifference(Binary, builtin="SQUARED_DIFFERENCE", options="SquaredDifferenceOptions"):
    """y = (a - b)**2. Shapes broadcast; floats, int32 (wrapping), quantized on 8 bits.

    Quantized: LiteRT's multipliers with 7 spare bits.
    **Source:** TensorFlow Lite squared_difference.cc, LiteRT 2.3.
    """

    operands = (
        In("a", FLOATS | INDICES | QUANTIZED_8),
        In("b", FLOATS | INDICES | QUANTIZED_8),
    )
    quantization = FreeScale()
    arithmetic = Arithmetic.FIXED
    versions = {DType.INT8: 2}

    def _compute(self, a: Array, b: Array) -> Array:
        difference = a - b
        return difference * difference

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        return squared_difference_fixed(operands, results[0])


class Atan2(Binary, builtin="ATAN2", options="ATan2Options"):
    """y = the angle of the point (x=b, y=a), in (-pi, pi]. Shapes broadcast; floats.

    **Source:** TensorFlow Lite atan2_custom.cc, LiteRT 2.3.
    """

    operands = (In("a", FLOATS), In("b", FLOATS))

    def _compute(self, a: Array, b: Array) -> Array:
        return elementary.atan2(a, b)


def require_divisor(b: Array) -> None:
    """Refuse a zero among integer divisors.

    Raises:
        InputError: there is one.
    """
    if b.dtype.kind in "iu" and not np.all(b):
        raise InputError("an integer divisor must not be 0; got 0")


def require_exponent(b: Array) -> None:
    """Refuse a negative number among integer exponents.

    Raises:
        InputError: there is one.
    """
    if b.dtype.kind == "i" and np.any(b < 0):
        raise InputError(f"an integer exponent must not be negative; got {b.min()}")
