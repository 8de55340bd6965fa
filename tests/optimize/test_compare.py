"""Comparisons: the layer that was ruined is named first; real pairs of float and int8 models."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.data import open_data
from edgewise.errors import InputError
from edgewise.ir.build import Builder
from edgewise.ir.enums import Padding
from edgewise.ir.model import Model
from edgewise.measure.compare_page import compare_page, verdict
from edgewise.optimize.compare import Comparison, compare
from edgewise.optimize.match import is_layer, match


def network(scale: float = 1.0, ruined: int | None = None) -> Model:
    """Four convolutions and a classifier; weights of the layer `ruined` have three bits."""
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.input("image", (1, 8, 8, 3))
    channels = 3
    for i in range(4):
        w = rng.normal(size=(8, 3, 3, channels)).astype(np.float32) / 5
        if i == ruined:
            step = np.abs(w).max() / 3
            w = (np.rint(w / step) * step).astype(np.float32)
        zeros = b.constant(np.zeros(8, np.float32))
        x = b.relu(b.conv_2d(x, b.constant(w), zeros, padding=Padding.SAME, label=f"conv{i}"))
        channels = 8
    y = b.mean(x, b.constant(np.array([1, 2], np.int32)))
    w = rng.normal(size=(5, 8)).astype(np.float32) * scale
    y = b.softmax(b.fully_connected(y, b.constant(w), b.constant(np.zeros(5, np.float32))))
    model = edgewise.Model()
    model.add(b.finish(y))
    return model


DATA = {
    "x": np.random.default_rng(1).normal(size=(40, 8, 8, 3)).astype(np.float32),
    "y": np.random.default_rng(2).integers(0, 5, 40),
}


@pytest.mark.parametrize("ruined", range(4))
def test_the_ruined_layer_is_named_first(ruined: int) -> None:
    found = compare(network(), network(ruined=ruined), open_data(DATA))
    assert found.layers[0].name == f"conv{ruined}"
    assert found.layers[0].own_snr < 25
    rest = {r.name: r for r in found.layers[1:]}
    assert all(r.own_snr > 90 for r in rest.values())
    for i in range(4):
        if i > ruined:  # what it got was wrong already
            assert rest[f"conv{i}"].snr < 40
            assert rest[f"conv{i}"].inherited > 0.99
        if i < ruined:
            assert rest[f"conv{i}"].snr == math.inf
    assert f"conv{ruined}" in verdict(found)
    assert found.task is not None
    assert found.task.agreement.value < 1 or found.task.divergence.value > 0


def test_a_model_is_itself() -> None:
    found = compare(network(), network(), open_data(DATA))
    assert {r.snr for r in found.layers} == {math.inf}
    assert found.unmatched == ()
    assert found.task is not None
    assert (found.task.agreement.value, found.task.divergence.value) == (1, 0)
    assert found.task.difference is not None
    assert (found.task.difference.value, found.task.p) == (0, 1)
    assert "the same" in verdict(found)
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["layers"][0]["snr"] is None


def test_what_moves_numbers_adds_no_noise() -> None:
    """Its input is rounded by the layer before, whose doing that is."""
    b, rng = Builder(), np.random.default_rng(3)
    x = b.input("image", (1, 6, 6, 3))
    w, bias = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    y = b.conv_2d(x, b.constant(w.astype(np.float32)), b.constant(bias.astype(np.float32)))
    flat = b.constant(np.array([1, 144], np.int32))
    y = b.reshape(y, flat, new_shape=(1, 144), label="flat")
    w = b.constant(rng.normal(size=(5, 144)).astype(np.float32))
    model = edgewise.Model()
    model.add(b.finish(b.fully_connected(y, w, b.constant(np.zeros(5, np.float32)))))
    x = rng.normal(size=(20, 6, 6, 3)).astype(np.float32)
    made = edgewise.quantize(model, "static_wi8_ai8", samples=[row[None] for row in x])
    layers = {r.operator: r for r in compare(model, made, open_data(x)).layers}
    assert layers["reshape"].own_snr == math.inf
    assert layers["reshape"].damage == 0
    assert layers["reshape"].inherited == 1
    assert 20 < layers["conv_2d"].own_snr < 60
    assert layers["fully_connected"].snr < layers["fully_connected"].own_snr


def test_without_labels_there_is_no_accuracy(tmp_path: Path) -> None:
    found = compare(network(), network(ruined=2), open_data(DATA["x"]), limit=9)
    assert found.task is not None
    assert (found.task.top1, found.task.examples, found.layer_examples) == (None, 9, 9)
    assert "agree" in verdict(found)


def test_models_of_other_inputs() -> None:
    b = Builder()
    other = edgewise.Model()
    other.add(b.finish(b.neg(b.input("x", (1, 3)))))
    with pytest.raises(InputError, match=r"take the same inputs; got image .* and x "):
        compare(network(), other, open_data(DATA))


def quantized_pair(shared_data: Path) -> Comparison:
    return compare(
        shared_data / "tflite/mlperf_tiny/pretrainedResnet.tflite",
        shared_data / "tflite/mlperf_tiny/pretrainedResnet_quant.tflite",
        open_data(shared_data / "datasets/cifar10/cifar10_subset.npz"),
        normalize="0..255",
        layer_examples=8,
    )


@pytest.mark.ci
def test_a_real_pair(shared_data: Path, tmp_path: Path) -> None:
    found = quantized_pair(shared_data)
    task = found.task
    assert task is not None
    assert task.top1 is not None
    assert task.difference is not None
    assert [round(100 * share.value, 1) for share in task.top1] == [89.0, 88.4]
    assert task.difference.value == pytest.approx((task.gained - task.lost) / 500)
    assert task.difference.low < -0.006 < task.difference.high
    assert task.agreement.value > 0.95
    assert found.unmatched == ()
    convolutions = [r for r in found.layers if r.operator == "conv_2d"]
    assert len(convolutions) == 9
    for r in found.layers:
        assert r.dtype == "int8"
        assert r.own_snr > 10
        assert r.snr <= r.own_snr + 3
        assert 0 < r.range_use <= 1
        assert r.clipped < 0.05
    assert all(r.bytes[0] > 2.5 * r.bytes[1] for r in convolutions)
    pytest.importorskip("matplotlib", reason="the extra `pages` is not installed")
    compare_page(tmp_path / "p.html", found)
    page = (tmp_path / "p.html").read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=.https?:", page)  # nothing is fetched
    assert found.layers[0].name in page


@pytest.mark.ci
def test_every_layer_of_real_pairs_is_matched(shared_data: Path) -> None:
    from edgewise.optimize import prepare

    for first, second in [
        ("micro/mnist_valid_f", "micro/mnist_valid_q"),
        ("micro/mnist_dw_f", "micro/mnist_dw_q"),
        ("classify/mbnet128_0.25_f", "classify/mbnet128_0.25_q"),
    ]:
        graphs = [
            prepare(edgewise.load(shared_data / f"tflite/{name}.tflite")).main
            for name in (first, second)
        ]
        found = match(*graphs)
        layers = [n for n in graphs[1].nodes if is_layer(n)]
        assert len(found) == len(layers)
        for m in found:
            assert m.first.op.name == m.second.op.name
