"""MediaPipe's custom operators: pooling that remembers where, its inverse, transposed convolution.

Their options are TensorFlow Lite's C structures, 32-bit integers one after another.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.dim import Dim, Shape, dim_max, same_dim
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.op import Arithmetic, In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.requant import activate, check_activation
from edgewise.ops.transpose_conv import TransposedConvolution
from edgewise.ops.window import Axis, check_axis, touching, windows

_FLOAT = {DType.FLOAT32}
_POOL = (
    "padding",
    "stride_w",
    "stride_h",
    "filter_width",
    "filter_height",
    "fused_activation_function",
)


class Convolution2DTransposeBias(TransposedConvolution, custom="Convolution2DTransposeBias"):
    """TRANSPOSE_CONV that knows its output shape: size (in - 1) * stride + kernel, with padding
    SAME less what that of the forward convolution would be.

    Shapes: x [N, H, W, C], w [O, KH, KW, C], bias [O], y [N, OH, OW, O]. Float only.
    **Source:** MediaPipe util/tflite/operations/transpose_conv_bias.cc.
    """

    packed_options = ("padding", "stride_w", "stride_h")
    operands = (In("x", _FLOAT), In("w", _FLOAT, Role.WEIGHT), In("bias", _FLOAT, Role.BIAS))
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()

    def infer(self, x: Operand, w: Operand, bias: Operand) -> Shape:  # type: ignore[override]
        ranks = [len(o.shape) for o in (x, w, bias)]
        require(ranks == [4, 4, 1], f"x, w and bias must have rank 4, 4 and 1; got {ranks}")
        require(
            same_dim(x.shape[3], w.shape[3]) is not False,
            f"x and w must have the same input channels; got {x.shape[3]} and {w.shape[3]}",
        )
        require(
            same_dim(bias.shape[0], w.shape[0]) is not False,
            f"bias must be [{w.shape[0]}], one per output channel; got {[*bias.shape]}",
        )
        axes = self._axes(w.shape)
        for axis, name in zip(axes, "hw", strict=True):
            check_axis(axis, name)
        rows, columns = (self._size(x.shape[1 + i], axis) for i, axis in enumerate(axes))
        return x.shape[0], rows, columns, w.shape[0]

    def reference(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> np.ndarray:  # type: ignore[override]
        sizes = [self._size(x.shape[1 + i], axis) for i, axis in enumerate(self._axes(w.shape))]
        return self._accumulate(np.array([len(x), *sizes, len(w)]), w, x) + bias

    def _size(self, size: Dim, axis: Axis) -> Dim:
        whole = (size - 1) * axis.stride + axis.kernel
        if self.padding is not Padding.SAME:
            return whole
        rest = (size - 1) - (size - 1) // axis.stride * axis.stride
        return whole - dim_max(axis.kernel - 1 - rest, 0)

    def _axes(self, w: Shape) -> tuple[Axis, ...]:
        require(all(isinstance(d, int) for d in w[1:3]), "the kernel's sizes must be known")
        kh, kw = (d for d in w[1:3] if isinstance(d, int))
        return Axis(kh, self.stride_h), Axis(kw, self.stride_w)

    def _channels(self, w: Shape) -> tuple[Dim, Dim]:
        return w[0], w[3]

    def _taps_last(self, w: np.ndarray) -> np.ndarray:
        o, kh, kw, c = w.shape
        return w.transpose(3, 0, 1, 2).reshape(c, o, kh * kw)


class _ArgmaxPool(Op, abstract=True):
    """The options of both pools."""

    padding: Padding = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    filter_width: int = 1
    filter_height: int = 1
    fused_activation_function: Activation = Activation.NONE

    packed_options = _POOL
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()

    def _axes(self) -> tuple[Axis, Axis]:
        return Axis(self.filter_height, self.stride_h), Axis(self.filter_width, self.stride_w)

    def _check(self, x: Operand) -> None:
        require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
        for axis, name in zip(self._axes(), "hw", strict=True):
            check_axis(axis, name)
        check_activation(self.fused_activation_function)


class MaxPoolingWithArgmax2D(_ArgmaxPool, custom="MaxPoolingWithArgmax2D"):
    """MAX_POOL_2D, and for every window the place of its first largest element: kernel row *
    filter_width + kernel column + 0.1, as a float.

    Where nothing in a window is above the least finite number, the largest is that number, and its
    place 0.
    Shapes: x [N, H, W, C]; y and indices [N, OH, OW, C]. Float only.
    **Source:** MediaPipe util/tflite/operations/max_pool_argmax.cc.
    """

    operands = (In("x", _FLOAT),)
    results = (Out("y"), Out("indices"))

    def infer(self, x: Operand) -> tuple[Shape, Shape]:
        self._check(x)
        rows, columns = self._axes()
        n, height, width, c = x.shape
        shape = n, rows.output(height, self.padding), columns.output(width, self.padding), c
        return shape, shape

    def reference(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        least = np.finfo(np.float32).min
        clean = np.maximum(np.where(np.isnan(x), least, x), least).astype(np.float32)
        axes, sizes = self._axes(), x.shape[1:3]
        pads = [axis.pads(size, self.padding) for axis, size in zip(axes, sizes, strict=True)]
        (h, above), (w, beside) = (
            touching(axis, size, pad) for axis, size, pad in zip(axes, sizes, pads, strict=True)
        )
        taken = windows(clean, h, w, (above, beside), fill=-np.inf)
        n, oh, ow, kh, kw, c = taken.shape
        taps = taken.reshape(n, oh, ow, kh * kw, c)
        y = taps.max(3, initial=least)
        row, column = np.divmod(taps.argmax(3) if taps.size else 0, kw)
        place = (row + pads[0][0] - above[0]) * self.filter_width + column + pads[1][0] - beside[0]
        place = np.where(y > least, place, 0)
        indices = place.astype(np.float32) + np.float32(0.1)
        return activate(y, self.fused_activation_function), indices


class MaxUnpooling2D(_ArgmaxPool, custom="MaxUnpooling2D"):
    """The inverse of MaxPoolingWithArgmax2D: elements put where they came from, zeros elsewhere.

    Of several elements that go to one place, the last counts; one whose place lies outside is
    dropped. The padding is that of a pool from y to x, whatever `padding` says.
    Shapes: x and indices [N, H, W, C]; y [N, H * filter_height, W * filter_width, C]. Float only.
    **Source:** MediaPipe util/tflite/operations/max_unpooling.cc.
    """

    operands = (In("x", _FLOAT), In("indices", _FLOAT, Role.PARAMETER))

    def infer(self, x: Operand, indices: Operand) -> Shape:
        self._check(x)
        require(
            len(indices.shape) == 4
            and all(
                same_dim(a, b) is not False for a, b in zip(x.shape, indices.shape, strict=True)
            ),
            f"indices must have the shape of x, {[*x.shape]}; got {[*indices.shape]}",
        )
        n, height, width, c = x.shape
        return n, height * self.filter_height, width * self.filter_width, c

    def reference(self, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
        n, height, width, c = x.shape
        oh, ow = height * self.filter_height, width * self.filter_width
        y = np.zeros((n, oh, ow, c), np.float32)
        with np.errstate(invalid="ignore"):
            place = np.trunc(np.clip(indices, -(2.0**31), 2.0**31 - 129)).astype(np.int64)
        # C's division rounds to zero
        down = np.trunc(place / self.filter_width).astype(np.int64)
        along = place - down * self.filter_width
        pad_h, pad_w = self.pads(height, width)
        rows = np.arange(height)[:, None, None] * self.stride_h - pad_h + down
        columns = np.arange(width)[:, None] * self.stride_w - pad_w + along
        inside = (rows >= 0) & (rows < oh) & (columns >= 0) & (columns < ow)
        image, _, _, channel = np.nonzero(inside)
        y[image, rows[inside], columns[inside], channel] = x[inside]
        return y

    def pads(self, height: int, width: int) -> tuple[int, int]:
        """Padding before, of rows and columns."""
        sizes = zip((height, width), self._axes(), strict=True)
        rows, columns = (
            max((size - 1) * a.stride + a.kernel - size * a.kernel, 0) // 2 for size, a in sizes
        )
        return rows, columns
