"""optimize/readers.py: recurrent layers as linear ones, and `compensate` on them."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node
from edgewise.ir.model import Model
from edgewise.ops.rnn import UnidirectionalSequenceRNN
from edgewise.optimize import Recipe, Technique, prepare, quantize
from edgewise.optimize.readers import Reader, readers, vectors
from edgewise.runtime.session import Session
from tests.ops.case import inputs_of, model_of
from tests.ops.cases import bidirectional, lstm, rnn

TANH = Activation.TANH
LAYERS = [
    lstm.layer((2, 6, 5), 8, label="plain"),
    lstm.layer((2, 6, 5), 8, 3, project=True, label="projected"),
    lstm.layer((6, 2, 5), 8, time_major=True, label="time first"),
    bidirectional.lstm((5, 2, 3), 4, label="both ways"),
    bidirectional.lstm((2, 5, 3), 4, time_major=False, merge_outputs=True, label="joined"),
    rnn.recurrent(UnidirectionalSequenceRNN, (2, 7, 5), 3, fused_activation_function=TANH),
    bidirectional.rnn((5, 2, 3), 4, time_major=True, merge_outputs=True, label="rnn"),
]


def sums(node: Node, reader: Reader, met: np.ndarray) -> list[np.ndarray]:
    """What each gate sums up at every step [N, O]."""
    found = []
    for gate in reader.gates:
        w = np.concatenate([node.operand(i).data for i in gate.weights], axis=1)
        found.append(met[0] @ w.T + node.operand(gate.bias).data)
    return found


def outputs(node: Node, reader: Reader, met: np.ndarray, batch: int) -> np.ndarray:
    """What the layer computes of what its gates sum up, [T, B, O]."""
    gates = [s.reshape(-1, batch, s.shape[-1]) for s in sums(node, reader, met)]
    if len(gates) == 1:
        return np.asarray(np.tanh(gates[0]))
    steps = range(len(gates[0]))
    c, h = np.zeros(gates[0].shape[1:]), np.zeros(gates[0].shape)
    for t in reversed(steps) if reader.is_backward else steps:
        i, f, o = (1 / (1 + np.exp(-gates[index][t])) for index in (0, 1, 3))
        c = f * c + i * np.tanh(gates[2][t])
        h[t] = o * np.tanh(c)
    if node.optional(16) is not None and len(node.inputs) < 30:
        h = h @ node.operand(16).data.T + node.operand(17).data
    return h


@pytest.mark.parametrize("case", LAYERS, ids=[case.label or "simple" for case in LAYERS])
def test_gates_sum_up_what_they_meet(case) -> None:
    model, given = model_of(case), inputs_of(case)
    [node] = model.main.nodes
    results = Session(model.main, stateless=True).run(given)
    found = readers(node)
    assert len(found) == 1 + hasattr(node.op, "merge_outputs")
    is_first = getattr(node.op, "time_major", False)
    made = []
    for reader in found:
        met = vectors(node, reader, given[0], results)
        y = outputs(node, reader, met, given[0].shape[1 if is_first else 0])
        made.append(y if is_first else y.swapaxes(0, 1))
    if getattr(node.op, "merge_outputs", False):
        made = [np.concatenate(made, -1)]
    for ours, y in zip(made, results, strict=True):
        np.testing.assert_allclose(ours, y, atol=1e-5)


def test_layers_with_more_inside_are_left_out() -> None:
    for case in (
        lstm.layer((2, 6, 5), 8, norm=True),
        bidirectional.lstm((5, 2, 3), 4, aux=(5, 2, 3)),
        bidirectional.rnn((2, 5, 3), 4, aux=(2, 5, 6), linked=True),
        lstm.step((4, 5), 8),
    ):
        [node] = model_of(case).main.nodes
        assert readers(node) == ()


def sequences(seed: int, count: int = 30) -> list[np.ndarray]:
    """Smooth, and of correlated inputs."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(0).normal(0, 0.4, (5, 5))
    steps = rng.normal(0, 1, (count, 1, 12, 5)).cumsum(2) * 0.3
    return list((steps @ mix + 0.5).astype(np.float32))


def network(case) -> Model:
    """The layer, and a dense one that reads what it computes."""
    model = model_of(case)
    graph = model.main
    rng, b = np.random.default_rng(1), Builder("dense")
    y = graph.outputs[0]
    x = b.input("x", y.shape)
    w = b.constant(rng.normal(0, 0.3, (4, y.shape[-1])).astype(np.float32))
    dense = b.finish(b.fully_connected(x, w, None, keep_num_dims=True))
    [node] = dense.nodes
    made = graph.insert(node.op, [y, *node.inputs[1:]], [type(y)(node.output.type, "scores")])
    graph.set_outputs(made.outputs)
    return model


@pytest.mark.parametrize("scheme", ["dynamic_wi8_afp32", "weight_only_wi8_afp32", "static_wi8_ai8"])
def test_rounding_costs_an_lstm_less(scheme: str) -> None:
    """On sequences that calibrate nothing; data on 8 bits costs more than rounding."""
    model = network(lstm.layer((1, 12, 5), 24))
    exact = run(prepare(model))
    lost = [
        np.square(run(quantize(model, Recipe(scheme, techniques=t), samples=sequences(1))) - exact)
        for t in ([Technique.COMPENSATE], [])
    ]
    assert lost[0].mean() < (0.95 if scheme.startswith("static") else 0.4) * lost[1].mean()


def run(model: Model) -> np.ndarray:
    session = Session(model.main, stateless=True)
    return np.stack([session.run([x])[0] for x in sequences(2)]).astype(np.float64)
