"""TRANSPOSE_CONV as ordinary convolutions, one for every phase of the stride.

Row Y = s * j + f of y sums w[p] * x[i] over s * i + p = Y + pad, thus over the taps
p = (f + pad) % s + s * t with i = j + (f + pad) // s - t: for each phase f < s, a convolution
without strides whose kernel is every s-th tap, backwards. Columns likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.mediapipe import Convolution2DTransposeBias
from edgewise.ops.transpose_conv import TransposeConv, TransposedConvolution
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Site, is_float, require, shape_of
from edgewise.runtime.select import conv_b8, conv_f32, conv_h8, conv_s16
from edgewise.runtime.select.computed import weights_of
from edgewise.runtime.select.conv_h8 import Hybrid
from edgewise.runtime.select.weights import Weights
from edgewise.runtime.select.weights_b8 import Stored
from edgewise.runtime.select.weights_s16 import Stored16
from edgewise.values import replace


def transpose_conv(site: Site) -> Sequence[Call]:
    """A call for each phase that has elements of y; one without taps gives the bias."""
    return _calls(site, x=2, bias=3)


def convolution_2d_transpose_bias(site: Site) -> Sequence[Call]:
    """MediaPipe's is the same but for the places of its operands: TRANSPOSE_CONV has the padding
    that MediaPipe computes where its output shape is the one that MediaPipe computes."""
    return _calls(site, x=0, bias=2)


def _calls(site: Site, x: int, bias: int) -> Sequence[Call]:
    op, source, y = site.node.op, site.node.operand(x), site.node.output
    assert isinstance(op, TransposeConv | Convolution2DTransposeBias)
    (o, *_, c) = shape_of(site.node.operand(1))
    require(0 not in shape_of(site.node.operand(1)), "the weights are empty")
    weights: Weights | Stored | Stored16 | Hybrid
    why = ""
    if is_float(source, y):
        found = conv_h8.of_site(site, c, o, bias=bias)
        if isinstance(found, str):
            weights, why = weights_of(site, channel_axis=0, x=x, w=1, bias=bias), found
        else:
            weights = found
    elif source.dtype is DType.INT16:
        weights = Stored16.of(site, channel_axis=0, x=x, w=1, bias=bias)
    else:
        weights = Stored.of(site, channel_axis=0, x=x, w=1, bias=bias)
    (n, h, w, c), (_, oh, ow, o) = shape_of(source), shape_of(y)
    _, kh, kw, _ = weights.array.shape
    calls: list[Call] = []
    for line, lines, rows, above in _phases(Axis(kh, op.stride_h), oh, op):
        for column, columns, cols, left in _phases(Axis(kw, op.stride_w), ow, op):
            array = weights.array[:, rows][:, :, cols]
            if getattr(weights, "source", None) is None:
                array = np.ascontiguousarray(array)
            taps = array.shape[1:3] if array.size else (0, 0)
            window = {
                "n": n,
                "h": h,
                "w": w,
                "c": c,
                "oh": lines,
                "ow": columns,
                "o": o,
                "kernel_h": taps[0],
                "kernel_w": taps[1],
                "stride_h": 1,
                "stride_w": 1,
                "dilation_h": 1,
                "dilation_w": 1,
                "pad_top": above % (1 << 32),
                "pad_left": left % (1 << 32),
            }
            places = {
                "y_first": (line * ow + column) * o,
                "y_image": oh * ow * o,
                "y_line": op.stride_h * ow * o,
                "y_pixel": op.stride_w * o,
            }
            act = op.fused_activation_function
            if isinstance(weights, Hybrid) and array.size == 0:  # the bias alone
                part: Weights | Stored | Stored16 | Hybrid = Weights(
                    array.astype(np.float32), weights.bias, None
                )
            elif isinstance(weights, Hybrid):
                part = replace(weights, array=array, block=array[0].size)
            else:
                part = replace(weights, array=array)
            if isinstance(part, Weights):
                calls += conv_f32.calls(site, source, part, window, 1, act, places, why)
            elif isinstance(part, Hybrid):
                calls.append(conv_h8.call(site, source, part, window, 1, act, places))
            elif isinstance(part, Stored16):
                calls += conv_s16.calls(site, source, part, window, 1, act, places)
            else:
                calls += conv_b8.calls(site, source, part, window, 1, act, places)
    return calls


def _phases(
    axis: Axis, size: int, op: TransposedConvolution
) -> Iterator[tuple[int, int, slice, int]]:
    """First element of y, how many, their taps, and the padding (which may be negative)."""
    pad, stride = axis.pads(size, op.padding)[0], axis.stride
    for first in range(min(stride, size)):
        moved, start = divmod(first + pad, stride)
        taps = -(-max(axis.kernel - start, 0) // stride)
        last = start + (taps - 1) * stride
        stop = start - stride
        chosen = slice(last, stop if stop >= 0 else None, -stride) if taps else slice(0, 0)
        yield first, -(-(size - first) // stride), chosen, taps - 1 - moved
