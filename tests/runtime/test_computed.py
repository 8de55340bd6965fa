"""Weights and biases that the model computes, as those do that train themselves: kernels on every
instruction set, against the reference. Which operators have none is in test_host_operators.py."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.evaluate import evaluate
from edgewise.ir.graph import Value
from edgewise.ir.op import Role
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Target
from tests.isas import ISAS
from tests.ops.case import Case

from .freed import BIASES, COMPUTED, WEIGHTS, freed
from .matrix import cases, is_native, planned, same_results, tolerance_of

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


@pytest.mark.ci
@pytest.mark.parametrize("is_computed", [False, True], ids=["constant", "computed"])
def test_biases_of_64_bits(is_computed: bool) -> None:
    """Sums modulo 2**64, whatever the bias: small ones, and those at which products overflow."""
    count, sizes = 0, (3, 31, 32, 46, 47, 48, 61, 62, 63)
    near = [s * (1 << p) - d for p in sizes for s in (1, -1) for d in (0, 1)]
    edges = np.array([b for b in near if -(1 << 63) <= b < 1 << 63], np.int64)
    for case in cases():
        found = freed(case, BIASES)
        if found is None or found[1][-1].dtype != np.int64:
            continue
        graph, inputs = found
        inputs[-1] = np.resize(np.roll(edges, count), inputs[-1].shape)
        wanted = evaluate(graph, inputs)
        if not is_computed:
            given = graph.inputs.pop()
            graph.replace_uses(given, Value(given.type, given.name, inputs.pop()))
        for isa in ISAS:
            made = planned(graph, Target(isa))
            assert made is not None
            assert is_native(made), case.id
            same_results(Executor(made).run(inputs, {}), wanted, tolerance_of(case, made.placement))
            count += 1
    assert count > 20


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
