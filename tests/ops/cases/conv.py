"""Cases of ops/conv.py."""

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Quant, TensorType
from edgewise.ir.enums import Activation, Padding
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from tests.ops.case import Case, arg, const, weights

ALL = ("int8", "uint8", "int16")
SIGNED = ("int8", "int16")


def conv(x, w, bias=True, *, quantize=ALL, label="", error="", **attributes):
    return Case(
        Conv2D(**attributes),
        (arg(x), weights(w, low=-1, high=1), weights((w[0],)) if bias else None),
        label=label,
        quantize=quantize,
        error=error,
    )


def depthwise(x, w, bias=True, *, quantize=ALL, label="", error="", **attributes):
    return Case(
        DepthwiseConv2D(depth_multiplier=max(w[3] // max(x[3], 1), 1), **attributes),
        (arg(x), weights(w, low=-1, high=1), weights((w[3],)) if bias else None),
        label=label,
        quantize=quantize,
        error=error,
    )


def stored(x, w, x_type, w_type, *, bias=0, label):
    """Stored integers of their whole range, with these zero points and a bias for all channels."""
    (x_dtype, x_zero), (w_dtype, w_zero) = x_type, w_type
    s_x, s_w = 0.02, 0.011
    added = np.full(w[0], bias, np.int32)
    differs = "its kernels may take other bits where a sum overflows" if bias else ""
    if w_dtype == "int4":
        differs = "its kernel for them scales with a 32-bit multiplier"
    quant = Quant(s_x * s_w)
    return Case(
        Conv2D(),
        (
            arg(x, x_dtype, quant=Quant(s_x, x_zero)),
            weights(w, w_dtype, quant=Quant(s_w, w_zero)),
            const(added, quant=quant),
        ),
        label=label,
        results=(TensorType(None, DType.of(x_dtype), Quant(0.21, x_zero)),),
        no_litert=differs,
    )


def stored_16(x_shape, w_shape, *, x=None, w=None, bias=0, s_y=0.01, label, **attributes):
    """int16 by int8: of their whole range, or all of one value; biases of both signs."""
    s_x, s_w, o = 0.0007, 0.011, w_shape[0]
    added = bias // np.arange(1, o + 1, dtype=np.int64) * np.where(np.arange(o) % 2, -1, 1)
    one = {"values": np.full(x_shape, x, np.int16)} if x is not None else {}
    factors = np.full(w_shape, w, np.int8) if w is not None else None
    return Case(
        Conv2D(**attributes),
        (
            arg(x_shape, "int16", quant=Quant(s_x), **one),
            weights(w_shape, "int8", quant=Quant(s_w), values=factors),
            const(added, quant=Quant(s_x * s_w)),
        ),
        label=label,
        results=(TensorType(None, DType.INT16, Quant(s_y)),),
    )


def deep_16(x_shape, w_shape, *, bias=2**20, label):
    """Depthwise int16 by int8 of their whole range."""
    s_x, s_w, o = 0.0007, 0.011, w_shape[3]
    added = np.linspace(-bias, bias, o).astype(np.int64)
    return Case(
        DepthwiseConv2D(depth_multiplier=o // x_shape[3]),
        (
            arg(x_shape, "int16", quant=Quant(s_x)),
            weights(w_shape, "int8", quant=Quant(s_w)),
            const(added, quant=Quant(s_x * s_w)),
        ),
        label=label,
        results=(TensorType(None, DType.INT16, Quant(0.01)),),
    )


def hybrid(x, w, dtype="int8", *, op=Conv2D, scale=0.01, label, no_litert="", **attributes):
    """Float x and integer weights, with a scale for each output channel."""
    axis = 0 if op is Conv2D else 3
    if op is DepthwiseConv2D:
        attributes["depth_multiplier"] = w[3] // x[3]
    quant = Quant(np.linspace(scale / 2, scale, w[axis]), axis=axis)
    return Case(
        op(**attributes),
        (arg(x), weights(w, dtype, quant=quant), weights((w[axis],))),
        label=f"hybrid-{label}",
        no_litert=no_litert or "quantizes x on the fly",
    )


CASES = [
    conv((1, 7, 5, 3), (4, 3, 3, 3)),
    conv((2, 8, 8, 3), (16, 3, 3, 3), stride_h=2, stride_w=2, label="stride"),
    conv((1, 1, 1, 1), (1, 1, 1, 1), label="ones"),
    conv((1, 5, 7, 17), (23, 1, 1, 17), label="pointwise"),
    conv((1, 9, 11, 5), (7, 5, 3, 5), padding=Padding.VALID, label="valid"),
    conv((1, 11, 9, 4), (6, 3, 3, 4), dilation_h_factor=2, dilation_w_factor=3, label="dilation"),
    conv((1, 6, 6, 8), (12, 3, 3, 2), quantize=SIGNED, label="groups"),
    conv((1, 4, 4, 3), (5, 3, 3, 3), fused_activation_function=Activation.RELU, label="relu"),
    conv((1, 4, 4, 3), (5, 3, 3, 3), fused_activation_function=Activation.RELU6, label="relu6"),
    conv(
        (1, 4, 4, 3),
        (5, 3, 3, 3),
        fused_activation_function=Activation.RELU_N1_TO_1,
        label="relu_n1",
    ),
    conv((1, 5, 5, 3), (4, 2, 2, 3), stride_h=3, stride_w=1, label="uneven"),
    conv((1, 4, 4, 3), (5, 3, 3, 2), quantize=(), error="multiple of filter channels"),
    conv((1, 4, 4, 3), (5, 3, 3, 3), stride_h=0, quantize=(), error="stride_h must be at least 1"),
    conv((1, 4, 4, 3), (5, 3, 3, 3), dilation_w_factor=1 << 20, quantize=(), error="must span at"),
    # integer kernels: K around multiples of 2, 4; O around those of 8, 16, 32; rows of 6, 14
    conv((1, 1, 13, 1), (9, 1, 1, 1), label="k1"),
    conv((1, 3, 5, 2), (15, 1, 1, 2), label="k2"),
    conv((2, 1, 29, 3), (24, 1, 1, 3), label="k3"),
    conv((1, 7, 1, 31), (33, 1, 1, 31), label="k31"),
    conv((1, 8, 15, 5), (40, 1, 1, 5), stride_h=2, stride_w=3, label="skip"),
    conv((1, 15, 31, 6), (17, 3, 5, 6), stride_h=2, label="lines"),
    conv((3, 2, 2, 4), (8, 5, 5, 4), label="small-map"),
    conv((1, 3, 3, 2), (5, 3, 3, 2), dilation_h_factor=4, dilation_w_factor=5, label="far"),
    conv((1, 5, 5, 6), (9, 3, 2, 2), stride_w=2, quantize=SIGNED, label="groups-stride"),
    conv((1, 3, 4, 5), (5, 1, 1, 1), quantize=SIGNED, label="groups-of-one"),
    stored((1, 4, 5, 3), (7, 3, 3, 3), ("int8", -128), ("int8", 0), label="zero-least"),
    stored((1, 4, 5, 3), (18, 3, 3, 3), ("int8", 127), ("int8", 0), label="zero-most"),
    stored((1, 4, 5, 3), (7, 3, 3, 3), ("uint8", 0), ("uint8", 255), label="zero-0-255"),
    stored((1, 4, 5, 3), (18, 3, 3, 3), ("uint8", 255), ("uint8", 0), label="zero-255-0"),
    stored((2, 3, 7, 9), (16, 1, 1, 9), ("uint8", 3), ("uint8", 128), label="zero-128"),
    stored((2, 5, 7, 17), (39, 1, 1, 17), ("int8", -3), ("int4", 0), label="8x4-pointwise"),
    stored((1, 9, 8, 24), (70, 3, 3, 24), ("int8", 4), ("int4", 0), label="8x4-3x3"),
    stored((1, 3, 3, 4), (9, 2, 2, 4), ("int8", 5), ("int8", 0), bias=2**31 - 1, label="wraps"),
    stored((1, 3, 3, 4), (9, 2, 2, 4), ("int8", 5), ("int8", 0), bias=-(2**31), label="wraps-low"),
    # sums of int16 by int8 that stay within 32 bits, and those that need parts or 64 bits
    stored_16((1, 3, 5, 4), (7, 3, 3, 4), label="16x8"),
    stored_16((1, 1, 3, 511), (9, 1, 1, 511), x=-(2**15), w=-128, label="16x8-most"),
    stored_16((1, 1, 3, 512), (9, 1, 1, 512), x=-(2**15), w=-128, label="16x8-beyond"),
    stored_16((1, 1, 3, 1203), (9, 1, 1, 1203), label="16x8-steps"),
    stored_16((1, 4, 5, 149), (17, 3, 3, 149), label="16x8-runs"),
    stored_16((1, 4, 9, 99), (5, 3, 3, 99), dilation_w_factor=2, label="16x8-taps"),
    stored_16((2, 3, 4, 6), (8, 2, 2, 3), bias=2**40, label="16x8-bias"),
    stored_16((1, 3, 4, 6), (8, 2, 2, 3), bias=-(2**31), stride_w=2, label="16x8-bias-low"),
    stored_16((1, 3, 5, 4), (7, 3, 3, 4), s_y=3e-7, label="16x8-factor"),
    stored_16((1, 3, 5, 4), (7, 3, 3, 4), s_y=1e6, label="16x8-nothing"),
    depthwise((1, 7, 5, 3), (1, 3, 3, 3)),
    depthwise((2, 8, 8, 16), (1, 3, 3, 16), stride_h=2, stride_w=2, label="stride"),
    depthwise((1, 9, 9, 5), (1, 5, 5, 15), label="multiplier"),
    depthwise((1, 9, 9, 7), (1, 3, 3, 7), padding=Padding.VALID, label="valid"),
    depthwise((1, 9, 9, 4), (1, 3, 3, 4), dilation_h_factor=2, dilation_w_factor=2, label="dil"),
    depthwise(
        (1, 6, 6, 8), (1, 3, 3, 8), fused_activation_function=Activation.RELU6, label="relu6"
    ),
    # tails of channels around the blocks of all instruction sets, and maps that are all border
    *(
        depthwise(
            (1, 3, size, c),
            (1, k, k, c),
            stride_h=stride,
            stride_w=stride,
            label="channels",
        )
        for k, stride, size, c in (
            *((3, 1, 9, c) for c in (1, 4, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 65)),
            *((3, 2, 13, c) for c in (8, 13, 16, 24, 33)),
            *((5, 1, 7, c) for c in (7, 16, 35)),
            *((5, 2, 11, c) for c in (8, 16, 37)),
        )
    ),
    # lines that a block of channels walks along: every kind of border, one line to many
    *(
        depthwise(
            (2, *x, c),
            (1, 3, 3, c),
            stride_h=h,
            stride_w=w,
            padding=padding,
            quantize=(),
            label="walk",
        )
        for x, h, w, padding, c in (
            ((1, 4), 1, 1, Padding.SAME, 16),
            ((2, 5), 1, 1, Padding.SAME, 20),
            ((9, 6), 1, 1, Padding.VALID, 33),
            ((40, 7), 1, 1, Padding.SAME, 64),
            ((7, 8), 1, 2, Padding.SAME, 16),
            ((8, 7), 2, 2, Padding.SAME, 24),
            ((9, 9), 2, 2, Padding.VALID, 40),
            ((6, 10), 3, 2, Padding.VALID, 16),
        )
    ),
    *(
        depthwise((1, *x, 33), (1, *k, 33), label="borders", **attributes)
        for x, k, attributes in (
            ((1, 1), (3, 3), {}),
            ((1, 9), (5, 5), {}),
            ((9, 1), (3, 3), {"stride_h": 2, "stride_w": 2}),
            ((2, 3), (7, 7), {}),
            ((3, 4), (3, 3), {"dilation_h_factor": 5, "dilation_w_factor": 4}),
            ((5, 9), (3, 3), {"stride_h": 4, "stride_w": 5}),
            ((3, 6), (3, 3), {"stride_h": 1, "stride_w": 2}),
            ((3, 12), (2, 3), {"dilation_w_factor": 2}),
            ((4, 7), (4, 1), {}),
            ((2, 13), (1, 4), {"stride_w": 3}),
            ((3, 9), (3, 3), {"dilation_h_factor": 2}),
            ((2, 2), (3, 3), {"padding": Padding.VALID}),
        )
    ),
    *(
        depthwise((2, 4, 9, c), (1, 3, k, c * m), label="spread", **attributes)
        for c, m, k, attributes in (
            (1, 8, 3, {}),
            (1, 32, 3, {"stride_h": 2, "stride_w": 2}),
            (3, 7, 5, {"stride_w": 2}),
            (17, 2, 3, {"dilation_w_factor": 2, "dilation_h_factor": 2}),
            (3, 1, 3, {"stride_h": 3, "stride_w": 3, "dilation_w_factor": 2}),
            (5, 1, 3, {"padding": Padding.VALID}),
        )
    ),
    deep_16((1, 3, 640, 5), (1, 2, 300, 5), label="16x8-far"),
    deep_16((1, 2, 640, 18), (1, 1, 600, 36), label="16x8-groups"),
    deep_16((2, 5, 9, 17), (1, 3, 3, 17), bias=2**30, label="16x8"),
    depthwise((0, 6, 6, 8), (1, 3, 3, 8), quantize=(), label="empty"),
    hybrid((2, 5, 7, 25), (27, 1, 1, 25), label="pointwise"),
    hybrid(
        (1, 9, 11, 64), (48, 1, 1, 64), label="wide", fused_activation_function=Activation.RELU6
    ),
    hybrid((2, 6, 5, 24), (24, 3, 3, 24), label="3x3"),
    hybrid((1, 9, 7, 16), (33, 3, 5, 16), stride_h=2, stride_w=2, label="stride"),
    hybrid((1, 9, 9, 8), (25, 3, 3, 8), dilation_h_factor=2, dilation_w_factor=3, label="dilated"),
    hybrid((1, 5, 6, 32), (50, 3, 3, 16), label="groups"),
    hybrid((1, 4, 5, 20), (39, 2, 2, 20), padding=Padding.VALID, label="valid"),
    hybrid((1, 6, 5, 24), (32, 1, 1, 24), "int4", scale=0.1, label="int4"),
    hybrid((1, 7, 5, 3), (8, 3, 3, 3), label="few"),
    hybrid((1, 9, 7, 24), (1, 3, 3, 24), op=DepthwiseConv2D, label="3x3"),
    depthwise((1, 4, 4, 3), (1, 3, 3, 4), quantize=(), error="multiple of input channels"),
]
