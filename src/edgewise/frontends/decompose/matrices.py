"""Diagonals of matrices as gathers with constant indices.

A band of diagonals is stored as rows [diagonal, place], the highest diagonal first, each aligned
to the left or the right end of the longest. Source: tensorflow/core/ops/array_ops.cc
(MatrixDiagV3), TensorFlow 2.21.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.frontends.context import Context
from edgewise.ir.graph import Value


@dataclass(frozen=True, slots=True)
class Band:
    """Diagonals `low` to `high` of a matrix; above the main one they are positive.

    `align` is that of superdiagonals, then subdiagonals: `RIGHT_LEFT`, ...
    """

    rows: int
    columns: int
    low: int
    high: int
    align: str = "RIGHT_LEFT"

    @property
    def longest(self) -> int:
        """Elements of the longest diagonal."""
        return max(self._length(d) for d in range(self.low, self.high + 1))

    def places(self) -> np.ndarray:
        """[diagonals, longest]: the flat place in the matrix, -1 where the row is padding."""
        found = np.full((self.high - self.low + 1, self.longest), -1)
        above, below = self.align.split("_")
        for row, d in enumerate(range(self.high, self.low - 1, -1)):
            count = self._length(d)
            side = above if d >= 0 else below
            first = self.longest - count if side == "RIGHT" else 0
            i = np.arange(count)
            found[row, first : first + count] = (i - min(d, 0)) * self.columns + i + max(d, 0)
        return found

    def _length(self, d: int) -> int:
        return max(min(self.rows + min(d, 0), self.columns - max(d, 0)), 0)


def diagonals(c: Context, x: Value, band: Band, padding: Value) -> Value:
    """[..., rows, columns] to its band, [..., diagonals, longest]; one diagonal is a vector."""
    places = band.places()
    outer = x.shape[:-2]
    flat = c.reshape(x, (*outer, band.rows * band.columns))
    y = _picked(c, flat, places.reshape(-1), padding)
    return c.reshape(y, (*outer, *(places.shape if len(places) > 1 else places.shape[1:])))


def matrix_of(c: Context, diagonal: Value, band: Band, outside: Value) -> Value:
    """A band, [..., diagonals * longest] in its last axis, as matrices with `outside` elsewhere."""
    places = band.places().reshape(-1)
    sources = np.full(band.rows * band.columns, -1)
    sources[places[places >= 0]] = np.flatnonzero(places >= 0)
    y = _picked(c, diagonal, sources, outside)
    return c.reshape(y, (*diagonal.shape[:-1], band.rows, band.columns))


def with_diagonals(c: Context, x: Value, diagonal: Value, band: Band) -> Value:
    """Matrices whose band is replaced."""
    inside = np.zeros(band.rows * band.columns, bool)
    places = band.places()
    inside[places[places >= 0]] = True
    mask = c.b.constant(inside.reshape(band.rows, band.columns))
    return c.b.select_v2(mask, matrix_of(c, diagonal, band, c.scalar(0, x)), x)


def within(c: Context, x: Value, mask: np.ndarray) -> Value:
    """Matrices with 0 where the mask does not hold."""
    return c.b.select_v2(c.b.constant(mask), x, c.scalar(0, x))


def _picked(c: Context, x: Value, places: np.ndarray, other: Value) -> Value:
    """The elements of the last axis at `places`, `other` where those are -1."""
    axis = len(x.shape) - 1
    y = c.b.gather(x, c.ints([int(i) for i in np.maximum(places, 0)]), axis=axis)
    if np.all(places >= 0):
        return y
    return c.b.select_v2(c.b.constant(places >= 0), y, other)
