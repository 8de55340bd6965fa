"""SELECT and SELECT_V2: one of two values, element by element, by a condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import In, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown
from edgewise.ops.broadcast import broadcast_shape

Array = np.ndarray


class Choice(Op, abstract=True):
    """What both have in common: operands, and that x and y are of one dtype (and one scale)."""

    operands = (In("condition", {DType.BOOL}, Role.PARAMETER), In("x"), In("y"))
    results = (Out("z", like="x"),)

    def infer(self, condition: Operand, x: Operand, y: Operand) -> Shape:
        require(
            x.dtype is y.dtype,
            f"x and y must have one dtype; got {x.dtype.text} and {y.dtype.text}",
        )
        return self._shape(condition.shape, x.shape, y.shape)

    def _shape(self, condition: Shape, x: Shape, y: Shape) -> Shape:
        raise NotImplementedError


class Select(Choice, builtin="SELECT", options="SelectOptions"):
    """z = x where the condition holds, else y. Any dtype; quantized tensors share one scale.

    Shapes: x, y and z [N, ...]; condition of the same shape, [N] (whole slices are chosen) or
    one element.
    **Source:** TensorFlow Lite select.cc (version 1), LiteRT 2.3.
    """

    def _shape(self, condition: Shape, x: Shape, y: Shape) -> Shape:
        require(_alike(x, y), f"x and y must have one shape; got {shown(x)} and {shown(y)}")
        fits = (
            not condition
            or _alike(condition, x)
            or (len(condition) == 1 and (condition[0] == 1 or _alike(condition, x[:1])))
        )
        require(
            fits,
            "the condition must have the shape of x, its first dimension or one element; "
            f"got {shown(condition)} and {shown(x)}",
        )
        return x

    def reference(self, condition: Array, x: Array, y: Array) -> Array:
        if condition.ndim == 1 and x.ndim > 1:
            condition = condition.reshape(-1, *[1] * (x.ndim - 1))
        return np.where(condition, x, y)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[1]
        if x is not None and x.dtype is DType.UINT32:
            return 4
        return 3 if any(t is not None and len(t.shape or ()) >= 5 for t in operands) else 1


class SelectV2(Choice, builtin="SELECT_V2", options="SelectV2Options"):
    """z = x where the condition holds, else y; all three broadcast. Any dtype; quantized tensors
    share one scale.

    **Source:** TensorFlow Lite select.cc (version 2), LiteRT 2.3.
    """

    def _shape(self, condition: Shape, x: Shape, y: Shape) -> Shape:
        return broadcast_shape(condition, x, y)

    def reference(self, condition: Array, x: Array, y: Array) -> Array:
        return np.where(condition, x, y)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[1]
        return 2 if x is not None and x.dtype is DType.UINT32 else 1


def _alike(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(same_dim(m, n) is not False for m, n in zip(a, b, strict=True))
