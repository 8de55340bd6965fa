"""Layers with state become integers: what is measured inside of them, and LiteRT's layout."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

import edgewise
from edgewise.api import Model
from edgewise.dtypes import DType
from edgewise.errors import QuantizationError
from edgewise.ir import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.convert import Dequantize
from edgewise.ops.lstm import LSTM, UnidirectionalSequenceLSTM
from edgewise.ops.svdf import SVDF
from edgewise.optimize import Ranges, calibrate, quantize
from edgewise.runtime.session import Session
from tests.ops.case import inputs_of, model_of
from tests.ops.cases.lstm import layer, step

INT8, INT16, INT32 = DType.INT8, DType.INT16, DType.INT32
VARIANTS = [
    layer((4, 6, 5), 8, label="plain"),
    layer((4, 6, 5), 8, coupled=True, label="coupled"),
    layer((4, 6, 5), 8, peephole=True, label="peephole"),
    layer((4, 6, 5), 8, 3, project=True, label="projected"),
    layer((4, 6, 5), 8, norm=True, label="normalized"),
    layer((4, 6, 5), 8, 3, project=True, norm=True, coupled=True, peephole=True, label="all"),
    layer((6, 4, 5), 8, time_major=True, label="time first"),
    step((4, 5), 8, label="one step"),
]


@pytest.fixture(autouse=True)
def _few_words(caplog: pytest.LogCaptureFixture) -> None:
    """That two samples are few is told of each model."""
    caplog.set_level(logging.ERROR, "edgewise")


def recurrent(model: Model) -> Node:
    return next(n for n in model.main.nodes if isinstance(n.op, LSTM | UnidirectionalSequenceLSTM))


@pytest.mark.parametrize("case", VARIANTS, ids=[case.label for case in VARIANTS])
def test_an_lstm_computes_on_integers(case) -> None:
    """Types are those of LiteRT's kernel, which the target's table has seen running; the numbers
    are near."""
    model, x = model_of(case), inputs_of(case)
    made = quantize(model, "static_wi8_ai8", samples=[x])
    node = recurrent(made)
    kinds = [None if v is None else v.dtype for v in node.inputs]
    assert kinds[0] is node.output.dtype is INT8
    assert set(kinds[1:9]) | {kinds[16]} <= {INT8, None}
    assert set(kinds[9:12]) | set(kinds[20:]) <= {INT16, None}
    assert set(kinds[12:16]) | {kinds[17]} <= {INT32, None}
    assert kinds[18:20] == [INT8, INT16]
    assert node.operand(18).quant == node.output.quant
    assert np.log2(node.operand(19).quant.scale[0]) % 1 == 0, "a power of two"
    expected = Session(model.main, stateless=True).run(x)[0]
    got = Session(edgewise.load(made.to_bytes(target="litert-2.3")).main, stateless=True).run(x)[0]
    assert np.abs(expected - got).mean() <= 0.02 * np.ptp(expected)


def uneven(units: int) -> Model:
    """An LSTM whose rows of weights reach from a hundredth to 1."""
    rng = np.random.default_rng(1)
    size = np.geomspace(0.01, 1, units)[:, None]
    case = layer((2, 6, 16), units)
    args = [
        replace(a, values=(size * rng.uniform(-1, 1, a.shape)).astype(np.float32))
        if a is not None and 1 <= place <= 8
        else a
        for place, a in enumerate(case.args)
    ]
    return model_of(replace(case, args=tuple(args)))


@pytest.mark.parametrize(
    ("scheme", "units", "is_by_rows"),
    [
        ("weight_only_wi8_afp32", 16, True),
        ("weight_only_wi8_afp32", 72, True),
        ("dynamic_wi8_afp32", 16, True),
        ("dynamic_wi8_afp32", 72, False),  # 1152 weights a matrix: int8 arithmetic is faster
    ],
)
def test_weights_beside_float_data_have_a_scale_for_each_row(scheme, units, is_by_rows) -> None:
    """What LiteRT's operator takes no more than one of. Rows of small weights keep their digits."""
    model = uneven(units)
    made = edgewise.load(quantize(model, scheme).to_bytes(target="litert-2.3"))
    node = recurrent(made)
    for index in range(1, 9):
        value, true = node.operand(index), recurrent(model).operand(index).data
        if is_by_rows:
            assert value.producer is not None
            assert isinstance(value.producer.op, Dequantize)
            value = value.producer.input
        assert value.dtype is INT8
        assert (value.quant.axis, value.quant.scale.size) == (
            (0, units) if is_by_rows else (None, 1)
        )
        scale, _ = value.quant.broadcast(true.shape)
        off = np.abs(value.data * scale - true).max(1) / np.abs(true).max(1)
        assert (off.max() < 0.01) == is_by_rows


