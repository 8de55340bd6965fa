"""Spectra of windows of a signal (frontends/decompose/spectra.py) against NumPy's transform."""

import numpy as np
import pytest

from edgewise.frontends.context import Context
from edgewise.frontends.decompose.spectra import spectrum
from edgewise.ir import Builder, Sym
from edgewise.ir.evaluate import evaluate

RNG = np.random.default_rng(7)
FOURIER, WAVES = {"rfft2d"}, {"conv_2d"}


def graph_of(steps, window, size, stride, exponent=2.0):
    b = Builder()
    x = b.input("x", (Sym("n", 0), steps))
    return b.finish(spectrum(Context(b, "model"), x, window, size, stride, exponent))


def expected(x, window, size, stride, exponent):
    frames = np.lib.stride_tricks.sliding_window_view(x, len(window), axis=1)[:, ::stride]
    return np.abs(np.fft.rfft(frames * window, size)) ** exponent


CASES = [
    # steps, length, size, stride, what computes it
    (300, 64, 64, 32, FOURIER),  # two slices
    (300, 64, 64, 64, FOURIER),  # one
    (64, 64, 64, 20, FOURIER),  # one frame
    (299, 60, 64, 20, FOURIER),  # filled up, the end of the signal is not read
    (300, 64, 64, 7, FOURIER),  # gathered one by one
    (300, 16, 16, 1, WAVES),  # so many places that the matrix is smaller
    (300, 60, 60, 20, WAVES),  # no power of two
    (300, 2, 2, 3, FOURIER),  # between the frames elements are left out
]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("steps", "length", "size", "stride", "by"), CASES)
@pytest.mark.parametrize("exponent", [2.0, 1.0, 0.7])
def test_equals_numpy(steps, length, size, stride, by, exponent, dynamic):
    window = RNG.uniform(0.1, 1, length)
    signal = Sym("t", length) if dynamic else steps
    graph = graph_of(signal, window, size, stride, exponent)
    names = {node.op.name for node in graph.nodes}
    assert names & (FOURIER | WAVES) == (FOURIER if dynamic and size & size - 1 == 0 else by)
    for n, extra in ((1, 0), (3, 41)):
        x = RNG.normal(size=(n, steps + extra * dynamic)).astype(np.float32)
        y = expected(x, window, size, stride, exponent)
        (found,) = evaluate(graph, [x])
        assert found.shape == y.shape
        np.testing.assert_allclose(found, y, atol=2e-6 * np.abs(y).max())


def test_a_signal_shorter_than_the_window_has_no_frames():
    graph = graph_of(50, np.ones(64), 64, 32)
    (found,) = evaluate(graph, [np.ones((2, 50), np.float32)])
    assert found.shape == (2, 0, 33)
