"""passes/before_loops.py: the product of every step before the loop, and where it must stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Model, Sym, Value
from edgewise.ir.evaluate import evaluate
from edgewise.ir.verify import verify
from edgewise.ops.control import While
from edgewise.passes.before_loops import RULE, move_products

STEPS, SIZE, UNITS = 5, 3, 4
N = Sym("n", 1)
RNG = np.random.default_rng(7)
W = RNG.normal(size=(UNITS, SIZE)).astype(np.float32)
BIAS = RNG.normal(size=UNITS).astype(np.float32)
Body = Callable[..., tuple[Value, ...]]


def step(b: Builder, t: Value, h: Value, x: Value) -> tuple[Value, ...]:
    """h' = tanh(h * (W x[t] + b))."""
    row = b.fully_connected(b.gather(x, t), b.constant(W), b.constant(BIAS))
    return b.add(t, b.constant(1)), b.tanh(b.mul(h, row)), x


def model(body: Body = step, limit: int = STEPS, *, reads_x: bool = False) -> Model:
    """The loop on x [T, n, I]; the last state, and x after the loop with `reads_x`."""

    def graph(name: str, build: Body) -> Graph:
        b = Builder(name)
        t, h = b.input("t", (), DType.INT32), b.input("h", (N, UNITS))
        return b.finish(*build(b, t, h, b.input("x", (STEPS, N, SIZE))))

    loop = While(
        cond=graph("cond", lambda b, t, h, x: (b.less(t, b.constant(limit)),)),
        body=graph("body", body),
    )
    b = Builder("main")
    x, h = b.input("x", (STEPS, N, SIZE)), b.input("h", (N, UNITS))
    made = b.node(loop, b.constant(0), h, x).outputs
    result = Model(file="m")
    result.add(b.finish(*made[1:] if reads_x else made[1:2]))
    result.add_inner()
    return result


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def test_the_product_stands_before_the_loop():
    m = model()
    given = [RNG.normal(size=s).astype(np.float32) for s in ((STEPS, 2, SIZE), (2, UNITS))]
    wanted = evaluate(m.main, given)
    outcome = move_products(m)
    verify(m)
    assert outcome.counts == {RULE: 1}
    assert names(m.main) == ["fully_connected", "while"]
    assert next(m.main.nodes).output.shape == (STEPS, N, UNITS)
    body = m.graphs["body"]
    assert sorted(names(body)) == ["add", "gather", "mul", "tanh"]
    assert body.inputs[2].shape == m.graphs["cond"].inputs[2].shape == (STEPS, N, UNITS)
    np.testing.assert_allclose(evaluate(m.main, given)[0], wanted[0], rtol=1e-6)
    run = edgewise.Interpreter(model().to_bytes())
    np.testing.assert_allclose(next(iter(run(*given).values())), wanted[0], rtol=1e-5)
    assert not move_products(m).counts


def twice(b: Builder, t: Value, h: Value, x: Value) -> tuple[Value, ...]:
    """The step is read without the weights, too."""
    row = b.gather(x, t)
    product = b.fully_connected(row, b.constant(W), b.constant(BIAS))
    both = b.mul(product, b.sum(row, b.constant([1]), keep_dims=True))
    return b.add(t, b.constant(1)), b.tanh(b.mul(h, both)), x


def changed(b: Builder, t: Value, h: Value, x: Value) -> tuple[Value, ...]:
    """The sequence is another after each step."""
    after, new, _ = step(b, t, h, x)
    return after, new, b.neg(x)


def computed(b: Builder, t: Value, h: Value, x: Value) -> tuple[Value, ...]:
    """The weights are computed by the loop."""
    w = b.mul(b.constant(W), b.reshape(b.cast(
        t, in_data_type=DType.INT32, out_data_type=DType.FLOAT32), b.constant([1, 1])))  # fmt: skip
    row = b.fully_connected(b.gather(x, t), w, b.constant(BIAS))
    return b.add(t, b.constant(1)), b.tanh(b.mul(h, row)), x


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: model(twice), id="steps read otherwise"),
        pytest.param(lambda: model(changed), id="sequence changed"),
        pytest.param(lambda: model(computed), id="weights computed"),
        pytest.param(lambda: model(limit=STEPS - 1), id="fewer steps than the sequence has"),
        pytest.param(lambda: model(reads_x=True), id="sequence read after the loop"),
    ],
)
def test_it_stays_where_moving_would_cost_or_be_wrong(made: Callable[[], Model]):
    m = made()
    before = names(m.main), names(m.graphs["body"])
    assert not move_products(m).counts
    assert (names(m.main), names(m.graphs["body"])) == before