@pytest.mark.parametrize("scheme", ["weight_only_wi4_afp32", "dynamic_wi4_afp32"])
def test_short_rows_keep_int8(scheme) -> None:
    """As depthwise filters do: fewer than 32 weights share a scale."""
    made = quantize(uneven(16), scheme)
    stored = [n.input for n in made.main.nodes if isinstance(n.op, Dequantize)]
    assert [v.dtype for v in stored if v.shape == (16, 16)] == [INT8] * 8


@pytest.mark.parametrize("scheme", ["static_wi8_ai16", "static_wi8_au8"])
def test_other_integers_are_refused_with_the_reason(scheme, caplog) -> None:
    case = VARIANTS[0]
    with pytest.raises(QuantizationError, match="keeps state and computes on int8 data alone"):
        quantize(model_of(case), scheme, samples=[inputs_of(case)])


def test_a_range_that_is_missing_is_named() -> None:
    case = VARIANTS[0]
    known = calibrate(model_of(case), [inputs_of(case)])
    cut = {g: {k: r for k, r in v.items() if "cell_state" not in k} for g, v in known.items()}
    with pytest.raises(QuantizationError, match="cell_state"):
        quantize(model_of(case), "static_wi8_ai8", Ranges(cut))


def streaming() -> Model:
    """An SVDF with ten steps of memory, which sums up what it saw."""
    b, rng = Builder(), np.random.default_rng(2)
    x = b.input("x", (1, 6))
    feature = b.constant(rng.uniform(0, 0.5, (4, 6)).astype(np.float32))
    time = b.constant(rng.uniform(0.5, 1, (4, 10)).astype(np.float32))
    bias = b.constant(rng.normal(size=2).astype(np.float32))
    state = Value(TensorType((1, 40), DType.FLOAT32), "memory", is_variable=True)
    relu = Activation.RELU
    y = b.svdf(x, feature, time, bias, state, rank=2, fused_activation_function=relu)
    model = Model()
    model.add(b.finish(y))
    return model


def test_steps_of_a_stream_are_calibrated_with_what_is_remembered() -> None:
    """Without its memory an SVDF never sees the sums that it reaches in a stream."""
    model, rng = streaming(), np.random.default_rng(4)
    steps = [rng.uniform(0, 1, (1, 6)).astype(np.float32) for _ in range(40)]
    apart = {}
    expected = run_stream(model, steps)
    for keep in (False, True):
        ranges = calibrate(model, steps, keep_state=keep)
        made = quantize(model, "static_wi8_ai8", ranges)
        node = next(n for n in made.main.nodes if isinstance(n.op, SVDF))
        assert [v.dtype for v in node.inputs] == [INT8, INT8, INT16, INT32, INT16]
        got = run_stream(edgewise.load(made.to_bytes(target="litert-2.3")), steps)
        apart[keep] = np.abs(expected - got).max() / np.ptp(expected)
    assert apart[True] < 0.02
    assert apart[False] > 0.3


def run_stream(model: Model, steps: list[np.ndarray]) -> np.ndarray:
    session = Session(model.main)
    return np.stack([session.run([x])[0] for x in steps])


@pytest.mark.ci
def test_a_trained_lstm_keeps_its_accuracy(shared_data) -> None:
    """MNIST: all integers, 15 of 51 kB; of 100 digits as many are right (98)."""
    model = edgewise.load(shared_data / "tflite" / "micro" / "trained_lstm.tflite")
    with np.load(shared_data / "datasets" / "mnist" / "mnist_subset.npz") as found:
        x = found["x_test"][:100].astype(np.float32) / 255
        given = found["x_train"][:50].astype(np.float32) / 255
        labels = found["y_test"][:100]
    made = quantize(model, "static_wi8_ai8", samples=list(given[:, None]), integers_only=True)
    right = []
    for each in (model, made):
        session = Session(each.main, stateless=True)
        y = np.concatenate([session.run([digit[None]])[0] for digit in x])
        right.append((y.argmax(1) == labels).sum())
    assert right[1] >= right[0] - 1
