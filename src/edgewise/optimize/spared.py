"""Layers that keep more bits than a recipe asks for of all: the smallest and the narrowest.

In: a graph and a recipe. Out: the scheme of each node. Where data is float and weights are int8,
the smallest layers stay float, up to a 128th of the weights: the file grows by 2.3 % at most, and
LiteRT, which quantizes what depthwise convolutions read by one scale, has lost most there. KL of
MobileNetV1 0.25 with all int8 / so: `dynamic` in LiteRT 4.7e-2 / 2.0e-3 (in a quarter of the time),
here 2.8e-3 / 1.7e-3, `weight_only` 2.4e-3 / 1.4e-3. Under wi4 and wi2 layers keep int8 weights,
the smallest first, which are

- the smallest, until they are a thirty-second of the weights that would have fewer bits: a
  network's first layers are small, all that follow inherit what they lose, and the file grows by
  3 % at most;
- then those in which at most 256 weights share a scale, until all are a half: with few inputs
  there is little that could make up for the rounding of one. Of MobileNetV1 0.25 at 128 pixels
  the KL of 123,000 weights in layers of up to 128 inputs is 0.24, of 65,000 in one of 256 0.02 and
  of the classifier's 256,000 0.03. With 128 and a third `weight_only_wi4` files were 3 to 13 %
  smaller, and their KL 1.5 to 2.4 times as high (ResNet8, EfficientNet-Lite0, MobileNetV1, keyword
  spotting; of MobileNetV2 and MNIST the same).

Scopes are obeyed as they are, and weights in blocks lose little anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from edgewise.dtypes import DType
from edgewise.ir.graph import Graph, Node
from edgewise.optimize.recipe import Mode, Recipe, Scheme
from edgewise.optimize.rules import can_narrow, is_float, is_weight, per_scale
from edgewise.values import replace

_TINY, _SMALLEST, _NARROW = 1 / 128, 1 / 32, 1 / 2  # of the weights
_FEW = 256  # weights under one scale


def schemes(graph: Graph, recipe: Recipe) -> dict[Node, Scheme]:
    """What each node is to become under the recipe."""
    found = {node: recipe.scheme_of(node) for node in graph.nodes}
    unnamed = {node for node in found if not recipe.names(node)}
    eight = {node: _count(node) for node, s in found.items() if _is_int8(s)}
    found |= dict.fromkeys(_smallest(eight, unnamed, _TINY), Scheme(Mode.FLOAT))
    fewer = {node: _size(node, s) for node, s in found.items() if _is_narrow(s)}
    spared = _smallest(fewer, unnamed, _SMALLEST)
    few = {node for node in unnamed if node in fewer and _is_few(node, found[node])}
    spared = _smallest(fewer, few, _NARROW, spared)
    return found | {node: replace(found[node], weight=DType.INT8) for node in spared}


def _smallest(
    sizes: Mapping[Node, int], meant: Set[Node], share: float, known: Sequence[Node] = ()
) -> list[Node]:
    """The known nodes and the smallest of the meant ones, up to a share of all sizes."""
    chosen = list(known)
    limit = share * sum(sizes.values()) - sum(sizes[node] for node in known)
    for node in sorted(sizes, key=sizes.__getitem__):
        if node not in meant or node in known or not sizes[node]:
            continue
        limit -= sizes[node]
        if limit < 0:
            break
        chosen.append(node)
    return chosen


def _is_int8(scheme: Scheme) -> bool:
    return scheme.mode in (Mode.DYNAMIC, Mode.WEIGHT_ONLY) and scheme.weight is DType.INT8


def _is_narrow(scheme: Scheme) -> bool:
    return scheme.weight.is_integer and scheme.weight.bits < 8 and not scheme.block


def _is_few(node: Node, scheme: Scheme) -> bool:
    return per_scale(node, _weights(node), scheme) <= _FEW


def _weights(node: Node) -> list[int]:
    found = [i for i, v in enumerate(node.inputs) if is_float(v) and is_weight(node, i)]
    return [i for i in found if node.operand(i).is_constant]


def _size(node: Node, scheme: Scheme) -> int:
    """How many weights of a node can have fewer than 8 bits."""
    return _count(node) if can_narrow(node, _weights(node), scheme) else 0


def _count(node: Node) -> int:
    data = [node.operand(i).data for i in _weights(node)]
    return sum(array.size for array in data if array is not None)
