"""`keras.ops` nodes that make tensors of few numbers: ranges, grids, powers, matrices, sizes.

Source: keras/src/ops/numpy.py and backend/tensorflow/numpy.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Handler, Structure, Unsupported, known_sizes
from edgewise.frontends.decompose.functions import scaled
from edgewise.frontends.decompose.matrices import Band, diagonals, matrix_of
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import (
    dims,
    flag,
    integer,
    number,
    numbers,
    text,
)
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import (
    Operand,
    axes_of,
    axis_in,
    promoted,
    real,
    tensor,
)
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ops.broadcast import broadcast_shape


def dtype_of(layer: KerasLayer, default: DType) -> DType:
    """The dtype that is asked for; floats are float32."""
    name = layer.config.get("dtype")
    found = next((d for d in DType if d.text == name), default)
    return DType.FLOAT32 if found in FLOATS else found


def _linspace(c: Context, layer: KerasLayer, start: Operand, stop: Operand) -> Value:
    """`num` numbers from start to stop along a new axis."""
    if flag(layer, "retstep"):
        raise Unsupported("it returns the step, too; compute it: (stop - start) / (num - 1)")
    y, wanted = _spaced(c, layer, real(c, start), real(c, stop)), dtype_of(layer, DType.FLOAT32)
    return y if wanted in FLOATS else c.cast(c.b.floor(y), wanted)


def _spaced(c: Context, layer: KerasLayer, start: Value, stop: Value) -> Value:
    count = integer(layer, "num", 50)
    parts = max(count - 1 if flag(layer, "endpoint", True) else count, 0)
    shape = broadcast_shape(start.shape, stop.shape)
    axis = axis_in(layer, layer.config.get("axis", 0), len(shape) + 1)
    # (1 - t) start + t stop: both ends are met
    t = np.arange(count) / max(parts, 1)
    places = [1] * (len(shape) + 1)
    places[axis] = count
    ends = []
    for end, share in ((start, 1 - t), (stop, t)):
        own = [*[1] * (len(shape) - len(end.shape)), *end.shape]
        spread = c.reshape(end, [*own[:axis], 1, *own[axis:]])
        weights = c.b.constant(share.astype(np.float32).reshape(places))
        ends.append(c.b.mul(spread, weights))
    return c.b.add(*ends)


def _logspace(c: Context, layer: KerasLayer, start: Operand, stop: Operand) -> Value:
    """base ** linspace."""
    y = _spaced(c, layer, real(c, start), real(c, stop))
    y = c.b.exp(scaled(c, y, math.log(number(layer, "base", 10))))
    return c.cast(y, dtype_of(layer, DType.FLOAT32))


def _geomspace(c: Context, layer: KerasLayer, start: Operand, stop: Operand) -> Value:
    """exp of a linspace of logarithms, with the sign of start."""
    a, b = real(c, start), real(c, stop)
    y = _spaced(c, layer, *(c.b.log(c.b.abs(end)) for end in (a, b)))
    axis = axis_in(layer, layer.config.get("axis", 0), len(y.shape))
    own = [*[1] * (len(y.shape) - 1 - len(a.shape)), *a.shape]
    sign = c.reshape(c.b.sign(a), [*own[:axis], 1, *own[axis:]])
    return c.cast(c.b.mul(c.b.exp(y), sign), dtype_of(layer, DType.FLOAT32))


def _meshgrid(c: Context, layer: KerasLayer, *xs: Operand) -> Structure:
    """Every vector along an axis of its own; of `xy`, the first two swapped."""
    values = [tensor(c, x) for x in xs]
    sizes = [elements(v.shape) for v in values]
    order = list(range(len(values)))
    if text(layer, "indexing", "xy") == "xy" and len(order) > 1:
        order[:2] = [1, 0]
    shape = [sizes[i] for i in order]
    made = []
    for i, value in enumerate(values):
        own = [size if j == i else 1 for j, size in zip(order, shape, strict=True)]
        made.append(c.b.broadcast_to(c.reshape(value, own), c.shape(shape)))
    return made


def _full(c: Context, layer: KerasLayer, fill_value: Operand) -> Value:
    y = tensor(c, fill_value)
    y = c.cast(y, dtype_of(layer, y.dtype))
    return c.b.broadcast_to(y, c.shape(dims(layer, "shape")))


def _vander(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The powers of every number, the highest first."""
    y = tensor(c, x)
    given = layer.config.get("N")
    count = integer(layer, "N") if given is not None else known_sizes(y.shape, "a vector")[0]
    powers = np.arange(count, dtype=np.float32)
    powers = powers if flag(layer, "increasing") else powers[::-1].copy()
    column = c.reshape(c.real(y), (*y.shape, 1))
    return c.cast(c.b.pow(column, c.b.constant(powers)), y.dtype)


