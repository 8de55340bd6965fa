"""Layers with a state, natively: a second run goes on where the first one ended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ir.evaluate import State, evaluate
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from tests.isas import ISAS
from tests.ops.case import Case, inputs_of, model_of
from tests.ops.cases.lstm import integer

from .matrix import cases, is_native, same_results, tolerance_of

STATEFUL = [
    case
    for case in cases()
    if case.op.updates and case.write is None and any(a and a.variable for a in case.args)
]


@pytest.mark.parametrize("case", STATEFUL, ids=lambda c: c.id)
def test_two_runs_are_those_of_the_reference(case: Case) -> None:
    model, inputs = model_of(case), inputs_of(case)
    placement = plan(model.main, Target(host_isa())).placement
    tolerance = max(2 * case.op.tolerance, tolerance_of(case, placement))
    state: State = {}
    run = edgewise.Interpreter(model)
    for _ in range(2):
        wanted = evaluate(model.main, inputs, state=state)
        found = [np.asarray(y) for y in run(*inputs).values()]
        same_results(found, wanted, tolerance)


@pytest.mark.parametrize("index", [1, 6])
def test_integer_weights_without_a_sign_are_the_references(index: int) -> None:
    """The kernel's are int8: those above 127 became others (found by changed files)."""
    case = integer(2, 3, 5, 7, 7, time_major=False)
    model, inputs = model_of(case), inputs_of(case)
    weights = next(iter(model.main.nodes)).operand(index)
    assert weights.data is not None
    weights.data = weights.data.view(np.uint8)
    weights.type = TensorType(weights.type.shape, DType.UINT8, weights.quant)
    run = edgewise.Interpreter(model)
    same_results(list(run(*inputs).values()), evaluate(model.main, inputs), 0.0)
    assert [p.where for p in run.placement()] == ["host"]


def test_integer_cells_with_float_biases_are_the_references() -> None:
    case = integer(2, 3, 5, 7, 7, time_major=False)
    model, inputs = model_of(case), inputs_of(case)
    bias = next(iter(model.main.nodes)).operand(13)
    bias.data = np.full(7, np.nan, np.float32)
    bias.type = TensorType((7,), DType.FLOAT32)
    run = edgewise.Interpreter(model)
    with np.errstate(invalid="ignore"):
        same_results(list(run(*inputs).values()), evaluate(model.main, inputs), 0.0)
    assert [p.where for p in run.placement()] == ["host"]


FACTS = [
    {},
    {"coupled": True, "norm": True},
    {"peephole": True, "cell_clip": 3.0},
    {"norm": True, "peephole": True, "project": True, "proj_clip": 0.6},
]


@pytest.mark.ci
@pytest.mark.parametrize("facts", FACTS, ids=str)
@pytest.mark.parametrize(("size", "cells", "outputs"), [(19, 37, 21), (1, 33, 65), (64, 64, 64)])
def test_integer_cells_wider_than_a_panel(
    size: int, cells: int, outputs: int, facts: dict[str, object]
) -> None:
    """Odd tails, saturated gates: the reference's bits on every instruction set."""
    outputs = outputs if facts.get("project") else cells
    case = integer(3, 4, size, cells, outputs, time_major=False, **facts)
    wide = replace(case.args[13], values=case.args[13].values * 40)
    model = model_of(replace(case, args=(*case.args[:13], wide, *case.args[14:])))
    inputs = inputs_of(case)
    wanted = evaluate(model.main, inputs)
    for isa in ISAS:
        made = plan(model.main, Target(isa))
        assert is_native(made)
        same_results(Executor(made).run(inputs, {}, None), wanted, 0.0)


@pytest.mark.ci
@pytest.mark.parametrize("log2", range(-15, -2))
def test_fixed_point_functions(log2: int) -> None:
    """Gates all over their range, and cells of every scale that the kernel takes."""
    case = integer(1, 1, 1, 1021)
    rng = np.random.default_rng(-log2)
    args = list(case.args)
    for at in (1, 2, 3, 4):
        args[at] = replace(args[at], values=np.zeros((1021, 1), np.int8), quant=Quant(2.0**-6))
        zeros = np.zeros((1021, 1021), np.int8)
        args[at + 4] = replace(args[at + 4], values=zeros)
        drawn = np.clip(rng.normal(0, 9000, 1021), -32768, 32767).astype(np.int32)
        args[at + 11] = replace(args[at + 11], values=drawn)
    args[0] = replace(args[0], quant=Quant(2.0**-6))
    args[19] = replace(args[19], quant=Quant(2.0**log2))
    model, inputs = model_of(replace(case, args=tuple(args))), inputs_of(case)
    wanted = evaluate(model.main, inputs)
    for isa in ISAS:
        same_results(Executor(plan(model.main, Target(isa))).run(inputs, {}, None), wanted, 0.0)
