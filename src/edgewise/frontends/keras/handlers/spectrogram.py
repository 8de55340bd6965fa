"""Spectrograms of Keras layers (`decompose.spectra`), on the mel scale or as they are.

Source: keras/src/layers/preprocessing/{mel_spectrogram,stft_spectrogram}.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose.functions import plus
from edgewise.frontends.decompose.spectra import convolved, power_of, spectrum
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import (
    flag,
    integer,
    is_channels_first,
    number,
    text,
)
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.enums import MirrorPadMode, Padding
from edgewise.ir.graph import Value

# Source: HTK book, section 5.4.
BREAK_HERTZ, HIGH_Q = 700.0, 1127.0
EPSILON = 1e-7  # keras.backend.epsilon()


def mel_spectrogram(c: Context, layer: KerasLayer, x: Value) -> Value:
    """[N, T] to [N, mel bins, frames], in decibel with `power_to_db`."""
    size, stride = integer(layer, "fft_length", 2048), integer(layer, "sequence_stride", 512)
    x = c.real(x)
    shape = x.shape
    x = c.reshape(x, (1, *shape)) if len(shape) == 1 else x
    pads = np.array([(0, 0), (size // 2, size // 2)], np.int32)
    x = c.b.mirror_pad(x, c.b.constant(pads), mode=MirrorPadMode.REFLECT)
    magnitudes = spectrum(c, x, _window(layer, size), size, stride, number(layer, "mag_exp", 2.0))
    y = c.b.fully_connected(magnitudes, c.b.constant(_mel_matrix(layer, size)), keep_num_dims=True)
    y = _decibel(c, layer, y) if flag(layer, "power_to_db", True) else y
    y = c.transpose(y, [0, 2, 1])
    return c.reshape(y, y.shape[1:]) if len(shape) == 1 else y


def _window(layer: KerasLayer, size: int) -> np.ndarray:
    """The window in the middle of `size` elements."""
    length = integer(layer, "sequence_length", size)
    given = layer.config.get("window", "hann")
    phase = np.cos(2 * np.pi * np.arange(length) / length)
    if given is None:
        window = np.ones(length)
    elif isinstance(given, str):
        if given not in ("hann", "hamming"):
            raise Unsupported(f"window '{given}'; use 'hann' or 'hamming'")
        window = 0.5 - 0.5 * phase if given == "hann" else 0.54 - 0.46 * phase
    else:
        window = np.asarray(given, np.float64)
    before = (size - length) // 2
    return np.pad(window, (before, size - length - before))


def _mel_matrix(layer: KerasLayer, size: int) -> np.ndarray:
    """[mel bins, Fourier bins]: overlapping triangles on the mel scale, nothing from bin 0."""
    rate, count = number(layer, "sampling_rate", 16000), integer(layer, "num_mel_bins", 128)
    low, high = number(layer, "min_freq", 20.0), number(layer, "max_freq", rate // 2)

    def mel(hertz: np.ndarray) -> np.ndarray:
        return np.asarray(HIGH_Q * np.log(1 + hertz / BREAK_HERTZ))

    bins = mel(np.linspace(0, rate / 2, size // 2 + 1)[1:])[None]
    edges = np.linspace(mel(np.array(low)), mel(np.array(high)), count + 2)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0, np.minimum(rising, falling))
    return np.pad(matrix, ((0, 0), (1, 0))).astype(np.float32)


def _decibel(c: Context, layer: KerasLayer, x: Value) -> Value:
    """10 log10(x / reference), at most `top_db` below the largest."""
    least = number(layer, "min_power", 1e-10)
    reference = 10 * math.log10(max(abs(number(layer, "ref_power", 1.0)), least))
    y = c.b.log(c.b.maximum(x, c.scalar(least)))
    y = plus(c, c.b.mul(y, c.scalar(10 / math.log(10))), -reference)
    top = c.b.reduce_max(y, c.ints([0, 1, 2]), keep_dims=True)
    return c.b.maximum(y, plus(c, top, -number(layer, "top_db", 80.0)))


def stft_spectrogram(c: Context, layer: KerasLayer, x: Value) -> Value:
    """[N, T, C] to [N, frames, bins * C], or [N, frames, bins, C] with `expand_dims`."""
    x = c.real(x) if is_channels_first(layer) else c.transpose(c.real(x), [0, 2, 1])
    n, channels, steps = x.shape
    mode = text(layer, "mode", "log")
    length = integer(layer, "frame_length", 256)
    stride = integer(layer, "frame_step", length // 2)
    same = text(layer, "padding", "valid") == "same"
    names = ("real_kernel", "imag_kernel")
    stored = [layer.weights[key] for key in sorted(layer.weights, key=_kernel_order(names))]
    kernel = np.concatenate([w[:, 0].T for w in stored]).astype(np.float32)  # [bins, length]
    rows = c.reshape(x, (n * channels, steps, 1))
    y = convolved(c, rows, kernel, stride, Padding.SAME if same else Padding.VALID)
    y = _in_mode(c, y, mode)
    y = c.reshape(y, (n, channels, *y.shape[1:]))  # [N, C, frames, bins]
    expands, (frames, bins) = flag(layer, "expand_dims"), y.shape[2:]
    if is_channels_first(layer):
        if expands:
            return y
        return c.reshape(c.transpose(y, [0, 1, 3, 2]), (n, channels * bins, frames))
    if expands:
        return c.transpose(y, [0, 2, 3, 1])
    return c.reshape(c.transpose(y, [0, 2, 1, 3]), (n, frames, channels * bins))


def _kernel_order(names: tuple[str, str]) -> Callable[[str], tuple[int, str]]:
    return lambda key: (names.index(key) if key in names else 0, key)


def _in_mode(c: Context, y: Value, mode: str) -> Value:
    if mode in ("real", "imag", "stft"):
        return y
    if mode == "angle":
        raise Unsupported("mode 'angle': rounding decides between -pi and pi; use 'stft'")
    power = power_of(c, y)
    if mode == "psd":
        bins = power.shape[-1]
        assert isinstance(bins, int)
        factors = np.full(bins, 2, np.float32)
        factors[[0, -1]] = 1
        return c.b.mul(power, c.b.constant(factors))
    size = c.b.sqrt(c.b.maximum(power, c.scalar(EPSILON)))
    return size if mode == "magnitude" else c.b.log(c.b.maximum(size, c.scalar(EPSILON)))


HANDLERS: dict[str, Handler] = {
    "MelSpectrogram": mel_spectrogram,
    "STFTSpectrogram": stft_spectrogram,
}
