"""Sorting and the largest elements, by TOPK_V2. Source: jax/_src/lax/lax.py, JAX 0.10."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.index import last_axis
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.jax.context import Context, Equation, Handler, Operand, Spread, Unsupported
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _sort(c: Context, node: Equation, *operands: Operand) -> Sequence[Value]:
    """by each key, the last one first: equals keep the order that they had"""
    axis = node.params["dimension"]
    found: Sequence[Operand] = operands
    for i in reversed(range(node.params["num_keys"])):
        found = _sorted(c, found, found[i], axis)
    return [c.value(x) for x in found]


def _sorted(c: Context, operands: Sequence[Operand], by: Operand, axis: int) -> Sequence[Value]:
    """The indices of the largest of what falls, by which the others are gathered."""
    key, perm = last_axis(c, c.value(by), axis)
    (size,) = known_sizes(key.shape[-1:], "an axis that is sorted")
    number = wide(c, key)
    falling = c.b.neg(number) if number.dtype in FLOATS else c.b.sub(c.scalar(-1, number), number)
    _, places = _top(c, falling, size)
    return [
        c.transpose(places, perm) if _counts(x, axis) else _moved(c, c.value(x), perm, places)
        for x in operands
    ]


def _moved(c: Context, x: Value, perm: Sequence[int], places: Value) -> Value:
    rows = c.transpose(x, perm)
    axis = len(perm) - 1
    return c.transpose(c.b.gather(rows, places, axis=axis, batch_dims=axis), perm)


def _counts(x: Operand, axis: int) -> bool:
    """x is a constant that counts from 0 along the axis: argsort hands that on."""
    data = x.value.data if isinstance(x, Spread) else x if isinstance(x, np.ndarray) else None
    if data is None or data.dtype != np.int32:
        return False
    shape = [1] * data.ndim
    shape[axis] = data.shape[axis]
    return bool((data == np.arange(data.shape[axis]).reshape(shape)).all())


def _top(c: Context, x: Value, count: int) -> Sequence[Value]:
    return c.b.node(operator("topk_v2")(), x, c.b.constant(np.array(count, np.int32))).outputs


def _top_k(c: Context, node: Equation, x: Value) -> Sequence[Value]:
    axis = node.params.get("axis", node.params.get("reduction_dimension", -1)) % len(x.shape)
    if not node.params.get("is_max_k", True):
        raise Unsupported("finds the least elements nearly; use jax.lax.top_k of the negative ones")
    rows, perm = last_axis(c, wide(c, x), axis)
    values, places = _top(c, rows, int(node.params["k"]))
    return c.cast(c.transpose(values, perm), x.dtype), c.transpose(places, perm)


HANDLERS: dict[str, Handler] = dict.fromkeys(("top_k", "approx_top_k"), _top_k)
OBJECTS: dict[str, Handler] = {"sort": _sort}
