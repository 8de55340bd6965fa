"""What must hold of a graph before kernels can trust what it declares."""

from __future__ import annotations

from edgewise.ir.graph import Graph
from edgewise.ir.infer import result_types


class NotPlannable(Exception):
    """The graph runs on its references as a whole; the message says why."""


def require_plannable(graph: Graph, *, is_inferred: bool = False) -> None:
    """Raise NotPlannable unless all shapes are known and are those that the operands give, which
    they are where types `is_inferred`, and the arrays of the caller are only read."""
    for value in graph.inputs:
        if value.is_variable:
            raise NotPlannable(f"the input {value.name!r} is a variable, which operators write")
    for value in graph.values():
        if not value.type.is_static:
            raise NotPlannable(f"the shape of {value.name!r} is unknown until the model runs")
        if value.dtype.bits == 0:
            raise NotPlannable(f"{value.name!r} holds {value.dtype.text}")
    for node in () if is_inferred else graph.nodes:
        declared = [v.type for v in node.outputs]
        inferred = result_types(node.op, node.inputs, declared)
        for type_, found in zip(declared, inferred, strict=True):
            if type_.shape != found.shape or type_.dtype is not found.dtype:
                raise NotPlannable(f"{node}: declares {type_}; its operands give {found}")
