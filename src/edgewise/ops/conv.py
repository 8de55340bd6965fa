"""Convolutions: CONV_2D and DEPTHWISE_CONV_2D, float and quantized."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.errors import ShapeError
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    Op,
    Operand,
    Out,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops.requant import activate, check_activation
from edgewise.ops.scaled import accumulate_zero, scale_accumulator
from edgewise.ops.window import Axis, Pads, along, check_axis, check_padding, windows

WEIGHTS = FLOATS | {DType.INT8, DType.UINT8, DType.INT4, DType.INT2}
BIASES = FLOATS | {DType.INT32, DType.INT64}
ARITHMETIC = {
    DType.INT8: Arithmetic.F32,
    DType.UINT8: Arithmetic.F32,
    DType.INT16: Arithmetic.LITERT_16X8,
}
_BLOCK = 1 << 25  # bytes; patches of a 3024 x 4032 image at once (3.5 GB) took 4 times as long


class Convolution(Op, abstract=True):
    """What CONV_2D and DEPTHWISE_CONV_2D share: windows, bias, activation, epilogue."""

    padding: Padding | Pads = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    fused_activation_function: Activation = Activation.NONE
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1

    results = (Out("y"),)
    arithmetic = ARITHMETIC
    quantization = FreeScale()
    tolerance = 1e-5

    def reference(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        y = self._accumulate(x, w.astype(x.dtype))
        return activate(y if bias is None else y + bias, self.fused_activation_function)

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, w, bias = operands
        assert x is not None
        assert w is not None
        acc = self._accumulate(accumulate_zero(x), accumulate_zero(w))
        return scale_accumulator(acc, x, w, bias, results[0], self.fused_activation_function)

    def _output(self, x: Operand, w: Operand, bias: Operand | None, channels: Dim) -> Shape:
        check_activation(self.fused_activation_function)
        rows, cols = self.axes(w.shape)
        check_axis(rows, "h")
        check_axis(cols, "w")
        check_padding(self.padding)
        if bias is not None:
            require(
                len(bias.shape) == 1 and same_dim(bias.shape[0], channels) is not False,
                f"bias must be [{channels}], one per output channel; got {list(bias.shape)}",
            )
        n, height, width, _ = x.shape
        oh = rows.output(height, along(self.padding, 0))
        return n, oh, cols.output(width, along(self.padding, 1)), channels

    def axes(self, w: Shape) -> tuple[Axis, Axis]:
        """The window along height and width, for weights of shape [_, KH, KW, _]."""
        kh, kw = w[1], w[2]
        if not (isinstance(kh, int) and isinstance(kw, int)):
            raise ShapeError("the kernel's height and width must be known")
        return (
            Axis(kh, self.stride_h, self.dilation_h_factor),
            Axis(kw, self.stride_w, self.dilation_w_factor),
        )

    def _accumulate(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Sums of products in the dtype of `x`."""
        raise NotImplementedError


