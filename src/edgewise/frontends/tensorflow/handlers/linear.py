"""Products of matrices and Einstein sums.

Source: tensorflow/core/ops/{math_ops,linalg_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from edgewise.dtypes import FLOATS
from edgewise.frontends.decompose.einsum import einsum
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.convolution import arranged, fused
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _matmul(c: Context, node: TFNode, x: Value, y: Value) -> Value:
    """FULLY_CONNECTED by a constant, else BATCH_MATMUL; whole numbers by MUL and SUM"""
    return _product(
        c, x, y, attrs.flag(node, "transpose_a", False), attrs.flag(node, "transpose_b", False)
    )


def _sparse_matmul(c: Context, node: TFNode, x: Value, y: Value) -> Value:
    """as MatMul: zeros are multiplied, too"""
    return _matmul(c, node, x, y)


def _batch_matmul(c: Context, node: TFNode, x: Value, y: Value) -> Value:
    """as MatMul; leading axes broadcast"""
    wanted = attrs.dtype(node, "Tout", x.dtype)
    x, y = (c.cast(v, wanted) if v.dtype is not wanted else v for v in (x, y))
    return _product(c, x, y, attrs.flag(node, "adj_x", False), attrs.flag(node, "adj_y", False))


def _product(c: Context, x: Value, y: Value, turn_x: bool, turn_y: bool) -> Value:
    if x.dtype not in FLOATS:
        return _of_integers(c, x, y, turn_x, turn_y)
    if c.known(y) is not None and len(y.shape) == 2:
        w = y if turn_y else arranged(c, y, [1, 0])
        return c.b.fully_connected(_turned(c, x, turn_x), w, keep_num_dims=True)
    return c.b.batch_matmul(x, y, adj_x=turn_x, adj_y=turn_y)


def _of_integers(c: Context, x: Value, y: Value, turn_x: bool, turn_y: bool) -> Value:
    """sum over K of x[..., M, K, 1] * y[..., 1, K, N]."""
    if not x.dtype.is_integer:
        raise Unsupported(f"a product of {x.dtype.text} matrices; cast them to float32")
    a, b = _turned(c, wide(c, x), turn_x), _turned(c, wide(c, y), turn_y)
    rank = max(len(a.shape), len(b.shape))
    a = c.reshape(a, (*a.shape, 1))
    b = c.reshape(b, (*b.shape[:-2], 1, *b.shape[-2:]))
    return c.cast(c.b.sum(c.b.mul(a, b), c.ints([rank - 1])), x.dtype)


def _turned(c: Context, x: Value, turn: bool) -> Value:
    rank = len(x.shape)
    return arranged(c, x, [*range(rank - 2), rank - 1, rank - 2]) if turn else x


def _einsum(c: Context, node: TFNode, *xs: Value) -> Value:
    """one BATCH_MATMUL per two operands, between transposes and reshapes"""
    if any(x.dtype not in FLOATS for x in xs):
        raise Unsupported("an Einstein sum of whole or complex numbers; cast them to float32")
    return einsum(c, attrs.text(node, "equation"), *xs)


def _fused_matmul(c: Context, node: TFNode, x: Value, y: Value, *args: Value) -> Value:
    """MatMul and the operations that Grappler fused into it"""
    return fused(c, node, _matmul(c, node, x, y), args)


def _cross(c: Context, node: TFNode, x: Value, y: Value) -> Value:
    """x[1, 2, 0] * y[2, 0, 1] - x[2, 0, 1] * y[1, 2, 0] along the last axis"""
    last = len(x.shape) - 1
    ahead, back = c.ints([1, 2, 0]), c.ints([2, 0, 1])

    def moved(v: Value, order: Value) -> Value:
        return c.b.gather(v, order, axis=last)

    first = c.b.mul(moved(x, ahead), moved(y, back))
    return c.b.sub(first, c.b.mul(moved(x, back), moved(y, ahead)))


HANDLERS: dict[str, Handler] = {
    "MatMul": _matmul,
    "SparseMatMul": _sparse_matmul,
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _batch_matmul),
    "Einsum": _einsum,
    "_FusedMatMul": _fused_matmul,
    "Cross": _cross,
}
