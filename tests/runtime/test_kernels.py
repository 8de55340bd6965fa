"""The operator matrix through native plans: every case x instruction set against the reference.

Integers are bit-identical, floats within the operator's tolerance of the output range.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import EdgewiseError
from edgewise.ir import Builder
from edgewise.ir.evaluate import evaluate
from edgewise.ops.binary import FloorDiv
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa, host_isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from tests.isas import ISAS
from tests.ops.case import Case, inputs_of, model_of

from .matrix import cases, planned, same_results, tolerance_of

CASES = cases()


@pytest.mark.sampled(11)
@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_kernels_equal_the_reference(case: Case, isa: Isa) -> None:
    graph = model_of(case).main
    made = planned(graph, Target(isa))
    if made is None:
        return
    inputs = inputs_of(case)
    wanted = evaluate(graph, inputs)
    same_results(Executor(made).run(inputs, {}, None), wanted, tolerance_of(case, made.placement))


def unaligned(array: np.ndarray) -> np.ndarray:
    """The same elements one element after a 64-byte boundary."""
    memory = np.zeros(array.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + array.itemsize
    moved = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


@pytest.mark.sampled(11)
@pytest.mark.parametrize("case", [c for c in CASES if c.args and c.args[0] and c.args[0].shape])
def test_buffers_need_no_alignment(case: Case) -> None:
    graph = model_of(case).main
    made = planned(graph, Target(host_isa()))
    if made is None:
        return
    inputs = inputs_of(case)
    executor = Executor(made)
    aligned_run = executor.run(inputs, {}, None)
    for a, b in zip(
        executor.run([unaligned(x) for x in inputs], {}, None), aligned_run, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_host_step_fails_as_the_reference_does() -> None:
    """The error of an operator names its node, whoever runs it."""
    b = Builder()
    x = b.input("x", (3,), DType.INT32)
    y = b.input("y", (3,), DType.INT32)
    graph = b.finish(b.node(FloorDiv(), x, y).output)
    arrays = [np.ones(3, np.int32), np.zeros(3, np.int32)]
    with pytest.raises(EdgewiseError) as wanted:
        evaluate(graph, arrays)
    with pytest.raises(EdgewiseError) as found:
        Executor(plan(graph, Target(host_isa()))).run(arrays, {}, None)
    assert str(found.value) == str(wanted.value)
