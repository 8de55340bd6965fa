"""Recurrent, attention and preprocessing layers and keras.ops against Keras's own outputs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.frontends.keras import read_keras
from edgewise.frontends.keras.handlers import recurrent
from edgewise.frontends.keras.lower import lower
from edgewise.ir.evaluate import evaluate
from edgewise.ir.model import Model
from edgewise.ir.verify import verify
from edgewise.passes import canonicalize
from edgewise.runtime.session import Session

FIXTURES = Path(__file__).parent / "fixtures"
ARCHIVES = (
    "recurrent", "attention", "preprocessing", "resizing", "quantized", "operations",
    "tf_functions", "inference", "functions",
)  # fmt: skip
TOLERANCE = 3e-4  # of the output range
# What Keras rounds and we do not: several scales in a row of weights, the inputs of a layer.
ROUNDED = {"_rounded": 1e-2, "_inputs": 2e-2}


@cache
def archive(name: str) -> np.lib.npyio.NpzFile:
    return np.load(FIXTURES / f"{name}.npz")


CASES = [
    (name, key.removesuffix(".model"))
    for name in ARCHIVES
    for key in archive(name).files
    if key.endswith(".model")
]


@cache
def converted(name: str, case: str) -> Model:
    return lower(read_keras(archive(name)[f"{case}.model"].tobytes()))


def arrays(name: str, case: str, kind: str) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    while f"{case}.{kind}{len(found)}" in archive(name):
        found.append(archive(name)[f"{case}.{kind}{len(found)}"])
    return found


def check(model: Model, name: str, case: str) -> None:
    bar = next((bar for end, bar in ROUNDED.items() if case.endswith(end)), TOLERANCE)
    outputs = evaluate(model.main, arrays(name, case, "x"))
    wanted = arrays(name, case, "y")
    assert len(outputs) == len(wanted)
    for i, (y, want) in enumerate(zip(outputs, wanted, strict=True)):
        assert y.shape == want.shape, f"output {i}"
        assert np.array_equal(np.isfinite(y), np.isfinite(want)), f"output {i}"
        wide, exact = y.astype(np.float64), np.nan_to_num(want.astype(np.float64))
        scale = max(float(np.ptp(exact)), float(np.abs(exact).max()) / 10, 1e-6)
        assert np.abs(np.nan_to_num(wide) - exact).max() <= bar * scale, f"output {i}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_gives_keras_s_outputs(name: str, case: str) -> None:
    model = converted(name, case)
    verify(model)
    check(model, name, case)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("name", "case"), CASES)
def test_gives_keras_s_outputs_after_canonicalize(name: str, case: str) -> None:
    check(canonicalize(converted(name, case)), name, case)


@pytest.mark.parametrize("case", [case for name, case in CASES if name == "recurrent"])
def test_any_batch(case: str) -> None:
    model = converted("recurrent", case)
    inputs = [x[:1] for x in arrays("recurrent", case, "x")]
    outputs = evaluate(model.main, inputs)
    for y, want in zip(outputs, arrays("recurrent", case, "y"), strict=True):
        np.testing.assert_allclose(y, want[:1], atol=1e-5)


@pytest.mark.parametrize("case", [case for name, case in CASES if name == "recurrent"])
def test_as_loops(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """Nothing written out step by step: what layers of more steps become."""
    monkeypatch.setattr(recurrent, "MAX_UNROLLED", 0)
    made = canonicalize(lower(read_keras(archive("recurrent")[f"{case}.model"].tobytes())))
    inputs = arrays("recurrent", case, "x")
    outputs = edgewise.Interpreter(made.to_bytes())(*inputs)
    for y, want in zip(outputs.values(), arrays("recurrent", case, "y"), strict=True):
        np.testing.assert_allclose(y, want, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "case", "operator"),
    [
        ("recurrent", "lstm_last", "unidirectional_sequence_lstm"),
        ("recurrent", "lstm_backwards", "unidirectional_sequence_lstm"),
        ("recurrent", "rnn_sequence", "unidirectional_sequence_rnn"),
        ("recurrent", "bi_concat", "unidirectional_sequence_lstm"),
    ],
)
def test_a_layer_becomes_one_operator(name: str, case: str, operator: str) -> None:
    names = [node.op.name for node in converted(name, case).main.nodes]
    assert names.count(operator) == (2 if case.startswith("bi") else 1)
    assert len(names) <= 7


def test_state_follows_the_batch() -> None:
    session = Session(lower(read_keras(archive("recurrent")["lstm_last.model"].tobytes())).main)
    (x,), (want,) = (arrays("recurrent", "lstm_last", kind) for kind in "xy")
    for batch in (3, 1, 2):
        np.testing.assert_allclose(session.run([x[:batch]])[0], want[:batch], atol=1e-5)
    for batch in (1, 3):
        session.resize([(batch, *x.shape[1:])])
        assert session.graph.outputs[0].shape == (batch, want.shape[1])
        np.testing.assert_allclose(session.run([x[:batch]])[0], want[:batch], atol=1e-5)


def test_keyword_spotting(shared_data: Path) -> None:
    folder = shared_data / "bench" / "lstm_kws"
    model = lower(read_keras(folder / "m.keras"))
    (y,) = evaluate(model.main, [np.load(folder / "in.npy")])
    np.testing.assert_allclose(y, np.load(folder / "out.npz")["arr_0"], atol=1e-6)
