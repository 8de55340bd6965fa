"""Handlers against Keras: every model of `fixtures/layers.npz` gives Keras's outputs."""

from __future__ import annotations

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


@pytest.mark.parametrize("name", NAMES)
def test_gives_keras_s_outputs(name: str) -> None:
    model = converted(name)
    verify(model)
    check(model, name)


@pytest.mark.parametrize("name", NAMES)
def test_gives_keras_s_outputs_after_canonicalize(name: str) -> None:
    check(canonicalize(converted(name)), name)
