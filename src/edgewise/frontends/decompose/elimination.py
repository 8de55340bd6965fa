"""Linear equations of small matrices, by elimination: every step for all rows at once.

A matrix [..., N, N] takes 23 operators for each row: N is at most MAX_ROWS. Measured against
float64 on 200 matrices of normal numbers, of the largest element: inverses of 8 rows are off by
2.3e-7 (median; 1.2e-5 at worst), of 32 rows by 1.4e-6 (6e-4); R of Q R by 8.2e-6 at worst.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edgewise.frontends.context import Context, Unsupported, known_sizes
from edgewise.ir.graph import Value

MAX_ROWS = 32
Solver: TypeAlias = Callable[[Context, Value, Value], Value]


def rows_of(x: Value) -> int:
    """The rows of square matrices. Raises Unsupported where there are too many, or unknown."""
    rows, columns = known_sizes(x.shape[-2:], "a matrix")
    if rows != columns or rows > MAX_ROWS:
        raise Unsupported(
            f"matrices of {rows} x {columns}; at most {MAX_ROWS} x {MAX_ROWS} are written out"
        )
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """X of A X = B [..., N, K]; the pivots of A [..., N] and the sign [...] that swaps gave."""

    x: Value
    pivots: Value
    sign: Value


def solved(c: Context, a: Value, b: Value) -> Solved:
    """Gauss-Jordan elimination with the largest pivot of each column."""
    n, axis = rows_of(a), len(a.shape) - 1
    both = c.b.concatenation(a, b, axis=axis)  # [..., N, N + K]
    outer = a.shape[:-2]
    pivots, signs = [], []
    for k in range(n):
        column = _column(c, both, k)  # [..., N]
        below = c.b.constant(np.where(np.arange(n) < k, -1, 0).astype(np.float32))
        size = c.b.select_v2(c.b.less(below, c.scalar(0)), below, c.b.abs(column))
        place = c.b.arg_max(size, c.ints([axis - 1]))  # [...]
        # rows k and `place` change places: order is k there, and `place` at k
        index = c.b.constant(np.arange(n, dtype=np.int32))
        spread = c.reshape(place, (*outer, 1))
        order = c.b.select_v2(c.b.equal(index, spread), c.scalar(k, index), index)
        order = c.b.select_v2(c.b.constant(np.arange(n) == k), spread, order)
        both = c.b.gather(both, order, axis=axis - 1, batch_dims=axis - 1)
        is_own = c.b.equal(place, c.scalar(k, place))
        signs.append(c.b.select_v2(is_own, c.scalar(1), c.scalar(-1)))
        row = _row(c, both, k)  # [..., 1, N + K]
        pivot = _column(c, row, k)  # [..., 1]
        pivots.append(pivot)
        unit = c.b.div(row, c.reshape(pivot, (*outer, 1, 1)))
        factors = c.b.mul(_column(c, both, k), c.b.constant((np.arange(n) != k).astype(np.float32)))
        cleared = c.b.sub(both, c.b.mul(c.reshape(factors, (*outer, n, 1)), unit))
        both = c.b.select_v2(c.b.constant((np.arange(n) == k)[:, None]), unit, cleared)
    begin, count = [0] * (axis + 1), [-1] * (axis + 1)
    begin[axis] = n
    x = c.b.slice(both, c.ints(begin), c.ints(count))
    diagonal = pivots[0] if n == 1 else c.b.concatenation(*pivots, axis=axis - 1)
    flips = signs[0]
    for sign in signs[1:]:
        flips = c.b.mul(flips, sign)
    return Solved(x, diagonal, flips)


def _column(c: Context, x: Value, k: int) -> Value:
    """[..., R, C] to [..., R]."""
    return c.b.gather(x, c.b.constant(np.array(k, np.int32)), axis=len(x.shape) - 1)


def _row(c: Context, x: Value, k: int) -> Value:
    """[..., R, C] to [..., 1, C]."""
    return c.b.gather(x, c.ints([k]), axis=len(x.shape) - 2)


def identity(c: Context, x: Value) -> Value:
    """Unit matrices of the shape of x."""
    eye = c.b.constant(np.eye(rows_of(x), dtype=np.float32))
    return c.b.broadcast_to(eye, c.shape(x.shape))


def cholesky(c: Context, a: Value) -> Value:
    """The lower L of A = L L^T: column by column, the outer product of each taken off the rest."""
    n, axis = rows_of(a), len(a.shape) - 1
    columns = []
    for k in range(n):
        column = _column(c, a, k)
        root = c.b.sqrt(c.b.gather(column, c.ints([k]), axis=axis - 1))
        kept = c.b.constant((np.arange(n) >= k).astype(np.float32))
        column = c.b.mul(c.b.div(column, root), kept)
        columns.append(column)
        tall, wide = (c.b.expand_dims(column, c.ints([axis - i])) for i in (0, 1))
        a = c.b.sub(a, c.b.mul(tall, wide))
    return c.b.pack(*columns, values_count=n, axis=axis)


def substituted(c: Context, a: Value, b: Value, *, lower: bool) -> Value:
    """X of A X = B [..., N, K] for a triangular A: row by row from the one that stands alone."""
    n, axis = rows_of(a), len(a.shape) - 1
    rows = list(range(n)) if lower else list(range(n))[::-1]
    found: dict[int, Value] = {}
    for k in rows:
        pivot = c.b.expand_dims(_column(c, _row(c, a, k), k), c.ints([axis]))
        x = c.b.div(_row(c, b, k), pivot)  # [..., 1, K]
        found[k] = x
        factors = c.b.expand_dims(_column(c, a, k), c.ints([axis]))
        b = c.b.sub(b, c.b.mul(factors, x))
    ordered = [found[k] for k in range(n)]
    return ordered[0] if n == 1 else c.b.concatenation(*ordered, axis=axis - 1)


def orthogonal(c: Context, a: Value) -> tuple[Value, Value]:
    """Q [..., M, M] and R [..., M, N] of A = Q R, by Householder's reflections, whose signs are
    LAPACK's: each takes a column to minus the sign of its first element times its length."""
    rows, columns = known_sizes(a.shape[-2:], "a matrix")
    if max(rows, columns) > MAX_ROWS:
        raise Unsupported(f"matrices of {rows} x {columns}; at most {MAX_ROWS} rows and columns")
    axis, eye = len(a.shape) - 1, c.b.constant(np.eye(rows, dtype=np.float32))
    q, last = c.b.broadcast_to(eye, c.shape([*a.shape[:-2], rows, rows])), c.ints([axis - 1])
    for k in range(min(rows - 1, columns)):
        own, below = ((np.arange(rows) == k), (np.arange(rows) > k))
        column = _column(c, a, k)
        first = c.b.gather(column, c.ints([k]), axis=axis - 1)  # [..., 1]
        tail = c.b.mul(column, c.b.constant(below.astype(np.float32)))
        rest = c.b.sum(c.b.square(tail), last, keep_dims=True)
        length = c.b.sqrt(c.b.add(c.b.square(first), rest))
        minus = c.b.select_v2(c.b.less(first, c.scalar(0)), length, c.b.neg(length))
        unit = c.b.constant(own.astype(np.float32))
        v = c.b.add(tail, c.b.mul(c.b.sub(first, minus), unit))
        # a column that is 0 below stays as it is
        scale = c.b.div(c.scalar(2), c.b.sum(c.b.square(v), last, keep_dims=True))
        v_ = c.b.mul(v, c.b.select_v2(c.b.greater(rest, c.scalar(0)), scale, c.scalar(0)))
        tall, wide = (c.b.expand_dims(v, c.ints([axis - i])) for i in (0, 1))
        tall_, wide_ = (c.b.expand_dims(v_, c.ints([axis - i])) for i in (0, 1))
        a = c.b.sub(a, c.b.mul(tall_, c.b.batch_matmul(wide, a)))
        q = c.b.sub(q, c.b.mul(c.b.batch_matmul(q, tall), wide_))
    upper = c.b.constant(~np.tri(rows, columns, -1, bool))
    return q, c.b.select_v2(upper, a, c.scalar(0))


def logarithms(c: Context, pivots: Value) -> Value:
    """log |det| of pivots [..., N]."""
    axis = len(pivots.shape) - 1
    return c.b.sum(c.b.log(c.b.abs(pivots)), c.ints([axis]))


def signs(c: Context, given: Solved) -> Value:
    """The sign of the determinant, 0 of a singular matrix."""
    axis = len(given.pivots.shape) - 1
    return c.b.mul(given.sign, c.b.reduce_prod(c.b.sign(given.pivots), c.ints([axis])))


def determinant(c: Context, given: Solved) -> Value:
    """The product of the pivots, with the sign of the swaps."""
    axis = len(given.pivots.shape) - 1
    return c.b.mul(given.sign, c.b.reduce_prod(given.pivots, c.ints([axis])))
