"""Diagonals, bands and triangles of matrices.

Source: tensorflow/core/ops/array_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.frontends.context import bounded, known_sizes
from edgewise.frontends.decompose.matrices import (
    Band,
    diagonals,
    matrix_of,
    with_diagonals,
    within,
)
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value

_ALIGNMENTS = ("LEFT_RIGHT", "RIGHT_LEFT", "LEFT_LEFT", "RIGHT_RIGHT")


def _matrix_diag(c: Context, node: TFNode, x: Value) -> Value:
    return c.b.matrix_diag(x)


def _matrix_diag_v3(
    c: Context, node: TFNode, x: Value, k: Value, rows: Value, columns: Value, padding: Value
) -> Value:
    """MATRIX_DIAG of the main diagonal alone, else GATHER and SELECT_V2"""
    low, high = _bounds(c, k)
    (longest,) = known_sizes(x.shape[-1:], "a diagonal")
    height, width = (c.integer(v, "its size") for v in (rows, columns))
    known = c.known(padding)
    is_square = height in (-1, longest) and width in (-1, longest)
    if (low, high) == (0, 0) and is_square and known is not None and not np.any(known):
        return c.b.matrix_diag(x)
    height, width = _size(height, width, low, high, longest)
    bounded(height * width, "a matrix")
    band = Band(height, width, low, high, _alignment(node))
    count = high - low + 1
    flat = c.reshape(x, (*x.shape[:-2], count * longest)) if count > 1 else x
    return matrix_of(c, flat, band, c.cast(padding, x.dtype))


def _size(rows: int, columns: int, low: int, high: int, longest: int) -> tuple[int, int]:
    """The smallest matrix with that band, where a size is -1."""
    height, width = longest - min(high, 0), longest + max(low, 0)
    if rows == columns == -1:
        height = width = max(height, width)
    return (height if rows == -1 else rows), (width if columns == -1 else columns)


def _matrix_set_diag(c: Context, node: TFNode, x: Value, diagonal: Value) -> Value:
    return c.b.matrix_set_diag(x, diagonal)


def _matrix_set_diag_v3(c: Context, node: TFNode, x: Value, diagonal: Value, k: Value) -> Value:
    """MATRIX_SET_DIAG of the main diagonal alone, else GATHER and SELECT_V2"""
    low, high = _bounds(c, k)
    if (low, high) == (0, 0):
        return c.b.matrix_set_diag(x, diagonal)
    band = Band(*_sizes(x), low, high, _alignment(node))
    count = high - low + 1
    flat = diagonal
    if count > 1:
        flat = c.reshape(diagonal, (*diagonal.shape[:-2], count * band.longest))
    return with_diagonals(c, x, flat, band)


def _matrix_diag_part(c: Context, node: TFNode, x: Value) -> Value:
    """GATHER from the matrix as a vector"""
    band = Band(*_sizes(x), 0, 0)
    return diagonals(c, x, band, c.scalar(0, x))


def _matrix_diag_part_v3(c: Context, node: TFNode, x: Value, k: Value, padding: Value) -> Value:
    """GATHER from the matrix as a vector, SELECT_V2 where a diagonal is shorter"""
    low, high = _bounds(c, k)
    band = Band(*_sizes(x), low, high, _alignment(node))
    return diagonals(c, x, band, c.cast(padding, x.dtype))


def _band_part(c: Context, node: TFNode, x: Value, lower: Value, upper: Value) -> Value:
    """SELECT_V2 by a constant mask"""
    below, above = (c.integer(v, "its number of diagonals") for v in (lower, upper))
    rows, columns = _sizes(x)
    distance = np.arange(columns)[None, :] - np.arange(rows)[:, None]
    kept = (below < 0) | (-distance <= below)
    return within(c, x, kept & ((above < 0) | (distance <= above)))


def _diag(c: Context, node: TFNode, x: Value) -> Value:
    """MATRIX_DIAG of the tensor as a vector"""
    lengths = known_sizes(x.shape, "a tensor")
    flat = c.reshape(x, (int(np.prod(lengths)),))
    return c.reshape(c.b.matrix_diag(flat), (*lengths, *lengths))


def _diag_part(c: Context, node: TFNode, x: Value) -> Value:
    """GATHER from the tensor as a vector"""
    lengths = known_sizes(x.shape, "a tensor")
    half = lengths[: len(lengths) // 2]
    count = bounded(math.prod(half), "a diagonal")
    flat = c.reshape(x, (count * count,))
    places = c.ints(range(0, count * count, count + 1))
    return c.reshape(c.b.gather(flat, places), half)


def _sizes(x: Value) -> tuple[int, int]:
    rows, columns = known_sizes(x.shape[-2:], "a matrix")
    bounded(rows * columns, "a matrix")
    return rows, columns


def _bounds(c: Context, k: Value) -> tuple[int, int]:
    found = c.integers(k, "its diagonals")
    return found[0], found[-1]


def _alignment(node: TFNode) -> str:
    """Version 2 aligns to the left."""
    default = "RIGHT_LEFT" if node.op.endswith("V3") else "LEFT_LEFT"
    return attrs.choice(node, "align", _ALIGNMENTS, default)


HANDLERS: dict[str, Handler] = {
    "MatrixDiag": _matrix_diag,
    **dict.fromkeys(("MatrixDiagV2", "MatrixDiagV3"), _matrix_diag_v3),
    "MatrixSetDiag": _matrix_set_diag,
    **dict.fromkeys(("MatrixSetDiagV2", "MatrixSetDiagV3"), _matrix_set_diag_v3),
    "MatrixDiagPart": _matrix_diag_part,
    **dict.fromkeys(("MatrixDiagPartV2", "MatrixDiagPartV3"), _matrix_diag_part_v3),
    "MatrixBandPart": _band_part,
    "Diag": _diag,
    "DiagPart": _diag_part,
}
