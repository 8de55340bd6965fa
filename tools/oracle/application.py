"""Makes a network of keras.applications, saves it every way, and has TensorFlow convert it.

    ORACLE-PYTHON tools/oracle/application.py CASE OUT

CASE is a name of `tests/e2e/applications.py`. Weights come from recipes (`tests/e2e/hollow.py`),
random except for the statistics of batch norms, which are near those that the network has on
sample images (variances of half the layer's mean and more), and the factors of those that end a
residual branch, which are small, as in trained networks: activations stay sane through any depth,
and one rounding stays one.
OUT gets

- `model.keras`, `model.h5`, `saved` (SavedModel for any batch) and `static` (for one example)
- `live.tflite`: the model in memory as Edgewise converts it (on the back end of TensorFlow)
- `x.npy` (three images), `y.npy` (what Keras says of them) and `near.npy` (what it says when every
  number of the images is the next float32: how far apart two right answers can be)
- `tf-saved.tflite`, `tf-static.tflite`, `tf-keras.tflite` (TensorFlow's, from the SavedModels and
  the object); what TensorFlow cannot convert is told and left out
- `about.json`: versions, recipes of the weights, seconds and refusals
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import edgewise  # noqa: E402
from tests.e2e.applications import CASES, Case, images  # noqa: E402
from tests.e2e.hollow import levels_recipe  # noqa: E402
from tests.e2e.hollow import weight as made  # noqa: E402
from tests.oracle.inputs import random_recipe  # noqa: E402

Lite = tf.lite.TFLiteConverter
LINEAR = (keras.layers.Conv2D, keras.layers.Dense)
NORMS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def main() -> None:
    """Make the network of the first argument in the folder of the second."""
    case, out = CASES[sys.argv[1]], Path(sys.argv[2])
    keras.utils.set_random_seed(7)
    model = getattr(keras.applications, case.network)(**case.arguments())
    recipes = fill(model, case)
    x = images(case, 3)
    np.save(out / "x.npy", x)
    np.save(out / "y.npy", np.asarray(model(x, training=False)))
    np.save(
        out / "near.npy", np.asarray(model(np.nextafter(x, np.float32(np.inf)), training=False))
    )
    about: dict[str, Any] = {
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
        "weights": recipes,
        "seconds": {},
        "refusals": {},
    }
    one = [tf.TensorSpec((1, *case.size, 3), tf.float32, name=model.inputs[0].name)]
    model.save(out / "model.keras")
    model.save(out / "model.h5")
    model.export(out / "saved", verbose=False)
    model.export(out / "static", input_signature=one, verbose=False)
    ways: dict[str, Callable[[], bytes]] = {
        "live": lambda: edgewise.convert(model).to_bytes(),
        "tf-keras": lambda: Lite.from_keras_model(model).convert(),
        "tf-saved": lambda: Lite.from_saved_model(str(out / "saved")).convert(),
        "tf-static": lambda: Lite.from_saved_model(str(out / "static")).convert(),
    }
    for name, convert in ways.items():
        start = time.perf_counter()
        try:
            (out / f"{name}.tflite").write_bytes(convert())
        except Exception as error:  # TensorFlow's are of many classes, ours are told by the test
            about["refusals"][name] = f"{type(error).__name__}: {error}"[:2000]
        about["seconds"][name] = round(time.perf_counter() - start, 2)
    (out / "about.json").write_text(json.dumps(about))


def fill(model: keras.Model, case: Case) -> list[dict[str, Any]]:
    """Give every weight its numbers; their recipes, in the order of `model.weights`."""
    owners = {
        id(w): layer for layer in model._flatten_layers() for w in layer.weights
    }  # the innermost
    found, ends = {}, branch_ends(model)
    for number, weight in enumerate(model.weights):
        low, high = limits(weight, owners[id(weight)], ends)
        found[id(weight)] = put(weight, number, low, high)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    norms = [x for x in model._flatten_layers() if type(x) is keras.layers.BatchNormalization]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(images(case, 8), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        spread = np.asarray(norm.moving_variance)
        # a channel that the sample images hardly move would amplify what others do to it
        statistics = (np.asarray(norm.moving_mean), np.maximum(spread, 0.5 * spread.mean()))
        for weight, numbers in zip(
            (norm.moving_mean, norm.moving_variance), statistics, strict=True
        ):
            recipe = levels_recipe(numbers)
            weight.assign(made(recipe))
            found[id(weight)] = recipe
    return [found[id(weight)] for weight in model.weights]


def put(weight: Any, number: int, low: float, high: float) -> dict[str, Any]:
    """Assign; the recipe."""
    recipe = random_recipe(number, list(weight.shape), weight.dtype)
    recipe |= {"low": float(f"{low:.5g}"), "high": float(f"{high:.5g}")}
    weight.assign(made(recipe))
    return recipe


def branch_ends(model: keras.Model) -> set[str]:
    """Names of the batch norms whose result, dropped out or not, is added to another."""
    found = set()
    for layer in model._flatten_layers():
        if not isinstance(layer, keras.layers.Add):
            continue
        for tensor in layer._inbound_nodes[0].input_tensors:
            before = tensor._keras_history.operation
            while isinstance(before, keras.layers.Dropout):
                before = before._inbound_nodes[0].input_tensors[0]._keras_history.operation
            if isinstance(before, keras.layers.BatchNormalization):
                found.add(before.name)
    return found


def limits(weight: Any, layer: Any, ends: set[str]) -> tuple[float, float]:
    """From where to where its numbers are."""
    name = weight.name
    if "kernel" in name:
        depthwise = "depthwise" in name or isinstance(layer, keras.layers.DepthwiseConv2D)
        inputs = math.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
        bound = math.sqrt(6 / inputs)
        return -bound, bound
    if isinstance(layer, keras.layers.Normalization):
        return {"mean": (0.4, 0.5), "variance": (0.05, 0.06)}.get(name, (0, 0))
    if name == "moving_variance":
        return 0.7, 1.4
    if name == "gamma":
        return (0.1, 0.3) if layer.name in ends else (0.6, 1.4)
    if isinstance(layer, (*NORMS, *LINEAR)):
        return -0.3, 0.3  # beta, bias
    return 0.1, 0.4  # of LayerScale


if __name__ == "__main__":
    main()
