"""Operands of matrix products: batches of matrices, their strides, and how they broadcast."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.runtime.library import Fields
from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class Matrices:
    """An operand as matrices: batch dimensions, rows and columns, and their strides."""

    dims: tuple[int, ...]
    rows: int
    columns: int
    row: int  # stride
    column: int

    @classmethod
    def of(cls, shape: Sequence[int], is_transposed: bool) -> Matrices:
        *dims, rows, columns = shape
        if is_transposed:
            return cls(tuple(dims), columns, rows, 1, columns)
        return cls(tuple(dims), rows, columns, columns, 1)

    def strides(self, dims: Sequence[int]) -> list[int]:
        """Of the batch `dims` that this operand is broadcast to."""
        own = (1,) * (len(dims) - len(self.dims)) + self.dims
        found, size = [], self.rows * self.columns
        for d in reversed(own):
            found.append(size if d > 1 else 0)
            size *= d
        return found[::-1]


def product_fields(a: Matrices, b: Matrices, dims: Sequence[int], most: int) -> Fields:
    """What the parameters of all products say of a @ b in the batch `dims`, of `most` at most."""
    filler = [0] * (most - len(dims))
    return {
        "m": a.rows,
        "k": a.columns,
        "n": b.columns,
        "rank": len(dims),
        "dims": [*dims, *filler],
        "x_batch": [*a.strides(dims), *filler],
        "y_batch": [*b.strides(dims), *filler],
        "x_row": a.row,
        "x_k": a.column,
        "y_k": b.row,
        "y_column": b.column,
    }
