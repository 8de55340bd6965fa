"""Which values of a planner's graph may have another type than the operators say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgewise.ir.graph import Graph, Node, Value

# Values that keep their type, and values that have one type, as far as a node is concerned.
Rule = tuple[set[Value], set[Value]]

# By name: operators are imported where a model has them.
PRODUCTS = {"conv_2d", "fully_connected"}
_ONE_TYPE = {"depthwise_conv_2d", "max_pool_2d"}


def free_values(
    graph: Graph, is_free: Callable[[Value], bool], rule: Callable[[Node], Rule]
) -> set[Value]:
    """The largest set of results of the graph's nodes that `is_free` and all rules allow. What the
    graph is given and gives is not among them, nor are variables."""
    chosen = {v for node in graph.nodes for v in node.outputs if is_free(v)}
    chosen = {v for v in chosen if not (v.is_output or v.is_variable)}
    rules = [rule(node) for node in graph.nodes]
    for fixed, _ in rules:
        chosen -= fixed
    is_settled = False
    while not is_settled:
        before = len(chosen)
        for _, alike in rules:
            if not chosen.issuperset(alike):
                chosen -= alike
        is_settled = len(chosen) == before
    return chosen


def values_of(node: Node) -> Iterator[Value]:
    """What the node reads and makes."""
    yield from (v for v in node.inputs if v is not None)
    yield from node.outputs


def rule_of(node: Node) -> Rule:
    """Products read and make any types; depthwise ones, pools of maxima and sums of equal shapes
    have one throughout; no other operator is asked."""
    values, name = set(values_of(node)), node.op.name
    if name in PRODUCTS:
        return values - {node.operand(0), node.output}, set()
    if name in _ONE_TYPE:
        whole = {node.operand(0), node.output}
        return values - whole, whole
    if name == "add" and node.operand(0).shape == node.operand(1).shape:
        return set(), values
    return values, set()
