"""Which nodes of a function count, and in which order: a graph of names becomes a list.

A node counts if a result needs its outputs, or if it has an effect (it assigns a variable) and is
reached from the results over data and control edges. The order respects both kinds of edges, so
that what reads a variable stands where it stood to what assigns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from edgewise.errors import FormatError
from edgewise.frontends.tensorflow.program import Function, Ref, TFNode


def live_nodes(function: Function, has_effect: Callable[[TFNode], bool]) -> list[TFNode]:
    """The nodes that count, each after all it depends on.

    Raises:
        FormatError: an operand that is neither a node nor an argument, or nodes in a circle.
    """
    order = _sorted(function)
    needed = {ref.node for ref in function.results}
    live: list[TFNode] = []
    for node in reversed(order):
        if node.name in needed or has_effect(node):
            live.append(node)
            needed.update(ref.node for ref in node.inputs)
    live.reverse()
    return live


def _sorted(function: Function) -> list[TFNode]:
    """All nodes that results and effects are reached from, operands first. Iterative."""
    nodes = function.nodes
    arguments = {argument.name for argument in function.arguments}
    order: list[TFNode] = []
    done: set[str] = set()
    open_: set[str] = set()
    roots = [*(ref.node for ref in function.results), *function.controls]
    waiting: list[tuple[str, Iterator[str]]] = [("", iter(roots))]
    while waiting:
        name, operands = waiting[-1]
        operand = next(operands, None)
        if operand is None:
            waiting.pop()
            if name:
                open_.discard(name)
                done.add(name)
                order.append(nodes[name])
            continue
        if operand in done or operand in arguments:
            continue
        if operand in open_:
            raise FormatError(
                f"function '{function.name}': nodes must not depend on themselves; "
                f"'{operand}' does, through '{name}'"
            )
        if operand not in nodes:
            raise FormatError(
                f"function '{function.name}': '{name or 'its results'}' reads '{operand}', "
                "which is neither a node nor an argument"
            )
        open_.add(operand)
        waiting.append((operand, _operands(nodes[operand])))
    return order


def _operands(node: TFNode) -> Iterator[str]:
    yield from (ref.node for ref in node.inputs)
    yield from node.controls


def passed_argument(function: Function, result: Ref, through: Iterable[str]) -> int | None:
    """The position of the argument that a result is, through operations that change nothing."""
    places = {argument.name: i for i, argument in enumerate(function.arguments)}
    ref = result
    for _ in range(len(function.nodes) + 1):
        node = function.nodes.get(ref.node)
        if node is None:
            return places.get(ref.node)
        if node.op not in through or ref.output >= len(node.inputs):
            return None
        ref = node.inputs[ref.output]
    return None
