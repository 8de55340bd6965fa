"""A small network from pictures to features, as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import edgewise
from edgewise import metadata
from edgewise.ir import Builder, Model
from edgewise.ir.enums import Activation


def backbone() -> Model:
    """[1, 32, 32, 3] to [1, 12]: two strided convolutions, a residual block, the mean."""
    b, rng = Builder(), np.random.default_rng(7)

    def weights(*shape: int) -> object:
        return b.constant((rng.normal(size=shape) * 3 / np.sqrt(shape[-1] * 9)).astype(np.float32))

    relu = {"fused_activation_function": Activation.RELU6}
    strided = {"stride_w": 2, "stride_h": 2, **relu}
    x = b.input("image", (1, 32, 32, 3))
    y = b.conv_2d(x, weights(8, 3, 3, 3), weights(8), label="stem.0", **strided)
    y = b.conv_2d(y, weights(12, 3, 3, 8), weights(12), label="down", **strided)
    z = b.conv_2d(y, weights(12, 3, 3, 12), weights(12), label="block", **relu)
    y = b.mean(b.add(y, z), b.constant(np.array([1, 2], np.int32)), label="features")
    model = Model(description="small network")
    model.add(b.finish(y))
    return metadata.attach(model, name="Small", license="CC0-1.0", mean=127.5, std=127.5)


def backbone_file(folder: Path) -> Path:
    """The network's file."""
    path = folder / "backbone.tflite"
    assert edgewise.Model is Model  # who saves has to know the format
    backbone().save(path)
    return path
