"""Operators in the graphs of WHILE and IF: what each kind of recipe makes of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pytest

import edgewise
from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.metrics import Difference
from edgewise.ops.arithmetic import Mul
from edgewise.ops.control import If, While
from edgewise.ops.fully_connected import FullyConnected
from edgewise.optimize import Recipe, Scope, calibrate, compensate, correct_biases, quantize
from edgewise.optimize.compensate import _met
from edgewise.optimize.equalize import set_constant
from edgewise.optimize.readers import readers
from edgewise.optimize.walk import Walk, in_order
from edgewise.runtime.session import Session

from .networks import looped, residual, samples

Samples = list[list[np.ndarray]]


def dense(b: Builder, x: Value, label: str) -> Value:
    """A dense layer with weights of its own."""
    w = np.random.default_rng(len(label)).normal(0, 0.15, (64, 64)).astype(np.float32)
    return b.fully_connected(x, b.constant(w), None, label=label)


def until(*, reads_floats: bool = False) -> Graph:
    """Three rounds; or until the first number is beyond 100."""
    b = Builder("until")
    count, x = b.input("count", (), DType.INT32), b.input("x", (1, 64))
    if not reads_floats:
        return b.finish(b.less(count, b.constant(np.int32(3))))
    largest = b.reduce_max(b.abs(x), b.constant(np.int32([0, 1])))
    return b.finish(b.less(largest, b.constant(np.float32(100))))


def loop(condition: Graph) -> Model:
    """A dense layer that is run again and again; and one behind it."""
    b = Builder("step")
    count, x = b.input("count", (), DType.INT32), b.input("x", (1, 64))
    y = dense(b, x, "inside")
    body = b.finish(b.add(count, b.constant(np.int32(1))), y)
    b = Builder("main")
    node = b.node(While(cond=condition, body=body), b.constant(np.int32(0)), b.input("x", (1, 64)))
    return whole(b.finish(dense(b, node.outputs[1], "outside")), condition, body)


def branched() -> Model:
    """A dense layer in either branch of an IF, whose condition is an input."""
    branches = []
    for name in ("positive", "negative"):
        b = Builder(name)
        branches.append(b.finish(dense(b, b.input("x", (1, 64)), name)))
    b = Builder("main")
    x = b.input("x", (1, 64))
    is_positive = b.greater(b.input("sign", ()), b.constant(np.float32(0)))
    node = b.node(If(then=branches[0], otherwise=branches[1]), is_positive, x)
    return whole(b.finish(node.outputs[0]), *branches)


def whole(*graphs: Graph) -> Model:
    """A model of these graphs."""
    model = Model()
    for graph in graphs:
        model.add(graph)
    return model


def rows(count: int, first: int = 0) -> Samples:
    """Samples of one row each."""
    seeds = range(first, first + count)
    return [[np.random.default_rng(i).normal(size=(1, 64)).astype(np.float32)] for i in seeds]


def stored_in(model: Model, name: str) -> DType:
    """The type of the matrix in a graph."""
    return next(v.dtype for v in model.graphs[name].constants() if v.shape == (64, 64))


def snr(model: Model, made: Model, given: Samples) -> float:
    """Of what the written model computes, dB."""
    exact, ours = (Session(m.main, stateless=True) for m in (model, edgewise.load(made.to_bytes())))
    pairs = [(exact.run(sample)[0], ours.run(sample)[0]) for sample in given]
    return Difference.of(*(np.stack(side) for side in zip(*pairs, strict=True))).snr


@pytest.mark.parametrize(
    ("recipe", "inside", "least"),
    [
        ("float16", DType.FLOAT16, 50),
        ("weight_only_wi8_afp32", DType.INT8, 35),
        ("dynamic_wi8_afp32", DType.INT8, 35),
        ("static_wi8_ai8", DType.INT8, 25),
        ("static_wi8_ai16", DType.INT8, 35),
        ("static_wi4_ai8", DType.INT4, 12),
    ],
)
def test_a_body(recipe: str, inside: DType, least: float, caplog: pytest.LogCaptureFixture) -> None:
    model = loop(until())
    with caplog.at_level(logging.WARNING, "edgewise"):
        made = quantize(model, recipe, samples=rows(30))
    assert not caplog.text
    assert [stored_in(made, name) for name in ("step", "main")] == [inside, inside]
    assert snr(model, made, rows(10, 30)) > least


@pytest.mark.parametrize(("recipe", "least"), [("static_wi8_ai8", 25), ("static_wi8_ai16", 30)])
def test_branches_in_a_body(recipe: str, least: float) -> None:
    """Convolutions in a WHILE, in each branch of its IF, and in a WHILE of the same graphs."""
    model = looped()
    made = quantize(model, recipe, calibrate(model, samples(model)))
    assert integers(made, "step") >= {"CONV_2D", "ADD"}
    assert integers(made, "even") == {"QUANTIZE", "DEPTHWISE_CONV_2D", "DEQUANTIZE"}
    assert integers(made, "odd") == {"QUANTIZE", "CONV_2D", "TANH", "DEQUANTIZE"}
    assert snr(model, made, samples(model)) > least


def integers(model: Model, name: str) -> set[str]:
    """The operators of a graph that have a scale."""
    values = [(n.op.builtin, v) for n in model.graphs[name].nodes for v in (*n.inputs, *n.outputs)]
    return {builtin for builtin, v in values if v is not None and v.type.is_quantized}


def test_a_loop_carries_floats_and_whole_counters():
    made = quantize(loop(until()), "static_wi8_ai8", samples=rows(30)).graphs["step"]
    for values in (made.inputs, made.outputs):
        assert [v.dtype for v in values] == [DType.INT32, DType.FLOAT32]


def test_ranges_are_those_of_all_rounds():
    """What is carried into the three rounds of a loop, and so read by its layer."""
    model, given = loop(until()), rows(12)
    matrix = next(v.data for v in model.graphs["step"].constants() if v.shape == (64, 64))
    assert matrix is not None
    seen = []
    for [x] in given:
        for _ in range(3):
            seen.append(x)
            x = x @ matrix.T
    found = calibrate(model, given)["step"]["x"]
    np.testing.assert_allclose((found.low, found.high), (np.min(seen), np.max(seen)), rtol=1e-5)


def test_ranges_are_those_of_all_calls():
    """Of a loop that is called a second time, on what is a hundred times as large."""
    model, given = loop(until()), rows(12)
    once = calibrate(model, given)["step"]["x"]
    [first] = (node for node in model.main.nodes if isinstance(node.op, While))
    before = list(model.main.nodes)[-1]
    hundred = Value(TensorType.of(np.float32(100)), "hundred", np.array(100, np.float32))
    x = first.operand(1)
    large = Value(x.type, "large")
    model.main.insert(Mul(), [x, hundred], [large], before=before)
    results = [Value(v.type, f"second{i}") for i, v in enumerate(first.outputs)]
    model.main.insert(first.op, [first.operand(0), large], results, before=before)
    model.main.set_outputs([*model.main.outputs, results[1]])
    twice = calibrate(model, given)["step"]["x"]
    ends = (100 * once.low, 100 * once.high)
    np.testing.assert_allclose((twice.low, twice.high), ends, rtol=1e-5)


def test_a_branch_that_no_sample_takes_stays_float(caplog: pytest.LogCaptureFixture) -> None:
    model = branched()
    given = [[x, np.float32(1)] for [x] in rows(12)]
    both = [*given, *([x, np.float32(-1)] for [x] in rows(12))]
    with caplog.at_level(logging.WARNING, "edgewise"):
        made = quantize(model, "static_wi8_ai8", samples=as_arrays(given))
    assert "'negative': no ranges of @negative were measured" in caplog.text
    assert [stored_in(made, n) for n in ("positive", "negative")] == [DType.INT8, DType.FLOAT32]
    made = quantize(model, "static_wi8_ai8", samples=as_arrays(both))
    assert [stored_in(made, n) for n in ("positive", "negative")] == [DType.INT8, DType.INT8]
    assert snr(model, made, as_arrays(both)) > 25


def as_arrays(given: Sequence[Sequence[np.ndarray | np.float32]]) -> Samples:
    """Arrays, of which some have no dimension."""
    return [[np.asarray(x) for x in sample] for sample in given]


def test_what_ends_a_loop_stays_float(caplog: pytest.LogCaptureFixture) -> None:
    """A condition on floats, and the layer that computes them; unless the recipe names it."""
    model = loop(until(reads_floats=True))
    with caplog.at_level(logging.WARNING, "edgewise"):
        made = quantize(model, "static_wi8_ai8", samples=rows(12))
    assert "'inside': it decides how often a loop runs" in caplog.text
    assert [stored_in(made, name) for name in ("step", "main")] == [DType.FLOAT32, DType.INT8]
    assert not integers(made, "until")
    named = Recipe("static_wi8_ai8", [Scope("static_wi8_ai8", layer="^inside")])
    assert stored_in(quantize(model, named, samples=rows(12)), "step") is DType.INT8


def test_integers_only_names_a_loop() -> None:
    with pytest.raises(QuantizationError, match="'while': what it hands to its graphs stays"):
        quantize(loop(until()), "static_wi8_ai8", samples=rows(12), integers_only=True)


@pytest.mark.parametrize("recipe", ["static_wi4_ai8", "dynamic_wi4_afp32"])
def test_techniques_do_in_a_branch_what_they_do_in_the_main_graph(recipe: str) -> None:
    alone, network = residual(), residual().main
    network.name = "network"
    b = Builder("main")
    is_taken = b.greater(b.input("sign", ()), b.constant(np.float32(0)))
    x = b.input("image", network.inputs[0].shape)
    node = b.node(If(then=network, otherwise=network), is_taken, x)
    inside = whole(b.finish(node.outputs[0]), network)
    techniques = ["compensate", "correct_biases"] if "static" in recipe else ["compensate"]
    asked, given = Recipe(recipe, techniques=techniques), samples(alone)
    made = quantize(alone, asked, samples=given).main
    ours = quantize(inside, asked, samples=[[np.array(1, np.float32), x] for [x] in given])
    constants = [[v.data for v in g.constants()] for g in (made, ours.graphs["network"])]
    for expected, found in zip(*constants, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("recipe", "gain"), [("dynamic_wi4_afp32", 3), ("static_wi4_ai8", 1.5)])
def test_loops_lose_less(recipe: str, gain: float) -> None:
    """On other samples than those that were looked at."""
    model = looped()
    rng = np.random.default_rng(0)
    given = [[rng.uniform(-2, 2, (1, 6, 6, 3)).astype(np.float32)] for _ in range(40)]
    plain, fitted = (
        quantize(model, Recipe(recipe, techniques=t), samples=given) for t in ([], ["compensate"])
    )
    assert snr(model, fitted, samples(model)) > gain + snr(model, plain, samples(model))


def stateful(*, reads_floats: bool = False) -> Model:
    """A loop of a dense layer with a bias."""
    model = loop(until(reads_floats=reads_floats))
    for graph in (model.graphs["step"], model.main):
        [node] = (n for n in graph.nodes if isinstance(n.op, FullyConnected))
        bias = np.random.default_rng(3).normal(size=64).astype(np.float32)
        graph.set_input(node, 2, Value(TensorType.of(bias), "bias", bias))
    return model


def test_means_in_a_loop_are_those_of_float() -> None:
    model, given = stateful(), [[x + 2] for [x] in rows(40)]
    plain = quantize(model, Recipe("static_wi4_ai8", techniques=()), samples=given)
    made = correct_biases(plain, model, given)
    true, *others = (
        np.mean([y.mean(0) for y in rounds_of(m, given)], axis=0) for m in (model, plain, made)
    )
    before, after = (np.abs(mean - true).mean() for mean in others)
    assert after < 0.75 * before  # 1.15 with whole shifts, which the next round meets


def rounds_of(model: Model, given: Samples) -> list[np.ndarray]:
    """Of each sample what a loop carries on from all rounds, [T, 64]."""
    walk = Walk(model.main, given)
    last = list(model.graphs["step"].nodes)[-1]
    found = walk.look(last, [model.graphs["step"].outputs[1]])
    return [np.concatenate([y for [y] in runs]) for runs in found]


def test_techniques_leave_what_ends_a_loop() -> None:
    model, given = stateful(reads_floats=True), rows(12)
    asked = Recipe("static_wi4_ai8", techniques=["compensate", "correct_biases"])
    made = quantize(model, asked, samples=given)
    constants = ([v.data for v in m.graphs["step"].constants()] for m in (model, made))
    for array, same in zip(*constants, strict=True):
        np.testing.assert_array_equal(array, same)
    named = Recipe("static_wi4_ai8", [Scope("static_wi4_ai8", layer="^inside")])
    (w, *_), (fitted, *_) = (
        [v.data for v in m.graphs["step"].constants() if v.shape == (64, 64)]
        for m in (model, compensate(model, named, given))
    )
    assert not np.array_equal(w, fitted)


def test_a_branch_that_no_sample_takes_is_rounded_alone(caplog: pytest.LogCaptureFixture) -> None:
    model, given = branched(), as_arrays([[x, np.float32(1)] for [x] in rows(12)])
    with caplog.at_level(logging.WARNING, "edgewise"):
        made = quantize(model, "dynamic_wi4_afp32", samples=given)
    assert "layers are not compensated:\n  - fully_connected 'negative'\n" in caplog.text
    assert "'positive'" not in caplog.text
    plain = quantize(model, "dynamic_wi4_afp32")
    same = [
        np.array_equal(*(next(m.graphs[name].constants()).data for m in (made, plain)))
        for name in ("positive", "negative")
    ]
    assert same == [False, True]


def test_layers_inside_make_up_for_no_more_than_their_run_loses() -> None:
    """What a body is given differs from the float model's; its first layers see no gap, and the
    one behind them what they lose in the same round."""
    model, given = looped(), samples(looped())[:2]
    ours = model.copy()
    for graph, label in ((ours.main, "stem"), (ours.graphs["even"], "even")):
        node = next(n for n in graph.nodes if n.output.name == label)
        w = node.operand(1).data
        assert w is not None
        set_constant(graph, node, 1, 0.5 * w)
    walks = [Walk(m.main, given) for m in (model, ours)]
    gaps = {}
    for pair in zip(*(in_order(m.main) for m in (model, ours)), strict=True):
        for reader in readers(pair[1]):
            runs = [run for sample in _met(walks, pair, reader) for run in sample]
            gaps[pair[1].output.name] = max(float(np.abs(t - x).max()) for t, x in runs)
    assert {name for name, gap in gaps.items() if gap == 0} == {"stem", "even", "odd"}
