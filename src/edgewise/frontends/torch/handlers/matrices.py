"""Triangles and diagonals of matrices.

Source: aten/src/ATen/native/{TriangularOps,TensorShape}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.matrices import Band, diagonals, matrix_of, within
from edgewise.frontends.torch.context import Context, Handler, axis_of
from edgewise.ir.graph import Value


def _triangle(is_lower: bool) -> Handler:
    def handler(c: Context, x: Value, diagonal: int = 0) -> Value:
        rows, columns = known_sizes(x.shape[-2:], "a matrix")
        i, j = np.arange(rows)[:, None], np.arange(columns)
        return within(c, x, j - i <= diagonal if is_lower else j - i >= diagonal)

    return handler


def _diagonal(c: Context, x: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    """A diagonal of two axes, as the last axis."""
    rank = len(x.shape)
    a, b = axis_of(dim1, rank), axis_of(dim2, rank)
    y = c.transpose(x, [*(i for i in range(rank) if i not in (a, b)), a, b])
    rows, columns = known_sizes(y.shape[-2:], "a matrix")
    return diagonals(c, y, Band(rows, columns, offset, offset), c.scalar(0, x))


def _diag(c: Context, x: Value, diagonal: int = 0) -> Value:
    if len(x.shape) == 1:
        return _embedded(c, x, diagonal)
    return _diagonal(c, x, diagonal)


def _embedded(c: Context, x: Value, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Value:
    """Matrices with x on a diagonal, zeros elsewhere."""
    (size,) = known_sizes(x.shape[-1:], "a diagonal")
    side, rank = size + abs(offset), len(x.shape) + 1
    y = matrix_of(c, x, Band(side, side, offset, offset), c.scalar(0, x))
    a, b = axis_of(dim1, rank), axis_of(dim2, rank)
    others = iter(range(rank - 2))
    order = [rank - 2 if i == a else rank - 1 if i == b else next(others) for i in range(rank)]
    return c.transpose(y, order)


def _trace(c: Context, x: Value) -> Value:
    return c.b.sum(_diagonal(c, x), c.ints([0]))


HANDLERS: dict[str, Handler] = {
    "tril": _triangle(True),
    "triu": _triangle(False),
    **dict.fromkeys(("diagonal", "linalg_diagonal"), _diagonal),
    "diag": _diag,
    "diag_embed": _embedded,
    "trace": _trace,
}
