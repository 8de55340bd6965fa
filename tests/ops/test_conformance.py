"""The matrix: every operator x case x dtype. This file: inference, reference and sanity."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.errors import EdgewiseError
from edgewise.ir import Op, Quant, verify
from edgewise.ir.evaluate import evaluate
from tests.ops.case import Case, all_cases, inputs_of, model_of

CASES = all_cases()
GOOD = [c for c in CASES if not c.error]
BAD = [c for c in CASES if c.error]


@pytest.mark.sampled(7)
@pytest.mark.parametrize("case", GOOD, ids=lambda c: c.id)
def test_inference_equals_evaluation(case: Case) -> None:
    """The inferred types are those of the arrays the reference gives; the model verifies."""
    model = model_of(case)
    verify(model)
    outputs = evaluate(model.main, inputs_of(case))
    for value, array in zip(model.main.outputs, outputs, strict=True):
        assert value.dtype.numpy == array.dtype
        inferred = value.shape
        assert len(inferred) == array.ndim
        fixed = [(d, s) for d, s in zip(inferred, array.shape, strict=True) if isinstance(d, int)]
        assert all(d == s for d, s in fixed), (inferred, array.shape)


@pytest.mark.parametrize("case", BAD, ids=lambda c: c.id)
def test_bad_operands_are_refused(case: Case) -> None:
    with pytest.raises(EdgewiseError) as caught:
        model_of(case)
    message = str(caught.value)
    assert case.error in message
    assert message.startswith(case.op.name), "an error names the operator first"


@pytest.mark.sampled(7)
@pytest.mark.parametrize("case", [c for c in GOOD if c.label.endswith("-q")], ids=lambda c: c.id)
def test_integers_approximate_the_meaning(case: Case) -> None:
    """Integer results, dequantized, lie near the float reference on dequantized operands."""
    model = model_of(case)
    graph = model.main
    inputs = inputs_of(case)
    outputs = evaluate(graph, inputs)
    real = _float_twin(case)
    for value, array, wanted in zip(graph.outputs, outputs, real, strict=True):
        if value.quant is None:
            continue
        low, high = value.dtype.range
        limits = value.quant.dequantize(np.array([low, high]))
        wanted = np.clip(wanted, limits[0], limits[1])
        steps = np.abs(value.quant.dequantize(array) - wanted) / value.quant.scale[0]
        assert steps.max(initial=0) <= max(1.51, case.op.integer_steps(value.dtype))


def _float_twin(case: Case) -> list[np.ndarray]:
    graph = model_of(case).main
    node = next(iter(graph.nodes))
    feed = dict(zip(graph.inputs, inputs_of(case), strict=True))
    operands = []
    for value in node.inputs:
        if value is None:
            operands.append(None)
            continue
        data = value.data if value.data is not None else feed.get(value)
        if data is None:
            data = np.zeros([int(d) for d in value.shape], value.dtype.numpy)
        quant: Quant | None = value.quant
        operands.append(data if quant is None else quant.dequantize(data).astype(np.float64))
    padding = [None] * (len(node.op.operands) - len(operands))
    out = node.op.reference(*operands, *padding)
    return list(out) if isinstance(out, tuple) else [out]


def test_every_operator_has_docstring_and_cases() -> None:
    covered = {c.op.name for c in GOOD}
    missing = sorted(set(Op.registry) - covered)
    assert not missing, f"operators without cases in tests/ops/cases: {missing}"
    bare = sorted(n for n, cls in Op.registry.items() if not (cls.__doc__ or "").strip())
    assert not bare, f"operators without docstring: {bare}"
