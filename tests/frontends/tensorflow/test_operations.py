"""Every TensorFlow operation that has a handler, alone in a graph, against TensorFlow's results.

Integers are equal, floats agree within the case's tolerance of the output's range. The file must
not have more operators than TensorFlow's converter makes of the same graph, unless the case says
why. `--full --oracle-python PATH` runs the file in LiteRT as well.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import tests.frontends.tensorflow.cases  # noqa: F401 - declares the cases
from edgewise.errors import UnsupportedOp
from edgewise.format import write
from edgewise.frontends.tensorflow.frozen import read_frozen
from edgewise.frontends.tensorflow.handlers import COMPLEX, HANDLERS
from edgewise.frontends.tensorflow.lower import lower
from edgewise.ir.evaluate import evaluate
from edgewise.ir.model import Model
from edgewise.ir.verify import verify
from edgewise.passes import canonicalize, to_tflite
from edgewise.passes.target import require_target
from edgewise.runtime.session import Session
from tests.frontends.tensorflow.answers import SCRIPT, Answer, load
from tests.frontends.tensorflow.case import CASES, Case
from tests.oracle.litert import Oracle

CONVERTED = [case for case in CASES if not case.refused]
REFUSED = [case for case in CASES if case.refused]
ARE_FLOW = {"Const", "Placeholder", "Assert", "Print", "PrintV2"}  # test_lower.py has them

cases = pytest.mark.parametrize("case", CONVERTED, ids=lambda case: case.id)


def answer_to(case: Case) -> Answer:
    found = load().get(case.id)
    assert found is not None, f"TensorFlow was not asked about this case; run {SCRIPT} {case.op}"
    return found


@cache
def lowered(case_id: str) -> Model:
    answer = load()[case_id]
    return lower(read_frozen(answer.graph, answer.input_names, answer.output_names))


@cache
def finished(case_id: str) -> Model:
    return to_tflite(canonicalize(lowered(case_id)))


def fed(model: Model, answer: Answer) -> list[np.ndarray]:
    """The inputs in the order of the graph."""
    arrays = dict(zip(answer.input_names, answer.inputs, strict=True))
    places = model.signatures[0].inputs
    return [arrays[name] for name in sorted(places, key=lambda name: places[name])]


def compare(case: Case, ours: list[np.ndarray], answer: Answer) -> None:
    assert len(ours) == len(answer.outputs)
    for i, (y, want) in enumerate(zip(ours, answer.outputs, strict=True)):
        assert y.shape == want.shape, f"output {i}"
        assert y.dtype == want.dtype, f"output {i}"
        if case.only_shape:
            continue
        if want.dtype.kind not in "fc":
            np.testing.assert_array_equal(y, want, f"output {i}")
            continue
        finite = np.abs(want[np.isfinite(want)])
        scale = min(max(1.0, float(finite.max(initial=0))), 1e6)
        np.testing.assert_allclose(y, want, 1e-5, case.tolerance * scale, err_msg=f"output {i}")


@pytest.mark.ci
@cases
def test_means_what_tensorflow_means(case: Case) -> None:
    answer = answer_to(case)
    model = lowered(case.id)
    verify(model)
    compare(case, evaluate(model.main, fed(model, answer)), answer)


@pytest.mark.ci
@cases
def test_runs(case: Case) -> None:
    """The written model, on our kernels."""
    answer = answer_to(case)
    model = finished(case.id)
    compare(case, Session(model.main).run(fed(model, answer)), answer)


@pytest.mark.ci
@cases
def test_needs_no_more_operators_than_tensorflow(case: Case) -> None:
    """Ours are few; where they are more, the case says why."""
    theirs = answer_to(case).operators
    ours = sum(len(graph) for graph in finished(case.id).graphs.values())
    if theirs < 0:
        assert not case.more, "TensorFlow's converter fails; the case need not say `more`"
    elif case.more:
        assert ours > theirs, "TensorFlow needs as many; the case need not say `more`"
    else:
        assert ours <= theirs, f"{ours} operators; TensorFlow's converter makes {theirs}"


@pytest.mark.ci
@cases
def test_runs_on_the_release_of_litert_that_runs_it(case: Case) -> None:
    """The target check refuses nothing that `test_litert_agrees` has seen running."""
    if not case.no_litert:
        require_target(finished(case.id), "litert-2.3")


@pytest.mark.ci
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
def test_is_refused(case: Case) -> None:
    answer_to(case)
    with pytest.raises(UnsupportedOp, match=case.refused):
        lowered(case.id)


@pytest.mark.parity
@cases
def test_litert_agrees(case: Case, oracle: Oracle) -> None:
    """LiteRT on our file."""
    answer = answer_to(case)
    model = finished(case.id)
    data = b"".join(bytes(chunk) for chunk in write(model))
    found = oracle.run(data, fed(model, answer))
    if case.no_litert:
        assert found.error is not None, "LiteRT runs it; the case need not say `no_litert`"
        return
    assert found.error is None, found.error
    compare(case, found.outputs, answer)


def test_every_operation_has_a_case() -> None:
    missing = {*HANDLERS, *COMPLEX} - ARE_FLOW - {case.op for case in CASES}
    assert not missing, f"no case in tests/frontends/tensorflow/cases: {sorted(missing)}"


def test_cases_have_names_of_their_own() -> None:
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names)


def test_no_answer_is_stale() -> None:
    assert set(load()) == {case.id for case in CASES}
