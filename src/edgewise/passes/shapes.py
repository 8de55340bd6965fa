"""Dimensions that a graph declares as unknown, although the operators before them say them.

A `.tflite` file has -1 where its converter did not know a dimension; what is computed from it
(SHAPE, STRIDED_SLICE, PACK before a resize) cannot be folded before it is known.
"""

from __future__ import annotations

from edgewise.errors import EdgewiseError
from edgewise.ir.graph import Graph, Node
from edgewise.ir.infer import result_types
from edgewise.passes.rewrite import Outcome

PHRASE = "shape[s] found to be known"


def sharpen_shapes(graph: Graph) -> Outcome:
    """Replace, in place, unknown dimensions of results by the integers that inference finds."""
    outcome = Outcome()
    for node in graph.nodes:
        if node.op.graph_fields or all(value.type.is_static for value in node.outputs):
            continue
        for value, shape in zip(node.outputs, _inferred(node), strict=True):
            declared = value.type.shape
            if shape is None or declared is None or len(shape) != len(declared):
                continue
            sharper = tuple(
                b if isinstance(b, int) and not isinstance(a, int) else a
                for a, b in zip(declared, shape, strict=True)
            )
            if sharper != declared:
                value.type = value.type.with_shape(sharper)
                outcome.counts["known shape"] += 1
                outcome.phrases["known shape"] = PHRASE
    return outcome


def _inferred(node: Node) -> list[tuple[object, ...] | None]:
    declared = [value.type.with_shape(None) for value in node.outputs]
    try:
        types = result_types(node.op, node.inputs, declared)
    except EdgewiseError:  # verify reports it
        return [None] * len(node.outputs)
    if len(types) != len(node.outputs):
        return [None] * len(node.outputs)
    return [type_.shape for type_ in types]
