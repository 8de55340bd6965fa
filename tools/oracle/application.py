"""Makes a network of keras.applications, saves it every way, and has TensorFlow convert it.

    ORACLE-PYTHON tools/oracle/application.py CASE OUT

CASE is a name of `tests/e2e/applications.py`, which gets the weights of `tests/e2e/weights.py`.
OUT gets

- `model.keras`, `model.h5`, `saved` (SavedModel for any batch) and `static` (for one example)
- `live.tflite`: the model in memory as Edgewise converts it (on the back end of TensorFlow)
- `x.npy` (three images), `y.npy` (what Keras says of them), `near.npy` (what it says when every
  number of the images is the next float32: how far apart two right answers can be) and `exact.npy`
  (what the same network says in float64)
- `tf-saved.tflite`, `tf-static.tflite`, `tf-keras.tflite` (TensorFlow's, from the SavedModels and
  the object); what TensorFlow cannot convert is told and left out
- `about.json`: versions, recipes of the weights, seconds and refusals
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the tests run on
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

import edgewise  # noqa: E402
from tests.e2e.applications import CASES, Case, images  # noqa: E402
from tests.e2e.weights import fill, settle  # noqa: E402

Lite = tf.lite.TFLiteConverter


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
    np.save(out / "exact.npy", _exact(case, model, x))
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


def _exact(case: Case, model: Any, x: np.ndarray) -> np.ndarray:
    """Its answers in float64."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    twin = getattr(keras.applications, case.network)(**case.arguments())
    twin.set_weights(model.get_weights())
    settle(twin)
    found = np.asarray(twin(x.astype(np.float64), training=False))
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    assert found.dtype == np.float64
    return found


if __name__ == "__main__":
    main()
