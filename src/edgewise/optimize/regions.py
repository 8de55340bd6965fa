"""Where a graph computes on integers: a type for every operator, so that few numbers are converted.

What a recipe names is fixed; an operator without weights may also stay in the type of what stands
around it, where that costs less. Cost, in bytes that are read and written: 5 for an element that
is converted (once for each type that its readers want), 3 for one that an operator without weights
handles in float32 instead of 8 bits. The operators change one by one while the cost falls; a
minimum cut would be optimal, and on the networks of `benchmarks/quantize.py` gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node, Value
from edgewise.optimize.rules import FLOAT32, is_data, is_float

_CONVERT, _WIDE = 5, 3
_ROUNDS = 16  # each one is linear, and lowers the cost
_UNKNOWN = 1  # elements of a dimension that is not known

Types = dict[Node, DType]


def settle(
    graph: Graph,
    types: Types,
    ends: Mapping[Value, DType],
    free: Iterable[Node],
    fits: Callable[[Node, DType], bool],
) -> None:
    """Change the types of the `free` nodes where that converts less.

    Args:
        types: of each node that handles float32 values, the type that it computes on; changed.
        ends: the types that the graph's float inputs and outputs have.
        fits: whether a node may compute on a type.
    """
    nodes = list(free)
    outputs = {id(value) for value in graph.outputs}
    for _ in range(_ROUNDS):
        changed = False
        for node in nodes:
            around = {types.get(n, FLOAT32) for n in _neighbours(node)}
            costs = {types[node]: _cost(node, types[node], types, ends, outputs)}
            for dtype in around - {types[node]}:
                if fits(node, dtype):
                    costs[dtype] = _cost(node, dtype, types, ends, outputs)
            best = min(costs, key=costs.__getitem__)
            if costs[best] < costs[types[node]]:
                types[node], changed = best, True
        if not changed:
            return


def home(value: Value, types: Types, ends: Mapping[Value, DType]) -> DType:
    """The type in which a float value is made: that of its producer, or of the graph's input."""
    if value.producer is None:
        return ends.get(value, FLOAT32)
    return types.get(value.producer, FLOAT32)


def _neighbours(node: Node) -> list[Node]:
    made = [v.producer for v in node.inputs if v is not None and is_float(v)]
    read = [n for v in node.outputs if is_float(v) for n in v.consumers]
    return [n for n in (*made, *read) if n is not None]


def _cost(
    node: Node,
    dtype: DType,
    types: Types,
    ends: Mapping[Value, DType],
    outputs: set[int],
) -> int:
    """Bytes moved because the node computes on this type: around it and in it."""
    before = types[node]
    types[node] = dtype
    cost = 0
    values = [v for v in (*node.inputs, *node.outputs) if v is not None and is_float(v)]
    for value in dict.fromkeys(values):
        size = _elements(value)
        cost += _WIDE * size * (dtype is FLOAT32)
        if value.data is not None:
            continue
        wanted = {types.get(n, FLOAT32) for n, i in _readers(value) if is_data(n, i)}
        if id(value) in outputs:
            wanted.add(ends.get(value, FLOAT32))
        cost += _CONVERT * size * len(wanted - {home(value, types, ends)})
    types[node] = before
    return cost


def _readers(value: Value) -> list[tuple[Node, int]]:
    return [(user, index) for user, index in value.uses if isinstance(user, Node)]


def _elements(value: Value) -> int:
    count = 1
    for dim in value.type.shape or ():
        count *= dim if isinstance(dim, int) else _UNKNOWN
    return count
