"""Calibration: histograms in any order, methods against values by hand, and what is told."""

from __future__ import annotations

import importlib.util
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise
from edgewise.data import open_data
from edgewise.errors import InputError, QuantizationError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.ir.model import Model
from edgewise.optimize import Range, calibrate, quantize
from edgewise.optimize.histogram import BINS, Histogram
from edgewise.optimize.methods import KL, METHODS, MSE, MovingAverage, Percentile, method_named

NUMBERS = st.lists(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30), min_size=1, max_size=6
)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_a_histogram_does_not_depend_on_order_and_pieces(pieces, random) -> None:
    whole = Histogram.of(np.concatenate([np.array(p, np.float32) for p in pieces]))
    mixed = list(pieces)
    random.shuffle(mixed)
    parts = [Histogram.of(np.array(p, np.float32)) for p in mixed]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert (total.low, total.high, total.total) == (whole.low, whole.high, whole.total)
    assert total.counts.size <= BINS
    # as fine as its finest piece allows: joined, it is the whole one
    assert total.exponent >= whole.exponent
    wider = total + whole
    assert wider.exponent == total.exponent
    assert np.array_equal(wider.counts, 2 * total.counts)


def test_quantiles() -> None:
    x = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    seen = Histogram.of(x)
    for share in (0.001, 0.1, 0.5, 0.999):
        assert seen.quantile(share) == pytest.approx(np.quantile(x, share), abs=0.006)
    assert (seen.quantile(0), seen.quantile(1)) == (x.min(), x.max())


def seen_of(x: np.ndarray) -> tuple[Histogram, Range]:
    return Histogram.of(x), Range(float(x.min()), float(x.max()))


def test_percentiles_leave_the_tails() -> None:
    x = np.arange(100_001, dtype=np.float32)
    found = Percentile(99.0)(*seen_of(x - 50_000))
    assert (found.low, found.high) == (
        pytest.approx(-49_500, rel=2e-3),
        pytest.approx(49_500, rel=2e-3),
    )
    assert Percentile(99.0)(*seen_of(x)).low == 0  # a relu's zeros are no tail


def test_mse_is_the_best_clipping_of_a_normal() -> None:
    """Of a normal distribution in 4 bits the best symmetric clipping is at 2.55 deviations (R.
    Banner et al., arXiv:1810.05723: 2.55), in 8 bits at 3.92."""
    x = np.random.default_rng(0).normal(size=400_000)
    for bits, best in ((4, 2.55), (8, 3.92)):
        found = MSE(bits)(*seen_of(x))
        assert found.high == pytest.approx(best, rel=0.08)
        assert found.low == pytest.approx(-best, rel=0.08)


@pytest.mark.parametrize("method", [MSE(4), KL(), Percentile(99.9)], ids=repr)
def test_a_rare_outlier_is_clipped(method) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([np.abs(rng.normal(size=50_000)), [40.0]])
    found = method(*seen_of(x))
    assert found.low == pytest.approx(0, abs=1e-3)
    assert 3 < found.high < 20
    even = method(*seen_of(rng.uniform(-1, 1, 50_000)))
    assert even.low == pytest.approx(-1, abs=0.06)
    assert even.high == pytest.approx(1, abs=0.06)


def test_zeros_of_a_relu_do_not_clip() -> None:
    """Nine of ten numbers are 0, which any quantization holds exactly: the rest decides."""
    rng = np.random.default_rng(0)
    x = np.maximum(0, rng.normal(-1.3, 1, 200_000)).astype(np.float32)
    assert (x == 0).mean() > 0.9
    for method in (KL(), MSE()):
        assert method(*seen_of(x)).high > 0.6 * x.max()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("x", [[0.0], [3.0, 3.0], [-2.0], [-1e-30, 1e30], [1e-40]], ids=str)
def test_methods_survive_strange_values(name, x) -> None:
    seen = Histogram.of(np.array(x, np.float32))
    found = method_named(name)(seen, Range(seen.low, seen.high))
    assert seen.low <= found.low <= found.high <= seen.high


def test_names_of_methods() -> None:
    with pytest.raises(InputError, match="'max'; there are minmax, moving-average, percentile"):
        method_named("max")


def network() -> Model:
    """y = relu(x * [1, -1, 0])."""
    b = Builder()
    x = b.input("x", (Sym("batch"), 3))
    y = b.relu(b.mul(x, b.constant(np.array([1, -1, 0], np.float32))))
    model = edgewise.Model()
    model.add(b.finish(y))
    return model


SAMPLES = [np.array([[i, i / 2, 5.0]], np.float32) for i in range(20)]


