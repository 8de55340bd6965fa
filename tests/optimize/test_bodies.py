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
from edgewise.optimize import Recipe, Scope, calibrate, quantize
from edgewise.runtime.session import Session

from .networks import looped, samples

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
    assert integers(made, "odd") == {"QUANTIZE", "CONV_2D", "LOGISTIC", "DEQUANTIZE"}
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
