"""Every network of keras.applications, at a small resolution: in memory against Keras itself, and
saved as a file, which converts to the same operators and numbers.

Next to TensorFlow's converter, as SavedModels too: `tests/e2e/test_applications.py`."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed here")

import edgewise  # noqa: E402
from tests.e2e.answers import operators  # noqa: E402

from .checks import answers, check, compare  # noqa: E402

pytestmark = [pytest.mark.full, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(1800)]
SIZES = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
NAMES = sorted(
    name
    for name, value in vars(keras.applications).items()
    if callable(value) and name[0].isupper()
)


@pytest.mark.parametrize("name", NAMES)
def test_converts(tmp_path, name):
    size = SIZES.get(name, 64)
    options = {"input_shape": (size, size, 3), "weights": None, "classes": 10}
    options["classifier_activation"] = None  # logits: probabilities would hide mistakes
    if keras.backend.backend() == "torch" and name.startswith("NASNet"):
        pytest.skip("Keras does not make it on torch")
    model = getattr(keras.applications, name)(**options)
    rng = np.random.default_rng(2)
    for layer in model._flatten_layers():  # no statistics of 0 and 1; near them, or depths overflow
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(rng.uniform(0.7, 1.4, layer.moving_variance.shape))
            layer.moving_mean.assign(rng.normal(size=layer.moving_mean.shape) * 0.1)
            layer.beta.assign(rng.normal(size=layer.beta.shape) * 0.1)
    x = np.random.default_rng(1).uniform(0, 255, (1, size, size, 3)).astype(np.float32)
    live = operators(check(model, x))
    for suffix in ("keras", "h5"):
        model.save(tmp_path / f"model.{suffix}")
        made = edgewise.convert(tmp_path / f"model.{suffix}")
        assert operators(made) == live
        compare(list(edgewise.Interpreter(made.to_bytes())(x).values()), answers(model, x))
