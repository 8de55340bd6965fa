"""Keras models as TensorFlow converts them; runs in the oracle's environment, without Edgewise.

    python keras_in_tensorflow.py file MODEL OUT        MODEL: a .keras or .h5 file
    python keras_in_tensorflow.py application NAME SIZE OUT

Writes OUT/static.tflite (batch 1, through a SavedModel) and OUT/dynamic.tflite (any batch, from the
model object), and for an application OUT/model.keras, OUT/saved (its SavedModel, for any batch),
OUT/in.npy and OUT/out.npz (Keras's answer): weights are random, batch norms are calibrated, so that
activations stay sane. A conversion that TensorFlow cannot do is printed and skipped.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}

import keras
import numpy as np
import tensorflow as tf

# Their first layers expect pixels from 0 to 255.
TAKES_PIXELS = ("EfficientNet", "MobileNetV3", "ConvNeXt")
# With random weights their softmax is flat to float32's resolution; the logits are compared.
GIVES_LOGITS = ("InceptionV3",)


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Keras 2 wrote `groups`, which Keras 3 does not read."""

    def __init__(self, groups: int = 1, **config: object) -> None:
        super().__init__(**config)


def main() -> None:
    """Dispatch on the first argument."""
    kind, *rest, folder = sys.argv[1:]
    out = Path(folder)
    if kind == "file":
        known = {"DepthwiseConv2D": DepthwiseConv2D} if rest[0].endswith(("h5", "hdf5")) else {}
        model = keras.models.load_model(rest[0], compile=False, custom_objects=known)
    else:
        model = application(rest[0], int(rest[1]))
        pixels = rest[0].startswith(TAKES_PIXELS)
        x = sample(model, 1, pixels=pixels)
        np.save(out / "in.npy", x)
        np.savez(out / "out.npz", *[np.asarray(y) for y in tf.nest.flatten(model(x))])
        model.save(out / "model.keras")
        model.export(out / "saved", verbose=False)
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


def application(name: str, size: int) -> keras.Model:
    """A network of keras.applications on images of `size`, random weights, calibrated norms."""
    keras.utils.set_random_seed(7)
    options = {"include_top": False} if name.startswith("VGG") else {}
    if name in GIVES_LOGITS:
        options = {"classifier_activation": None}
    model = getattr(keras.applications, name)(input_shape=(size, size, 3), weights=None, **options)
    rng = np.random.default_rng(7)
    norms = [x for x in model._flatten_layers() if type(x) is keras.layers.BatchNormalization]
    for norm in norms:
        channels = norm.moving_mean.shape[0]
        if norm.gamma is not None:
            norm.gamma.assign(rng.uniform(0.7, 1.3, channels))
        if norm.beta is not None:
            norm.beta.assign(rng.normal(0, 0.2, channels))
        norm.momentum = 0.0
    if norms:
        model(sample(model, 8, pixels=name.startswith(TAKES_PIXELS)), training=True)
    for norm in norms:
        norm.momentum = 0.99
    return model


def sample(model: keras.Model, count: int, *, pixels: bool) -> np.ndarray:
    """Blobs of colour with some noise, [count, H, W, 3]; in [-1, 1], or 0 to 255 for `pixels`."""
    rng = np.random.default_rng(1)
    height, width = model.inputs[0].shape[1:3]
    blobs = rng.standard_normal((count, height // 8 + 1, width // 8 + 1, 3))
    x = np.repeat(np.repeat(blobs, 8, 1), 8, 2)[:, :height, :width]
    x = np.clip(0.5 * x + 0.15 * rng.standard_normal(x.shape), -1, 1)
    return np.asarray(127.5 * (x + 1) if pixels else x, np.float32)


if __name__ == "__main__":
    main()
