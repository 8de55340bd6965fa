"""Spectra of windows of a signal: the Fourier transform as one strided convolution.

The kernel holds the window times cosines, and then the window times sines.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import Context, bounded
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

MAX_WAVES = 1 << 24  # elements of a kernel


def waves(size: int, length: int) -> np.ndarray:
    """[2 * (size // 2 + 1), length]: cosines and sines of a transform of `size` elements, of which
    those from `length` on are 0."""
    bins = size // 2 + 1
    bounded(2 * bins * length, "its matrix", MAX_WAVES)
    angles = 2 * np.pi / size * (np.outer(np.arange(bins), np.arange(length)) % size)
    return np.concatenate([np.cos(angles), np.sin(angles)])


def convolved(c: Context, x: Value, kernel: np.ndarray, stride: int, padding: Padding) -> Value:
    """x [N, T, 1] by the kernel [O, length]: [N, frames, O]."""
    w = c.b.constant(kernel.astype(np.float32)[:, None, :, None])
    image = c.b.expand_dims(x, c.ints([1]))
    y = c.b.conv_2d(image, w, padding=padding, stride_h=1, stride_w=stride)
    return c.b.squeeze(y, squeeze_dims=(1,))


def power_of(c: Context, y: Value) -> Value:
    """The squares of the real and the imaginary half of the last axis, added."""
    axis = c.b.constant(np.array(len(y.shape) - 1, np.int32))
    real, imaginary = c.b.node(operator("split")(num_splits=2), axis, y).outputs
    return c.b.add(c.b.square(real), c.b.square(imaginary))
