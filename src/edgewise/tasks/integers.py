"""A trained classifier in integers, as near to the floats as 8 bits come without losing speed.

Mobile networks lose most where pictures are large: few channels, each of another range, few
weights. So two things are not left to chance: the head computes on 16 bits, whose steps decide
close cases; and the first blocks stay float32, as many of them as it takes. How many is measured
on the pictures that were held back for validation, never on those of the test: up to each
resolution down to a quarter of the input's, as long as one more halves the divergence of the
probabilities. MobileNetV2 on cats and dogs at 224 pixels: four convolutions and two paddings of 70
operators stay float32, 10 kB more; over five seeds the accuracy of the integers is 0.1 points less,
not 0.8 as with 8 bits throughout (300 pictures; features of one backbone). Eight operators in
float32, which it may take, too, cost 5.7 ms, not 5.3. Compensating weights instead
(`optimize.compensate`) left 0.8, fitting the head anew on the integers' features 0.7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edgewise.ir.graph import Graph, Node
from edgewise.ir.model import Model
from edgewise.metrics import divergence
from edgewise.optimize import calibrate, quantize
from edgewise.optimize.evaluate import Crew
from edgewise.optimize.prepared import prepare
from edgewise.optimize.recipe import Mode, Recipe, Scope
from edgewise.runtime.workers import ordered
from edgewise.train.blocks import narrowest
from edgewise.values import dataclass

Arrays = tuple[np.ndarray, ...]

RECIPES = {"int8": "static_wi8_ai8"}
_HEAD = ("FULLY_CONNECTED", "SOFTMAX")
_ENOUGH = 0.5  # of the divergence that is left, for more blocks in floats
_QUARTER = 4  # of the input's side: further down, floats cost time and bytes
_FLOOR = 1e-4  # of a probability, which 16 bits tell apart from 0


@dataclass(frozen=True, slots=True)
class Integers:
    """A model, the recipe that made it, and how many of its operators stayed float32."""

    model: Model
    recipe: Recipe
    floats: int


def to_integers(
    model: Model,
    name: str,
    seen: Sequence[Arrays],
    probes: Sequence[Arrays],
    progress: Callable[[int, int], None],
) -> Integers:
    """The model in the types of RECIPES[name].

    Args:
        seen: inputs whose ranges are measured.
        probes: other inputs, on which recipes are compared.
        progress: called with (steps done, in all).
    """
    prepared = prepare(model)
    recipes = list(_recipes(prepared.main, RECIPES[name]))
    nodes = list(prepared.main.nodes)
    total = len(seen) + len(recipes)
    ranges = calibrate(prepared, seen, progress=lambda done, _: progress(done, total))
    true = _scores(prepared, probes)
    best, least = None, np.inf
    for tried, recipe in enumerate(recipes, 1):
        made = quantize(prepared, recipe, ranges)
        loss = float(divergence(true, _scores(made, probes), _FLOOR).mean())
        progress(len(seen) + tried, total)
        if best is None or loss < least * _ENOUGH:
            floats = sum(recipe.scheme_of(node).mode is Mode.FLOAT for node in nodes)
            best, least = Integers(made, recipe, floats), loss
    assert best is not None
    return best


def _recipes(graph: Graph, scheme: str) -> Iterator[Recipe]:
    """Recipes with more and more of the first blocks in float32."""
    head = tuple(Scope("static_wi8_ai16", operator) for operator in _HEAD)
    yield Recipe(scheme, head)
    nodes = list(graph.nodes)
    side = graph.inputs[0].shape[1] if len(graph.inputs[0].shape) == 4 else 0
    for value in narrowest(graph):
        size = value.shape[1]
        if not (isinstance(side, int) and isinstance(size, int) and size * _QUARTER >= side):
            return
        assert value.producer is not None
        first = nodes[: nodes.index(value.producer) + 1]
        yield Recipe(scheme, (*head, *map(_float, first)))


def _float(node: Node) -> Scope:
    """Of the operator, by its result's name."""
    return Scope("float32", layer=f"^{re.escape(node.outputs[0].name)}$")


def _scores(model: Model, probes: Sequence[Arrays]) -> np.ndarray:
    crew = Crew(model, None)
    return np.stack(list(ordered(crew.scores, probes)))
