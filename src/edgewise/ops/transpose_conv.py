"""Transposed convolutions: TRANSPOSE_CONV (two axes) and CONV_3D_TRANSPOSE (three)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.contents import dims
from edgewise.ir.dim import Dim, Shape, elements, same_dim, unknown_dim
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    NotQuantized,
    Op,
    Operand,
    Out,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown
from edgewise.ops.conv import ARITHMETIC, BIASES
from edgewise.ops.requant import activate, check_activation
from edgewise.ops.scaled import accumulate_zero, scale_accumulator
from edgewise.ops.window import Axis, check_axis


class TransposedConvolution(Op, abstract=True):
    """What the transposed convolutions share.

    Every element of x is multiplied with the whole kernel and added to the output where the
    forward convolution (from y to x, with the same padding and strides) would have read; what
    falls outside the given output shape is dropped. x has the size that the forward convolution
    makes of that shape (LiteRT's kernels ask the same, XNNPACK does not ask the shape).
    """

    padding: Padding = Padding.SAME
    stride_w: int = 1
    stride_h: int = 1
    fused_activation_function: Activation = Activation.NONE

    results = (Out("y"),)
    tolerance = 1e-5

    def infer(self, output_shape: Operand, w: Operand, x: Operand, bias: Operand | None) -> Shape:
        check_activation(self.fused_activation_function)
        rank = len(self._axes((1,) * 5)) + 2
        for name, operand in (("x", x), ("w", w)):
            require(
                len(operand.shape) == rank,
                f"{name} must have rank {rank}; got {len(operand.shape)}",
            )
        o, c = self._channels(w.shape)
        require(
            same_dim(x.shape[-1], c) is not False,
            f"x and w must have the same input channels; got {x.shape[-1]} and {c}",
        )
        for index, axis in enumerate(self._axes(w.shape)):
            check_axis(axis, "dhw"[3 - (rank - 2) :][index])
        if bias is not None:
            require(
                same_dim(elements(bias.shape), o) is not False,
                f"bias must be [{o}], one per output channel; got {list(bias.shape)}",
            )
        wanted = dims(output_shape)
        if wanted is None:
            return x.shape[0], *(unknown_dim() for _ in range(rank - 2)), o
        self._check_output(wanted, x.shape, w.shape)
        return x.shape[0], *wanted[1:]

    def reference(
        self, output_shape: np.ndarray, w: np.ndarray, x: np.ndarray, bias: np.ndarray | None
    ) -> np.ndarray:
        y = self._accumulate(output_shape, w.astype(x.dtype), x)
        return activate(y if bias is None else y + bias.reshape(-1), self.fused_activation_function)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        w, x = operands[1], operands[2]
        assert w is not None
        assert x is not None
        return elements(x[:-1]) * elements(w)

    def _axes(self, w: Shape) -> tuple[Axis, ...]:
        """The spatial axes, outermost first."""
        raise NotImplementedError

    def _channels(self, w: Shape) -> tuple[Dim, Dim]:
        """(output channels, input channels) of w."""
        raise NotImplementedError

    def _taps_last(self, w: np.ndarray) -> np.ndarray:
        """w as [C, O, taps in row-major order]."""
        raise NotImplementedError

    def _check_output(self, wanted: Sequence[Dim], x: Shape, w: Shape) -> None:
        """Raise ShapeError for an output shape of which the forward convolution does not make x."""
        o = self._channels(w)[0]
        require(
            len(wanted) == len(x) and all(d >= 0 for d in wanted if isinstance(d, int)),
            f"output_shape must be {len(x)} numbers of at least 0; got {shown(wanted)}",
        )
        require(
            (wanted[0] == 1 or same_dim(wanted[0], x[0]) is not False)
            and same_dim(wanted[-1], o) is not False,
            f"output_shape must begin with {x[0]} images and end with {o} channels; "
            f"got {shown(wanted)}",
        )
        for axis, size, out in zip(self._axes(w), x[1:-1], wanted[1:-1], strict=True):
            forward = axis.output(out, self.padding)
            require(
                same_dim(size, forward) is not False,
                f"output_shape {shown(wanted)} is that of {forward} elements along an axis of x; "
                f"got {size} in {shown(x)}",
            )

    def _accumulate(self, output_shape: np.ndarray, w: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sums of products in the dtype of `x`, tap by tap."""
        axes = self._axes(w.shape)
        wanted = [int(d) for d in output_shape.reshape(-1)]
        # it may be known only now
        self._check_output(wanted, x.shape, w.shape)
        before = [a.pads(out, self.padding)[0] for a, out in zip(axes, wanted[1:-1], strict=True)]
        for index, (axis, pad, out) in enumerate(zip(axes, before, wanted[1:-1], strict=True)):
            # rows of x beyond the output are dropped before they cost anything
            x = x.take(range(min(x.shape[index + 1], -(-(pad + out) // axis.stride))), index + 1)
        sizes = x.shape[1:-1]
        spans = [max((s - 1) * a.stride, 0) + a.extent for s, a in zip(sizes, axes, strict=True)]
        canvas = np.zeros((x.shape[0], *spans, wanted[-1]), x.dtype)
        taps = self._taps_last(w)
        for index, tap in enumerate(itertools.product(*(range(a.kernel) for a in axes))):
            place = [
                slice(t * a.dilation, t * a.dilation + s * a.stride, a.stride)
                for t, a, s in zip(tap, axes, sizes, strict=True)
            ]
            canvas[(slice(None), *place)] += x @ taps[..., index]
        y = np.zeros((x.shape[0], *wanted[1:]), x.dtype)
        source, target = [slice(None)], [slice(None)]
        for span, pad, out in zip(spans, before, wanted[1:-1], strict=True):
            count = max(min(span - pad, out), 0)
            source.append(slice(pad, pad + count))
            target.append(slice(0, count))
        y[tuple(target)] = canvas[tuple(source)]
        return y


class TransposeConv(
    TransposedConvolution, builtin="TRANSPOSE_CONV", options="TransposeConvOptions"
):
    """y[n, i*s + p - pad, j*s + q - pad, o] sums x[n,i,j,c] * w[o,p,q,c]; plus bias[o]; act.

    Shapes: output_shape [4] = (N, OH, OW, O), w [O, KH, KW, C], x [N, H, W, C], bias [O]
    (optional), y [N, OH, OW, O]. The padding before is that of the convolution which maps y to
    x. The output shape comes first and x third, unlike in CONV_2D. An N of 1, which converters
    write, stands for the images of x, as in LiteRT's default.

    Quantized: as CONV_2D (w per channel along O).
    **Source:** TensorFlow Lite reference_ops transpose_conv.h; measured against LiteRT 2.3.
    """

    quantized_bias_type: DType = DType.FLOAT32

    operands = (
        In("output_shape", {DType.INT32}, Role.PARAMETER),
        In("w", FLOATS | {DType.INT8, DType.UINT8}, Role.WEIGHT, channel_axis=0),
        In("x", FLOATS | QUANTIZED),
        In("bias", BIASES, Role.BIAS, optional=True),
    )
    arithmetic = ARITHMETIC
    quantization = FreeScale()

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        shape, w, x, bias = operands
        assert shape is not None
        assert w is not None
        assert x is not None
        acc = self._accumulate(shape.data, accumulate_zero(w), accumulate_zero(x))
        return scale_accumulator(acc, x, w, bias, results[0], self.fused_activation_function)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        w, x = operands[1], operands[2]
        assert w is not None
        assert x is not None
        if x.dtype is DType.INT16 and self.quantized_bias_type is not DType.FLOAT32:
            return 5
        if self.fused_activation_function is not Activation.NONE:
            return 4
        if len(operands) > 3 and operands[3] is not None:
            return 3
        return 2 if w.dtype is DType.INT8 else 1

    def _axes(self, w: Shape) -> tuple[Axis, ...]:
        return _axis(w[1], self.stride_h), _axis(w[2], self.stride_w)

    def _channels(self, w: Shape) -> tuple[Dim, Dim]:
        return w[0], w[3]

    def _taps_last(self, w: np.ndarray) -> np.ndarray:
        o, kh, kw, c = w.shape
        return w.transpose(3, 0, 1, 2).reshape(c, o, kh * kw)


class Conv3DTranspose(TransposedConvolution, builtin="CONV_3D_TRANSPOSE", options="Conv3DOptions"):
    """TRANSPOSE_CONV over three axes: y[n, i*s + t*d - pad, ..., o] sums x[n,i,j,k,c] * w[t...].

    Shapes: output_shape [5] = (N, OD, OH, OW, O), w [KD, KH, KW, O, C], x [N, D, H, W, C],
    bias [O] (optional), y [N, OD, OH, OW, O]. Float only.
    **Source:** TensorFlow Lite conv3d_transpose.cc.
    """

    stride_d: int = 1
    dilation_d_factor: int = 1
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1

    operands = (
        In("output_shape", {DType.INT32}, Role.PARAMETER),
        In("w", FLOATS, Role.WEIGHT),
        In("x", FLOATS),
        In("bias", FLOATS, Role.BIAS, optional=True),
    )
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()

    def _axes(self, w: Shape) -> tuple[Axis, ...]:
        return (
            _axis(w[0], self.stride_d, self.dilation_d_factor),
            _axis(w[1], self.stride_h, self.dilation_h_factor),
            _axis(w[2], self.stride_w, self.dilation_w_factor),
        )

    def _channels(self, w: Shape) -> tuple[Dim, Dim]:
        return w[3], w[4]

    def _taps_last(self, w: np.ndarray) -> np.ndarray:
        o, c = w.shape[3:]
        return w.reshape(-1, o, c).transpose(2, 1, 0)


def _axis(kernel: Dim, stride: int, dilation: int = 1) -> Axis:
    require(isinstance(kernel, int), "the kernel's spatial sizes must be known")
    assert isinstance(kernel, int)
    return Axis(kernel, stride, dilation)
