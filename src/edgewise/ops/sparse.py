"""Sparse to dense: SPARSE_TO_DENSE, DENSIFY."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from edgewise.dtypes import INDICES, DType
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.op import In, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shape_in, shown


class SparseToDense(Op, builtin="SPARSE_TO_DENSE", options="SparseToDenseOptions"):
    """`default` everywhere except y[indices[i]] = values[i].

    Shapes: indices [], [N] or [N, R], shape [R], values [] or [N], default [], y [shape].
    With `validate_indices` the indices must ascend without repetition; without it the last of
    several equal ones wins.
    **Source:** TensorFlow Lite kernels/sparse_to_dense.cc.
    """

    validate_indices: bool = False

    operands = (
        In("indices", INDICES, Role.PARAMETER),
        In("shape", INDICES, Role.PARAMETER),
        In("values"),
        In("default"),
    )
    results = (Out("y", like="values"),)

    def infer(
        self, indices: Operand, shape: Operand, values: Operand, default: Operand
    ) -> Shape | None:
        require(
            len(indices.shape) <= 2 and len(shape.shape) == 1 and len(values.shape) <= 1,
            "indices, shape and values must have ranks of at most 2, 1 and 1; "
            f"got {shown(indices.shape)}, {shown(shape.shape)} and {shown(values.shape)}",
        )
        require(
            values.dtype is default.dtype and len(default.shape) == 0,
            f"default must be a scalar {values.dtype.text}; "
            f"got {default.dtype.text}{shown(default.shape)}",
        )
        rank = indices.shape[1] if len(indices.shape) == 2 else 1
        count = indices.shape[0] if indices.shape else 1
        require(
            same_dim(rank, shape.shape[0]) is not False
            and (not values.shape or same_dim(values.shape[0], count) is not False),
            f"indices must be [N, {shape.shape[0]}], values [N]; "
            f"got {shown(indices.shape)} and {shown(values.shape)}",
        )
        return shape_in(shape)

    def reference(
        self, indices: np.ndarray, shape: np.ndarray, values: np.ndarray, default: np.ndarray
    ) -> np.ndarray:
        sizes = [int(d) for d in shape]
        places = indices.reshape(-1, len(sizes)).astype(np.intp)
        inside = bool(np.all((places >= 0) & (places < np.array(sizes, np.intp))))
        require(inside, f"indices must lie inside {sizes}")
        strides = np.array([prod(sizes[i + 1 :]) for i in range(len(sizes))], np.intp)
        flat = places @ strides
        if self.validate_indices:
            require(bool(np.all(flat[1:] > flat[:-1])), "indices must ascend without repetition")
        y = np.full(sizes, default, values.dtype)
        y.reshape(-1)[flat] = values
        return y

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        values = operands[2]
        assert values is not None
        return {DType.INT8: 3, DType.UINT8: 3, DType.INT64: 2}.get(values.dtype, 1)


class Densify(Op, builtin="DENSIFY", options="DensifyOptions"):
    """x. A reader expands the sparse encoding of the constant, so nothing is left to do.

    Shapes: x [...], y as x. Any dtype.
    **Source:** TensorFlow Lite kernels/densify.cc.
    """

    operands = (In("x"),)

    def infer(self, x: Operand) -> Shape:
        return x.shape

    def reference(self, x: np.ndarray) -> np.ndarray:
        return x
