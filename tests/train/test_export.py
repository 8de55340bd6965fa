"""A trained model as a SavedModel, where TensorFlow is; else a sentence that says so."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import edgewise
from edgewise.errors import InputError, OutputError
from edgewise.tasks.training import train_image_classifier
from tests.tasks.pictures import fill
from tests.train.here import need_keras
from tests.train.networks import backbone_file

need_keras()
HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_a_saved_model_computes_the_same(tmp_path):
    fill(tmp_path / "pictures", 6)
    made = train_image_classifier(
        tmp_path / "pictures", tmp_path / "m.tflite", backbone=backbone_file(tmp_path), epochs=2,
        features=tmp_path / "kept",
    )  # fmt: skip
    folder = tmp_path / "saved model"
    if not HAS_TENSORFLOW:
        with pytest.raises(InputError, match="a SavedModel is TensorFlow's: pip install"):
            made.export(folder)
        return
    made.export(folder)
    with pytest.raises(OutputError, match="exists already; choose another name"):
        made.export(folder)
    x = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32)
    wanted = edgewise.Interpreter(made.model)(x)["probabilities"]
    import tensorflow as tf

    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    [name] = served.structured_input_signature[1]
    [found] = served(**{name: tf.constant(x)}).values()
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)
    again = edgewise.convert(folder)
    [found] = edgewise.Interpreter(again)(x).values()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
