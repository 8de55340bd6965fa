"""Fourier transforms of real signals, and complex tensors as far as there are operators.

Source: tensorflow/core/ops/{spectral_ops,math_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import bounded
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _rfft(c: Context, node: TFNode, x: Value, length: Value) -> Value:
    """RFFT2D of one row; the length must be a power of two"""
    size = c.integer(length, "its length")
    _check(size)
    rows = c.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    y = c.b.rfft2d(rows, c.ints([1, size]))
    return c.reshape(y, (*x.shape[:-1], size // 2 + 1))


def _rfft2d(c: Context, node: TFNode, x: Value, length: Value) -> Value:
    """lengths must be powers of two"""
    sizes = c.integers(length, "its length")
    for size in sizes:
        _check(size)
    return c.b.rfft2d(x, int32(c, length))


def _check(size: int) -> None:
    if size < 1 or size & size - 1:
        raise Unsupported(f"a Fourier transform of length {size}; use a power of two")


def _irfft(c: Context, node: TFNode, x: Value, length: Value) -> Value:
    """FULLY_CONNECTED of REAL and of IMAG by matrices of cosines and sines; any length"""
    size, bins = c.integer(length, "its length"), x.shape[-1]
    if not isinstance(bins, int):
        raise Unsupported("a spectrum of unknown length; give the model a fixed input shape")
    bounded(bins * size, "its matrix")
    k, t = np.arange(bins), np.arange(size)
    # every bin but the first and, of an even length, the last stands for two
    share = np.where((k == 0) | (2 * k == size), 1.0, 2.0) * (k <= size // 2) / size
    angles = 2 * np.pi / size * np.outer(t, k)
    parts = [
        c.b.fully_connected(
            part, c.b.constant((share * wave).astype(np.float32)), keep_num_dims=True
        )
        for part, wave in ((c.b.real(x), np.cos(angles)), (c.b.imag(x), -np.sin(angles)))
    ]
    return c.b.add(*parts)


def _angle(c: Context, node: TFNode, x: Value) -> Value:
    """ATAN2 of IMAG and REAL"""
    return c.b.atan2(c.b.imag(x), c.b.real(x))


HANDLERS: dict[str, Handler] = {
    "RFFT": _rfft,
    "RFFT2D": _rfft2d,
    "IRFFT": _irfft,
    "Angle": _angle,
    "ComplexAbs": lambda c, node, x: c.b.complex_abs(x),
    "Real": lambda c, node, x: c.b.real(x),
    "Imag": lambda c, node, x: c.b.imag(x),
}
