"""Recurrent operators of unknown batch as loops, for LiteRT."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Sym, TensorType, Value
from edgewise.ir.enums import Activation
from edgewise.ir.model import STATELESS
from edgewise.ops.over_steps import counter
from edgewise.passes import PipelineReport, canonicalize
from edgewise.passes.any_batch import loops_of_any_batch
from edgewise.passes.recurrent import recognize_layers
from tests.oracle.litert import Oracle

RNG = np.random.default_rng(31)
TARGET = "litert-2.3"
SIZES = [(1, 1), (3, 2), (2, 9)]


def constant(b: Builder, *shape: int) -> Value:
    return b.constant(RNG.uniform(-0.5, 0.5, shape).astype(np.float32))


def model(kind: str, batch: object = Sym("batch"), **attributes: object) -> Model:
    """One operator of 3 units on [batch, time, 2], or [time, batch, 2] with `time_major`."""
    b = Builder()
    lead = (batch, Sym("time"))
    x = b.input("x", (*(lead[::-1] if attributes.get("time_major") else lead), 2))

    def state() -> Value:
        return Value(TensorType((batch, 3), DType.FLOAT32), "state", is_variable=True)

    if kind == "rnn":
        operands = [constant(b, 3, 2), constant(b, 3, 3), constant(b, 3), state()]
        y = b.unidirectional_sequence_rnn(x, *operands, **attributes)
    else:
        weights = [constant(b, 3, n) for n in (2, 2, 2, 2, 3, 3, 3, 3)]
        peepholes = [constant(b, 3) if kind == "peepholes" else None for _ in range(3)]
        biases = [constant(b, 3) for _ in range(4)]
        operands = [*weights, *peepholes, *biases, None, None, state(), state()]
        attributes = {"fused_activation_function": Activation.TANH, **attributes}
        y = b.unidirectional_sequence_lstm(x, *operands, **attributes)
    made = Model(metadata={STATELESS: b""})
    made.add(b.finish(y))
    return made


CASES = [
    ("lstm", {}),
    ("lstm", {"time_major": True}),
    ("lstm", {"fused_activation_function": Activation.RELU}),
    ("rnn", {"fused_activation_function": Activation.TANH}),
    ("rnn", {"time_major": True}),
]


def given(attributes: dict[str, object], batch: int, time: int) -> np.ndarray:
    lead = (time, batch) if attributes.get("time_major") else (batch, time)
    return RNG.uniform(-1, 1, (*lead, 2)).astype(np.float32)


@pytest.mark.parametrize(("kind", "attributes"), CASES)
def test_a_target_gets_a_loop_of_the_same_numbers(kind, attributes):
    before = model(kind, **attributes)
    report = PipelineReport()
    after = canonicalize(before, target=TARGET, report=report, check_each=True)
    names = [node.op.name for node in after.main.nodes]
    assert "while" in names
    assert not any(name.startswith("unidirectional") for name in names)
    assert "recurrent layer of unknown batch written as loops" in str(report)
    assert not after.is_stateless
    runs = [edgewise.Interpreter(made) for made in (before, after)]
    for batch, time in SIZES:
        x = given(attributes, batch, time)
        wanted, found = (next(iter(run(x).values())) for run in runs)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_our_interpreter_sees_the_layer_in_the_loop():
    """Steps along the second axis, one product before the loop, a number of them that is known by
    its name alone; not where the loop counts to another dimension."""
    made = canonicalize(model("lstm"), target=TARGET)
    other = made.copy()
    (loop,) = (node for node in other.main.nodes if node.op.name == "while")
    b = Builder(other.main, before=loop)
    batch = counter(b, other.main.inputs[0], 0)
    other.main.set_input(loop, 1, batch)
    assert recognize_layers(other) == 0
    assert recognize_layers(made) == 1
    assert "while" not in [node.op.name for node in made.main.nodes]


@pytest.mark.parity
@pytest.mark.parametrize(("kind", "attributes"), CASES)
def test_litert_runs_it_at_any_batch(oracle: Oracle, kind, attributes):
    made = model(kind, **attributes)
    inputs = [[given(attributes, batch, time)] for batch, time in SIZES]
    refused = oracle.run(edgewise.convert(made).to_bytes(), inputs[1])
    assert refused.error is not None, "the operator itself has become able to"
    answers = oracle.run_sequence(edgewise.convert(made).to_bytes(target=TARGET), inputs)
    for answer, x in zip(answers, inputs, strict=True):
        (wanted,) = edgewise.Interpreter(made)(*x).values()
        assert answer.error is None
        np.testing.assert_allclose(answer.outputs[0], wanted, atol=1e-5)


def test_a_known_batch_stays_one_operator():
    after = canonicalize(model("lstm", 4), target=TARGET)
    assert [node.op.name for node in after.main.nodes] == ["unidirectional_sequence_lstm"]
    assert after.is_stateless


def test_state_that_outlives_a_run_stays_in_variables():
    kept = model("lstm")
    del kept.metadata[STATELESS]
    after = canonicalize(kept, target=TARGET)
    assert [node.op.name for node in after.main.nodes] == ["unidirectional_sequence_lstm"]


@pytest.mark.parametrize(
    ("kind", "attributes", "why"),
    [
        ("peepholes", {}, "it has peepholes, a projection, norms, or no input gate"),
        ("lstm", {"cell_clip": 2.0}, "it clips its states, or has another activation"),
    ],
)
def test_says_what_stays(kind, attributes, why):
    made = model(kind, **attributes).copy()
    outcome = loops_of_any_batch(made)
    assert [miss.reason for miss in outcome.misses] == [why]
    assert not outcome.counts
