"""Which layer of one model is which of another: by the names of their results, else by structure.

Two models of one network, one of them quantized, have mostly the same operators in the same order;
the quantized one has QUANTIZE and DEQUANTIZE between them. Names match first, where their tensors
have one shape; between layers that are matched by name, the rest is matched by operator and shape,
as the longest common runs. Layers that have another number of channels in one of the models, where
it was widened, are left out.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from edgewise.ir.graph import Graph, Node, Value
from edgewise.ops.convert import Cast, Dequantize, Quantize
from edgewise.values import dataclass

CONVERSIONS = (Quantize, Dequantize, Cast)


@dataclass(frozen=True, slots=True)
class Match:
    """A layer of the first model and the same of the second: nodes whose first result is the
    layer's."""

    first: Node
    second: Node


def match(first: Graph, second: Graph) -> list[Match]:
    """Layers of both graphs in their order. What is no `is_layer` is left out."""
    sides = _layers(first), _layers(second)
    keys = [{_key(n): _shape(n) for n in side} for side in sides]
    other = {k for k in keys[0].keys() & keys[1].keys() if keys[0][k] != keys[1][k]}
    ours, theirs = ([n for n in side if _key(n) not in other] for side in sides)
    by_name = {_name(n): i for i, n in enumerate(ours)}
    found: list[tuple[int, int]] = []
    last = -1
    for j, node in enumerate(theirs):
        i = by_name.get(_name(node), -1)
        if i > last and _shape(ours[i]) == _shape(node):
            found.append((i, j))
            last = i
    pairs: list[tuple[int, int]] = []
    before = (-1, -1)
    for anchor in [*found, (len(ours), len(theirs))]:
        (i0, j0), (i1, j1) = before, anchor
        pairs += _alike(ours, theirs, range(i0 + 1, i1), range(j0 + 1, j1))
        if anchor[0] < len(ours):
            pairs.append(anchor)
        before = anchor
    return [Match(ours[i], theirs[j]) for i, j in pairs]


def _alike(
    ours: list[Node], theirs: list[Node], left: range, right: range
) -> list[tuple[int, int]]:
    if not left or not right:
        return []
    keys = [(ours[i].op.name, _shape(ours[i])) for i in left]
    others = [(theirs[j].op.name, _shape(theirs[j])) for j in right]
    blocks = SequenceMatcher(None, keys, others, autojunk=False).get_matching_blocks()
    return [(left[block.a + k], right[block.b + k]) for block in blocks for k in range(block.size)]


def counterparts(first: Graph, second: Graph, matches: list[Match]) -> dict[Value, Value]:
    """For each value of the second graph the first's that holds the same numbers: inputs by
    position, results of matched layers, and what conversions of types make of them."""
    found = dict(zip(second.inputs, first.inputs, strict=False))
    for m in matches:
        found.update(zip(m.second.outputs, m.first.outputs, strict=False))
    for node in second.nodes:
        if isinstance(node.op, CONVERSIONS) and node.input in found:
            found.setdefault(node.output, found[node.input])
    return found


def layer_name(node: Node) -> str:
    """The source layer of a node, or the name of its result; of several names that a converter
    joined (`block/relu;block/conv`) the first one, which is the result's."""
    if node.location is not None and node.location.layer:
        return str(node.location).split(";")[0]
    return (node.name or (node.outputs[0].name if node.outputs else "")).split(";")[0]


def _layers(graph: Graph) -> list[Node]:
    return [n for n in graph.nodes if is_layer(n)]


def is_layer(node: Node) -> bool:
    """It computes real numbers: conversions of types, and sizes and indices, are no layers."""
    if not node.outputs or isinstance(node.op, CONVERSIONS):
        return False
    return node.output.dtype.is_float or node.output.type.is_quantized


def _name(node: Node) -> str:
    """Of several names that a converter joined, the result's."""
    return node.output.name.split(";")[0]


def _key(node: Node) -> tuple[object, ...]:
    """What a layer keeps that gets another number of channels."""
    return node.op.name, _name(node), _shape(node)[:-1]


def _shape(node: Node) -> tuple[object, ...]:
    """The result's without the batch, which one model may fix and the other leave open."""
    return tuple(d for d in (node.output.type.shape or ())[1:])
