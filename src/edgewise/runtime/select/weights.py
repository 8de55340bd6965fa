"""What convolutions of all dtypes share: the window, and the weights as arrays.

Float activations run in float32; integer weights are then dequantized here, which is what a hybrid
operator means. 8-bit activations run on s16 weights without their zero point, which holds int8,
uint8 and int4 weights alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ops.requant import activation_range
from edgewise.ops.window import Axis, Pads, along
from edgewise.runtime.calls import (
    Site,
    float_bounds,
    is_real,
    require,
    require_8_bit,
    scale,
    zero_point,
)
from edgewise.runtime.library import Fields
from edgewise.runtime.select.copy import View
from edgewise.values import dataclass

Array = np.ndarray

_WEIGHTS_8 = (DType.INT8, DType.UINT8, DType.INT4, DType.INT2)


def window(
    x: Sequence[int], y: Sequence[int], h: Axis, w: Axis, padding: Padding | Pads
) -> dict[str, int]:
    """The fields of `ew_window` for x [N, H, W, C] and y [N, OH, OW, O].

    Raises:
        NotNative: an axis of x with its padding is beyond the kernels' 32-bit positions.
    """
    pads = h.pads(x[1], along(padding, 0)), w.pads(x[2], along(padding, 1))
    for axis, size, outputs, (before, after) in zip((h, w), x[1:3], y[1:3], pads, strict=True):
        span = max(size + before + after, outputs * _stride(axis, outputs)) + axis.extent
        # the kernels number the lines of all images, those in the padding, too
        require(x[0] * span < 2**31, "x and its padding have 2**31 lines or columns or more")
    return {
        "n": x[0],
        "h": x[1],
        "w": x[2],
        "c": x[3],
        "oh": y[1],
        "ow": y[2],
        "o": y[3],
        "kernel_h": h.kernel,
        "kernel_w": w.kernel,
        "stride_h": _stride(h, y[1]),
        "stride_w": _stride(w, y[2]),
        "dilation_h": _dilation(h),
        "dilation_w": _dilation(w),
        "pad_top": pads[0][0],
        "pad_left": pads[1][0],
    }


def is_pixelwise(window: dict[str, int]) -> bool:
    """Every pixel of y is made of the pixel of x at the same place."""
    steps = ("kernel_h", "kernel_w", "stride_h", "stride_w")
    alike = (window["h"], window["w"], 0, 0)
    places = (window["oh"], window["ow"], window["pad_top"], window["pad_left"])
    return all(window[name] == 1 for name in steps) and places == alike


def flat(window: dict[str, int]) -> dict[str, int]:
    """The same window as one row of pixels, where those of x and y correspond."""
    if not is_pixelwise(window):
        return window
    m = window["n"] * window["h"] * window["w"]
    return {**window, "n": 1, "h": 1, "w": m, "oh": 1, "ow": m}


def dense(window: dict[str, int]) -> dict[str, int]:
    """The places of pixels that fill y."""
    oh, ow, o = window["oh"], window["ow"], window["o"]
    return {"y_first": 0, "y_image": oh * ow * o, "y_line": ow * o, "y_pixel": o}


def has_lines(x: Value, y: Value, window: dict[str, int]) -> bool:
    """x and y are [N, H, W, C] as the window has them."""
    shapes = ("n", "h", "w", "c"), ("n", "oh", "ow", "o")
    return all(
        tuple(value.shape) == tuple(window[name] for name in names)
        for value, names in zip((x, y), shapes, strict=True)
    )


def _stride(axis: Axis, outputs: int) -> int:
    """Where there is no second output, any stride says the same; kernels size memory by it."""
    return axis.stride if outputs > 1 else min(axis.stride, 2)


def _dilation(axis: Axis) -> int:
    """That of a single tap means nothing."""
    return axis.dilation if axis.kernel > 1 else 1


@dataclass(frozen=True, slots=True)
class Weights:
    """float32 weights, or s16 ones without zero point and the scale of each output channel.

    `source` has the places of float32 weights that the model computes; `array` is a view of its
    elements, which hold nothing. `added` is a bias that it computes, in place of `bias`
    (computed.py)."""

    array: Array
    bias: Array  # [O], float32 or int32
    scales: Array | None  # float32 [O] of s_x * s_w / s_y; None for float32
    source: View | None = None
    added: Value | None = None

    @classmethod
    def of(cls, site: Site, channel_axis: int, *, x: int = 0, w: int = 1, bias: int = 2) -> Weights:
        """Read and check the operands at these places. Raises NotNative."""
        source, value, y = site.node.operand(x), site.node.operand(w), site.node.output
        array = site.constant(w, "weights")
        added = site.optional_constant(bias, "biases")
        o = array.shape[channel_axis]
        if is_real(source, y):
            total = np.zeros(o, np.float32)
            if added is not None:
                total = real(site.node.operand(bias), added).reshape(-1)
            return cls(real(value, array), total, None)
        require_8_bit(source, y)
        quant = value.quant
        require(
            value.dtype in _WEIGHTS_8 and quant is not None,
            f"no kernel for {value.dtype.text} weights",
        )
        assert quant is not None
        fits = quant.block_size is None and (not quant.per_channel or quant.axis == channel_axis)
        require(fits, f"weights are not quantized along axis {channel_axis}")
        centred = array.astype(np.int16)
        if quant.zero_point.any():
            wide = array.astype(np.int64) - quant.broadcast(array.shape)[1]
            require(bool((abs(wide) <= 255).all()), "the weights' zero point is out of range")
            centred = wide.astype(np.int16)
        require(added is None or added.dtype.kind == "i", "biases are not integers")
        total = np.zeros(o, np.int32) if added is None else added.reshape(-1).astype(np.int32)
        # the order of the reference's float32 operations (ops/scaled.py)
        scales = (scale(source.type) * quant.scale.reshape(-1)).astype(np.float32) / scale(y.type)
        return cls(centred, total, scales if scales.size == o else np.broadcast_to(scales, (o,)))


def real(value: Value, array: Array) -> Array:
    """The float32 numbers that a constant stands for. Raises NotNative."""
    if value.type.is_quantized:
        assert value.quant is not None
        return value.quant.dequantize(array)
    require(value.dtype in FLOATS, f"no kernel for {value.dtype.text} weights without a scale")
    return array.astype(np.float32, copy=False)


def epilogue(x: Value, y: Value, act: Activation, is_int: bool) -> Fields:
    """The fields that end an accumulator's way to y: zero points, bounds."""
    if not is_int:
        low_f32, high_f32 = float_bounds(act)
        none = dict.fromkeys(("is_signed", "x_zero", "y_zero", "low", "high"), 0)
        return {**none, "low_f32": low_f32, "high_f32": high_f32}
    require(act is not Activation.TANH, "the fused activation TANH has no kernel")
    low, high = activation_range(act, y.type)
    return {
        "is_signed": int(x.dtype is DType.INT8),
        "x_zero": zero_point(x.type),
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
        "low_f32": 0.0,
        "high_f32": 0.0,
    }