def test_threads_and_order_are_no_matter() -> None:
    one = calibrate(network(), SAMPLES, threads=1)
    assert calibrate(network(), SAMPLES, threads=3) == one
    assert calibrate(network(), SAMPLES[::-1]) == one
    assert calibrate(network(), open_data(SAMPLES)) == one
    assert one["main"]["x"] == Range(0, 19)
    assert one["main"]["relu"] == Range(0, 19)


@pytest.mark.ci
def test_loaders_of_frameworks_give_batches_and_labels() -> None:
    """Live ones, where they are installed: Keras's PyDataset, torch's DataLoader."""
    x, y = np.concatenate(SAMPLES), np.arange(len(SAMPLES))
    loaders = []
    if importlib.util.find_spec("keras"):
        keras = pytest.importorskip("keras")

        class Batches(keras.utils.PyDataset):
            def __len__(self) -> int:
                return len(x) // 4

            def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
                part = slice(4 * index, 4 * index + 4)
                return x[part], y[part]

        loaders.append(Batches())
    if importlib.util.find_spec("torch"):
        torch = pytest.importorskip("torch")
        tensors = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        loaders += [tensors, torch.utils.data.DataLoader(tensors, batch_size=4)]
    if not loaders:
        pytest.skip("neither Keras nor torch is installed")
    for loader in loaders:
        assert calibrate(network(), open_data(loader)) == calibrate(network(), SAMPLES)
        whole = quantize(network(), "static_wi8_ai8", samples=open_data(loader)).to_bytes()
        assert whole == quantize(network(), "static_wi8_ai8", samples=SAMPLES).to_bytes()


def test_a_moving_average() -> None:
    found = calibrate(network(), SAMPLES[:3], method=MovingAverage(0.5))
    assert found["main"]["relu"] == Range(0, 0.5 * (0.5 * 0 + 0.5 * 1) + 0.5 * 2)


def test_an_input_that_the_file_calls_a_variable_has_a_range() -> None:
    model = network()
    model.main.inputs[0].is_variable = True
    assert calibrate(model, SAMPLES)["main"]["x"] == Range(0, 19)


def test_progress_and_no_samples() -> None:
    seen: list[tuple[int, int]] = []
    data = open_data(np.stack(SAMPLES))
    calibrate(network(), data, limit=12, progress=lambda *d: seen.append(d), threads=1)
    assert seen == [(i, 12) for i in range(1, 13)]
    with pytest.raises(InputError, match="at least one sample"):
        calibrate(network(), [])


def test_numbers_that_are_not_finite_are_blamed() -> None:
    b = Builder()
    x = b.input("x", (1, 2))
    y = b.relu(b.log(x, label="logarithm"))
    model = edgewise.Model()
    model.add(b.finish(y))
    bad = [np.array([[1, a]], np.float32) for a in (1, -1, 2, 0, math.inf)]
    with pytest.raises(QuantizationError, match="3 samples give numbers") as caught:
        calibrate(model, bad)
    assert "sample 1: NaN first in log 'logarithm'" in str(caught.value)
    assert "sample 3: an infinity first in log 'logarithm'" in str(caught.value)
    assert "sample 4: an infinity first in input 'x'" in str(caught.value)


def test_what_may_spoil_ranges_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "edgewise"):
        calibrate(network(), [np.array([[1, 2, i]], np.float32) for i in range(3)])
    assert "calibration with 3 samples" in caplog.text
    caplog.clear()
    b = Builder()
    x = b.input("x", (1, 2))
    y = b.relu(b.sub(b.tanh(x), b.constant(np.float32(2))), label="dead")
    model = edgewise.Model()
    model.add(b.finish(y))
    rng = np.random.default_rng(0)
    with caplog.at_level(logging.WARNING, "edgewise"):
        calibrate(model, [rng.normal(size=(1, 2)).astype(np.float32) for _ in range(20)])
    assert "1 values are constant" in caplog.text
    assert "relu 'dead' is always 0" in caplog.text


@pytest.mark.ci
def test_memory_does_not_grow_with_samples(shared_data: Path) -> None:
    """What is kept after 200 samples is what is kept after 20."""
    import tracemalloc

    model = edgewise.load(shared_data / "tflite/mlperf_tiny/pretrainedResnet.tflite")
    data = open_data(shared_data / "datasets/cifar10/cifar10_subset.npz", split="train")

    def peak(limit: int) -> int:
        tracemalloc.start()
        calibrate(model, data, normalize="0..255", limit=limit, threads=1, method=MSE())
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(3)  # imports
    assert peak(200) < 1.3 * peak(20)
