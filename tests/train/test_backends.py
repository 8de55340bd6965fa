"""The training command on every back end of Keras that is installed, each in its own process."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise.tasks import ImageClassifier
from edgewise.train.backend import BACKENDS
from tests.tasks.pictures import fill, picture
from tests.train.here import need_keras
from tests.train.networks import backbone_file

need_keras()
pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def train(folder: Path, output: Path, backend: str, *options: str) -> None:
    words = [
        *("train", "image-classifier", folder / "pictures", "-o", output, "--epochs", "8"),
        *("--backbone", folder / "backbone.tflite", "--features", folder / "kept", *options),
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-m", "edgewise", *map(str, words)],
        env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_command_trains_tunes_and_quantizes(tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed here")
    fill(tmp_path / "pictures/train", 12)
    fill(tmp_path / "pictures/test", 5, start=100)
    backbone_file(tmp_path)
    names = ("float", "again", "int8")
    for name in names:
        options = ("--quantize", "int8") if name == "int8" else ("--fine-tune",)
        train(tmp_path, tmp_path / f"{name}.tflite", backend, *options)
    for name in names:
        classifier = ImageClassifier.load(tmp_path / f"{name}.tflite")
        for kind in ("blue", "red"):
            assert classifier.classify(picture(kind, 500))[0].label == kind
    made = [(tmp_path / f"{name}.tflite").read_bytes() for name in names[:2]]
    assert made[0] == made[1], "the seed does not decide the model"
    losses = [
        epoch["validation_loss"]
        for epoch in json.loads((tmp_path / "float.json").read_text())["curves"]["head"]["epochs"]
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]  # 8 epochs: from 0.656 to 0.561 on JAX and TensorFlow
    # the .keras file opens on this back end, and computes what the .tflite does
    script = (
        "import sys, keras, numpy as np; x = np.load(sys.argv[1]); "
        "y = keras.models.load_model(sys.argv[2])(x); "
        "np.save(sys.argv[3], keras.ops.convert_to_numpy(y))"
    )
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    files = [tmp_path / "x.npy", tmp_path / "float.keras", tmp_path / "y.npy"]
    subprocess.run(
        [sys.executable, "-c", script, *map(str, files)],
        env={**os.environ, "KERAS_BACKEND": backend}, check=True, capture_output=True,
    )  # fmt: skip
    wanted = edgewise.Interpreter(made[0])(x)["probabilities"]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, atol=1e-5)