class Conv2D(Convolution, builtin="CONV_2D", options="Conv2DOptions"):
    """y[n,i,j,o] = act(bias[o] + sum_{p,q,c} x[n, i*s+p*d, j*s+q*d, c] * w[o,p,q,c]).

    Shapes: x [N, H, W, C], w [O, KH, KW, C / groups], bias [O] (optional), y [N, OH, OW, O].
    The number of groups is C divided by the last dimension of w; output channels are split
    evenly among the groups. Padding counts as zero (quantized: the zero point).

    Quantized: w int8 per channel along O (zero point 0) or per tensor, uint8 per tensor with a
    zero point; bias int32 (int64 with int16 activations) at scale s_x * s_w[o].
    **Source:** TensorFlow Lite reference_ops conv.h; quantization specification, CONV_2D.
    """

    quantized_bias_type: DType = DType.FLOAT32

    operands = (
        In("x", FLOATS | QUANTIZED),
        In("w", WEIGHTS, Role.WEIGHT, channel_axis=0),
        In("bias", BIASES, Role.BIAS, optional=True),
    )

    def infer(self, x: Operand, w: Operand, bias: Operand | None) -> Shape:
        require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
        require(len(w.shape) == 4, f"w must be [O, KH, KW, C]; got rank {len(w.shape)}")
        c, o, per_group = x.shape[-1], w.shape[0], w.shape[3]
        if isinstance(c, int) and isinstance(per_group, int) and isinstance(o, int):
            require(
                per_group > 0 and c % per_group == 0 and (c == 0 or o % (c // per_group) == 0),
                "input channels must be a multiple of filter channels, and output channels of "
                f"the number of groups; got {c}, {per_group} and {o}",
            )
        return self._output(x, w, bias, o)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, w = operands[:2]
        assert x is not None
        assert w is not None
        if x.dtype is DType.INT16 and self.quantized_bias_type is not DType.FLOAT32:
            return 8
        if x.shape and w.shape and same_dim(x.shape[3], w.shape[3]) is False:
            return 6
        return _version(x, w, plain=1, hybrid=2, hybrid_per_channel=5)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        w = operands[1]
        assert w is not None
        return elements(results[0]) * elements(w[1:])

    def _accumulate(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """One matrix product per group and block of images or of their rows, whose patches fit
        into `_BLOCK` bytes."""
        view = windows(x, *self.axes(w.shape), self.padding)
        n, oh, ow, kh, kw, c = view.shape
        o, per_group = w.shape[0], w.shape[3]
        taps, groups = kh * kw * per_group, c // per_group
        rows = max(_BLOCK // max(ow * taps * x.itemsize, 1), 1)
        images = max(rows // max(oh, 1), 1)
        y = np.zeros((n, oh, ow, o), x.dtype)
        for g in range(groups):
            part = view[..., g * per_group : (g + 1) * per_group]
            outs = slice(g * o // groups, (g + 1) * o // groups)
            matrix = w[outs].reshape(-1, taps).T
            for first, top in itertools.product(range(0, n, images), range(0, oh, rows)):
                at = slice(first, first + images), slice(top, top + rows)
                patches = part[at].reshape(-1, taps)
                block = y[(*at, slice(None), outs)]
                block[...] = (patches @ matrix).reshape(block.shape)
        return y


class DepthwiseConv2D(Convolution, builtin="DEPTHWISE_CONV_2D", options="DepthwiseConv2DOptions"):
    """y[n,i,j,c*m+k] = act(bias[c*m+k] + sum_{p,q} x[n, i*s+p*d, j*s+q*d, c] * w[0,p,q,c*m+k]).

    Shapes: x [N, H, W, C], w [1, KH, KW, C*M], bias [C*M] (optional), y [N, OH, OW, C*M]. The
    multiplier M is the quotient of the channel counts; `depth_multiplier` repeats it in files.

    Quantized: as CONV_2D, with w per channel along its last axis.
    **Source:** TensorFlow Lite reference_ops depthwiseconv; quantization specification.
    """

    depth_multiplier: int = 1

    operands = (
        In("x", FLOATS | QUANTIZED),
        In("w", WEIGHTS, Role.WEIGHT, channel_axis=3),
        In("bias", BIASES, Role.BIAS, optional=True),
    )

    def infer(self, x: Operand, w: Operand, bias: Operand | None) -> Shape:
        require(len(x.shape) == 4, f"x must be [N, H, W, C]; got rank {len(x.shape)}")
        require(
            len(w.shape) == 4 and w.shape[0] == 1,
            f"w must be [1, KH, KW, C*M]; got {list(w.shape)}",
        )
        c, o = x.shape[-1], w.shape[3]
        if isinstance(c, int) and isinstance(o, int):
            require(
                c > 0 and o % c == 0,
                f"output channels must be a multiple of input channels; got {o} and {c}",
            )
        return self._output(x, w, bias, o)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, w = operands[:2]
        assert x is not None
        assert w is not None
        dilated = (self.dilation_h_factor, self.dilation_w_factor) != (1, 1)
        return _version(x, w, plain=2 if dilated else 1, hybrid=4, hybrid_per_channel=6)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        w = operands[1]
        assert w is not None
        return elements(results[0]) * elements(w[1:3])

    def _accumulate(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Tap by tap."""
        view = windows(x, *self.axes(w.shape), self.padding)
        n, oh, ow, kh, kw, c = view.shape
        taps = w.reshape(kh, kw, c, -1)
        y = np.zeros((n, oh, ow, c, taps.shape[3]), x.dtype)
        for i in range(kh):
            for j in range(kw):
                y += view[:, :, :, i, j, :, None] * taps[i, j]
        return y.reshape(n, oh, ow, w.shape[-1])


def _version(
    x: TensorType, w: TensorType, *, plain: int, hybrid: int, hybrid_per_channel: int
) -> int:
    """What both convolutions have in common. Source: op_version.cc of LiteRT 2.3."""
    if x.dtype is DType.INT8:
        return 7 if w.dtype is DType.INT4 else 3
    if x.dtype is DType.INT16:
        return 3
    if x.dtype is DType.FLOAT32 and w.dtype is DType.INT8:
        per_channel = w.quant is not None and w.quant.per_channel
        return hybrid_per_channel if per_channel else hybrid
    return plain
