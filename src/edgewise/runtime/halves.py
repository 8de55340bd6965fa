"""Operators on 16-bit floats, as those on float32 between casts.

Sums, products, quotients and roots of 16-bit floats are the same when they are computed in float32
and rounded once more; functions and long sums come nearer to the real number. Constants become
float32 while planning, weights with them.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.convert import Cast

HALVES = (DType.FLOAT16, DType.BFLOAT16)


def widened(node: Node) -> tuple[Sequence[Node], Node, Sequence[Node]] | None:
    """(casts of the operands, the operator on float32, casts of the results); None where nothing of
    it is a 16-bit float, or all that it does is to change types."""
    values = [v for v in (*node.inputs, *node.outputs) if v is not None]
    if not any(v.dtype in HALVES for v in values) or isinstance(node.op, Cast):
        return None
    before, after = list[Node](), list[Node]()
    wide = dict[Value, Value]()
    for value in values:
        if value.dtype in HALVES and value not in wide:
            wide[value] = Value(
                TensorType(value.type.shape, DType.FLOAT32, value.quant), value.name
            )
    for value in dict.fromkeys(v for v in node.inputs if v in wide):
        assert value is not None
        before.append(_cast(value, wide[value]))
    for value in node.outputs:
        if value in wide:
            after.append(_cast(wide[value], value))
    operands = [None if v is None else wide.get(v, v) for v in node.inputs]
    results = [wide.get(v, v) for v in node.outputs]
    return before, Node(node.op, operands, results, node.name), after


def _cast(x: Value, y: Value) -> Node:
    return Node(Cast(in_data_type=x.dtype, out_data_type=y.dtype), [x], [y])
