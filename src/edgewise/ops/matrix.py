"""Diagonals of matrices: MATRIX_DIAG, MATRIX_SET_DIAG."""

from __future__ import annotations

import numpy as np

from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.op import In, NotQuantized, Op, Operand, require
from edgewise.ops.axes import shown


class MatrixDiag(Op, builtin="MATRIX_DIAG", options="MatrixDiagOptions"):
    """Square matrices of zeros with x on the diagonal: y[.., i, i] = x[.., i].

    Shapes: x [.., N], y [.., N, N]. Any numeric dtype or bool. Not quantized: LiteRT writes the
    integer 0, not the zero point.
    **Source:** TensorFlow Lite kernels/matrix_diag.cc.
    """

    operands = (In("x"),)
    quantization = NotQuantized()

    def infer(self, x: Operand) -> Shape:
        require(len(x.shape) >= 1, "x must have a dimension; got a scalar")
        return (*x.shape, x.shape[-1])

    def reference(self, x: np.ndarray) -> np.ndarray:
        y = np.zeros((*x.shape, x.shape[-1]), x.dtype)
        np.einsum("...ii->...i", y)[...] = x
        return y


class MatrixSetDiag(Op, builtin="MATRIX_SET_DIAG", options="MatrixSetDiagOptions"):
    """x with its main diagonals replaced: y[.., i, i] = diagonal[.., i].

    Shapes: x [.., M, N], diagonal [.., min(M, N)], y as x. Any dtype.
    **Source:** TensorFlow Lite kernels/matrix_set_diag.cc.
    """

    operands = (In("x"), In("diagonal"))

    def infer(self, x: Operand, diagonal: Operand) -> Shape:
        require(len(x.shape) >= 2, f"x must be [.., M, N]; got {shown(x.shape)}")
        require(
            x.dtype is diagonal.dtype,
            f"diagonal must be {x.dtype.text}; got {diagonal.dtype.text}",
        )
        m, n = x.shape[-2:]
        if same_dim(m, n):
            shorter: Dim = m
        else:
            shorter = min(m, n) if isinstance(m, int) and isinstance(n, int) else unknown_dim()
        wanted = (*x.shape[:-2], shorter)
        require(
            len(diagonal.shape) == len(wanted)
            and all(
                same_dim(a, b) is not False for a, b in zip(diagonal.shape, wanted, strict=True)
            ),
            f"diagonal must be {shown(wanted)}; got {shown(diagonal.shape)}",
        )
        return x.shape

    def reference(self, x: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
        y = x.copy()
        k = min(x.shape[-2:])
        np.einsum("...ii->...i", y[..., :k, :k])[...] = diagonal
        return y
