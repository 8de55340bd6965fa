"""Kernels of CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: windows, packed weights, tiles.

Float activations run in float32; integer weights are then dequantized here, which is what a hybrid
operator means. 8-bit activations run on s16 weights without their zero point, which holds int8,
uint8 and int4 weights alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ops.conv import Convolution
from edgewise.ops.requant import activation_range
from edgewise.ops.window import Axis
from edgewise.runtime.calls import (
    Call,
    Site,
    float_bounds,
    is_float,
    require,
    require_8_bit,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Fields, constant, pack

Array = np.ndarray

_WEIGHTS_8 = (DType.INT8, DType.UINT8, DType.INT4, DType.INT2)
_ROWS = 6  # of the micro-kernel
_MOST_ROWS = 192
_FEW_CHANNELS = 8  # below, a float convolution gathers its patches: the inner loop is too short
_SLACK = 64  # bytes: 16 float32
_ADDRESS = 8  # bytes


def window(
    x: Sequence[int], y: Sequence[int], h: Axis, w: Axis, padding: Padding
) -> dict[str, int]:
    """The fields of `ew_window` for x [N, H, W, C] and y [N, OH, OW, O]."""
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
        "stride_h": h.stride,
        "stride_w": w.stride,
        "dilation_h": h.dilation,
        "dilation_w": w.dilation,
        "pad_top": h.pads(x[1], padding)[0],
        "pad_left": w.pads(x[2], padding)[0],
    }


def conv_2d(site: Site) -> Sequence[Call]:
    """Any kernel, stride, dilation and number of groups."""
    op, x, w = site.node.op, site.node.operand(0), site.node.operand(1)
    assert isinstance(op, Convolution)
    weights = _Weights.of(site, channel_axis=0)
    shape, out = shape_of(x), shape_of(site.node.output)
    kh, kw = weights.array.shape[1:3]
    rows = Axis(kh, op.stride_h, op.dilation_h_factor)
    cols = Axis(kw, op.stride_w, op.dilation_w_factor)
    fields = window(shape, out, rows, cols, op.padding)
    require(shape[3] > 0 and w.dtype is not None, "x has no channels")
    groups = shape[3] // weights.array.shape[3]
    return _matrix_product(site, weights, fields, groups, op.fused_activation_function)


def fully_connected(site: Site) -> Sequence[Call]:
    """x as [M, K]: a 1x1 convolution over M pixels."""
    weights = _Weights.of(site, channel_axis=0)
    o, k = weights.array.shape
    require(k > 0 and o > 0, "the weights are empty")
    m = int(np.prod(shape_of(site.node.operand(0)), dtype=np.int64)) // k
    fields = window((m, 1, 1, k), (m, 1, 1, o), Axis(1), Axis(1), Padding.VALID)
    act = getattr(site.node.op, "fused_activation_function", Activation.NONE)
    return _matrix_product(site, weights, fields, 1, act)


@dataclass(frozen=True, slots=True)
class _Weights:
    """float32 weights, or s16 ones without zero point and the scale of each output channel."""

    array: Array
    bias: Array  # [O], float32 or int32
    scales: Array | None  # float32 [O] of s_x * s_w / s_y; None for float32

    @classmethod
    def of(cls, site: Site, channel_axis: int) -> _Weights:
        """Read and check operands 1 and 2. Raises NotNative."""
        x, w, y = site.node.operand(0), site.node.operand(1), site.node.output
        array = site.constant(1, "weights")
        bias = site.optional_constant(2, "biases")
        o = array.shape[channel_axis]
        if is_float(x, y):
            return cls(_real(w, array), _real_bias(site, bias, o), None)
        require_8_bit(x, y)
        quant = w.quant
        require(
            w.dtype in _WEIGHTS_8 and quant is not None, f"no kernel for {w.dtype.text} weights"
        )
        assert quant is not None
        fits = quant.block_size is None and (not quant.per_channel or quant.axis == channel_axis)
        require(fits, f"weights are not quantized along axis {channel_axis}")
        point = quant.broadcast(array.ndim)[1]
        centred = array.astype(np.int64) - point
        require(bool(np.all(np.abs(centred) <= 255)), "the weights' zero point is out of range")
        require(bias is None or bias.dtype.kind == "i", "biases are not integers")
        total = np.zeros(o, np.int32) if bias is None else bias.reshape(-1).astype(np.int32)
        # the order of the reference's float32 operations (ops/scaled.py)
        scales = (scale(x.type) * quant.scale.reshape(-1)).astype(np.float32) / scale(y.type)
        return cls(centred.astype(np.int16), total, np.broadcast_to(scales, (o,)))


def _real(value: Value, array: Array) -> Array:
    if value.type.is_quantized:
        assert value.quant is not None
        return value.quant.dequantize(array)
    require(value.dtype in FLOATS, f"no kernel for {value.dtype.text} weights without a scale")
    return array.astype(np.float32)


def _real_bias(site: Site, bias: Array | None, o: int) -> Array:
    value = site.node.optional(2)
    if bias is None or value is None:
        return np.zeros(o, np.float32)
    return _real(value, bias).reshape(-1)


def _matrix_product(
    site: Site, weights: _Weights, fields: dict[str, int], groups: int, act: Activation
) -> Sequence[Call]:
    x, y = site.node.operand(0), site.node.output
    array = weights.array
    o, panel = array.shape[0], constant("EW_PANEL")
    k = array.size // max(o, 1)
    require(o > 0 and k > 0, "the weights are empty")
    is_int = weights.scales is not None
    per_group = o // groups
    panels = -(-per_group // panel)
    m = fields["n"] * fields["oh"] * fields["ow"]
    steps = ("kernel_h", "kernel_w", "stride_h", "stride_w")
    is_pointwise = groups == 1 and all(fields[name] == 1 for name in steps)
    row_bytes = (k + k % 2) * (2 if is_int else 4)
    rows = site.target.block_bytes // row_bytes // _ROWS * _ROWS
    rows = max(_ROWS, min(rows, _MOST_ROWS, -(-m // _ROWS) * _ROWS))
    panels_per_tile = panels if m > _ROWS else min(panels, 16)
    n_tiles = groups * -(-m // rows) * -(-panels // panels_per_tile)
    taps = fields["kernel_h"] * fields["kernel_w"]
    is_gathered = not is_int and taps > 1 and k // taps < _FEW_CHANNELS
    scratch = rows * row_bytes + _SLACK
    if not is_int:
        addresses = rows * (1 if is_gathered else taps) * _ADDRESS
        scratch = addresses + _SLACK + (rows * k if is_gathered else k // taps) * 4
    packed = pack(
        "ew_conv_2d",
        {
            "window": fields,
            "groups": groups,
            "is_pointwise": int(is_pointwise),
            "is_gathered": int(is_gathered),
            "rows_per_tile": rows,
            "panels_per_tile": panels_per_tile,
            **epilogue(x, y, act, is_int),
        },
    )
    matrix = array.reshape(groups, per_group, k)
    operands: list[Value | Array] = [x, pack_panels(matrix, panel)]
    operands.append(_pad_last(weights.bias.reshape(groups, per_group), panel))
    if weights.scales is not None:
        operands.append(_pad_last(weights.scales.reshape(groups, per_group), panel))
    kernel = "conv_2d_b8" if is_int else "conv_2d_f32"
    return [Call(kernel, packed, (*operands, y), n_tiles if m else 0, scratch)]


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


def pack_panels(matrix: Array, panel: int) -> Array:
    """[G, O, K] as [G, panels, K, panel] (float32) or [G, panels, K / 2, panel, 2] (int16)."""
    groups, o, k = matrix.shape
    if matrix.dtype == np.float32:
        padded = np.zeros((groups, -(-o // panel) * panel, k), np.float32)
        padded[:, :o] = matrix
        return np.ascontiguousarray(padded.reshape(groups, -1, panel, k).transpose(0, 1, 3, 2))
    padded = np.zeros((groups, -(-o // panel) * panel, k + k % 2), np.int16)
    padded[:, :o, :k] = matrix
    pairs = padded.reshape(groups, -1, panel, (k + 1) // 2, 2)
    return np.ascontiguousarray(pairs.transpose(0, 1, 3, 2, 4))


def _pad_last(rows: Array, panel: int) -> Array:
    groups, o = rows.shape
    padded = np.zeros((groups, -(-o // panel) * panel), rows.dtype)
    padded[:, :o] = rows
    return padded


def depthwise_conv_2d(site: Site) -> Sequence[Call]:
    """Any kernel up to EW_MAX_TAPS positions, stride, dilation and multiplier."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Convolution)
    weights = _Weights.of(site, channel_axis=3)
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
