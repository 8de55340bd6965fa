"""Gradients of convolutions and poolings over two axes, for models that train themselves.

What a window of offset i reads is a strided slice of the padded image. A gradient of the kernel
multiplies such slices with dy; a gradient of the image adds to where they were. Offsets with one
remainder by the stride are added on the grid of dy, and the grids of all remainders interleaved, so
that nothing is multiplied with inserted zeros.
Source: tensorflow/core/ops/nn_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from edgewise.frontends.context import bounded, known_sizes
from edgewise.frontends.decompose.functions import scaled
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.layout import Window, is_channels_first, spatial
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value

MAX_TAPS = 256  # what is written out tap by tap
Offset = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """Windows of `kernel` over an image of `size`, at `out` places; `before` is its padding."""

    window: Window
    kernel: tuple[int, int]
    size: tuple[int, int]
    out: tuple[int, int]

    @classmethod
    def of(cls, window: Window, kernel: Sequence[int], size: Sequence[Dim], dy: Value) -> Frame:
        """For images [N, H, W, C] with the gradient `dy` of the result."""
        height, width = known_sizes(size, "an image")
        out = known_sizes(dy.shape[1:3], "a gradient")
        return cls(window, (kernel[0], kernel[1]), (height, width), (out[0], out[1]))

    @property
    def before(self) -> list[int]:
        """Rows and columns of padding before the image."""
        if self.window.margins is not None:
            return [before for before, _ in self.window.margins[1:3]]
        if self.window.padding is Padding.VALID:
            return [0, 0]
        return [max(n - d, 0) // 2 for n, d in zip(self.extent, self.size, strict=True)]

    @property
    def extent(self) -> list[int]:
        """Rows and columns that the windows reach over."""
        steps = zip(self.out, self.window.strides, self.kernel, self.window.dilations, strict=True)
        return [(n - 1) * stride + (k - 1) * rate + 1 for n, stride, k, rate in steps]

    def offsets(self) -> list[Offset]:
        """Of the taps of the kernel, row by row."""
        bounded(self.kernel[0] * self.kernel[1], "a window that is written out", MAX_TAPS)
        rate_h, rate_w = self.window.dilations
        rows, columns = self.kernel
        return [(i * rate_h, j * rate_w) for i, j in product(range(rows), range(columns))]

    def padded(self, c: Context, x: Value, outside: float = 0.0) -> Value:
        """What the windows reach over of an image."""
        return _cut(c, x, [-before for before in self.before], self.extent, outside)

    def slices(self, c: Context, x: Value) -> list[Value]:
        """What each tap reads of a padded image: [N, *out, C] each."""
        stride_h, stride_w = self.window.strides
        steps = c.ints([1, stride_h, stride_w, 1])
        rows, columns = (
            (n - 1) * s + 1 for n, s in zip(self.out, self.window.strides, strict=True)
        )
        return [
            c.b.strided_slice(
                x, c.ints([0, i, j, 0]), c.ints([0, i + rows, j + columns, 0]), steps,
                begin_mask=0b1001, end_mask=0b1001,
            )
            for i, j in self.offsets()
        ]  # fmt: skip

    def spread(self, c: Context, pieces: Sequence[Value]) -> Value:
        """The image to which each tap added its piece where it had read: inverse to `slices`."""
        strides = self.window.strides
        at = [
            tuple(divmod(o, stride) for o, stride in zip(offset, strides, strict=True))
            for offset in self.offsets()
        ]
        grid = [n + max(p[axis][0] for p in at) for axis, n in enumerate(self.out)]
        sums: dict[Offset, list[Value]] = {}
        for ((row, over), (column, right)), piece in zip(at, pieces, strict=True):
            moved = _cut(c, piece, [-row, -column], grid)
            sums.setdefault((over, right), []).append(moved)
        zero: list[Value] = []  # one for all remainders that no tap has
        if len(sums) < strides[0] * strides[1]:
            zero = [c.b.zeros_like(next(iter(sums.values()))[0])]
        lines = []
        for over in range(strides[0]):
            line = [_total(c, sums.get((over, right), zero)) for right in range(strides[1])]
            lines.append(_joined(c, line, 3))
        n, channels = pieces[0].shape[0], pieces[0].shape[3]
        wide = (n, grid[0], grid[1] * strides[1] * channels)
        fine = (n, grid[0] * strides[0], grid[1] * strides[1], channels)
        y = lines[0] if len(lines) == 1 else _joined(c, [c.reshape(v, wide) for v in lines], 2)
        return _cut(c, c.reshape(y, fine), self.before, self.size)


def _cut(c: Context, x: Value, begin: Sequence[int], size: Sequence[int], fill: float = 0) -> Value:
    """`size` rows and columns of x from `begin` on, which may begin before x and end behind."""
    shape = known_sizes(x.shape[1:3], "an image")
    ends = [b + n - d for b, n, d in zip(begin, size, shape, strict=True)]
    margins = [(max(-b, 0), max(end, 0)) for b, end in zip(begin, ends, strict=True)]
    if any(map(any, margins)):
        amounts = c.b.constant(np.array([(0, 0), *margins, (0, 0)], np.int32))
        x = c.b.padv2(x, amounts, c.scalar(fill, x)) if fill else c.b.pad(x, amounts)
    if x.shape[1:3] == tuple(size):
        return x
    return c.b.slice(x, c.ints([0, *(max(b, 0) for b in begin), 0]), c.ints([-1, *size, -1]))


def _total(c: Context, values: Sequence[Value]) -> Value:
    return values[0] if len(values) == 1 else c.b.add_n(*values)


def _joined(c: Context, values: Sequence[Value], axis: int) -> Value:
    return values[0] if len(values) == 1 else c.b.concatenation(*values, axis=axis)


def _window(node: TFNode) -> Window:
    """Raises Unsupported for [N, C, H, W], in which TensorFlow trains on other processors only."""
    if is_channels_first(node):
        raise Unsupported("its gradient of [N, C, H, W]; train a model of [N, H, W, C]")
    return Window.of(node)


def _filter(c: Context, node: TFNode, x: Value, sizes: Value, dy: Value) -> Value:
    """CONV_2D of the image with dy as its kernel, batch and channels exchanged"""
    rows, columns, inputs, _ = c.integers(sizes, "the shape of its filter")
    window = _window(node)
    if x.shape[3] != inputs:
        raise Unsupported("the gradient of a grouped convolution; train other layers")
    frame = Frame.of(window, (rows, columns), x.shape[1:3], dy)
    image, kernel = (c.transpose(v, [3, 1, 2, 0]) for v in (frame.padded(c, x), dy))
    # a step of the kernel's tap is a dilation of the window, and the other way round
    swapped = Window(window.dilations, window.strides, Padding.VALID)
    return c.transpose(c.b.conv_2d(image, kernel, **swapped.attributes), [1, 2, 0, 3])


def _depthwise_filter(c: Context, node: TFNode, x: Value, sizes: Value, dy: Value) -> Value:
    """the SUM of products of dy with what each tap reads"""
    rows, columns, channels, multiplier = c.integers(sizes, "the shape of its filter")
    frame = Frame.of(_window(node), (rows, columns), x.shape[1:3], dy)
    places = (dy.shape[0] * frame.out[0] * frame.out[1], channels, multiplier)
    dy = c.reshape(dy, places)
    sums = [
        c.b.sum(c.b.mul(c.reshape(part, (*places[:2], 1)), dy), c.ints([0]))
        for part in frame.slices(c, frame.padded(c, x))
    ]
    return c.reshape(_joined(c, sums, 0), (rows, columns, channels, multiplier))


def _depthwise_input(c: Context, node: TFNode, sizes: Value, w: Value, dy: Value) -> Value:
    """dy times each tap of the kernel, added where the tap had read"""
    rows, columns, channels, multiplier = known_sizes(w.shape, "a kernel")

    def pieces(frame: Frame, dy: Value) -> list[Value]:
        n, flat = dy.shape[0], c.reshape(w, (rows * columns, channels * multiplier))
        found = []
        for tap in range(rows * columns):
            row = c.b.slice(flat, c.ints([tap, 0]), c.ints([1, -1]))
            piece = c.b.mul(dy, c.reshape(row, (channels * multiplier,)))
            if multiplier > 1:
                parts = c.reshape(piece, (n * frame.out[0], frame.out[1], channels, multiplier))
                piece = c.reshape(c.b.sum(parts, c.ints([3])), (n, *frame.out, channels))
            found.append(piece)
        return found

    return _spread(c, node, sizes, (rows, columns), dy, pieces)


def _average(c: Context, node: TFNode, sizes: Value, dy: Value) -> Value:
    """dy by the number of elements of its window, added to each of them"""
    kernel = spatial(node, attrs.integers(node, "ksize"), "windows")

    def pieces(frame: Frame, dy: Value) -> list[Value]:
        inside = []  # elements of each window that are no padding, along both axes
        for axis, n in enumerate(frame.out):
            starts = np.arange(n) * frame.window.strides[axis] - frame.before[axis]
            ends = np.minimum(starts + kernel[axis], frame.size[axis])
            inside.append(ends - np.maximum(starts, 0))
        count = np.multiply.outer(*inside).astype(np.float32)
        if np.all(count == count.flat[0]):
            share = scaled(c, dy, 1 / float(count.flat[0]))
        else:
            share = c.b.mul(dy, c.b.constant(1 / count[..., None]))
        return [share] * (kernel[0] * kernel[1])

    return _spread(c, node, sizes, kernel, dy, pieces)


def _spread(
    c: Context, node: TFNode, sizes: Value, kernel: Sequence[int], dy: Value,
    pieces: Callable[[Frame, Value], list[Value]],
) -> Value:  # fmt: skip
    """The gradient of an image of the shape `sizes`, to which taps add their pieces."""
    dims = c.dims(sizes)
    if dims is None:
        raise Unsupported("the gradient of an image of unknown size; fix its height and width")
    frame = Frame.of(_window(node), kernel, dims[1:3], dy)
    return frame.spread(c, pieces(frame, dy))


def _max(c: Context, node: TFNode, x: Value, y: Value, dy: Value) -> Value:
    """dy where an element of its window is the largest, the first of them"""
    kernel = spatial(node, attrs.integers(node, "ksize"), "windows")
    frame = Frame.of(_window(node), kernel, x.shape[1:3], dy)
    zero, found, pieces = c.scalar(0, dy), None, []
    for part in frame.slices(c, frame.padded(c, x, float(np.finfo(np.float32).min))):
        largest = c.b.equal(part, y)
        if found is not None:
            first = c.b.logical_and(largest, c.b.logical_not(found))
            largest, found = first, c.b.logical_or(found, largest)
        else:
            found = largest
        pieces.append(c.b.select_v2(largest, dy, zero))
    return frame.spread(c, pieces)


HANDLERS: dict[str, Handler] = {
    "Conv2DBackpropFilter": _filter,
    "DepthwiseConv2dNativeBackpropFilter": _depthwise_filter,
    "DepthwiseConv2dNativeBackpropInput": _depthwise_input,
    "MaxPoolGrad": _max,
    "AvgPoolGrad": _average,
}
