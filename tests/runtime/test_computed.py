"""Weights and biases that the model computes, as those do that train themselves: kernels on every
instruction set, against the reference. Which operators have none is in test_host_operators.py."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.evaluate import evaluate
from edgewise.ir.op import Role
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Target
from tests.ops.case import Case

from .freed import BIASES, COMPUTED, WEIGHTS, freed
from .matrix import cases, is_native, planned, same_results, tolerance_of

ISAS = [isa for isa in Isa if isa <= host_isa()]
EACH = {"weights": (WEIGHTS, [host_isa()]), "biases": (BIASES, [host_isa()])}
TOGETHER = {"all": (COMPUTED, ISAS)}


def has_weights(case: Case) -> bool:
    """It has a weight or a bias that is constant."""
    roles = {role for a, role in zip(case.args, case.roles, strict=True) if a and a.const}
    return bool(roles & {Role.WEIGHT, Role.BIAS}) and not case.op.graph_fields


@pytest.mark.ci
@pytest.mark.parametrize("case", list(filter(has_weights, cases())), ids=lambda c: c.id)
def test_kernels_equal_the_reference(case: Case) -> None:
    for roles, isas in (EACH | TOGETHER).values():
        found = freed(case, roles)
        if found is None:
            continue
        graph, inputs = found
        wanted = evaluate(graph, inputs)
        for isa in isas:
            made = planned(graph, Target(isa))
            if made is not None and is_native(made):
                tolerance = tolerance_of(case, made.placement)
                same_results(Executor(made).run(inputs, {}), wanted, tolerance)


def test_results_follow_the_weights() -> None:
    case = next(c for c in cases() if c.op.name == "conv_2d" and has_weights(c))
    found = freed(case, WEIGHTS)
    assert found is not None
    graph, inputs = found
    made = planned(graph, Target(host_isa()))
    assert made is not None
    assert is_native(made)
    executor = Executor(made)
    for factor in (1, 2):
        changed = [*inputs[:-1], inputs[-1] * np.float32(factor)]
        same_results(executor.run(changed, {}), evaluate(graph, changed), case.op.tolerance)
