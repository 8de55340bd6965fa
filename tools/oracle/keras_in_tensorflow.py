"""Keras files as TensorFlow converts them; runs in the oracle's environment, without Edgewise.

    python keras_in_tensorflow.py MODEL OUT

MODEL is a .keras or .h5 file. Writes OUT/static.tflite (batch 1, through a SavedModel) and
OUT/dynamic.tflite (any batch, from the model object). A conversion that TensorFlow cannot do is
printed and skipped.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the tests run on

import keras
import tensorflow as tf


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras 2 wrote `groups`, which Keras 3 does not read."""

    def __init__(self, groups: int = 1, **config: object) -> None:
        super().__init__(**config)


def main() -> None:
    """Convert the file of the first argument into the folder of the second."""
    path, out = sys.argv[1], Path(sys.argv[2])
    known = {"DepthwiseConv2D": DepthwiseConv2D} if path.endswith(("h5", "hdf5")) else {}
    model = keras.models.load_model(path, compile=False, custom_objects=known)
    for name, converter in (("static", static), ("dynamic", dynamic)):
        try:
            (out / f"{name}.tflite").write_bytes(converter(model))
        except Exception as error:
            print(f"{name}: TensorFlow refuses: {str(error).splitlines()[0][:200]}")


def static(model: keras.Model) -> bytes:
    """For one example: every shape is known to the converter."""
    inputs = [
        tf.TensorSpec((1, *x.shape[1:]), tf.as_dtype(x.dtype), name=x.name) for x in model.inputs
    ]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, input_signature=inputs, verbose=False)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def dynamic(model: keras.Model) -> bytes:
    """For any number of examples: what most people do."""
    return tf.lite.TFLiteConverter.from_keras_model(model).convert()


if __name__ == "__main__":
    main()
