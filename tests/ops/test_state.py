"""Recurrent operators: a sequence in two calls, state carried over, equals the sequence in one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgewise.ir.evaluate import State, evaluate
from edgewise.ir.op import Op
from tests.ops.case import Case, all_cases, inputs_of, model_of

SEQUENCES = [
    case
    for case in all_cases()
    if case.op.updates and not case.error and "SEQUENCE" in case.op.builtin
]
ONE_WAY = [c for c in SEQUENCES if "BIDIRECTIONAL" not in c.op.builtin.removeprefix("UNI")]


def _time_axis(op: Op) -> int:
    return 0 if getattr(op, "time_major", False) else 1


@pytest.mark.parametrize("case", ONE_WAY, ids=lambda c: c.id)
def test_state_carries_over(case: Case) -> None:
    axis = _time_axis(case.op)
    (x,) = inputs_of(case)
    whole = evaluate(model_of(case).main, [x])[0]
    part = _with_steps(case, 1)
    graph = model_of(part).main
    state: State = {}
    steps = [evaluate(graph, [np.take(x, [t], axis)], state=state)[0] for t in range(x.shape[axis])]
    np.testing.assert_allclose(np.concatenate(steps, axis), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", ONE_WAY, ids=lambda c: c.id)
def test_calls_with_fresh_state_repeat(case: Case) -> None:
    graph, inputs = model_of(case).main, inputs_of(case)
    first, second = (evaluate(graph, inputs, state={})[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def _with_steps(case: Case, count: int) -> Case:
    """The case with another number of time steps and the same constants."""
    graph = model_of(case).main
    node = next(iter(graph.nodes))
    args = []
    for a, value in zip(case.args, node.inputs, strict=False):
        data = None if value is None else value.data
        args.append(a if a is None or data is None else dataclasses.replace(a, values=data))
    x = args[0]
    shape = list(x.shape)
    shape[_time_axis(case.op)] = count
    args[0] = dataclasses.replace(x, shape=tuple(shape))
    return dataclasses.replace(case, args=tuple(args))
