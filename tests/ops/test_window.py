"""Windows that a file makes as large as it may: the same elements, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgewise.ir.enums import Padding
from edgewise.ops.conv import DepthwiseConv2D
from edgewise.ops.mediapipe import MaxPoolingWithArgmax2D
from edgewise.ops.pool import AveragePool2D, MaxPool2D
from edgewise.ops.window import MAX_EXTENT, Axis, touching, windows

MOST_BYTES = 1 << 20
FAR = MAX_EXTENT - 1


def element(x: np.ndarray, index: int) -> float:
    return float(x[index]) if 0 <= index < x.size else -1.0


def test_windows_read_what_their_padding_says() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        size, kernel, stride = (int(n) for n in rng.integers(1, (9, 6, 5)))
        axis = Axis(kernel, stride, int(rng.choice([1, 2, 3, 7, 20, 50])))
        pads = tuple(int(n) for n in rng.integers(0, 40, 2))
        if rng.random() < 0.5:
            pads = axis.pads(size, Padding.SAME)
        x = np.arange(1.0, size + 1)
        view = windows(x[None, :, None, None], axis, Axis(1), (pads, (0, 0)), fill=-1)
        out = axis.output(size, pads)
        assert view.shape[1] == out
        for i in range(out):
            taps = (i * stride + p * axis.dilation - pads[0] for p in range(kernel))
            assert view[0, i, 0, :, 0, 0].tolist() == [element(x, tap) for tap in taps]


def test_taps_that_are_left_out_lie_in_the_padding() -> None:
    rng = np.random.default_rng(1)
    for _ in range(2000):
        size, kernel, stride = (int(n) for n in rng.integers(1, (9, 40, 5)))
        axis = Axis(kernel, stride)
        pads = axis.pads(size, Padding.SAME)
        x = np.arange(1.0, size + 1)[None, :, None, None]
        whole = windows(x, axis, Axis(1), (pads, (0, 0)))
        less, left = touching(axis, size, pads)
        part = windows(x, less, Axis(1), (left, (0, 0)))
        assert less.kernel <= 2 * size + stride
        np.testing.assert_array_equal(part.sum((3, 4)), whole.sum((3, 4)))


@pytest.mark.parametrize("op", [AveragePool2D, MaxPool2D])
def test_a_pool_of_65535_rows_takes_no_memory_for_them(op: type[MaxPool2D]) -> None:
    x = np.random.default_rng(2).normal(size=(1, 8, 8, 16)).astype(np.float32)
    pool = op(filter_height=FAR, filter_width=FAR, stride_h=2, stride_w=2)
    few = op(filter_height=31, filter_width=31, stride_h=2, stride_w=2)
    tracemalloc.start()
    y = pool.reference(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(y, few.reference(x), rtol=1e-6)
    assert peak < MOST_BYTES


def test_the_place_of_the_largest_is_that_in_the_whole_window() -> None:
    x = np.random.default_rng(5).normal(size=(1, 8, 8, 4)).astype(np.float32)
    large = MaxPoolingWithArgmax2D(filter_height=301, filter_width=41, stride_h=3, stride_w=3)
    y, places = large.reference(x)
    rows, columns = np.divmod(places.astype(int), 41)
    ys, xs = (3 * np.arange(3)[:, None, None] - 149, 3 * np.arange(3)[:, None] - 19)
    np.testing.assert_array_equal(x[0][rows[0] + ys, columns[0] + xs, np.arange(4)], y[0])


def test_a_dilation_of_32767_takes_no_memory_for_it() -> None:
    x = np.random.default_rng(3).normal(size=(1, 8, 8, 16)).astype(np.float32)
    w = np.random.default_rng(4).normal(size=(1, 3, 3, 16)).astype(np.float32)
    op = DepthwiseConv2D(dilation_h_factor=FAR // 2, dilation_w_factor=FAR // 2)
    tracemalloc.start()
    y = op.reference(x, w, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(y, x * w[0, 1, 1], rtol=1e-6)
    assert peak < MOST_BYTES
