"""passes/sequence.py on simple recurrent layers: UNIDIRECTIONAL_SEQUENCE_RNN, or still a loop."""

from __future__ import annotations

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Model, Sym
from edgewise.ir.enums import Activation
from edgewise.ir.model import STATELESS
from edgewise.ops.control import While
from edgewise.passes import PipelineReport, canonicalize, to_tflite
from edgewise.passes.sequence import fuse_sequences

STEPS, SIZE, UNITS = 5, 3, 4
N = Sym("n", 1)
RNG = np.random.default_rng(7)
W = RNG.normal(size=(UNITS, SIZE)).astype(np.float32)
R = RNG.normal(size=(UNITS, UNITS)).astype(np.float32)
BIAS = RNG.normal(size=UNITS).astype(np.float32)
ACTS = {
    "tanh": np.tanh,
    "relu": lambda y: np.maximum(y, 0),
    "relu6": lambda y: np.clip(y, 0, 6),
    "linear": lambda y: y,
}


def graph(name: str, build) -> Graph:
    """A graph on what the loop carries: time, written, h, x."""
    b = Builder(name)
    shapes = [(), (STEPS, N, UNITS), (N, UNITS), (STEPS, N, SIZE)]
    kinds = [DType.INT32] + [DType.FLOAT32] * 3
    made = build(b, *[b.input(f"a{i}", *both) for i, both in enumerate(zip(shapes, kinds))])  # noqa: B905
    return b.finish(*made)


def step(act: str = "tanh", recurrent: str = "h"):
    """One step; `recurrent`: what the second product is of, h or h again and again (`h+h`)."""

    def build(b: Builder, t, written, h, x):
        from_x = b.fully_connected(b.gather(x, t), b.constant(W), b.constant(BIAS))
        total = b.add(from_x, b.fully_connected(h, b.constant(R)))
        if recurrent == "h+h":
            total = b.add(total, b.fully_connected(h, b.constant(R)))
        new = total if act == "linear" else getattr(b, act)(total)
        start = b.concatenation(b.reshape(t, b.constant([1])), b.constant([0, 0]))
        row = b.dynamic_update_slice(written, b.expand_dims(new, b.constant(0)), start)
        return b.add(t, b.constant(1)), row, new, x

    return build


def model(inner: Graph, begin: float = 0.0) -> Model:
    """The loop on x [n, T, I]; all outputs, and the last state."""
    cond = graph("cond", lambda b, t, *_: [b.less(t, b.constant(STEPS))])
    b = Builder("main")
    x = b.input("x", (N, STEPS, SIZE))
    turn = b.constant(np.array([1, 0, 2], np.int32))
    rows = b.strided_slice(b.shape(x), *(b.constant(np.array([n], np.int32)) for n in (0, 1, 1)))
    units, steps = b.constant([UNITS]), b.constant([STEPS])
    state = b.fill(b.concatenation(rows, units), b.constant(begin))
    written = b.fill(b.concatenation(steps, rows, units), b.constant(0.0))
    carried = (b.constant(0), written, state, b.transpose(x, turn))
    made = b.node(While(cond=cond, body=inner), *carried).outputs
    result = Model(file="m")
    result.add(b.finish(b.transpose(made[1], turn), made[2]))
    result.add(inner)
    result.add(cond)
    return result


def by_hand(x: np.ndarray, act: str) -> np.ndarray:
    """The outputs of all steps in NumPy, x [B, T, I]."""
    h = np.zeros((len(x), UNITS), np.float32)
    y = []
    for t in range(STEPS):
        h = ACTS[act](x[:, t] @ W.T + BIAS + h @ R.T)
        y.append(h)
    return np.stack(y, 1)


@pytest.mark.parametrize("act", ACTS)
def test_a_loop_becomes_one_operator(act):
    report = PipelineReport()
    done = to_tflite(canonicalize(model(graph("body", step(act))), report=report, check_each=True))
    names = [node.op.name for node in done.main.nodes]
    assert names == ["unidirectional_sequence_rnn", "strided_slice"]
    assert report.counts()["simple RNN from a loop"] == 1
    assert STATELESS in done.metadata
    op = next(iter(done.main.nodes)).op
    wanted = Activation.NONE if act == "linear" else Activation[act.upper()]
    assert op.fused_activation_function is wanted
    x = RNG.normal(size=(1, STEPS, SIZE)).astype(np.float32)
    interpreter = edgewise.Interpreter(done)
    for _ in range(2):  # the second run begins with zeros, too
        y, h = interpreter(x).values()
        np.testing.assert_allclose(y, by_hand(x, act), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(h, by_hand(x, act)[:, -1], rtol=1e-5, atol=1e-5)


def test_a_loop_that_begins_elsewhere_stays():
    simple = canonicalize(model(graph("body", step()), begin=0.5), fuse_loops=False)
    outcome = fuse_sequences(simple)
    assert [miss for miss in outcome.misses if "do not begin as zeros" in miss.reason]
    assert not outcome.counts


@pytest.mark.parametrize(
    "inner",
    [step("logistic"), step(recurrent="h+h")],
    ids=["activation", "two products"],
)
def test_other_cells_stay_loops(inner):
    done = canonicalize(model(graph("body", inner)))
    assert "while" in {node.op.name for node in done.main.nodes}
    assert STATELESS not in done.metadata
