"""Einstein sums with a weight as one FULLY_CONNECTED; others are `decompose/einsum.py`'s."""

from __future__ import annotations

import math

import numpy as np

from edgewise.frontends.decompose.einsum import contract, ordered, parse, reduced
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value


def dense(c: Context, layer: KerasLayer, name: str, equation: str, x: Value) -> Value:
    """The sum over x and the layer's weight `name`, as one FULLY_CONNECTED where that is enough."""
    w = c.weight(layer, name)
    labels = parse(equation, (len(x.shape), w.ndim))
    if labels.batch:
        return contract(c, equation, x, c.constant(layer, name, w))
    x, labels = reduced(c, x, labels)
    free, new = labels.free(labels.x), labels.free(labels.y)
    lone = tuple(i for i, a in enumerate(labels.y) if a not in new + labels.summed)
    kept = [a for a in labels.y if a in new + labels.summed]
    order, count = [kept.index(a) for a in new + labels.summed], len(new)
    sizes = w.sum(lone).transpose(order).shape
    rest = math.prod(sizes[count:])

    def rows_of(weights: np.ndarray) -> np.ndarray:
        return weights.transpose(order).reshape(-1, rest)

    if lone:
        matrix = c.constant(layer, name, rows_of(w.sum(lone)))
    else:
        matrix = c.matrix(layer, name, rows_of)
    rows = ordered(c, x, labels.x, free + labels.summed)
    shape = rows.shape[: len(free)]
    rows = c.reshape(rows, (*shape, rest))
    y = c.b.fully_connected(rows, matrix, keep_num_dims=True)
    return ordered(c, c.reshape(y, (*shape, *sizes[:count])), free + new, labels.result)
