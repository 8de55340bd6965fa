"""Layers that keep 8 bits where a recipe asks for fewer of all: the smallest ones.

In: a graph and a recipe. Out: the scheme of each node. A network's first layers are small, and all
that follow inherit what they lose: they cost accuracy and hardly any bytes. So under wi4 and wi2
layers keep int8 weights, the smallest first, until they are a thirty-second of the weights that
would have fewer bits: the file grows by 3 % at most. Scopes are obeyed as they are, and weights in
blocks lose little anywhere.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node
from edgewise.optimize.recipe import Recipe, Scheme
from edgewise.optimize.rules import can_narrow, is_float, is_weight

_SHARE = 1 / 32  # of the weights


def schemes(graph: Graph, recipe: Recipe) -> dict[Node, Scheme]:
    """What each node is to become under the recipe."""
    found = {node: recipe.scheme_of(node) for node in graph.nodes}
    sizes = {node: _size(node) for node, s in found.items() if _is_narrow(s)}
    left = _SHARE * sum(sizes.values())
    for node in sorted(sizes, key=sizes.__getitem__):
        if recipe.names(node):
            continue
        left -= sizes[node]
        if left < 0:
            break
        found[node] = replace(found[node], weight=DType.INT8)
    return found


def _is_narrow(scheme: Scheme) -> bool:
    return scheme.weight.is_integer and scheme.weight.bits < 8 and not scheme.block


def _size(node: Node) -> int:
    """How many weights of a node can have fewer than 8 bits."""
    weights = [i for i, v in enumerate(node.inputs) if is_float(v) and is_weight(node, i)]
    weights = [i for i in weights if node.operand(i).is_constant]
    if not can_narrow(node, weights):
        return 0
    return sum(data.size for i in weights if (data := node.operand(i).data) is not None)
