"""Frames of a signal put together again, overlapping: the inverse of a spectrogram."""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import Context, bounded, known_sizes
from edgewise.frontends.decompose.fourier import Parts, waves_of
from edgewise.ir.dim import elements
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value

MAX_WAVES = 1 << 24  # elements of a kernel


def joined(c: Context, x: Parts, window: np.ndarray, stride: int) -> Value:
    """[..., frames, bins] to [..., T]: the inverse transforms of real frames as long as the
    window, times the window, each `stride` after the one before, added.

    It is one TRANSPOSE_CONV, whose kernel has the waves of every bin as its taps.
    """
    *outer, frames, _ = x.real.shape
    (bins,) = known_sizes(x.real.shape[-1:], "a spectrum")
    size = len(window)
    bounded(2 * bins * size, "its matrix", MAX_WAVES)
    both = c.b.concatenation(x.real, x.imag, axis=len(x.real.shape) - 1)
    count = elements(outer)
    image = c.reshape(both, (count, 1, frames, 2 * bins))
    kernel = waves_of(bins, size) * window[:, None]
    steps = (frames - 1) * stride + size
    y = c.b.transpose_conv(
        c.shape([count, 1, steps, 1]),
        c.b.constant(kernel.astype(np.float32)[None, None]),
        image, padding=Padding.VALID, stride_h=1, stride_w=stride,
    )  # fmt: skip
    return c.reshape(y, (*outer, steps))
