"""`keras.ops` nodes that are linear algebra: matmul, dot, einsum, and kin.

Source: keras/src/ops/numpy.py, Keras 3.15; the sums themselves are `decompose/einsum.py`'s.
"""

from __future__ import annotations

import string

from edgewise.dtypes import FLOATS
from edgewise.frontends.context import Handler, Unsupported, known_sizes
from edgewise.frontends.decompose.einsum import contract, einsum, matmul
from edgewise.frontends.decompose.matrices import Band, diagonals
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, axis_in, promoted, tensor
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator
from edgewise.ops.broadcast import broadcast_shape


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
    """A diagonal of the matrices in two axes, as a new last axis."""
    y, k = tensor(c, x), integer(layer, "offset", 0)
    rank = len(y.shape)
    axes = [
        axis_in(layer, layer.config.get(key, d), rank) for key, d in (("axis1", 0), ("axis2", 1))
    ]
    y = c.transpose(y, [*(i for i in range(rank) if i not in axes), *axes])
    rows, columns = known_sizes(y.shape[-2:], "a matrix")
    return diagonals(c, y, Band(rows, columns, k, k), c.scalar(0, y))


def _trace(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = _diagonal(c, layer, x)
    return c.b.sum(y, c.ints([len(y.shape) - 1]))


def _cross(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """The vector product; an axis of two elements has 0 for the third, and of two such only the
    third is the result."""
    axis = layer.config.get("axis")
    keys, values = ("axisa", "axisb", "axisc"), promoted(c, x, y)
    axes = [layer.config.get(key, -1) if axis is None else axis for key in keys]
    parts, sizes = [], []
    for v, own in zip(values, axes, strict=False):
        place = axis_in(layer, own, len(v.shape))
        (size,) = known_sizes([v.shape[place]], "an axis of vectors")
        sizes.append(size)
        found = list(c.b.node(operator("unpack")(num=size, axis=place), v).outputs)
        parts.append(found if size == 3 else [*found, c.scalar(0, v)])
    a, b = parts

    def component(i: int, j: int) -> Value:
        return c.b.sub(c.b.mul(a[i], b[j]), c.b.mul(a[j], b[i]))

    third = component(0, 1)
    if sizes == [2, 2]:
        return third
    result = [component(1, 2), component(2, 0), third]
    shape = broadcast_shape(*(v.shape for v in result))
    spread = [v if v.shape == shape else c.b.broadcast_to(v, c.shape(shape)) for v in result]
    place = axis_in(layer, axes[2], len(shape) + 1)
    return c.b.pack(*spread, values_count=3, axis=place)


OPERATIONS: dict[str, Handler] = {
    "Matmul": _matmul,
    "Dot": _dot,
    "Inner": _inner,
    "Outer": _outer,
    "Tensordot": _tensordot,
    "Einsum": _einsum,
    "Cross": _cross,
    "Diagonal": _diagonal,
    "Trace": _trace,
}
