"""A model small enough to measure in a test."""

from __future__ import annotations

import numpy as np

import edgewise
from edgewise.ir.build import Builder
from edgewise.ir.enums import Padding


def small_model() -> edgewise.Model:
    """conv_2d, mean, softmax on [1, 8, 8, 3]."""
    b = Builder()
    weights = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    x = b.input("image", (1, 8, 8, 3))
    y = b.conv_2d(x, b.constant(weights), b.constant(np.zeros(5, np.float32)), padding=Padding.SAME)
    y = b.softmax(b.mean(y, b.constant(np.array([1, 2], np.int32))))
    model = edgewise.Model()
    model.add(b.finish(y))
    return model
