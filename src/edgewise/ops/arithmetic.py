"""ADD, SUB, MUL, DIV and ADD_N: the arithmetic that has a quantized form or a fused activation.

Shapes broadcast as NumPy's; the quantized forms are in fixed_point.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    NotQuantized,
    Op,
    Operand,
    Quantized,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown
from edgewise.ops.binary import INTEGERS, Binary, require_divisor
from edgewise.ops.fixed_point import add_fixed, divide_fixed, multiply_f32
from edgewise.ops.requant import activate

Array = np.ndarray


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
