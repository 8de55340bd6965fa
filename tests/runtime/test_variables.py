"""Variables whose size follows the batch, through a file and back."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Sym, TensorType, Value
from edgewise.ir.enums import Activation
from edgewise.ir.model import STATELESS, Signature
from edgewise.lite import Interpreter as LiteInterpreter
from edgewise.ops.join import Pack
from edgewise.runtime.session import Session


def recurrent(*, state_is_input: bool = False) -> Model:
    """A recurrent layer of 4 units on [batch, 3, 2]; its state is [batch, 4]."""
    rng = np.random.default_rng(5)
    b = Builder()
    x = b.input("x", (Sym("batch"), 3, 2))
    w, r, bias = (
        b.constant(rng.uniform(-1, 1, shape).astype(np.float32)) for shape in ((4, 2), (4, 4), (4,))
    )
    if state_is_input:
        state = b.input("state", (Sym("batch"), 4))
        state.is_variable = True
    else:
        state = Value(TensorType((Sym("batch"), 4), DType.FLOAT32), "state", is_variable=True)
    tanh = Activation.TANH
    y = b.unidirectional_sequence_rnn(x, w, r, bias, state, fused_activation_function=tanh)
    model = Model()
    model.add(b.finish(y))
    return model


@pytest.mark.parametrize("batch", [1, 3])
def test_state_takes_the_batch_of_the_input(batch: int) -> None:
    model = recurrent()
    x = np.random.default_rng(batch).uniform(-1, 1, (batch, 3, 2)).astype(np.float32)
    [expected] = edgewise.Interpreter(model)(x).values()
    reloaded = edgewise.Interpreter(model.to_bytes())
    [found] = reloaded(x).values()
    np.testing.assert_array_equal(found, expected)
    [continued] = reloaded(x).values()
    assert not np.array_equal(continued, expected), "the state carries over"
    reloaded.reset_variables()
    [again] = reloaded(x).values()
    np.testing.assert_array_equal(again, expected)


def test_each_signature_has_a_batch_of_its_own() -> None:
    model = recurrent()
    other = recurrent().main
    other.name = "other"
    model.add(other)
    model.signatures = [Signature(key, key, {"x": 0}, {"y": 0}) for key in model.graphs]
    x = np.random.default_rng(7).uniform(-1, 1, (3, 3, 2)).astype(np.float32)
    run = edgewise.Interpreter(model.to_bytes())
    first, second = (run(x, signature=signature.key)["y"] for signature in model.signatures)
    assert len(first) == 3
    np.testing.assert_array_equal(first, second)


def test_variables_of_a_stateless_model_start_anew() -> None:
    """A converted Keras LSTM gives the same answer to the same question, whatever was before."""
    model = recurrent()
    model.metadata[STATELESS] = b""
    x = np.random.default_rng(1).uniform(-1, 1, (1, 3, 2)).astype(np.float32)
    run = edgewise.Interpreter(model.to_bytes())
    [first], [second] = run(x).values(), run(x).values()
    np.testing.assert_array_equal(first, second)

    lite = LiteInterpreter(model_content=model.to_bytes())
    lite.allocate_tensors()
    lite.set_tensor(lite.get_input_details()[0]["index"], x)
    for _ in range(2):
        lite.invoke()
        np.testing.assert_array_equal(lite.get_tensor(lite.get_output_details()[0]["index"]), first)


@pytest.mark.parametrize("native", [True, False])
def test_a_variable_that_is_an_input_starts_with_what_is_given(native: bool) -> None:
    x, state = np.ones((1, 3, 2), np.float32), np.full((1, 4), 0.5, np.float32)
    run = edgewise.Interpreter(recurrent(state_is_input=True), native=native)
    [first], [second] = run(x, state).values(), run(x, state).values()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(state, 0.5)  # the caller's array
    [other] = run(x, np.zeros_like(state)).values()
    assert not np.array_equal(first, other)
    if native:
        assert {p.where for p in run.placement()} == {"kernel"}


@pytest.mark.parametrize("native", [True, False])
def test_a_variable_that_is_an_input_twice(native: bool) -> None:
    """What is given last counts, as where LiteRT sets one tensor twice; it was a KeyError."""
    b = Builder("main")
    x = b.input("x", (2,))
    x.is_variable = True
    y = b.node(Pack(), x).output
    y.type = y.type.with_shape(None)
    graph = b.finish(y)
    graph.inputs.append(x)
    model = Model()
    model.add(graph)
    session = Session(model.main, native=native)
    (found,) = session.run([np.zeros(2, np.float32), np.array([1, 2], np.float32)])
    np.testing.assert_array_equal(found, [[1, 2]])


def test_a_variable_that_is_an_input_goes_on_as_in_litert() -> None:
    """`invoke` leaves the new value in the input; LiteRT 2.3 gives the same numbers."""
    model = recurrent(state_is_input=True)
    lite = LiteInterpreter(model_content=model.to_bytes())
    lite.allocate_tensors()
    x, state = (d["index"] for d in lite.get_input_details())
    lite.set_tensor(x, np.ones((1, 3, 2), np.float32))
    run, held = edgewise.Interpreter(model), np.full((1, 4), 0.5, np.float32)
    lite.set_tensor(state, held)
    for _ in range(3):
        [expected] = run(np.ones((1, 3, 2), np.float32), held).values()
        lite.invoke()
        np.testing.assert_array_equal(
            lite.get_tensor(lite.get_output_details()[0]["index"]), expected
        )
        held = lite.get_tensor(state)
        np.testing.assert_array_equal(held, expected[:, -1])
    lite.reset_all_variables()
    np.testing.assert_array_equal(lite.get_tensor(state), 0)
