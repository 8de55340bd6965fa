"""passes/recurrent.py: loops as TensorFlow's converter writes LSTM layers, and loops that only
look like them."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Model, Value
from edgewise.ops.control import While
from edgewise.ops.join import Split
from edgewise.ops.lstm_layer import LstmLayer
from edgewise.passes.recurrent import recognize_layers
from edgewise.runtime.interpreter import Interpreter

STEPS, SIZE, CELLS = 5, 3, 4
RNG = np.random.default_rng(7)
W = RNG.normal(size=(4 * CELLS, SIZE)).astype(np.float32)
R = RNG.normal(size=(4 * CELLS, CELLS)).astype(np.float32)
BIAS = RNG.normal(size=4 * CELLS).astype(np.float32)
KERAS = {"i": 0, "f": 1, "z": 2, "o": 3}  # the order of the gates in Keras' weights


def carried(b: Builder, rows: int) -> list[Value]:
    shapes = [(), (), (rows, 1, CELLS), (1, CELLS), (1, CELLS), (STEPS, 1, SIZE)]
    dtypes = [DType.INT32] * 2 + [DType.FLOAT32] * 4
    return [
        b.input(f"carried{i}", s, d) for i, (s, d) in enumerate(zip(shapes, dtypes, strict=True))
    ]


def cond(steps: int, rows: int) -> Graph:
    b = Builder("cond")
    k, t, *_ = carried(b, rows)
    limit = b.constant(steps)
    return b.finish(b.logical_and(b.less(k, limit), b.less(t, limit)))


def body(
    rows: int,
    *,
    gates: dict[str, int] = KERAS,
    step: int = 1,
    activation: str = "tanh",
    place: int = 0,
    updates: bool = False,
) -> Graph:
    """One step; `place` shifts where the output is written, `updates` says by which operator."""
    b = Builder("body")
    k, t, written, h, c, x = carried(b, rows)
    next_k, next_t = b.add(k, b.constant(1)), b.add(t, b.constant(step))
    from_h = b.reshape(b.fully_connected(h, b.constant(R), None), b.constant([4 * CELLS]))
    from_x = b.fully_connected(b.gather(x, t), b.constant(W), None)
    total = b.add(b.add(from_x, from_h), b.constant(BIAS))
    parts = b.node(Split(num_splits=4), b.constant(1), total).outputs
    gate = {name: parts[at] for name, at in gates.items()}
    kept = b.mul(b.logistic(gate["f"]), c)
    new = b.mul(b.logistic(gate["i"]), getattr(b, activation)(gate["z"]))
    next_c = b.add(kept, new)
    next_h = b.mul(b.logistic(gate["o"]), b.tanh(next_c))
    row = b.reshape(next_h, b.constant([1, 1, CELLS]))
    if updates:
        start = b.concatenation(b.reshape(t, b.constant([1])), b.constant([place, 0]))
        row = b.dynamic_update_slice(written, row, start)
    elif rows > 1:
        one = b.constant([1])
        until = b.concatenation(b.reshape(t, one), b.constant([-1, -1]))
        after = b.concatenation(b.reshape(next_t, one), b.constant([0, 0]))
        first = b.slice(written, b.constant([place, 0, 0]), until)
        last = b.slice(written, after, b.constant([-1, -1, -1]))
        row = b.concatenation(first, row, last)
    return b.finish(next_k, next_t, row, next_h, next_c, x)


def model_with(loop: Graph, rows: int, steps: int = STEPS) -> Model:
    b = Builder("main")
    x = b.input("x", (STEPS, 1, SIZE))
    zero = b.constant(np.zeros((1, CELLS), np.float32))
    written = b.constant(np.zeros((rows, 1, CELLS), np.float32))
    test = cond(steps, rows)
    op = While(cond=test, body=loop)
    operands = [b.constant(0), b.constant(0), written, zero, zero, x]
    node = b.node(op, *operands)
    model = Model()
    model.add(b.finish(*node.outputs[2:5]))
    model.add(test)
    model.add(loop)
    return model


def by_hand(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The layer in NumPy: y, h, c."""
    h = c = np.zeros((1, CELLS), np.float32)
    y = []
    for t in range(STEPS):
        i, f, z, o = np.split(x[t] @ W.T + h @ R.T + BIAS, 4, -1)
        c = c / (1 + np.exp(-f)) + np.tanh(z) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        y.append(h)
    return np.stack(y), h, c


@pytest.mark.parametrize(
    ("rows", "updates"),
    [(STEPS, False), (1, False), (STEPS, True)],
    ids=["sequence", "last", "updated"],
)
def test_a_loop_becomes_a_layer(rows: int, updates: bool) -> None:
    model = model_with(body(rows, updates=updates), rows)
    before = model.copy()
    assert recognize_layers(model) == 1
    assert isinstance(next(iter(model.main.nodes)).op, LstmLayer)
    x = RNG.normal(size=(STEPS, 1, SIZE)).astype(np.float32)
    y, h, c = by_hand(x)
    for native in (True, False):
        found = list(Interpreter(before, native=native)(x).values())
        for got, wanted in zip(found, (y if rows > 1 else y[-1:], h, c), strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_the_order_of_the_gates_is_read_from_the_loop() -> None:
    order = {"f": 0, "o": 1, "i": 2, "z": 3}
    model = model_with(body(STEPS, gates=order), STEPS)
    assert recognize_layers(model) == 1
    w = next(iter(model.main.nodes)).operand(1).data
    assert w is not None
    f, o, i, z = np.split(W, 4)
    np.testing.assert_array_equal(w, np.concatenate([i, f, z, o]))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model_with(body(STEPS, step=2), STEPS), id="every other step"),
        pytest.param(model_with(body(STEPS), STEPS, steps=STEPS - 1), id="fewer steps"),
        pytest.param(model_with(body(STEPS, activation="relu"), STEPS), id="another activation"),
        pytest.param(model_with(body(STEPS, place=1), STEPS), id="written elsewhere"),
        pytest.param(model_with(body(STEPS, place=1, updates=True), STEPS), id="updated elsewhere"),
        pytest.param(
            model_with(body(STEPS, gates={**KERAS, "o": 0}), STEPS), id="a gate used twice"
        ),
    ],
)
def test_other_loops_stay(model: Model) -> None:
    assert recognize_layers(model) == 0
    assert isinstance(next(iter(model.main.nodes)).op, While)
