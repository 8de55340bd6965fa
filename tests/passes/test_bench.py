"""Real models: never more operators than TensorFlow's converter gives; integers keep their bits."""

from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.ir import Value
from edgewise.ir.evaluate import evaluate
from edgewise.passes import PipelineReport, canonicalize

CONVERTED = ["tiny_ae", "tiny_dscnn", "tiny_resnet8", "tiny_vww"]
# The two halves of a rewrite that integers could see: pads into SAME, reshapes around dense layers
INTEGER = [
    "bench/tiny_resnet8/int8.tflite",
    "bench/tiny_vww/i16x8.tflite",
    "tflite/classify/mbnet128_0.25_q.tflite",
    "tflite/mlperf_tiny/pretrainedResnet_quant.tflite",
]


@pytest.mark.parametrize("name", CONVERTED)
def test_no_more_operators_than_tensorflow(shared_data: Path, name):
    ours = edgewise.convert(shared_data / "bench" / name / "m.keras")
    theirs = edgewise.load(shared_data / "bench" / name / "f32.tflite")
    assert len(ours.main) <= len(theirs.main)


def test_loaded_models_get_no_longer(shared_data: Path):
    before, after = {}, {}
    for path in sorted((shared_data / "bench").glob("*/*.tflite")):
        report = PipelineReport()
        canonicalize(edgewise.load(path), report=report)
        key = f"{path.parent.name}/{path.name}"
        before[key], after[key] = report.before, report.after
    assert before, "no bench models"
    assert {key for key in before if after[key] > before[key]} == set()
    # nine gates of a hard sigmoid, whose 1/6 moves into the convolution behind, and the reshape
    # after a convolution of single pixels
    assert after["mobilenet_v3_small/f32.tflite"] == before["mobilenet_v3_small/f32.tflite"] - 10


@pytest.mark.parametrize("name", INTEGER)
def test_integers_keep_their_bits(shared_data: Path, name):
    model = edgewise.load(shared_data / name)
    canonical = canonicalize(model, check_each=True)
    inputs = [_random(value) for value in model.main.inputs]
    wanted = evaluate(model.main, inputs)
    for a, c in zip(wanted, evaluate(canonical.main, inputs), strict=True):
        np.testing.assert_array_equal(a, c)


def _random(value: Value) -> np.ndarray:
    rng = np.random.default_rng(3)
    shape = [d if isinstance(d, int) else 1 for d in value.shape]
    if value.dtype.is_float:
        return rng.normal(size=shape).astype(value.dtype.numpy)
    low, high = value.dtype.range
    return rng.integers(low, high, shape, endpoint=True).astype(value.dtype.numpy)
