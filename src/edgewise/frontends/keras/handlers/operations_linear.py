"""`keras.ops` nodes that are linear algebra: matmul, dot, einsum, and kin.

Source: keras/src/ops/numpy.py, Keras 3.15; the sums themselves are `decompose/einsum.py`'s.
"""

from __future__ import annotations

import string

from edgewise.dtypes import FLOATS
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose.einsum import contract, einsum, matmul
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, axis_in, tensor
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def _floats(c: Context, *xs: Operand) -> list[Value]:
    values = [tensor(c, x) for x in xs]
    if not any(v.dtype in FLOATS for v in values):
        raise Unsupported("a product of whole numbers; cast them to float32")
    return [c.real(v) for v in values]


def _matmul(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    return matmul(c, *_floats(c, x, y))


def _dot(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """Over the last axis of x and the last but one of y."""
    a, b = _floats(c, x, y)
    if not a.shape or not b.shape:
        return c.b.mul(a, b)
    if len(b.shape) <= 2:
        return matmul(c, a, b)
    return _contracted(c, a, b, [len(a.shape) - 1], [len(b.shape) - 2])


def _inner(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """Over the last axes."""
    a, b = _floats(c, x, y)
    return _contracted(c, a, b, [len(a.shape) - 1], [len(b.shape) - 1])


def _tensordot(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    a, b = _floats(c, x, y)
    axes = layer.config.get("axes", 2)
    if isinstance(axes, int):
        left, right = list(range(len(a.shape) - axes, len(a.shape))), list(range(axes))
    else:
        pair = [_listed(part) for part in _listed(axes)]
        left, right = (
            [axis_in(layer, axis, len(v.shape)) for axis in part]
            for part, v in zip(pair, (a, b), strict=True)
        )
    return _contracted(c, a, b, left, right)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _contracted(c: Context, x: Value, y: Value, left: list[int], right: list[int]) -> Value:
    letters = iter(string.ascii_letters)
    a = [next(letters) for _ in x.shape]
    b = [next(letters) for _ in y.shape]
    for i, j in zip(left, right, strict=True):
        b[j] = a[i]
    result = [v for i, v in enumerate(a) if i not in left]
    result += [v for j, v in enumerate(b) if j not in right]
    return contract(c, f"{''.join(a)},{''.join(b)}->{''.join(result)}", x, y)


def _outer(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    a, b = _floats(c, x, y)
    column, row = (elements(a.shape), 1), (1, elements(b.shape))
    return c.b.mul(c.reshape(a, column), c.reshape(b, row))


def _einsum(c: Context, layer: KerasLayer, *operands: Operand) -> Value:
    return einsum(c, str(layer.config.get("subscripts", "")), *_floats(c, *operands))


def _diagonal(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The diagonal of square matrices in the last two axes."""
    y = tensor(c, x)
    rank = len(y.shape)
    axes = [
        axis_in(layer, layer.config.get(key, d), rank) for key, d in (("axis1", 0), ("axis2", 1))
    ]
    size = y.shape[axes[0]]
    if (
        sorted(axes) != [rank - 2, rank - 1]
        or layer.config.get("offset")
        or (not isinstance(size, int) or size != y.shape[axes[1]])
    ):
        raise Unsupported("a diagonal other than that of square matrices in the last two axes")
    flat = c.reshape(y, (*y.shape[:-2], size * size))
    return c.b.gather(flat, c.ints(range(0, size * size, size + 1)), axis=rank - 2)


def _trace(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = _diagonal(c, layer, x)
    return c.b.sum(y, c.ints([len(y.shape) - 1]))


OPERATIONS: dict[str, Handler] = {
    "Matmul": _matmul,
    "Dot": _dot,
    "Inner": _inner,
    "Outer": _outer,
    "Tensordot": _tensordot,
    "Einsum": _einsum,
    "Diagonal": _diagonal,
    "Trace": _trace,
}
