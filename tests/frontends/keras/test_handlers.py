"""Handlers against Keras: every model of `fixtures/layers.npz` gives Keras's outputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgewise.frontends.keras import read_keras
from edgewise.frontends.keras.handlers import OPERATIONS
from edgewise.frontends.keras.lower import lower
from edgewise.ir.evaluate import evaluate
from edgewise.ir.model import Model
from edgewise.ir.verify import verify
from edgewise.passes import canonicalize
from edgewise.runtime.session import Session

LAYERS = np.load(Path(__file__).parent / "fixtures" / "layers.npz")
NAMES = [key.removesuffix(".model") for key in LAYERS.files if key.endswith(".model")]
# Keras 3 writes the masks of a functional model into its graph as keras.ops nodes
NEEDS_OPERATIONS = {"mask_embedding", "mask_masking", "mask_joined"}
TOLERANCE = 3e-4  # of the output range


@cache
def converted(name: str) -> Model:
    if name in NEEDS_OPERATIONS and not {"NotEqual", "Any", "ZerosLike"} <= OPERATIONS.keys():
        pytest.skip("keras.ops nodes have no handlers yet")
    return lower(read_keras(LAYERS[f"{name}.model"].tobytes()))


def arrays(name: str, kind: str) -> list[np.ndarray]:
    found = []
    while f"{name}.{kind}{len(found)}" in LAYERS:
        found.append(LAYERS[f"{name}.{kind}{len(found)}"])
    return found


def check(model: Model, name: str) -> None:
    outputs = evaluate(model.main, arrays(name, "x"))
    wanted = arrays(name, "y")
    assert len(outputs) == len(wanted)
    for y, want in zip(outputs, wanted, strict=True):
        want = want.astype(y.dtype)
        assert y.shape == want.shape
        assert np.abs(y - want).max() <= TOLERANCE * max(float(np.ptp(want)), 1e-3)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", NAMES)
def test_gives_keras_s_outputs(name: str) -> None:
    model = converted(name)
    verify(model)
    check(model, name)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", NAMES)
def test_gives_keras_s_outputs_after_canonicalize(name: str) -> None:
    check(canonicalize(converted(name)), name)


ENDS = np.array([0.0, 1.0, 15.0, 17.0, 88.0, 90.0, 104.0, 1000.0, 1e30])


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("softplus", lambda x: np.logaddexp(0, x)),
        ("log_sigmoid", lambda x: -np.logaddexp(0, -x)),
        ("mish", lambda x: x * np.tanh(np.logaddexp(0, x))),
    ],
)
def test_activations_are_right_where_an_exponential_overflows(
    name: str, function: Callable[[np.ndarray], np.ndarray]
) -> None:
    x = np.resize(np.concatenate([ENDS, -ENDS]), (1, 4, 6))
    model = canonicalize(converted(f"act_{name}"))
    given = x.astype(np.float32)
    for y in (evaluate(model.main, [given])[0], Session(model.main).run([given])[0]):
        np.testing.assert_allclose(y, function(x), rtol=1e-6, atol=2e-6)
