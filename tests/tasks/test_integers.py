"""Integers of a classifier: first blocks stay float32 where 8 bits lose much, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.ir import Builder, Model
from edgewise.ir.enums import Activation
from edgewise.metrics import divergence
from edgewise.optimize import Recipe, Scope, calibrate, quantize
from edgewise.optimize.evaluate import Crew
from edgewise.tasks.integers import to_integers


def network(spread: float) -> Model:
    """[1, 32, 32, 3] to 3 classes; channels of the first block are in units that differ by up to
    `spread`, which the second block takes back."""
    b, rng = Builder(), np.random.default_rng(7)
    units = np.geomspace(1, spread, 8).astype(np.float32)

    def weights(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * 2 / np.sqrt(shape[-1] * 9)).astype(np.float32)

    strided = {
        "stride_w": 2,
        "stride_h": 2,
        "fused_activation_function": Activation.RELU,
    }
    x = b.input("image", (1, 32, 32, 3))
    first = weights(8, 3, 3, 3) * units[:, None, None, None]
    y = b.conv_2d(x, b.constant(first), b.constant(np.zeros(8, np.float32)), label="a", **strided)
    second = weights(12, 3, 3, 8) / units
    y = b.conv_2d(y, b.constant(second), b.constant(np.zeros(12, np.float32)), label="b", **strided)
    third = b.constant(weights(16, 3, 3, 12))
    y = b.conv_2d(y, third, b.constant(np.zeros(16, np.float32)), label="c", **strided)
    y = b.mean(y, b.constant(np.array([1, 2], np.int32)), label="features")
    head = b.constant(rng.normal(size=(3, 16)).astype(np.float32) * 4)
    y = b.softmax(b.fully_connected(y, head, b.constant(np.zeros(3, np.float32))))
    model = Model()
    model.add(b.finish(y))
    return model


def pictures(count: int, seed: int) -> list[tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(1, 32, 32, 3)).astype(np.float32),) for _ in range(count)]


@pytest.mark.parametrize("spread", [1.0, 2000.0])
def test_blocks_stay_float_where_integers_lose_much(spread: float) -> None:
    model, seen, probes = network(spread), pictures(12, 0), pictures(24, 1)
    steps: list[tuple[int, int]] = []
    found = to_integers(model, "int8", seen, probes, lambda *at: steps.append(at))
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    whole = Recipe("static_wi8_ai8", (Scope("static_wi8_ai8", "SOFTMAX"),))
    plain = quantize(model, whole, calibrate(model, seen))
    true, own, other = (
        np.stack([Crew(m, None).scores(probe) for probe in pictures(24, 2)])
        for m in (model, found.model, plain)
    )
    mine, theirs = (divergence(true, scores, 1e-4).mean() for scores in (own, other))
    if spread == 1:
        assert found.floats == 0
        assert all(node.op.name != "dequantize" for node in list(found.model.main.nodes)[:-1])
        assert mine < theirs  # the head has 16 bits
    else:
        assert found.floats >= 2  # where the units are, and where they are taken back
        assert mine < theirs / 4
    types = {v.dtype.text for n in found.model.main.nodes for v in n.inputs if v is not None}
    assert {"int8", "int16"} <= types
