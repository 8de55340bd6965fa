"""`keras.ops.linalg` nodes of small matrices: equations, inverses, determinants, factors.

Source: keras/src/ops/linalg.py and backend/tensorflow/{linalg,numpy,math}.py, Keras 3.15.
"""

from __future__ import annotations

from edgewise.frontends.context import Handler, Structure, Unsupported, known_sizes
from edgewise.frontends.decompose import elimination as el
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, real
from edgewise.ir.graph import Value


def _eliminated(c: Context, x: Operand) -> el.Solved:
    """With nothing on the right but a column, which no one reads."""
    a = real(c, x)
    return el.solved(c, a, c.b.slice(a, c.ints([0] * len(a.shape)), _one_column(c, a)))


def _one_column(c: Context, x: Value) -> Value:
    return c.ints([*[-1] * (len(x.shape) - 1), 1])


def _determinant(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return el.determinant(c, _eliminated(c, x))


def _log_determinant(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """log |det|: Keras has matrices whose determinant is positive in mind."""
    return el.logarithms(c, _eliminated(c, x).pivots)


def _sign_and_log(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    given = _eliminated(c, x)
    return [el.signs(c, given), el.logarithms(c, given.pivots)]


def _inverse(c: Context, layer: KerasLayer, x: Operand) -> Value:
    a = real(c, x)
    return el.solved(c, a, el.identity(c, a)).x


def _with_columns(c: Context, x: Operand, y: Operand, solve: el.Solver) -> Value:
    """`solve` for matrices; for a right side of rank one less, columns."""
    a, b = real(c, x), real(c, y)
    is_vector = len(b.shape) == len(a.shape) - 1
    if not is_vector and len(b.shape) != len(a.shape):
        raise Unsupported("its right side has a rank of its own; give it that of the matrices")
    found = solve(c, a, c.b.expand_dims(b, c.ints([len(b.shape)])) if is_vector else b)
    return c.reshape(found, found.shape[:-1]) if is_vector else found


def _solve(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    return _with_columns(c, x, y, lambda c, a, b: el.solved(c, a, b).x)


def _solve_triangular(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    lower = flag(layer, "lower")
    return _with_columns(c, x, y, lambda c, a, b: el.substituted(c, a, b, lower=lower))


def _cholesky(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = el.cholesky(c, real(c, x))
    return _turned(c, y) if flag(layer, "upper") else y


def _turned(c: Context, x: Value) -> Value:
    rank = len(x.shape)
    return c.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def _cholesky_inverse(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The inverse of L L^T, of its factor L (upper: U^T U, of U)."""
    a = real(c, x)
    a = _turned(c, a) if flag(layer, "upper") else a
    y = el.substituted(c, a, el.identity(c, a), lower=True)
    return c.b.batch_matmul(y, y, adj_x=True)


def _orthogonal(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """Q and R; `reduced` leaves out the columns of Q and the rows of R that are not needed."""
    a = real(c, x)
    q, r = el.orthogonal(c, a)
    count = min(known_sizes(a.shape[-2:], "a matrix"))
    if text(layer, "mode", "reduced") != "reduced":
        return [q, r]
    outer = len(a.shape) - 2
    return [
        c.b.slice(v, c.ints([0] * (outer + 2)), c.ints([*[-1] * outer, *end]))
        for v, end in ((q, [-1, count]), (r, [count, -1]))
    ]


OPERATIONS: dict[str, Handler] = {
    "Det": _determinant,
    "Logdet": _log_determinant,
    "Slogdet": _sign_and_log,
    "Inv": _inverse,
    "Qr": _orthogonal,
    "Solve": _solve,
    "SolveTriangular": _solve_triangular,
    "Cholesky": _cholesky,
    "CholeskyInverse": _cholesky_inverse,
}
