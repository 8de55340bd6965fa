"""The same elements under another shape: RESHAPE, SQUEEZE, EXPAND_DIMS; and SHAPE, RANK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.contents import dims, integers
from edgewise.ir.dim import Dim, Shape, bounds, elements, exact_quotient, same_dim, unknown_dim
from edgewise.ir.op import FreeScale, In, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import axes_in, axis_in, scalar, shown, unknown_shape


class Reshape(Op, builtin="RESHAPE", options="ReshapeOptions"):
    """The elements of x in row-major order under a new shape.

    Shapes: x [...], shape [R] (optional), y [shape]. One dimension may be -1: what is left over.
    The operand wins over the attribute `new_shape`, which counts only where the operand is absent
    or no vector; a `new_shape` of (0,) is then a scalar, as old files have it. Unlike ONNX, 0 is
    a dimension without elements. Any dtype.
    **Source:** TensorFlow Lite kernels/reshape.cc.
    """

    new_shape: tuple[int, ...] = ()

    operands = (In("x"), In("shape", {DType.INT32, DType.INT64}, Role.PARAMETER, optional=True))
    carries_dims = True

    def infer(self, x: Operand, shape: Operand | None) -> Shape | None:
        if shape is None or len(shape.shape) != 1:
            return self._resolve(elements(x.shape), self._attribute())
        wanted = dims(shape)
        if wanted is not None:
            return self._resolve(elements(x.shape), wanted)
        return unknown_shape(shape.shape[0])

    def reference(self, x: np.ndarray, shape: np.ndarray | None) -> np.ndarray:
        if shape is None or shape.ndim != 1:
            wanted: Sequence[Dim] = self._attribute()
        else:
            wanted = [int(d) for d in shape]
        return x.reshape(self._resolve(x.size, wanted))

    def _attribute(self) -> tuple[int, ...]:
        return () if self.new_shape == (0,) else self.new_shape

    @staticmethod
    def _resolve(total: Dim, wanted: Sequence[Dim]) -> Any:
        """The shape with -1 replaced. Raises ShapeError where the elements do not fit."""
        holes = [i for i, d in enumerate(wanted) if d == -1]
        bad = any(isinstance(d, int) and d < -1 for d in wanted)
        require(
            len(holes) <= 1 and not bad,
            f"the new shape must have at most one -1 and no other negative; got {shown(wanted)}",
        )
        rest = elements(d for d in wanted if d != -1)
        if not holes:
            require(
                same_dim(rest, total) is not False,
                f"the new shape must keep the number of elements; got {shown(wanted)} for {total}",
            )
            return tuple(wanted)
        fits = not (isinstance(rest, int) and isinstance(total, int)) or (
            total % rest == 0 if rest else total == 0
        )
        require(fits, f"the new shape must divide {total} elements; got {shown(wanted)}")
        hole = 0 if total == 0 else exact_quotient(total, rest)
        if hole is None:  # undecided, such as N*7 elements in rows of 2
            hole = total // rest if isinstance(rest, int) and rest > 0 else unknown_dim()
        return tuple(hole if d == -1 else d for d in wanted)


class Squeeze(Op, builtin="SQUEEZE", options="SqueezeOptions"):
    """x without the dimensions `squeeze_dims`, each of which must be 1.

    Without `squeeze_dims` every dimension of 1 goes; the rank of the result is then unknown while
    a dimension is. Shapes: x [...], y [...]. Any dtype.
    **Source:** TensorFlow Lite kernels/squeeze.cc.
    """

    squeeze_dims: tuple[int, ...] = ()

    operands = (In("x"),)
    versions = {DType.STRING: 2}
    carries_dims = True

    def infer(self, x: Operand) -> Shape | None:
        if not self.squeeze_dims and any(_may_be_one(d) for d in x.shape):
            return None
        gone = self._axes(x.shape)
        for axis in gone:
            require(
                same_dim(x.shape[axis], 1) is not False,
                f"a squeezed dimension must be 1; dimension {axis} of {shown(x.shape)} is not",
            )
        return tuple(d for i, d in enumerate(x.shape) if i not in gone)

    def reference(self, x: np.ndarray) -> np.ndarray:
        gone = self._axes(x.shape)
        require(
            all(x.shape[a] == 1 for a in gone),
            f"squeezed dimensions {list(gone)} must be 1; got shape {list(x.shape)}",
        )
        return x.reshape([d for i, d in enumerate(x.shape) if i not in gone])

    def _axes(self, shape: Shape) -> set[int]:
        if not self.squeeze_dims:
            return {i for i, d in enumerate(shape) if d == 1}
        return {axis_in(a, len(shape), "squeeze_dims") for a in self.squeeze_dims}


class ExpandDims(Op, builtin="EXPAND_DIMS", options="ExpandDimsOptions"):
    """x with a dimension of 1 inserted at `axis`.

    Shapes: x [...], axis [] or [1] in [-rank - 1, rank], y of one rank more. Any dtype.
    **Source:** TensorFlow Lite kernels/expand_dims.cc.
    """

    operands = (In("x"), In("axis", INDICES, Role.PARAMETER))
    carries_dims = True

    def infer(self, x: Operand, axis: Operand) -> Shape:
        at = scalar(axis)
        if at is None:
            return tuple(unknown_dim() for _ in range(len(x.shape) + 1))
        at = axis_in(at, len(x.shape) + 1)
        return (*x.shape[:at], 1, *x.shape[at:])

    def reference(self, x: np.ndarray, axis: np.ndarray) -> np.ndarray:
        at = axis_in(int(axis.reshape(-1)[0]), x.ndim + 1)
        return x.reshape((*x.shape[:at], 1, *x.shape[at:]))


class ShapeOf(Op, builtin="SHAPE", options="ShapeOptions"):
    """The dimensions of x.

    Shapes: x [...] of rank R, y [R]. x of any dtype, y `out_type` (int32 or int64).
    **Source:** TensorFlow Lite kernels/shape.cc.
    """

    out_type: DType = DType.INT32

    operands = (In("x"),)
    results = (Out("y", attr="out_type"),)
    quantization = FreeScale()  # no number is looked at

    def infer(self, x: Operand) -> Shape:
        require(
            self.out_type in INDICES,
            f"out_type must be int32 or int64; got {self.out_type.text}",
        )
        return (len(x.shape),)

    def reference(self, x: np.ndarray) -> np.ndarray:
        return np.array(x.shape, self.out_type.numpy)

    def contents(
        self, operands: Sequence[Any], known: Sequence[np.ndarray | None]
    ) -> np.ndarray | None:
        return np.array(operands[0].shape, object)


class Rank(Op, builtin="RANK", options="RankOptions"):
    """The number of dimensions of x.

    Shapes: x [...], y []. x of any dtype, y int32.
    **Source:** TensorFlow Lite kernels/rank.cc.
    """

    operands = (In("x"),)
    results = (Out("y", dtype=DType.INT32),)
    quantization = FreeScale()  # no number is looked at

    def infer(self, x: Operand) -> Shape:
        return ()

    def reference(self, x: np.ndarray) -> np.ndarray:
        return np.array(x.ndim, np.int32)

    def contents(
        self, operands: Sequence[Any], known: Sequence[np.ndarray | None]
    ) -> np.ndarray | None:
        return np.array(len(operands[0].shape), object)


class Transpose(Op, builtin="TRANSPOSE", options="TransposeOptions"):
    """y[i_perm[0], i_perm[1], ...] = x[i_0, i_1, ...]: dimension d of y is perm[d] of x.

    Shapes: x of rank R, perm [R] (negative entries count from the last), y of rank R. Any dtype.
    **Source:** TensorFlow Lite kernels/transpose.cc.
    """

    operands = (In("x"), In("perm", INDICES, Role.PARAMETER))

    def infer(self, x: Operand, perm: Operand) -> Shape:
        rank = len(x.shape)
        require(
            len(perm.shape) == 1 and same_dim(perm.shape[0], rank) is not False,
            f"perm must be [{rank}], one entry per dimension; got {shown(perm.shape)}",
        )
        order = integers(perm)
        if order is None:
            return tuple(unknown_dim() for _ in range(rank))
        return tuple(x.shape[a] for a in axes_in(order, rank, "perm"))

    def reference(self, x: np.ndarray, perm: np.ndarray) -> np.ndarray:
        return x.transpose(axes_in([int(p) for p in perm], x.ndim, "perm"))

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        assert x is not None
        rank = 0 if x.shape is None else len(x.shape)
        if x.dtype is DType.INT4:
            return 7
        if rank > 5:
            return 6
        if x.dtype is DType.INT16:
            return 5
        return 4 if rank > 4 else {DType.BOOL: 3, DType.INT8: 2}.get(x.dtype, 1)


def _may_be_one(dim: Dim) -> bool:
    """A symbolic dimension that could turn out to be 1."""
    if isinstance(dim, int):
        return False
    low, high = bounds(dim)
    return low <= 1 and (high is None or high >= 1)
