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
from edgewise.ops.broadcast import broadcasts_above
from edgewise.ops.fixed_point import add_fixed, divide_fixed, multiply_f32
from edgewise.ops.requant import activate

Array = np.ndarray

FACTORS = FLOATS | QUANTIZED | INTEGERS | {DType.COMPLEX64}
_FUSED = (Activation.NONE, Activation.RELU, Activation.RELU_N1_TO_1, Activation.RELU6)


class Fused(Binary, abstract=True):
    """A binary operator with a fused activation and a quantized form."""

    fused_activation_function: Activation = Activation.NONE

    operands = (In("a", FLOATS | QUANTIZED | INTEGERS), In("b", FLOATS | QUANTIZED | INTEGERS))
    quantization = FreeScale()
    arithmetic: ClassVar[Arithmetic | dict[DType, Arithmetic]] = Arithmetic.FIXED

    def infer(self, a: Operand, b: Operand) -> Shape:
        act = self.fused_activation_function
        require(
            act in _FUSED,
            f"fused_activation_function must be one of {', '.join(f.name for f in _FUSED)}; "
            f"got {act.name}",
        )
        return super().infer(a, b)

    def reference(self, a: Array, b: Array) -> Array:
        return activate(super().reference(a, b), self.fused_activation_function)


class Add(Fused, builtin="ADD", options="AddOptions"):
    """y = act(a + b). Shapes broadcast; floats, integers (wrapping), quantized.

    Quantized: both operands are brought to a common scale with 20 spare bits (15 for int16) by
    32-bit multipliers, added, and brought to the result's scale by a third: LiteRT's own kernels,
    bit for bit. Its default differs by one step in 1e-5 of the results at arbitrary scales, 0.2 %
    where the operands' scales are 16 : 1, and 10 to 20 % where they make every other sum a tie
    (powers of two, s_y = 2 s_a). int16 with `pot_scale_int16` and powers of two: a shift.
    **Source:** TensorFlow Lite reference add.h and add.cc, LiteRT 2.3.
    """

    pot_scale_int16: bool = True
    carries_dims = True
    versions = {DType.INT8: 2, DType.INT64: 4}

    def _compute(self, a: Array, b: Array) -> Array:
        return a + b

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        act = self.fused_activation_function
        return add_fixed(operands, results[0], act, 1, self.pot_scale_int16)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        a = operands[0]
        if a is not None and a.dtype is DType.INT16:
            return (1 if self.pot_scale_int16 else 3) if a.is_quantized else 5
        return super().version(operands, results)


class Sub(Fused, builtin="SUB", options="SubOptions"):
    """y = act(a - b). Shapes, dtypes and arithmetic as ADD.

    **Source:** TensorFlow Lite reference sub.h and sub.cc, LiteRT 2.3.
    """

    pot_scale_int16: bool = True
    carries_dims = True
    versions = {DType.INT8: 2, DType.INT64: 4}

    def _compute(self, a: Array, b: Array) -> Array:
        return a - b

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        act = self.fused_activation_function
        return add_fixed(operands, results[0], act, -1, self.pot_scale_int16)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        a = operands[0]
        if a is not None and a.dtype is DType.INT16 and not self.pot_scale_int16:
            return 5
        if a is not None and a.dtype is not DType.INT64 and broadcasts_above(operands, 4):
            return 3
        return super().version(operands, results)


class Mul(Fused, builtin="MUL", options="MulOptions"):
    """y = act(a * b). Shapes broadcast; floats, complex64, integers (wrapping), quantized.

    Quantized: the product of both without zero points, times float32(s_a * s_b) / s_y in float32,
    half to even (LiteRT's default; its reference kernels differ by one step in up to 1.1 %). int16:
    a 32-bit multiplier, as both.
    **Source:** architecture section 4; TensorFlow Lite mul.cc, LiteRT 2.3.
    """

    operands = (In("a", FACTORS), In("b", FACTORS))
    carries_dims = True
    arithmetic = {
        DType.INT8: Arithmetic.F32,
        DType.UINT8: Arithmetic.F32,
        DType.INT16: Arithmetic.FIXED,
    }
    versions = {DType.INT8: 2, DType.INT16: 4, DType.INT64: 5, DType.UINT32: 7}

    def _compute(self, a: Array, b: Array) -> Array:
        return a * b

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        return multiply_f32(operands, results[0], self.fused_activation_function)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        a, b = operands[0], operands[1]
        if a is None or b is None or a.quant is None or b.quant is None or results[0].quant is None:
            return (
                7
                if a is not None and a.dtype is DType.INT16
                else super().version(operands, results)
            )
        product = a.quant.scale.flat[0] * b.quant.scale.flat[0] / results[0].quant.scale.flat[0]
        if a.dtype is not DType.INT16 and product >= 1:
            return 3
        return super().version(operands, results)


class Div(Fused, builtin="DIV", options="DivOptions"):
    """y = act(a / b). Shapes broadcast; floats, int32 and int64 (truncated towards 0), quantized.

    An integer zero in b is refused: constants by the verifier, others while running. Quantized:
    LiteRT's reciprocal of b as a 32-bit multiplier, within half a step of the exact value. LiteRT
    itself shifts by more than 31 bits where |a / b| is small, and returns unrelated numbers there,
    mostly an end of the range (9 % of random pairs; none above |a / b| = 0.25 in units of the
    stored integers); everywhere else it agrees.
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

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        return 2 if broadcasts_above(operands, 4) else 1


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
