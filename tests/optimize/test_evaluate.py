"""Evaluations of networks by hand, and of the real ones whose accuracy is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.data import open_data
from edgewise.errors import InputError
from edgewise.ir.build import Builder
from edgewise.ir.dim import Sym
from edgewise.optimize.compare import compare
from edgewise.optimize.evaluate import Evaluation, evaluate


def identity(classes: int = 3) -> edgewise.Model:
    """Scores are the input."""
    b = Builder()
    x = b.input("x", (Sym("batch"), classes))
    model = edgewise.Model()
    model.add(b.finish(b.mul(x, b.constant(np.float32(2)))))
    return model


def test_counts() -> None:
    scores = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1]]
    data = open_data({"x": scores, "y": np.array([0, 1, 2, 1, 1])})
    seen: list[tuple[int, int]] = []
    found = evaluate(identity(), data, progress=lambda *done: seen.append(done))
    assert (found.top1.value, found.examples, found.classes, found.top5) == (0.8, 5, 3, None)
    assert found.outcomes.predicted.tolist() == [0, 1, 2, 0, 1]
    assert found.outcomes.rank.tolist() == [0, 0, 0, 1, 0]
    assert seen == [(i, 5) for i in range(1, 6)]
    assert found.seconds > 0
    assert json.loads(json.dumps(found.as_json()))["top1"]["value"] == 0.8


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_only_pixels_are_said_to_be_normalized(dtype: type) -> None:
    b = Builder()
    model = edgewise.Model()
    model.add(b.finish(b.mean(b.input("x", (1, 4, 4, 3)), b.constant([1, 2]))))
    data = open_data({"x": np.zeros((2, 4, 4, 3), dtype), "y": np.zeros(2, np.int64)})
    said = evaluate(model, data).notes[0]
    is_float = dtype is np.float32
    assert said.startswith("numbers as they are" if is_float else "pixels as -1..1 (guessed")


def test_a_model_that_knows_nothing_is_told() -> None:
    """A wrong normalization, or another order of classes, as a rule."""
    scores, labels = np.eye(3, dtype=np.float32)[np.arange(60) % 3], np.arange(60) // 2 % 3
    off, right = (open_data({"x": scores, "y": y}) for y in (labels, np.arange(60) % 3))
    assert "no better than chance among 3 classes" in evaluate(identity(), off).notes[-1]
    assert "no better than chance" in compare(identity(), identity(), off).notes[-1]
    few = evaluate(identity(), off, limit=20)
    for found in (evaluate(identity(), right), compare(identity(), identity(), right), few):
        assert not any("chance" in note for note in found.notes)


def test_what_cannot_be_evaluated() -> None:
    with pytest.raises(InputError, match=r"\[0\] has no label, which evaluating needs"):
        evaluate(identity(), open_data(np.eye(3, dtype=np.float32)))
    with pytest.raises(InputError, match=r"\[0\]: labels are in \[0, 3\); got 7"):
        evaluate(identity(), open_data({"x": np.eye(3)[:1], "y": np.array([7])}))
    b = Builder()
    model = edgewise.Model()
    model.add(b.finish(b.neg(b.input("x", (1, 4, 4, 2)))))
    with pytest.raises(InputError, match=r"has an output \[1, classes\]; this one has"):
        evaluate(model, open_data({"x": np.zeros((1, 4, 4, 2)), "y": np.zeros(1)}))


# model, data, options, top-1 and top-5 in percent; top-5 None: not known.
#
# Those of photos were measured with TensorFlow's JPEG decoder, whose fast transform gives other
# pixels by some units than Pillow's (with `tf.io.decode_jpeg` the first one is 77.8 here, too, with
# its `dct_method="INTEGER_ACCURATE"` 78.0): of 500 photos up to 4 come out differently. LSTMs were
# measured with state carried from one example to the next (92.6, 92.6, 88.2); examples are
# independent here.
PHOTOS, OTHERS = "datasets/imagenet_sample", 0.05
KNOWN = [
    ("classify/mobilenet_v1_0.25_224_1_default_1", PHOTOS, None, 53.2, 77.8),
    ("classify/mobilenet_v1_0.25_224_quant", PHOTOS, None, 52.6, 76.2),
    ("classify/mobilenet_v2_1.0_224_quant", PHOTOS, None, 85.2, 96.4),
    ("classify/mbnet128_0.25_f", PHOTOS, "0..1", 41.8, 68.8),
    ("classify/mbnet128_0.25_q", PHOTOS, "0..1", 38.0, 65.2),
    ("mlperf_tiny/kws_ref_model", "datasets/kws01/kws01_int8_mfcc.npz", None, 90.6, None),
    ("mlperf_tiny/pretrainedResnet", "datasets/cifar10/cifar10_subset.npz", "0..255", 89.0, None),
    (
        "mlperf_tiny/pretrainedResnet_quant",
        "datasets/cifar10/cifar10_subset.npz",
        "0..255",
        88.4,
        None,
    ),
    ("micro/mnist_valid_f", "datasets/mnist/mnist_subset.npz", "0..1", 95.6, None),
    ("micro/mnist_valid_q", "datasets/mnist/mnist_subset.npz", "0..1", 95.2, None),
    ("micro/mnist_dw_f", "datasets/mnist/mnist_subset.npz", "0..1", 91.0, None),
    ("micro/mnist_dw_q", "datasets/mnist/mnist_subset.npz", "0..1", 91.2, None),
    ("micro/trained_lstm", "datasets/mnist/mnist_subset.npz", "0..1", 97.6, None),
    ("micro/trained_lstm_int8", "datasets/mnist/mnist_subset.npz", "0..1", 97.6, None),
    ("micro/keras_lstm_mnist_ptq", "datasets/mnist/mnist_subset.npz", "0..1", 98.0, None),
]


def is_slow(case: tuple[str, str, str | None, float, float | None]) -> bool:
    return case[1] == PHOTOS


@pytest.mark.parametrize(
    ("model", "data", "normalize", "top1", "top5"),
    [
        pytest.param(*case, id=case[0], marks=pytest.mark.full if is_slow(case) else pytest.mark.ci)
        for case in KNOWN
    ],
)
def test_known_accuracies(
    shared_data: Path,
    model: str,
    data: str,
    normalize: str | None,
    top1: float,
    top5: float | None,
) -> None:
    found = evaluate(
        shared_data / f"tflite/{model}.tflite",
        open_data(shared_data / data),
        normalize=normalize,
        crop=224 / 232,
    )
    slack = 0.8 if data == PHOTOS else OTHERS
    assert found.examples == 500
    assert 100 * found.top1.value == pytest.approx(top1, abs=slack)
    assert top5 is None or _percent(found) == pytest.approx(top5, abs=slack)


def _percent(found: Evaluation) -> float:
    assert found.top5 is not None
    return 100 * found.top5.value
