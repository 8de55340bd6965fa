"""Elementwise operators of two operands that broadcast against each other: arithmetic.

Their quantized forms are in fixed_point.py; comparisons and logic are in compare.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, QUANTIZED_8, DType
from edgewise.errors import InputError
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.enums import Activation
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
from edgewise.ops.axes import shown
from edgewise.ops.broadcast import broadcast_shape
from edgewise.ops.fixed_point import add_fixed, divide_fixed, multiply_f32, squared_difference_fixed
from edgewise.ops.requant import activate

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


class Fused(Binary, abstract=True):
    """A binary operator with a fused activation and a quantized form."""

    fused_activation_function: Activation = Activation.NONE

    operands = (In("a", FLOATS | QUANTIZED | INTEGERS), In("b", FLOATS | QUANTIZED | INTEGERS))
    quantization = FreeScale()
    arithmetic: ClassVar[Arithmetic | dict[DType, Arithmetic]] = Arithmetic.FIXED

    def reference(self, a: Array, b: Array) -> Array:
        return activate(super().reference(a, b), self.fused_activation_function)


class Add(Fused, builtin="ADD", options="AddOptions"):
    """y = act(a + b). Shapes broadcast; floats, integers (wrapping), quantized.

    Quantized: both operands are brought to a common scale with 20 spare bits (15 for int16) by
    32-bit multipliers, added, and brought to the result's scale by a third: LiteRT's own
    arithmetic, bit for bit. int16 with `pot_scale_int16` and powers of two as scales: a shift.
    **Source:** TensorFlow Lite reference add.h and add.cc, LiteRT 2.3.
    """

    pot_scale_int16: bool = True

    def _compute(self, a: Array, b: Array) -> Array:
        return a + b

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        act = self.fused_activation_function
        return add_fixed(operands, results[0], act, 1, self.pot_scale_int16)


class Sub(Fused, builtin="SUB", options="SubOptions"):
    """y = act(a - b). Shapes, dtypes and arithmetic as ADD.

    **Source:** TensorFlow Lite reference sub.h and sub.cc, LiteRT 2.3.
    """

    pot_scale_int16: bool = True

    def _compute(self, a: Array, b: Array) -> Array:
        return a - b

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        act = self.fused_activation_function
        return add_fixed(operands, results[0], act, -1, self.pot_scale_int16)


class Mul(Fused, builtin="MUL", options="MulOptions"):
    """y = act(a * b). Shapes broadcast; floats, integers (wrapping), quantized.

    Quantized: the product of both without zero points, times float32(s_a * s_b) / s_y in float32,
    half to even (LiteRT's default; its reference kernels differ by one step in up to 1.1 %). int16:
    a 32-bit multiplier, as both.
    **Source:** architecture section 4; TensorFlow Lite mul.cc, LiteRT 2.3.
    """

    arithmetic = {
        DType.INT8: Arithmetic.F32,
        DType.UINT8: Arithmetic.F32,
        DType.INT16: Arithmetic.FIXED,
    }

    def _compute(self, a: Array, b: Array) -> Array:
        return a * b

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        return multiply_f32(operands, results[0], self.fused_activation_function)


class Div(Fused, builtin="DIV", options="DivOptions"):
    """y = act(a / b). Shapes broadcast; floats, int32 and int64 (truncated towards 0), quantized.

    An integer zero in b is refused: constants by the verifier, others while running. Quantized
    (8 bits): LiteRT's reciprocal of b as a 32-bit multiplier.
    **Source:** TensorFlow Lite reference div.h, LiteRT 2.3.
    """

    operands = (In("a", FLOATS | QUANTIZED | INDICES), In("b", FLOATS | QUANTIZED | INDICES))

    def infer(self, a: Operand, b: Operand) -> Shape:
        if b.data is not None and b.quant is None:
            require_divisor(b.data)
        return super().infer(a, b)

    def _compute(self, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            return a / b
        require_divisor(b)
        quotient = a // b
        return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        return divide_fixed(operands, results[0], self.fused_activation_function)


class Extreme(Binary, abstract=True):
    """MAXIMUM and MINIMUM: stored integers are compared as they are, under one scale."""

    operands = (In("a", FLOATS | QUANTIZED | INTEGERS), In("b", FLOATS | QUANTIZED | INTEGERS))
    quantization = SameScale()
    tolerance = 0.0


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
            _require_exponent(b.data)
        return super().infer(a, b)

    def _compute(self, a: Array, b: Array) -> Array:
        if a.dtype.kind not in "iu":
            return elementary.power(a, b)
        _require_exponent(b)
        return np.power(a, b)


class FloorDiv(Binary, builtin="FLOOR_DIV", options="FloorDivOptions"):
    """y = floor(a / b). Shapes broadcast; floats, integers. An integer zero in b is refused.

    **Source:** TensorFlow Lite floor_div.cc, LiteRT 2.3.
    """

    operands = (In("a", FLOATS | INTEGERS), In("b", FLOATS | INTEGERS))

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


class AddN(Op, builtin="ADD_N", options="AddNOptions"):
    """y = the sum of all operands, in order. All of one shape; floats, int32.

    **Source:** TensorFlow Lite add_n.cc, LiteRT 2.3.
    """

    operands = (In("x", FLOATS | INDICES, variadic=True),)
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(self, *xs: Operand) -> Shape:
        require(len(xs) >= 1, "takes at least 1 operand; got 0")
        shape = xs[0].shape
        for x in xs[1:]:
            same = len(x.shape) == len(shape) and all(
                same_dim(m, n) is not False for m, n in zip(shape, x.shape, strict=True)
            )
            require(
                same and x.dtype is xs[0].dtype,
                f"operands must have one shape and dtype; got {shown(shape)} of "
                f"{xs[0].dtype.text} and {shown(x.shape)} of {x.dtype.text}",
            )
        return shape

    def reference(self, *xs: Array) -> Array:
        total = xs[0].copy()
        with np.errstate(over="ignore"):
            for x in xs[1:]:
                total += x
        return total


def require_divisor(b: Array) -> None:
    """Refuse a zero among integer divisors.

    Raises:
        InputError: there is one.
    """
    if b.dtype.kind in "iu" and not np.all(b):
        raise InputError("an integer divisor must not be 0; got 0")


def _require_exponent(b: Array) -> None:
    if b.dtype.kind == "i" and np.any(b < 0):
        raise InputError(f"an integer exponent must not be negative; got {b.min()}")
