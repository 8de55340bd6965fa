"""Cases of ops/conv.py."""

from edgewise.ir.enums import Activation, Padding
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from tests.ops.case import Case, arg, weights

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
    depthwise((1, 7, 5, 3), (1, 3, 3, 3)),
    depthwise((2, 8, 8, 16), (1, 3, 3, 16), stride_h=2, stride_w=2, label="stride"),
    depthwise((1, 9, 9, 5), (1, 5, 5, 15), label="multiplier"),
    depthwise((1, 9, 9, 7), (1, 3, 3, 7), padding=Padding.VALID, label="valid"),
    depthwise((1, 9, 9, 4), (1, 3, 3, 4), dilation_h_factor=2, dilation_w_factor=2, label="dil"),
    depthwise(
        (1, 6, 6, 8), (1, 3, 3, 8), fused_activation_function=Activation.RELU6, label="relu6"
    ),
    depthwise((1, 4, 4, 3), (1, 3, 3, 4), quantize=(), error="multiple of input channels"),
]
