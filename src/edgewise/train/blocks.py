"""Where a network can be cut in two: below, what stays as it is; above, what is trained."""

from __future__ import annotations

import math

from edgewise.errors import InputError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.passes.redundant import eliminate_dead


def top_blocks(graph: Graph) -> Value:
    """The value below the top blocks: of all values through which everything flows, at the last
    resolution of the pictures, the first of the smallest. Of MobileNetV2 it is what the last
    strided block makes, [7, 7, 160] of 224 pixels: three blocks and the last convolution are above.

    Raises:
        InputError: a network that is no chain of blocks on pictures.
    """
    found = narrowest(graph)
    if not found:
        raise InputError("the network has no blocks on pictures to be trained; train its head only")
    return found[-1]


def narrowest(graph: Graph) -> list[Value]:
    """Of all values through which everything flows, those at which blocks begin: at each resolution
    of the pictures the first of the smallest."""
    by_size: dict[object, list[Value]] = {}
    for value in _bottlenecks(graph):
        if len(value.shape) == 4 and value.shape[1:3] != (1, 1):
            by_size.setdefault(value.shape[1:3], []).append(value)
    return [min(values, key=_elements) for values in by_size.values()]


def up_to(model: Model, value: Value) -> Model:
    """The part of the model that makes `value`, its only output."""
    place, index = _place(model.main, value)
    made = model.copy()
    graph = made.main
    graph.set_outputs([list(graph.nodes)[place].outputs[index]])
    eliminate_dead(graph)
    return Model({graph.name: graph}, description=model.description, file=model.file)


def _place(graph: Graph, value: Value) -> tuple[int, int]:
    node = value.producer
    assert node is not None
    return list(graph.nodes).index(node), node.outputs.index(value)


def _elements(value: Value) -> int:
    return math.prod(size for size in value.shape[1:] if isinstance(size, int))


def _bottlenecks(graph: Graph) -> list[Value]:
    """Values that are the only ones alive after a node, in order."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    ends = {value: _last_use(value, order) for value in graph.values()}
    alive: set[Value] = set(graph.inputs)
    found = []
    for place, node in enumerate(graph.nodes):
        alive.update(node.outputs)
        alive = {value for value in alive if ends[value] > place}
        if len(alive) == 1 and node.outputs and node.outputs[0] in alive:
            found.append(node.outputs[0])
    return found


def _last_use(value: Value, order: dict[Node, int]) -> float:
    """The place of the last node that reads the value; behind all where the graph gives it."""
    if value.is_output:
        return math.inf
    return max((order[node] for node in value.consumers), default=-1)
