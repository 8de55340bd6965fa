"""Operator cases whose constants become inputs: what a model computes, as those do that train
themselves."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from edgewise.ir import Graph
from edgewise.ir.op import Role
from tests.ops.case import Case, inputs_of, model_of

WEIGHTS, BIASES = (Role.WEIGHT,), (Role.BIAS,)
COMPUTED = (Role.DATA, Role.WEIGHT, Role.BIAS)


def freed(case: Case, roles: Collection[Role] = COMPUTED) -> tuple[Graph, list[np.ndarray]] | None:
    """The case's graph with the constants of these roles as further inputs, and all inputs; None
    where there are no such constants."""
    graph, inputs = model_of(case).main, inputs_of(case)
    found = {
        value: None
        for node in graph.nodes
        for index, value in enumerate(node.inputs)
        if value is not None and value.data is not None and node.op.declared(index).role in roles
    }
    for number, value in enumerate(found):
        assert value.data is not None
        graph.replace_uses(value, graph.add_input(value.type, f"given{number}"))
        inputs.append(value.data)
    return (graph, inputs) if found else None
