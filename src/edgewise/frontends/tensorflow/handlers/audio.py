"""Audio operations of TensorFlow 1: spectrogram and mel-frequency cepstral coefficients.

Source: tensorflow/core/kernels/{spectrogram,mfcc,mfcc_mel_filterbank,mfcc_dct}.cc and
core/ops/audio_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.decompose.spectra import spectrum
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value

FLOOR = 1e-12  # of what a filter of the bank gives, before its logarithm
MAX_BANK = 1 << 12  # filters, coefficients


def _spectrogram(c: Context, node: TFNode, x: Value) -> Value:
    """[samples, channels] to [channels, frames, bins]: RFFT2D of frames under a Hann window"""
    length, stride = attrs.integer(node, "window_size"), attrs.integer(node, "stride")
    if length < 2 or stride < 1:
        raise Unsupported(f"a window of {length} and a stride of {stride}; use 2 and 1 or more")
    window = 0.5 - 0.5 * np.cos(2 * np.pi / length * np.arange(length))
    exponent = 2 if attrs.flag(node, "magnitude_squared", False) else 1
    size = 1 << (length - 1).bit_length()
    return spectrum(c, c.transpose(x, [1, 0]), window, size, stride, exponent)


def _mfcc(c: Context, node: TFNode, power: Value, rate: Value) -> Value:
    """FULLY_CONNECTED by a bank of mel filters, LOG, and FULLY_CONNECTED by cosines"""
    count = attrs.integer(node, "filterbank_channel_count", 40)
    coefficients = attrs.integer(node, "dct_coefficient_count", 13)
    low = attrs.real(node, "lower_frequency_limit", 20.0)
    high = attrs.real(node, "upper_frequency_limit", 4000.0)
    bins, hertz = power.shape[2], c.integer(rate, "its sample rate")
    if not isinstance(bins, int) or bins < 2 or hertz < 1 or not 0 <= low < high:
        raise Unsupported(f"{bins} bins at {hertz} Hz between {low:g} and {high:g} Hz")
    if not (1 <= coefficients <= count <= MAX_BANK):
        raise Unsupported(f"{coefficients} coefficients of {count} filters")
    bank = _bank(bins, 0.5 * hertz / (bins - 1), count, low, high)
    places = np.pi / count * (np.arange(count) + 0.5)
    waves = np.sqrt(2 / count) * np.cos(np.outer(np.arange(coefficients), places))
    mel = c.b.maximum(_times(c, c.b.sqrt(power), bank), c.scalar(FLOOR))
    return _times(c, c.b.log(mel), waves)


def _bank(bins: int, width: float, count: int, low: float, high: float) -> np.ndarray:
    """[filters, bins]: overlapping triangles on the mel scale, for bins of `width` Hz."""
    lowest, highest = _mel(np.array([low, high]))
    centres = lowest + (highest - lowest) / (count + 1) * np.arange(count + 2)
    first, last = int(1.5 + low / width), int(high / width)
    if last >= bins:  # TensorFlow logs an error and gives zeros
        raise Unsupported(f"its upper limit of {high:g} Hz is above half the sample rate")
    bank = np.zeros((count, bins))
    for i in range(first, last + 1):
        mel = _mel(np.array(i * width))
        # the filter whose centre is not below; rounding may put the last bin above all
        above = min(int(np.searchsorted(centres[1:], mel)), count)
        share = (centres[above + 1] - mel) / (centres[above + 1] - centres[above])
        if above < count:
            bank[above, i] = 1 - share
        if above:
            bank[above - 1, i] = share
    return bank


def _mel(hertz: np.ndarray) -> np.ndarray:
    return np.asarray(1127 * np.log1p(hertz / 700))


def _times(c: Context, x: Value, matrix: np.ndarray) -> Value:
    return c.b.fully_connected(x, c.b.constant(matrix.astype(np.float32)), keep_num_dims=True)


HANDLERS: dict[str, Handler] = {"AudioSpectrogram": _spectrogram, "Mfcc": _mfcc}
