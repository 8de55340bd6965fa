"""MATRIX_DIAG and MATRIX_SET_DIAG: a copy of everything, and one onto the main diagonals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgewise.ir.op import Op
from edgewise.ops.matrix import MatrixDiag, MatrixSetDiag
from edgewise.runtime.calls import Call, Site
from edgewise.runtime.select.copy import View, constant_view, copies, view


def matrix_diag(site: Site) -> Sequence[Call]:
    """Zeros around x."""
    x, y = view(site.node.operand(0)), view(site.node.output)
    zero = constant_view(np.zeros((), y.elements.dtype))
    zeros = zero.of(np.broadcast_to(zero.elements, y.elements.shape))
    return copies([(zeros, y), (x, _diagonals(y, y.elements.shape[-1]))])


def matrix_set_diag(site: Site) -> Sequence[Call]:
    """x around the diagonal."""
    x, diagonal, y = (view(v) for v in (*site.node.inputs, site.node.output) if v is not None)
    shorter = diagonal.elements.shape[-1]
    return copies([(x, y), (diagonal, _diagonals(y, shorter))])


def _diagonals(y: View, shorter: int) -> View:
    return y.of(np.einsum("...ii->...i", y.elements[..., :shorter, :shorter]))


TABLE: Mapping[type[Op], Callable[[Site], Sequence[Call]]] = {
    MatrixDiag: matrix_diag,
    MatrixSetDiag: matrix_set_diag,
}
