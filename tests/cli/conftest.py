"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewise
import edgewise.ops
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.model import Signature

from .terminal import Terminal


@pytest.fixture
def terminal(capsys, tmp_path, monkeypatch) -> Terminal:
    """`edgewise`, called in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")  # rich and click ask
    return Terminal(capsys)


@pytest.fixture
def model(tmp_path) -> Path:
    """`model.tflite` in the folder where commands run: image [batch, 8, 8, 3] to 4 classes."""
    b = Builder()
    weights = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    x = b.input("image", (Sym("batch"), 8, 8, 3))
    y = b.conv_2d(
        x,
        b.constant(weights, name="kernel"),
        b.constant(np.zeros(5, np.float32), name="bias"),
        padding=Padding.SAME,
        fused_activation_function=Activation.RELU,
        label="conv",
    )
    y = b.mean(y, b.constant(np.array([1, 2], np.int32), name="axes"), label="pool")
    dense = b.constant(weights.reshape(-1)[:20].reshape(4, 5), name="dense/kernel")
    y = b.fully_connected(y, dense, b.constant(np.zeros(4, np.float32), name="dense/bias"))
    model = edgewise.Model(description="four classes")
    model.add(b.finish(b.softmax(y, label="probabilities")))
    model.signatures.append(
        Signature("serving_default", "main", {"image": 0}, {"probabilities": 0})
    )
    path = tmp_path / "model.tflite"
    model.save(path)
    return path
