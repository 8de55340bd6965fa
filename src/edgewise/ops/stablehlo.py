"""StableHLO's elementwise operators that LiteRT runs: operands of one shape and dtype.

They occur in the bodies of STABLEHLO_SCATTER and STABLEHLO_REDUCE_WINDOW, and alone.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import In, Operand, require
from edgewise.ops.axes import shown
from edgewise.ops.binary import INTEGERS, Binary

Array = np.ndarray

_BITS = QUANTIZED | INTEGERS | {DType.UINT16, DType.BOOL}
_NUMBERS = FLOATS | _BITS
_SIGNED = {DType.INT8, DType.INT16, DType.INT32}


class Same(Binary, abstract=True):
    """y = f(a, b) for operands of one shape and dtype; of integers the stored ones, which wrap."""

    operands = (In("a", _NUMBERS), In("b", _NUMBERS))
    tolerance = 0.0

    def infer(self, a: Operand, b: Operand) -> Shape:
        require(
            len(a.shape) == len(b.shape)
            and all(same_dim(m, n) is not False for m, n in zip(a.shape, b.shape, strict=True)),
            f"a and b must have one shape; got {shown(a.shape)} and {shown(b.shape)}",
        )
        pairs = zip(a.shape, super().infer(a, b), strict=True)
        return tuple(m if isinstance(m, int) else n for m, n in pairs)


class StablehloAdd(Same, builtin="STABLEHLO_ADD"):
    """y = a + b; of booleans a or b. Shapes as `Same`.

    **Source:** TensorFlow Lite kernels/stablehlo_elementwise.h, LiteRT 2.3.
    """

    def _compute(self, a: Array, b: Array) -> Array:
        return a + b


class StablehloMultiply(Same, builtin="STABLEHLO_MULTIPLY"):
    """y = a * b; of booleans a and b. Shapes as `Same`.

    **Source:** TensorFlow Lite kernels/stablehlo_elementwise.h, LiteRT 2.3.
    """

    def _compute(self, a: Array, b: Array) -> Array:
        return a * b


class StablehloMaximum(Same, builtin="STABLEHLO_MAXIMUM"):
    """y = b where a < b, else a (so a NaN in a stays, one in b gives a). Shapes as `Same`.

    **Source:** TensorFlow Lite kernels/stablehlo_elementwise.h, LiteRT 2.3.
    """

    def _compute(self, a: Array, b: Array) -> Array:
        return np.where(a < b, b, a)


class StablehloMinimum(Same, builtin="STABLEHLO_MINIMUM"):
    """y = b where b < a, else a (so a NaN in a stays, one in b gives a). Shapes as `Same`.

    **Source:** TensorFlow Lite kernels/stablehlo_elementwise.h, LiteRT 2.3.
    """

    def _compute(self, a: Array, b: Array) -> Array:
        return np.where(b < a, b, a)


class StablehloAnd(Same, builtin="STABLEHLO_AND"):
    """y = a & b, bit by bit. Shapes as `Same`; integers and booleans.

    **Source:** TensorFlow Lite kernels/stablehlo_elementwise.h, LiteRT 2.3.
    """

    operands = (In("a", _BITS), In("b", _BITS))

    def _compute(self, a: Array, b: Array) -> Array:
        return a & b


class StablehloShiftLeft(Same, builtin="STABLEHLO_SHIFT_LEFT", options="StablehloShiftLeftOptions"):
    """y = a << b; 0 where b is no number of a bit. Shapes as `Same`; int8, int16, int32.

    LiteRT leaves what C leaves undefined: of int32 and b outside [0, 31] it gives what the machine
    does.
    **Source:** TensorFlow Lite kernels/stablehlo_shift_left.cc; StableHLO specification.
    """

    operands = (In("a", _SIGNED), In("b", _SIGNED))

    def _compute(self, a: Array, b: Array) -> Array:
        is_bit = (b >= 0) & (b < a.dtype.itemsize * 8)
        return np.where(is_bit, a << np.where(is_bit, b, 0), 0).astype(a.dtype)
