"""What the autopilot chooses types for: layers with weights, one by one, and the operators without
weights that compute (ADD, SOFTMAX, HARD_SWISH ...), all of a kind together."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgewise.ir.graph import Graph, Node
from edgewise.ir.infer import macs_of
from edgewise.ir.op import NotQuantized, SameScale
from edgewise.optimize.match import layer_name
from edgewise.optimize.recipe import Mode, Recipe, Scheme, Scope
from edgewise.optimize.rules import has_floats, is_data, is_float
from edgewise.optimize.search import FLOAT, Types, common
from edgewise.values import dataclass

_MOVED = 8  # multiplications that take as long as writing an element


@dataclass(frozen=True, slots=True)
class Unit:
    """A layer or all operators of a kind. `key` is the name of the layer's result, or the
    operator's; `name` is for people. `work` counts multiplications."""

    key: str
    name: str
    operator: str
    has_weights: bool
    nodes: int
    work: int

    def scope(self, scheme: str) -> Scope:
        """The scope of a recipe that is about this unit."""
        if self.has_weights:
            return Scope(scheme, layer=f"^{re.escape(self.key)}$")
        return Scope(scheme, operator=self.key)

    def scheme_in(self, recipe: Recipe) -> str:
        """What a recipe of `recipe_of` makes of the unit."""
        own = [s.scheme for s in recipe.scopes if s == self.scope(s.scheme)]
        if own:
            return own[-1]
        follows = self.has_weights or Scheme.parse(recipe.scheme).mode is Mode.STATIC
        return recipe.scheme if follows else FLOAT


def units_of(graph: Graph) -> list[Unit]:
    """The units of a prepared graph, layers first, in order."""
    layers, kinds = [], dict[str, list[Node]]()
    for node in graph.nodes:
        if not has_floats(node) or not node.outputs:
            continue
        constants = [i for i, v in enumerate(node.inputs) if is_float(v) and v and v.is_constant]
        if any(not is_data(node, i) and len(node.operand(i).shape) > 1 for i in constants):
            layers.append(_unit(node.output.name, layer_name(node), [node], has_weights=True))
        elif not isinstance(node.op.quantization, NotQuantized | SameScale):
            kinds.setdefault(node.op.name.upper(), []).append(node)
    groups = [_unit(kind, f"all {kind}", nodes, has_weights=False) for kind, nodes in kinds.items()]
    return layers + groups


def _unit(key: str, name: str, nodes: list[Node], *, has_weights: bool) -> Unit:
    work = sum((macs_of(n) or 0) + _MOVED * _elements(n) for n in nodes)
    return Unit(key, name, nodes[0].op.name, has_weights, len(nodes), work)


def _elements(node: Node) -> int:
    count = 1
    for dim in node.output.type.shape or ():
        count *= dim if isinstance(dim, int) else 1
    return count


def recipe_of(units: Mapping[str, Unit], types: Types) -> Recipe:
    """The recipe that gives units these types, with as few scopes as it takes: operators without
    weights are what integers around them are, or float, unless their type of data is another."""
    layers = {key: scheme for key, scheme in types.items() if units[key].has_weights}
    rest = common(layers or types)
    usual = Scheme.parse(rest)
    scopes = [units[key].scope(scheme) for key, scheme in layers.items() if scheme != rest]
    if usual.mode is Mode.STATIC:
        others = {key: scheme for key, scheme in types.items() if key not in layers}
        scopes += [
            units[key].scope(scheme)
            for key, scheme in others.items()
            if Scheme.parse(scheme).data is not usual.data
        ]
    return Recipe(rest, tuple(scopes))
