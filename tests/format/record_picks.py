"""Which part of a file's records is changed, and numbers to change it to."""

from __future__ import annotations

import math
import random

import numpy as np

from edgewise.format.record import Record
from edgewise.format.schema import Field

NEAR = (-2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 16)
FAR = (31, 32, 33, 64, 127, 128, 255, 256, 1000, 4096, 65535, 65536, 1 << 20, 1 << 24, 1 << 28,
       (1 << 31) - 1, -(1 << 31), -(1 << 31) + 1, -3, -4, -5, -128, -65536)  # fmt: skip
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-3, 1e3, 1e-30, -1e30, 1e-45, 3.4e38, math.inf, -math.inf,
          math.nan)  # fmt: skip


def near(value: int, generator: random.Random, *, far: float = 0.15) -> int:
    """An integer near `value`, a small one or one at an edge of its range."""
    if generator.random() < far:
        return generator.choice(FAR)
    if generator.random() < 0.5:
        return value + generator.choice((-2, -1, 1, 1, 2))
    return generator.choice(NEAR)


def fit(field: Field, value: int) -> int:
    """The number that its field can hold and is nearest."""
    info = np.iinfo(np.dtype(field.scalar.dtype))
    return min(max(value, int(info.min)), int(info.max))


def changed_vector(
    vector: np.ndarray, generator: random.Random, *, far: float = 0.15
) -> np.ndarray:
    """A copy with an element changed, or (seldom) one more or less, or in another order."""
    values = vector.tolist()
    chance = generator.random()
    if chance < 0.08 and values:
        del values[generator.randrange(len(values))]
    elif chance < 0.16:
        values.insert(generator.randint(0, len(values)), generator.choice((0, 1, 1, 2, 3)))
    elif chance < 0.3:
        generator.shuffle(values)
    elif values:
        at = generator.randrange(len(values))
        if vector.dtype.kind == "f":
            values[at] = generator.choice(FLOATS)
        elif vector.dtype.kind == "b":
            values[at] = not values[at]
        else:
            info = np.iinfo(vector.dtype)
            number = near(values[at], generator, far=far)
            values[at] = min(max(number, int(info.min)), int(info.max))
    return np.array(values, vector.dtype)


def some_graph(model: Record, generator: random.Random) -> Record | None:
    """A subgraph with operators."""
    graphs = [g for g in model.subgraphs or () if g.operators]
    return generator.choice(graphs) if graphs else None


def some_operator(model: Record, generator: random.Random) -> Record | None:
    """An operator."""
    graph = some_graph(model, generator)
    return None if graph is None else generator.choice(graph.operators)


def tensors_of(graph: Record, indices: np.ndarray | None) -> list[Record]:
    """The tensors that a vector names."""
    tensors = graph.tensors or []
    return [tensors[i] for i in (() if indices is None else indices) if 0 <= i < len(tensors)]


def some_tensor(model: Record, generator: random.Random) -> Record | None:
    """Mostly one that an operator reads or writes."""
    graph = some_graph(model, generator)
    if graph is None:
        return None
    op = generator.choice(graph.operators)
    found = tensors_of(graph, op.inputs) + tensors_of(graph, op.outputs)
    return generator.choice(found or graph.tensors or [None])


def some_constant(model: Record, generator: random.Random) -> tuple[Record, Record] | None:
    """A tensor that an operator reads, and its buffer with data."""
    graph = some_graph(model, generator)
    if graph is None:
        return None
    buffers = model.buffers or []
    found = [
        (tensor, buffers[tensor.buffer])
        for op in generator.sample(graph.operators, min(4, len(graph.operators)))
        for tensor in tensors_of(graph, op.inputs)
        if tensor.buffer < len(buffers) and buffers[tensor.buffer].data is not None
    ]
    found = [(t, b) for t, b in found if b.data.size]
    return generator.choice(found) if found else None


def options_of(op: Record) -> Record | None:
    """The options of an operator, from either union."""
    return op.builtin_options if op.builtin_options is not None else op.builtin_options_2
