"""CONV_3D: convolution over three axes, float."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.op import In, NotQuantized, Op, Operand, Role, require
from edgewise.ops.requant import activate, check_activation
from edgewise.ops.window import Axis, check_axis


class Conv3D(Op, builtin="CONV_3D", options="Conv3DOptions"):
    """y[n,i,j,k,o] = act(bias[o] + sum x[n, i*s+p*d, j*s+q*d, k*s+r*d, c] * w[p,q,r,c,o]).

    Shapes: x [N, D, H, W, C], w [KD, KH, KW, C, O], bias [O] (optional), y [N, OD, OH, OW, O].
    Float only. The layout of w differs from CONV_2D's.
    **Source:** TensorFlow Lite conv3d.cc.
    """

    padding: Padding = Padding.SAME
    stride_d: int = 1
    stride_w: int = 1
    stride_h: int = 1
    fused_activation_function: Activation = Activation.NONE
    dilation_d_factor: int = 1
    dilation_w_factor: int = 1
    dilation_h_factor: int = 1

    operands = (
        In("x", FLOATS),
        In("w", FLOATS, Role.WEIGHT),
        In("bias", FLOATS, Role.BIAS, optional=True),
    )
    quantization = NotQuantized()
    tolerance = 1e-5

    def infer(self, x: Operand, w: Operand, bias: Operand | None) -> Shape:
        require(len(x.shape) == 5, f"x must be [N, D, H, W, C]; got rank {len(x.shape)}")
        require(len(w.shape) == 5, f"w must be [KD, KH, KW, C, O]; got rank {len(w.shape)}")
        check_activation(self.fused_activation_function)
        axes = self._axes(w.shape)
        for axis, name in zip(axes, "dhw", strict=True):
            check_axis(axis, name)
        c, o = w.shape[3:]
        require(
            same_dim(x.shape[4], c) is not False,
            f"x and w must have the same input channels; got {x.shape[4]} and {c}",
        )
        if bias is not None:
            require(
                same_dim(elements(bias.shape), o) is not False,
                f"bias must be [{o}], one per output channel; got {list(bias.shape)}",
            )
        sizes = zip(axes, x.shape[1:4], strict=True)
        return x.shape[0], *(axis.output(size, self.padding) for axis, size in sizes), o

    def reference(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        axes = self._axes(w.shape)
        sizes = list(zip(axes, x.shape[1:4], strict=True))
        pads = [axis.pads(size, self.padding) for axis, size in sizes]
        x = np.pad(x, ((0, 0), *pads, (0, 0)))
        outs = [
            max((size - axis.extent + axis.stride) // axis.stride, 0)
            for axis, size in zip(axes, x.shape[1:4], strict=True)
        ]
        y = np.zeros((x.shape[0], *outs, w.shape[4]), x.dtype)
        for tap in itertools.product(*(range(axis.kernel) for axis in axes)):
            place = tuple(
                slice(t * axis.dilation, t * axis.dilation + out * axis.stride, axis.stride)
                for t, axis, out in zip(tap, axes, outs, strict=True)
            )
            y += x[(slice(None), *place)] @ w[tap].astype(x.dtype)
        y = y if bias is None else y + bias.astype(x.dtype)
        return activate(y, self.fused_activation_function)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        w = operands[1]
        assert w is not None
        return elements(results[0][:-1]) * elements(w)

    def _axes(self, w: Shape) -> tuple[Axis, Axis, Axis]:
        kd, kh, kw = w[:3]
        known = isinstance(kd, int) and isinstance(kh, int) and isinstance(kw, int)
        require(known, "the kernel's spatial sizes must be known")
        return (
            Axis(kd, self.stride_d, self.dilation_d_factor),  # type: ignore[arg-type]
            Axis(kh, self.stride_h, self.dilation_h_factor),  # type: ignore[arg-type]
            Axis(kw, self.stride_w, self.dilation_w_factor),  # type: ignore[arg-type]
        )
