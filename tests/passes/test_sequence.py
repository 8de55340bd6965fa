"""passes/sequence.py: loops that become UNIDIRECTIONAL_SEQUENCE_LSTM, and why others stay."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Builder, Model, Sym
from edgewise.ir.model import STATELESS
from edgewise.ops.control import While
from edgewise.ops.join import Split
from edgewise.passes import PipelineReport, canonicalize, to_tflite
from edgewise.passes.sequence import fuse_sequences
from tests.passes.example import ints
from tests.passes.test_recurrent import BIAS, CELLS, KERAS, RNG, SIZE, STEPS, R, W, by_hand

N = Sym("n", 1)


def graph(name, build):
    """A graph on what the loop carries: counter, time, written, h, c, x."""
    b = Builder(name)
    shapes = [(), (), (STEPS, N, CELLS), (N, CELLS), (N, CELLS), (STEPS, N, SIZE)]
    kinds = [DType.INT32] * 2 + [DType.FLOAT32] * 4
    made = build(b, *[b.input(f"a{i}", *both) for i, both in enumerate(zip(shapes, kinds))])  # noqa: B905
    return b.finish(*made)


def step(b, k, t, written, h, c, x):
    from_x = b.fully_connected(b.gather(x, t), b.constant(W), b.constant(BIAS))
    total = b.add(from_x, b.fully_connected(h, b.constant(R)))
    parts = b.node(Split(num_splits=4), b.constant(1), total).outputs
    i, f, z, o = (parts[KERAS[name]] for name in "ifzo")
    next_c = b.add(b.mul(b.logistic(f), c), b.mul(b.logistic(i), b.tanh(z)))
    next_h = b.mul(b.logistic(o), b.tanh(next_c))
    row = b.expand_dims(next_h, b.constant(0))
    start = b.concatenation(b.reshape(t, b.constant([1])), b.constant([0, 0]))
    one = b.constant(1)
    written = b.dynamic_update_slice(written, row, start)
    return b.add(k, one), b.add(t, one), written, next_h, next_c, x


def test(b, k, t, *_):
    return [b.logical_and(b.less(k, b.constant(STEPS)), b.less(t, b.constant(STEPS)))]


test.__test__ = False


def layer(read, begin=0.0, backwards=False):
    """keras.layers.LSTM as TensorFlow has it, on x [n, T, I]; `read`: y, h or c."""
    inner, cond = graph("body", step), graph("cond", test)
    b = Builder("main")
    x = b.input("x", (N, STEPS, SIZE))
    turn = b.constant(ints(1, 0, 2))
    rows = b.strided_slice(b.shape(x), *(b.constant(ints(n)) for n in (0, 1, 1)))
    cells, steps, zero = b.constant([CELLS]), b.constant([STEPS]), b.constant(begin)
    state = b.fill(b.concatenation(rows, cells), zero)
    written = b.fill(b.concatenation(steps, rows, cells), b.constant(0.0))
    sequence = b.transpose(x, turn)
    sequence = b.reverse_v2(sequence, b.constant(ints(0))) if backwards else sequence
    carried = (b.constant(0), b.constant(0), written, state, state, sequence)
    made = b.node(While(cond=cond, body=inner), *carried).outputs
    results = {"y": lambda: b.transpose(made[2], turn), "h": lambda: made[3], "c": lambda: made[4]}
    model = Model(file="m")
    model.add(b.finish(*[results[name]() for name in read]))
    model.add(inner)
    model.add(cond)
    return model


NAMES = {
    "y": "unidirectional_sequence_lstm",
    "h": "unidirectional_sequence_lstm strided_slice",
    "yh": "unidirectional_sequence_lstm strided_slice",
}


@pytest.mark.parametrize("read", NAMES)
def test_a_loop_of_a_dynamic_batch_becomes_one_operator(read, caplog):
    model = layer(read)
    report = PipelineReport()
    with caplog.at_level(logging.WARNING):
        done = to_tflite(canonicalize(model, report=report, check_each=True))
        edgewise.convert(done).to_bytes()
    assert " ".join(node.op.name for node in done.main.nodes) == NAMES[read]
    assert list(done.graphs) == ["main"]
    assert report.counts()["LSTM from a loop"] == 1
    assert "m: LiteRT keeps the state of recurrent layers from run to run" in caplog.text
    assert STATELESS in done.metadata
    x = RNG.normal(size=(STEPS, 1, SIZE)).astype(np.float32)
    y, h, _ = by_hand(x)
    wanted = {"y": y.swapaxes(0, 1), "h": h}
    interpreter = edgewise.Interpreter(done)
    for _ in range(2):  # the second run begins with zeros, too
        found = interpreter(x.swapaxes(0, 1))
        for name, got in zip(read, found.values(), strict=True):
            np.testing.assert_allclose(got, wanted[name], atol=1e-5)


def test_a_layer_that_goes_backwards_has_no_transpose_either():
    done = canonicalize(layer("h", backwards=True))
    names = [node.op.name for node in done.main.nodes]
    assert names == ["reverse_v2", "unidirectional_sequence_lstm", "strided_slice"]
    x = RNG.normal(size=(STEPS, 1, SIZE)).astype(np.float32)
    (got,) = edgewise.Interpreter(done)(x.swapaxes(0, 1)).values()
    np.testing.assert_allclose(got, by_hand(x[::-1])[1], atol=1e-5)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (layer("yc"), "its last cell state is read, which the operator keeps for itself"),
        (layer("y", begin=0.5), "its states do not begin as zeros"),
    ],
    ids=["cell", "begin"],
)
def test_other_layers_stay_loops(model, reason):
    simple = canonicalize(model, fuse_loops=False)
    outcome = fuse_sequences(simple)
    assert [miss.reason for miss in outcome.misses if reason in miss.reason]
    assert not outcome.counts
    assert "while" in {node.op.name for node in simple.main.nodes}
    assert STATELESS not in simple.metadata


def test_a_file_gets_no_state_of_its_own():
    """What was a `.tflite` file, or a Model, runs in LiteRT as before."""
    assert "while" in {node.op.name for node in edgewise.convert(layer("y")).main.nodes}
