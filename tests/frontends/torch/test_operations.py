"""Operations of PyTorch as our operators, against the results of PyTorch.

The graphs are those that `torch.export` gave (`make_fixtures.py`); PyTorch is not needed. Whole
numbers are equal, floats agree within the case's tolerance of the output's range.
`--full --oracle-python PATH` runs the files in LiteRT as well.
"""

from __future__ import annotations

import numpy as np
import pytest

import tests.frontends.torch.cases  # noqa: F401 - declares the cases
from edgewise.dtypes import DType
from edgewise.format import write
from edgewise.frontends.context import computed
from edgewise.frontends.torch.lower import lower
from edgewise.ir.model import Model
from edgewise.ir.verify import verify
from edgewise.passes import canonicalize, to_tflite
from edgewise.passes.target import require_target
from edgewise.runtime.session import Session
from tests.frontends.torch.answers import Answer, load
from tests.frontends.torch.case import CASES, Case
from tests.oracle.litert import Oracle, Resolver

cases = pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)


def answer_to(case: Case) -> Answer:
    found = load().get(case.name)
    assert found is not None, "PyTorch was not asked about this case; run make_fixtures.py"
    return found


def fed(answer: Answer) -> list[np.ndarray]:
    """The inputs in the types that we compute in."""
    return [a.astype(computed(DType.of(a.dtype)).numpy) for a in answer.inputs]


def compare(case: Case, ours: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    assert len(ours) == len(wanted)
    for i, (y, want) in enumerate(zip(ours, wanted, strict=True)):
        assert y.shape == want.shape, f"output {i}"
        assert y.dtype == computed(DType.of(want.dtype)).numpy, f"output {i}"
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(y, want, f"output {i}")
            continue
        finite = np.abs(want[np.isfinite(want)])
        scale = max(1.0, float(finite.max(initial=0)))
        np.testing.assert_allclose(y, want, 0, case.tolerance * scale, err_msg=f"output {i}")


def test_every_answer_has_its_case() -> None:
    assert load().keys() == CASES.keys()


def finished(answer: Answer, target: str | None = None) -> Model:
    model = lower(answer.program)
    verify(model)
    return to_tflite(canonicalize(model, target=target), target)


@pytest.mark.ci
@cases
def test_means_what_pytorch_means(case: Case) -> None:
    answer = answer_to(case)
    final = finished(answer)
    require_target(final, None if case.no_litert else "litert-2.3")
    compare(case, Session(final.main).run(fed(answer)), answer.outputs)


@pytest.mark.parity
@pytest.mark.parametrize("resolver", ["default", "reference"])
@cases
def test_litert_agrees(case: Case, resolver: Resolver, oracle: Oracle) -> None:
    """LiteRT on our file for it."""
    answer = answer_to(case)
    final = finished(answer, None if case.no_litert else "litert-2.3")
    data = b"".join(bytes(chunk) for chunk in write(final))
    found = oracle.run(data, fed(answer), resolver=resolver)
    if resolver == "reference" and found.lacks_kernel:
        pytest.skip("the reference kernels lack one of these operators")
    if case.no_litert:
        assert found.error is not None, "LiteRT runs it; the case need not say `no_litert`"
        return
    assert found.error is None, found.error
    compare(case, found.outputs, answer.outputs)


@pytest.mark.parametrize(
    ("name", "operators"),
    [("lstm", ["unidirectional_sequence_lstm"]), ("rnn-tanh", ["unidirectional_sequence_rnn"])],
)
def test_layers_with_an_operator_are_one(name: str, operators: list[str]) -> None:
    assert [node.op.name for node in finished(answer_to(CASES[name])).main.nodes] == operators
