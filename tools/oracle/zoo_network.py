"""Makes a network of keras.applications with random weights, and what Keras says of an image.

    ORACLE-PYTHON tools/oracle/zoo_network.py NETWORK SIZE OPTIONS OUT

NETWORK is a function of keras.applications, OPTIONS its other arguments as JSON. OUT gets
`model.h5`, `model.keras`, and `answer.npz`: the image `x` and the output `y`, which are logits.
Batch norms have statistics of their own, so that none of their four vectors can be exchanged.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the tests run on

import keras
import numpy as np


def main() -> None:
    """Make the network of the arguments."""
    network, size, options, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    keras.utils.set_random_seed(7)
    rng = np.random.default_rng(7)
    model = getattr(keras.applications, network)(
        input_shape=(size, size, 3),
        weights=None,
        classes=10,
        classifier_activation=None,
        **json.loads(options),
    )
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.beta.shape
            layer.gamma.assign(rng.uniform(0.7, 1.3, count))
            layer.beta.assign(rng.normal(0, 0.2, count))
            layer.moving_mean.assign(rng.normal(0, 0.1, count))
            layer.moving_variance.assign(rng.uniform(0.5, 1.5, count))
    x = rng.uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    np.savez(out / "answer.npz", x=x, y=np.asarray(model(x, training=False)))
    model.save(out / "model.h5")
    model.save(out / "model.keras")


if __name__ == "__main__":
    main()
