"""Kernels of DEPTHWISE_CONV_2D: weights by tap, pairs of taps for 8 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.graph import Value
from edgewise.ops.conv import Convolution
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Site, require, shape_of, zero_point
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.weights import Array, Weights, epilogue, window


def depthwise_conv_2d(site: Site) -> Sequence[Call]:
    """Any kernel up to EW_MAX_TAPS positions, stride, dilation and multiplier."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Convolution)
    weights = Weights.of(site, channel_axis=3)
    shape, out = shape_of(x), shape_of(y)
    _, kh, kw, o = weights.array.shape
    require(kh * kw <= constant("EW_MAX_TAPS"), f"a kernel of {kh} x {kw} is too large")
    rows = Axis(kh, op.stride_h, op.dilation_h_factor)
    cols = Axis(kw, op.stride_w, op.dilation_w_factor)
    is_int = weights.scales is not None
    params = pack(
        "ew_depthwise_conv_2d",
        {
            "window": window(shape, out, rows, cols, op.padding),
            "multiplier": o // shape[3],
            **epilogue(x, y, op.fused_activation_function, is_int),
        },
    )
    taps = weights.array.reshape(kh * kw, o)
    group = constant("EW_GROUP")
    padding = shape[3] * (1 if out[2] < group else (group - 1) * op.stride_w + 1)
    n_tiles = out[0] * out[1] if np.prod(out, dtype=np.int64) else 0
    if weights.scales is None:
        operands: tuple[Value | Array, ...] = (x, taps, weights.bias, y)
        return [Call("depthwise_conv_2d_f32", params, operands, n_tiles, 4 * padding)]
    pairs = np.zeros((-(-kh * kw // 2), 2, o), np.int16)
    pairs.reshape(-1, o)[: kh * kw] = taps
    # sum((x - z) * w) = sum(x * w) - z * sum(w); modulo 2**32, as the accumulator
    moved = weights.bias.astype(np.int64) - zero_point(x.type) * taps.sum(0, dtype=np.int64)
    bias = moved.astype(np.int32)
    packed = np.ascontiguousarray(pairs.transpose(0, 2, 1))
    scales = np.ascontiguousarray(weights.scales)
    return [
        Call("depthwise_conv_2d_b8", params, (x, packed, bias, scales, y), n_tiles, padding),
    ]
