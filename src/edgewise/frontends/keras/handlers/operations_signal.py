"""`keras.ops` nodes of signals: Fourier transforms, frames, spectrograms and their inverses.

A complex tensor is a pair of float tensors, as in Keras.
Source: keras/src/ops/math.py and backend/tensorflow/math.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import Handler, Structure, Unsupported, known_sizes
from edgewise.frontends.decompose.fourier import Parts, signal, spectrum, transformed
from edgewise.frontends.decompose.overlap import joined
from edgewise.frontends.decompose.spectra import framed
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, constant, real, tensor
from edgewise.ir.dim import elements
from edgewise.ir.enums import MirrorPadMode
from edgewise.ir.graph import Value


def _transform(axes: int, *, inverse: bool) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Sequence[Operand]) -> Structure:
        y = _parts(c, x)
        for axis in range(-axes, 0):
            y = transformed(c, y, axis, inverse=inverse)
        return [y.real, y.imag]

    return handler


def _parts(c: Context, x: Sequence[Operand]) -> Parts:
    first, second = x
    return Parts(real(c, first), real(c, second))


def _rfft(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    y = real(c, x)
    size = layer.config.get("fft_length")
    (given,) = known_sizes(y.shape[-1:], "a signal")
    parts = spectrum(c, y, given if size is None else integer(layer, "fft_length"))
    return [parts.real, parts.imag]


def _irfft(c: Context, layer: KerasLayer, x: Sequence[Operand]) -> Value:
    y = _parts(c, x)
    (bins,) = known_sizes(y.real.shape[-1:], "a spectrum")
    return signal(c, y, integer(layer, "fft_length", 2 * (bins - 1)))


def _sequences(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """[..., T] to [..., frames, length]."""
    length, stride = integer(layer, "sequence_length"), integer(layer, "sequence_stride")
    return _frames(c, tensor(c, x), length, stride)


def _frames(c: Context, x: Value, length: int, stride: int) -> Value:
    *outer, steps = x.shape
    if isinstance(steps, int) and steps < length:
        raise Unsupported(f"sequences of {length} elements from {steps}; pad the signal before")
    y = framed(c, c.reshape(x, (elements(outer), steps)), length, stride)
    return c.reshape(y, (*outer, (steps - length) // stride + 1, length))


def _stft(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """Frames of `fft_length` elements, in whose middle the window stands, and their spectra."""
    y, size = real(c, x), integer(layer, "fft_length")
    if flag(layer, "center", True):
        margins = np.zeros((len(y.shape), 2), np.int32)
        margins[-1] = size // 2
        y = c.b.mirror_pad(y, c.b.constant(margins), mode=MirrorPadMode.REFLECT)
    frames = _frames(c, y, size, integer(layer, "sequence_stride"))
    window = _window(layer, size)
    if not np.all(window == 1):
        frames = c.b.mul(frames, c.b.constant(window.astype(np.float32)))
    parts = spectrum(c, frames, size)
    return [parts.real, parts.imag]


def _istft(c: Context, layer: KerasLayer, x: Sequence[Operand]) -> Value:
    """The frames of the spectra, through the window that undoes the first one, added."""
    y, size = _parts(c, x), integer(layer, "fft_length")
    stride, length = integer(layer, "sequence_stride"), layer.config.get("length")
    window = _window(layer, size)
    if layer.config.get("window") is not None:
        # the part of a step in the sum of all squared windows over it
        count = -(-size // stride)
        squares = np.zeros(count * stride)
        squares[:size] = window**2
        window = window / np.tile(squares.reshape(count, stride).sum(0), count)[:size]
    y_ = joined(c, y, window, stride)
    is_centred = flag(layer, "center", True)
    start, total = size // 2 if is_centred else 0, y_.shape[-1]
    if length is not None:
        end = start + integer(layer, "length")
        if isinstance(total, int) and total < end:
            raise Unsupported(f"a signal of {end - start} elements from {total - start}")
        count_ = c.dim(end - start)
    else:
        count_ = c.dim(total - 2 * start)
    rank = len(y_.shape)
    sizes = [c.dim(-1)] * (rank - 1) + [count_]
    known = [int(s.data) for s in sizes if s.data is not None]
    vector = c.ints(known) if len(known) == rank else c.b.pack(*sizes, values_count=rank, axis=0)
    return c.b.slice(y_, c.ints([*[0] * (rank - 1), start]), vector)


def _window(layer: KerasLayer, size: int) -> np.ndarray:
    """The window of `sequence_length` elements in the middle of zeros; ones without."""
    length, given = integer(layer, "sequence_length"), layer.config.get("window")
    if size < length:
        raise Unsupported(f"frames of {length} elements for a transform of {size}; use fewer")
    if given is None:
        return np.ones(size)
    if isinstance(given, str):
        if given not in _WINDOWS:
            raise Unsupported(f"the window '{given}'; use hann, hamming, or an array")
        share = _WINDOWS[given]
        made = share - (1 - share) * np.cos(2 * np.pi * np.arange(length) / length)
    else:
        made = constant(given).astype(np.float64)  # type: ignore[arg-type]
    before = (size - length) // 2
    return np.pad(made, (before, size - length - before))


_WINDOWS = {"hann": 0.5, "hamming": 0.54}

OPERATIONS: dict[str, Handler] = {
    "FFT": _transform(1, inverse=False),
    "FFT2": _transform(2, inverse=False),
    "IFFT2": _transform(2, inverse=True),
    "RFFT": _rfft,
    "IRFFT": _irfft,
    "ExtractSequences": _sequences,
    "STFT": _stft,
    "ISTFT": _istft,
}
