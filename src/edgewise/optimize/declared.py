"""Ranges that a model says itself: FAKE_QUANT operators, which training with quantization leaves.

In: a Graph of floats, about to become integers. Out: the ranges of the values that FAKE_QUANT
rounds to 8 bits; the operators are gone, because the integers are that rounding: a range whose ends
lie on the grid, as FAKE_QUANT moves them, gives the same scale and zero point again.

FAKE_QUANT of other widths, and a second one of the same value, stay and keep their values float.
"""

from __future__ import annotations

from edgewise.ir.graph import Graph
from edgewise.ops.convert import FakeQuant
from edgewise.optimize.ranges import Range

_BITS = 8


def take_declared(graph: Graph) -> dict[str, Range]:
    """By name of a value what FAKE_QUANT said of it; changes the graph."""
    found: dict[str, Range] = {}
    for node in list(graph.nodes):
        op, value = node.op, node.input if isinstance(node.op, FakeQuant) else None
        if not isinstance(op, FakeQuant) or value is None or op.num_bits != _BITS:
            continue
        if value.data is not None or value.name in found:
            continue
        if node.output.is_output and not value.is_output and value not in graph.inputs:
            value.name = node.output.name
        graph.tensors = []  # positions in a file; no longer true
        graph.replace(node, [value])
        found[value.name] = _nudged(op)
    return found


def _nudged(op: FakeQuant) -> Range:
    """The ends of the grid, moved so that zero lies on it."""
    lowest, highest = int(op.narrow_range), (1 << op.num_bits) - 1
    scale = (op.max - op.min) / (highest - lowest)
    point = min(max(int(lowest - op.min / scale + 0.5), lowest), highest)
    return Range(-point * scale, ((1 << op.num_bits) - 1 - point) * scale)
