"""The oracles themselves: the worker survives what models do to it, stored answers are whole."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import answers, inputs
from tests.oracle.litert import Oracle

ABORTS = "bench/mobilenet_v3_small/int8.tflite"  # its SOFTMAX aborts in BUILTIN_REF
SLOW = "bench/efficientnet_lite0/int8.tflite"
SMALL = "bench/tiny_dscnn/int8.tflite"

needs_data = pytest.mark.skipif(
    not inputs.DATA.is_dir(), reason="the real models (../shared/data) are not here"
)


def test_keep_all_needs_a_resolver_that_keeps_tensors() -> None:
    with (
        Oracle("never started") as with_no_process,
        pytest.raises(ValueError, match="keep_all needs resolver="),
    ):
        with_no_process.run(b"", [], keep_all=True)


def test_recipes_make_the_same_array_everywhere() -> None:
    array = inputs.make_input(inputs.random_recipe(3, [2, 3], "int8"))
    assert array.tolist() == [[-22, 24, 121], [3, 56, 72]]


def test_stored_answers_are_complete() -> None:
    stored = answers.load()
    assert len(stored) > 200
    for answer in stored.values():
        if answer.oracle == "none":
            assert any(answer.errors.values()), answer.file
            continue
        resolver = next(r for r, error in answer.errors.items() if error is None)
        for output in answer.outputs(resolver):
            size = int(np.prod(output.shape))
            assert output.values.size == (size if size <= answers.WHOLE else answers.SAMPLE)


def test_stored_operators_have_inputs_and_both_outputs() -> None:
    operators = answers.load()[SMALL].operators()
    assert len(operators) >= 10
    for operator in operators:
        assert operator.inputs
        assert operator.default is not None
        assert operator.default.keys() == operator.reference.keys()


@pytest.mark.ci
@needs_data
def test_stored_inputs_can_be_made_again() -> None:
    for answer in answers.load().values():
        for step in range(answer.steps):
            assert answer.inputs(step) is not None


@needs_data
@pytest.mark.parity
def test_a_death_is_an_answer_and_the_next_model_runs(oracle: Oracle) -> None:
    stored = answers.load()
    dead, alive = stored[ABORTS], stored[SMALL]
    model = (inputs.DATA / dead.file).read_bytes()
    found = oracle.run(model, dead.inputs(), resolver="reference")
    assert found.error is not None
    assert found.error.startswith("aborted: exit status -6")
    model = (inputs.DATA / alive.file).read_bytes()
    output = oracle.run(model, alive.inputs(), resolver="reference").outputs[0]
    np.testing.assert_array_equal(output, alive.outputs("reference")[0].values)


@needs_data
@pytest.mark.parity
def test_no_answer_in_time_is_an_answer(oracle: Oracle) -> None:
    stored = answers.load()[SLOW]
    model = (inputs.DATA / stored.file).read_bytes()
    found = oracle.run(model, stored.inputs(), resolver="reference", timeout_s=0.0)
    assert found.error == "timed out: no answer within 0 s"


@pytest.mark.parity
def test_bytes_that_are_no_model_are_refused(oracle: Oracle) -> None:
    found = oracle.run(b"not a model", [])
    assert found.error is not None
    assert found.error.startswith("ValueError")
