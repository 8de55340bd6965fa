"""Spectra of windows of a signal: one strided convolution, or frames and RFFT2D.

The kernel of the convolution holds the window times cosines, and then the window times sines; it
has size ** 2 elements. RFFT2D has none, but its sizes are powers of two, and the frames before it
overlap.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.frontends.context import Context, bounded
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

MAX_WAVES = 1 << 24  # elements of a kernel
MAX_SLICES = 8  # that frames are joined of; of more pieces they are gathered


def spectrum(
    c: Context, x: Value, window: np.ndarray, size: int, stride: int, exponent: float
) -> Value:
    """[N, T] to [N, frames, bins]: magnitudes, to the power of `exponent`, of the transform of
    `size` elements of each frame, which is as long as the window, filled up with zeros."""
    length, steps = len(window), x.shape[1]
    has_frames = not isinstance(steps, int) or steps >= length
    is_small = _gathered(steps, length, stride) <= (size + 2) * length
    if size & size - 1 or not has_frames or not is_small:
        rows = c.b.expand_dims(x, c.ints([2]))
        y = convolved(c, rows, waves(size, length) * window, stride, Padding.VALID)
        return _raised(c, power_of(c, y), exponent / 2)
    rows = c.b.mul(framed(c, x, length, stride), c.b.constant(window.astype(np.float32)))
    if length < size:
        pads = np.array([[0, 0]] * 3 + [[0, size - length]], np.int32)
        rows = c.b.pad(rows, c.b.constant(pads))
    y = c.b.complex_abs(c.b.rfft2d(rows, c.ints([1, size])))
    return c.b.squeeze(_raised(c, y, exponent), squeeze_dims=(2,))


def _gathered(steps: Dim, length: int, stride: int) -> int:
    """The places that frames of a signal of this length are gathered from, if they are."""
    if not isinstance(steps, int):
        return length
    pieces = length // math.gcd(length, stride)
    return 0 if pieces <= MAX_SLICES else ((steps - length) // stride + 1) * pieces


def framed(c: Context, x: Value, length: int, stride: int) -> Value:
    """[N, T] to [N, frames, 1, length]."""
    steps = x.shape[1]
    frames = (steps - length) // stride + 1
    if not isinstance(steps, int) or not isinstance(frames, int):
        starts = c.b.range(c.dim(0), c.dim(steps - length + 1), c.dim(stride))
        starts = c.b.reshape(starts, c.ints([-1, 1, 1]))
        places = c.b.add(starts, c.b.constant(np.arange(length, dtype=np.int32)))
        return c.b.gather(x, places, axis=1)
    used, group = (frames - 1) * stride + length, math.gcd(length, stride)
    x = x if used == steps else c.b.slice(x, c.ints([0, 0]), c.ints([-1, used]))
    x = c.reshape(x, (x.shape[0], used // group, group))
    pieces, step = length // group, stride // group
    firsts = np.arange(frames, dtype=np.int32) * step
    if pieces > MAX_SLICES:
        gathered = firsts[:, None] + np.arange(pieces, dtype=np.int32)
        y = c.b.gather(x, c.b.constant(gathered), axis=1)
    else:
        parts = [
            c.b.strided_slice(
                x, c.ints([0, i, 0]), c.ints([0, i + int(firsts[-1]) + 1, 0]),
                c.ints([1, step, 1]), begin_mask=0b101, end_mask=0b101,
            )
            for i in range(pieces)
        ]  # fmt: skip
        y = c.b.concatenation(*parts, axis=2) if len(parts) > 1 else parts[0]
    return c.reshape(y, (x.shape[0], frames, 1, length))


def _raised(c: Context, x: Value, exponent: float) -> Value:
    """x ** exponent, of an x that is not negative."""
    if exponent == 1:
        return x
    if exponent in (0.5, 2):
        return c.b.sqrt(x) if exponent == 0.5 else c.b.square(x)
    return c.b.pow(x, c.scalar(exponent))


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
