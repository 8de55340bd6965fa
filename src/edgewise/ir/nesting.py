"""How graphs run each other through their operators: IF and WHILE.

Shapes, references and plans of such an operator go into its graphs, so a circle would never end,
and a few graphs that each run the next one twice would take for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgewise.errors import ShapeError
from edgewise.ir.graph import Graph, Node

MAX_DEPTH = 32  # of graphs inside graphs; models have two or three
MAX_NODES = 1_000_000  # when every graph stands where it is run


def check_nesting(graphs: Iterable[Graph]) -> None:
    """Raise ShapeError where graphs run each other in a circle, too deep, or too often."""
    sizes: dict[Graph, int] = {}
    for graph in graphs:
        _measure(graph, sizes, ())


def depth_of(graph: Graph) -> int:
    """How deep graphs are nested in this one: 0 without control flow."""
    return max((1 + depth_of(inner) for inner in _inner(graph)), default=0)


def reachable(graph: Graph) -> dict[Graph, None]:
    """The graph and all that it runs, each once, in order."""
    found = {graph: None}
    waiting = [graph]
    for outer in waiting:  # the loop goes on with what it appends
        for inner in _inner(outer):
            if inner not in found:
                found[inner] = None
                waiting.append(inner)
    return found


def names_resources(node: Node) -> bool:
    """The operator, or one in a graph that it runs, is about variables or tables that have names
    (`Resources`)."""
    inner = (step for graph in node.op.graphs for g in reachable(graph) for step in g.nodes)
    return node.op.is_stateful or any(step.op.is_stateful for step in inner)


def _inner(graph: Graph) -> Iterator[Graph]:
    for node in graph.nodes:
        yield from node.op.graphs


def _measure(graph: Graph, sizes: dict[Graph, int], above: tuple[Graph, ...]) -> int:
    """Nodes of the graph and of all it runs, as often as it does."""
    if graph in above:
        raise ShapeError(f"@{graph.name} runs itself through its operators; it would never end")
    if len(above) > MAX_DEPTH:
        raise ShapeError(f"graphs are nested at most {MAX_DEPTH} deep; @{graph.name} is deeper")
    if graph not in sizes:
        total = len(graph)
        for inner in _inner(graph):
            total += _measure(inner, sizes, (*above, graph))
        if total > MAX_NODES:
            raise ShapeError(
                f"@{graph.name} has {total} operators with those of the graphs that it runs; "
                f"at most {MAX_NODES} are allowed"
            )
        sizes[graph] = total
    return sizes[graph]