def _size(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return c.dim(elements(tensor(c, x).shape))


def _rank(c: Context, layer: KerasLayer, x: Operand) -> Value:
    return c.dim(len(tensor(c, x).shape))


def _diagonal_matrix(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """A matrix with a vector on its diagonal; of a matrix, the diagonal."""
    y, k = tensor(c, x), integer(layer, "k", 0)
    if layer.class_name == "Diagflat":
        y = c.reshape(y, [elements(y.shape)])
    if len(y.shape) == 1:
        size = known_sizes(y.shape, "a diagonal")[0] + abs(k)
        return matrix_of(c, y, Band(size, size, k, k), c.scalar(0, y))
    if len(y.shape) != 2:
        raise Unsupported(f"a tensor of rank {len(y.shape)}; give it a vector or a matrix")
    rows, columns = known_sizes(y.shape, "a matrix")
    return diagonals(c, y, Band(rows, columns, k, k), c.scalar(0, y))


def _rotated(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """By k right angles, from the first of two axes towards the second."""
    y, k = tensor(c, x), integer(layer, "k", 1) % 4
    rank = len(y.shape)
    first, second = axes_of(layer, rank, "axes") if "axes" in layer.config else (0, 1)
    perm = list(range(rank))
    perm[first], perm[second] = second, first
    if k == 3:
        return c.b.reverse_v2(c.transpose(y, perm), c.ints([second]))
    for axis in {0: (), 1: (second,), 2: (first, second)}[k]:
        y = c.b.reverse_v2(y, c.ints([axis]))
    return c.transpose(y, perm) if k == 1 else y


def _kron(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """Every element of x times all of y, side by side."""
    a, b = promoted(c, x, y)
    rank = max(len(a.shape), len(b.shape))
    first, second = ([*[1] * (rank - len(v.shape)), *v.shape] for v in (a, b))
    a = c.reshape(a, [size for own in first for size in (own, 1)])
    b = c.reshape(b, [size for own in second for size in (1, own)])
    return c.reshape(c.b.mul(a, b), [m * n for m, n in zip(first, second, strict=True)])


def _unravel(c: Context, layer: KerasLayer, indices: Operand) -> Structure:
    """The place along every axis of a tensor that an index of its elements names."""
    i, made = tensor(c, indices), []
    for size in reversed(numbers(layer, "shape")):
        made.append(c.b.floor_mod(i, c.scalar(size, i)))
        i = c.b.floor_div(i, c.scalar(size, i))
    return made[::-1]


def _select(
    c: Context,
    layer: KerasLayer,
    conditions: Sequence[Operand],
    choices: Sequence[Operand],
    default: Operand = 0,
) -> Value:
    """The choice of the first condition that holds, else the default."""
    *values, y = promoted(c, *choices, default)
    for condition, value in reversed(list(zip(conditions, values, strict=True))):
        y = c.b.select_v2(c.cast(tensor(c, condition), DType.BOOL), value, y)
    return y


def _array(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    return c.cast(y, dtype_of(layer, y.dtype))


OPERATIONS: dict[str, Handler] = {
    "Array": _array,
    "Linspace": _linspace,
    "Logspace": _logspace,
    "Geomspace": _geomspace,
    "Meshgrid": _meshgrid,
    "Full": _full,
    "Vander": _vander,
    "Size": _size,
    "Ndim": _rank,
    "Diag": _diagonal_matrix,
    "Diagflat": _diagonal_matrix,
    "Rot90": _rotated,
    "Kron": _kron,
    "UnravelIndex": _unravel,
    "Select": _select,
}
