"""Layers that keep 8 bits where a recipe asks for fewer of all: the smallest and the narrowest.

In: a graph and a recipe. Out: the scheme of each node. Under wi4 and wi2 layers keep int8 weights,
the smallest first, which are

- the smallest, until they are a thirty-second of the weights that would have fewer bits: a
  network's first layers are small, all that follow inherit what they lose, and the file grows by
  3 % at most;
- then those in which at most 128 weights share a scale, until all are a third: with few inputs
  there is little that could make up for the rounding of one. Of MobileNetV1 0.25 at 128 pixels
  the KL of 123,000 such weights is 0.24, that of the 320,000 others 0.06.

Scopes are obeyed as they are, and weights in blocks lose little anywhere.
"""

from __future__ import annotations

from dataclasses import replace

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node
from edgewise.optimize.recipe import Recipe, Scheme
from edgewise.optimize.rules import can_narrow, is_float, is_weight, per_scale

_SMALLEST, _NARROW = 1 / 32, 1 / 3  # of the weights
_FEW = 128  # weights under one scale


def schemes(graph: Graph, recipe: Recipe) -> dict[Node, Scheme]:
    """What each node is to become under the recipe."""
    found = {node: recipe.scheme_of(node) for node in graph.nodes}
    sizes = {node: _size(node) for node, s in found.items() if _is_narrow(s)}
    ordered = sorted(sizes, key=sizes.__getitem__)
    whole, spent = sum(sizes.values()), 0
    for share, is_meant in ((_SMALLEST, lambda node: True), (_NARROW, _is_few)):
        for node in ordered:
            is_done = found[node].weight is DType.INT8 or recipe.names(node)
            if is_done or not sizes[node] or not is_meant(node):
                continue
            if spent + sizes[node] > share * whole:
                break
            spent += sizes[node]
            found[node] = replace(found[node], weight=DType.INT8)
    return found


def _is_narrow(scheme: Scheme) -> bool:
    return scheme.weight.is_integer and scheme.weight.bits < 8 and not scheme.block


def _is_few(node: Node) -> bool:
    return per_scale(node, _weights(node)) <= _FEW


def _weights(node: Node) -> list[int]:
    found = [i for i, v in enumerate(node.inputs) if is_float(v) and is_weight(node, i)]
    return [i for i in found if node.operand(i).is_constant]


def _size(node: Node) -> int:
    """How many weights of a node can have fewer than 8 bits."""
    weights = _weights(node)
    if not can_narrow(node, weights):
        return 0
    return sum(data.size for i in weights if (data := node.operand(i).data) is not None)
