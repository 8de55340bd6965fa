"""CUMSUM: running sums along an axis."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS, INDICES
from edgewise.ir.dim import Shape
from edgewise.ir.op import In, NotQuantized, Op, Operand, Role, require
from edgewise.ops.axes import axis_in, scalar


class Cumsum(Op, builtin="CUMSUM", options="CumsumOptions"):
    """y[..., i, ...] = sum of x[..., j, ...] for j <= i along the axis.

    x of any rank of 1 or more, axis a scalar in [-R, R); y as x. `exclusive` sums j < i,
    `reverse` sums j >= i (both: j > i). Integers wrap around.
    **Source:** TensorFlow Lite cumsum.cc.
    """

    exclusive: bool = False
    reverse: bool = False

    operands = (In("x", FLOATS | INDICES), In("axis", INDICES, Role.PARAMETER))
    quantization = NotQuantized()
    tolerance = 1e-5

    def infer(self, x: Operand, axis: Operand) -> Shape:
        at = scalar(axis)
        if at is not None:
            axis_in(at, len(x.shape))
        return x.shape

    def reference(self, x: np.ndarray, axis: np.ndarray) -> np.ndarray:
        require(axis.size == 1, f"axis must be one number; got {axis.size}")
        chosen = axis_in(int(axis.reshape(-1)[0]), x.ndim)
        x = np.flip(x, chosen) if self.reverse else x
        y = np.cumsum(x, chosen, dtype=x.dtype)
        if self.exclusive:
            y = np.roll(y, 1, chosen)
            np.moveaxis(y, chosen, 0)[:1] = 0
        return np.flip(y, chosen) if self.reverse else y
