"""Channels in other units are found in the numbers, and taken back; coarse ones are not asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.data import open_data
from edgewise.dtypes import DType
from edgewise.ir.types import Quant, TensorType
from edgewise.optimize import quantize
from edgewise.optimize.aligned import Units, aligned
from edgewise.optimize.compare import compare
from tests.optimize.test_compare import DATA, network

FLOAT = TensorType((1, 16, 16, 6), DType.FLOAT32)
RNG = np.random.default_rng(5)
X = RNG.uniform(0, 6, (1, 16, 16, 6)).astype(np.float32)


def units(y: np.ndarray, x: np.ndarray = X, type_: TensorType = FLOAT) -> Units | None:
    return aligned([x], [y], type_)


def test_the_same_numbers_are_in_the_same_units() -> None:
    assert units(X) is None
    assert units(X + RNG.normal(0, 0.05, X.shape).astype(np.float32)) is None
    assert units(1.02 * X) is None  # that much is an error


def test_stretched_and_moved_channels() -> None:
    y = X.copy()
    y[..., 1] *= 3
    y[..., 4] = (y[..., 4] - 2.5) * 1.5
    noisy = y + RNG.normal(0, 0.01, y.shape).astype(np.float32)
    found = units(noisy)
    assert found is not None
    np.testing.assert_allclose(found.scale, [1, 3, 1, 1, 1.5, 1], rtol=1e-2)
    np.testing.assert_allclose(found.offset, [0, 0, 0, 0, -3.75, 0], atol=1e-2)
    np.testing.assert_allclose(found.ours(y), X, atol=2e-2)
    np.testing.assert_allclose(found.theirs(X), y, atol=5e-2)


def test_copies_in_idle_channels() -> None:
    x, y = X.copy(), X.copy()
    x[..., 2] = x[..., 5] = 0  # nothing but zero in the first model
    y[..., 2] = x[..., 3] * 2 + 0.01
    y[..., 3] = x[..., 3] * 2 - 0.01
    y[..., 5] = RNG.uniform(0, 6, y[..., 5].shape)  # of no channel
    found = units(y, x)
    assert found is not None
    assert list(found.source) == [0, 1, 3, 3, 4, -1]
    np.testing.assert_allclose(found.ours(y), x, atol=1e-4)
    expected = y.copy()
    expected[..., 5] = 0
    np.testing.assert_allclose(found.theirs(x), expected, atol=1e-3)


def test_what_is_wrong_is_no_unit() -> None:
    y = X.copy()
    y[..., 1] = RNG.uniform(0, 6, y[..., 1].shape)
    y[..., 2] = -y[..., 2]
    assert units(y) is None
    step = 0.5
    coarse = np.rint(X * np.float32(1.4) / step) * step  # 17 steps, stretched by two fifths
    type_ = TensorType(FLOAT.shape, DType.INT8, Quant(step, 0))
    assert units(coarse.astype(np.float32), type_=type_) is None
    assert units(coarse.astype(np.float32)) is not None


@pytest.mark.parametrize("shape", [(6,), (1, 6), (1, 3, 3, 6)])
def test_few_numbers_tell_nothing(shape: tuple[int, ...]) -> None:
    x = RNG.uniform(0, 6, shape).astype(np.float32)
    assert units(3 * x, x) is None


def test_numbers_that_are_not_finite_tell_nothing() -> None:
    y = 3 * X
    y[0, 0, 0, 0] = np.nan
    assert units(y) is None


@pytest.mark.ci
def test_techniques_that_change_units_are_no_noise(shared_data: Path) -> None:
    """MobileNetV1: of the layers before the last ones the worst has 20 dB and more, where by the
    numbers as they are stored it had 1.5, and none at all of its first layer was known."""
    from benchmarks.quantize_models import MODELS

    read, pictures = MODELS["mobilenet_v1"]
    model = read(shared_data)
    samples, x, _ = pictures(shared_data)
    small = quantize(model, "static_wi8_ai8", samples=[s[None] for s in samples[:30]])
    found = compare(model, small, open_data({"x": x[:8]}))
    assert min(r.own_snr for r in found.layers) > 20
    assert all(r.inherited > 0.1 for r in found.layers if r.snr < 25)
    assert {r.index: r for r in found.layers}[0].snr > 25


def test_plain_pairs_are_compared_as_they_are() -> None:
    small = quantize(network(), "static_wi8_ai8", samples=list(DATA["x"][:20, None]))
    found = compare(network(), small, open_data(DATA))
    assert all(r.own_snr > 25 for r in found.layers)
