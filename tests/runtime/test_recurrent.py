"""Layers with a state, natively: a second run goes on where the first one ended."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.ir.evaluate import State, evaluate
from tests.ops.case import Case, inputs_of, model_of

from .matrix import cases, same_results

STATEFUL = [
    case
    for case in cases()
    if case.op.updates and case.write is None and any(a and a.variable for a in case.args)
]


@pytest.mark.parametrize("case", STATEFUL, ids=lambda c: c.id)
def test_two_runs_are_those_of_the_reference(case: Case) -> None:
    model, inputs = model_of(case), inputs_of(case)
    state: State = {}
    run = edgewise.Interpreter(model)
    for _ in range(2):
        wanted = evaluate(model.main, inputs, state=state)
        found = [np.asarray(y) for y in run(*inputs).values()]
        same_results(found, wanted, 2 * case.op.tolerance)
