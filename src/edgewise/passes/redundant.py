"""Nodes that need not be computed: nobody reads them, or another node computes the same."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from edgewise.hashing import hash_of
from edgewise.ir.contents import dims
from edgewise.ir.graph import Graph, Node, Value
from edgewise.passes.rewrite import Outcome


def eliminate_dead(graph: Graph) -> Outcome:
    """Erase, in place, the nodes whose results nobody reads; those with an effect stay."""
    outcome = Outcome()
    for node in reversed(list(graph.nodes)):
        if has_effect(node) or any(value.uses for value in node.outputs):
            continue
        graph.erase(node)
        outcome.replaced("dead", node, None, phrase="operator[s] that nothing read removed")
    return outcome


def eliminate_common(graph: Graph) -> Outcome:
    """Let nodes that compute the same from the same values be one, in place; constants too.

    Of two equal values the first stays. Where both are outputs of the graph, it is listed twice,
    as in files of TensorFlow's converter; the signature has both names.
    """
    outcome = Outcome()
    outcome.counts["equal constants"] += _merge_constants(graph)
    outcome.phrases["equal constants"] = "repeated constant[s] stored once"
    known: dict[Hashable, Node] = {}
    for node in graph.nodes:
        key = _sizes(node)
        key = _key(node) if key is None else key
        first = node if key is None else known.setdefault(key, node)
        if first is node:
            continue
        graph.replace(node, first.outputs)
        phrase = "operator[s] computed once instead of twice"
        outcome.replaced("equal nodes", node, first.output, phrase=phrase)
    return outcome


def has_effect(node: Node) -> bool:
    """The node does something besides computing its results."""
    return not node.op.is_pure or bool(node.op.updates)


def _key(node: Node) -> Hashable | None:
    """Equal for nodes that compute the same; None where that cannot be said."""
    if has_effect(node) or any(v is not None and v.is_variable for v in node.inputs):
        return None
    types = tuple((v.dtype, v.quant) for v in node.outputs)
    key = (node.op, tuple(id(v) for v in node.inputs), types)
    try:
        hash(key)
    except TypeError:  # an attribute that is an array
        return None
    return key


def _sizes(node: Node) -> Hashable | None:
    """Equal for a SHAPE and the vectors behind it that are packed of the same sizes."""
    if node.op.name not in ("shape", "pack") or len(node.output.shape) != 1:
        return None
    known = dims(node.output)
    return None if known is None else (node.output.dtype, *known)


def _merge_constants(graph: Graph) -> int:
    """Constants of one type and content become one value; returns how many went."""
    firsts: dict[Hashable, Value] = {}
    contents: dict[Hashable, Value] = {}
    merged = 0
    for value in list(graph.constants()):
        data = value.data
        if data is None or value.is_output or value.extras or data.dtype.hasobject:
            continue
        # the first bytes tell most tensors of one type apart without reading the rest
        key = (value.type, data.reshape(-1)[:16].tobytes())
        first = firsts.setdefault(key, value)
        if first is value:
            continue
        if key not in contents:
            contents[key] = first
            contents[key, _digest(first)] = first
        twin = contents.setdefault((key, _digest(value)), value)
        if twin is not value:
            graph.replace_uses(value, twin)
            merged += 1
    return merged


def _digest(value: Value) -> bytes:
    """Equal for equal bits only (NaN equals NaN, 0 does not equal -0)."""
    assert value.data is not None
    data = np.ascontiguousarray(value.data).reshape(-1)
    return hash_of(data.view(np.uint8).data)
