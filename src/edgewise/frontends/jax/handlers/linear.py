"""Products of matrices over any axes. Source: jax/_src/lax/lax.py (dot_general), JAX 0.10."""

from __future__ import annotations

import string

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.frontends.context import bounded
from edgewise.frontends.decompose.einsum import contract
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def _dot_general(c: Context, node: Equation, x: Value, y: Value) -> Value:
    """FULLY_CONNECTED where one side is a constant matrix, else BATCH_MATMUL between transposes"""
    (of_x, of_y), (batch_x, batch_y) = node.params["dimension_numbers"]
    if x.dtype not in FLOATS or y.dtype not in FLOATS:
        return _whole(c, node, x, y)
    if not batch_x and y.data is not None and x.data is None:
        return c.cast(_connected(c, node, x, y, of_x, of_y), node.dtype)
    letters = iter(string.ascii_letters)
    left = [next(letters) for _ in x.shape]
    right = [next(letters) for _ in y.shape]
    for a, b in (*zip(batch_x, batch_y, strict=True), *zip(of_x, of_y, strict=True)):
        right[b] = left[a]
    free = [left[i] for i in range(len(left)) if i not in (*batch_x, *of_x)]
    free += [right[i] for i in range(len(right)) if i not in (*batch_y, *of_y)]
    result = [left[i] for i in batch_x] + free
    z = contract(c, f"{''.join(left)},{''.join(right)}->{''.join(result)}", x, y)
    return c.cast(z, node.dtype)


def _whole(c: Context, node: Equation, x: Value, y: Value) -> Value:
    """Of whole numbers: all products [B, M, N, K], summed."""
    if not (x.dtype.is_integer and y.dtype.is_integer):
        raise Unsupported(f"multiplies matrices of {x.dtype.text}; cast them to float32")
    (of_x, of_y), (batch_x, batch_y) = node.params["dimension_numbers"]
    sides = []
    for value, taken, batch in ((x, of_x, batch_x), (y, of_y, batch_y)):
        free = [i for i in range(len(value.shape)) if i not in (*batch, *taken)]
        moved = c.transpose(c.cast(value, node.dtype), [*batch, *free, *taken])
        sizes = [elements(value.shape[i] for i in axes) for axes in (batch, free, taken)]
        sides.append((moved, sizes))
    (left, (b, m, k)), (right, (_, n, _)) = sides
    total = elements((b, m, n, k))
    if isinstance(total, int):
        bounded(total, "a product of matrices of whole numbers")
    products = c.b.mul(c.reshape(left, (b, m, 1, k)), c.reshape(right, (b, 1, n, k)))
    return c.reshape(c.b.sum(products, c.ints([3])), node.shape)


def _connected(
    c: Context, node: Equation, x: Value, w: Value, of_x: tuple[int, ...], of_w: tuple[int, ...]
) -> Value:
    """x by a constant: its rows are the outputs."""
    assert w.data is not None
    rows = [i for i in range(len(x.shape)) if i not in of_x]
    outputs = [i for i in range(len(w.shape)) if i not in of_w]
    x = c.transpose(x, [*rows, *of_x])
    depth = elements(x.shape[len(rows) :])
    if len(of_x) != 1:
        x = c.reshape(x, (*x.shape[: len(rows)], depth))
    columns = int(np.prod([w.data.shape[i] for i in outputs]))
    matrix = w.data.transpose([*outputs, *of_w]).reshape(columns, -1)
    kernel = c.b.constant(np.ascontiguousarray(matrix), name=w.name)
    if len(x.shape) == 1:
        x = c.reshape(x, (1, depth))
    return c.reshape(c.b.fully_connected(x, kernel, keep_num_dims=True), node.shape)


HANDLERS: dict[str, Handler] = {"dot_general": _dot_general}
