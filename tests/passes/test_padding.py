"""Rules of passes/padding.py."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Quant, Sym
from edgewise.ir.enums import Padding
from edgewise.ops.window import Axis
from edgewise.passes.padding import PADDING
from edgewise.passes.rewrite import rewrite
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    expression,
    graph_of,
    normal,
    quantized,
    shows,
)

SAME = ("pad into SAME",)


def padded(size, kernel, stride, pads, *, channels=(0, 0), dilation=1, padding=Padding.VALID):
    """PAD by `pads` on height and width, then CONV_2D."""

    def build(b):
        x = b.input("x", (1, size, size, 3))
        table = np.array([[0, 0], pads, pads, channels], np.int32)
        y = b.pad(x, b.constant(table))
        return b.conv_2d(
            y,
            b.constant(normal(4, kernel, kernel, 3 + sum(channels))),
            padding=padding,
            stride_h=stride,
            stride_w=stride,
            dilation_h_factor=dilation,
            dilation_w_factor=dilation,
        )

    return build


def quantized_conv(pad_quant):
    def build(b):
        x = b.input("x", (1, 8, 8, 3), INT8, quantized())
        y = b.pad(
            x, b.constant(np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32)), quant=pad_quant
        )
        w = b.constant(np.full((4, 3, 3, 3), 5, np.int8), quant=Quant([0.1] * 4, axis=0))
        strides = {"stride_h": 2, "stride_w": 2}
        return b.conv_2d(y, w, quant=quantized(0.5), padding=Padding.VALID, **strides)

    return build


def depthwise(b):
    x = b.input("x", (1, 9, 9, 3))
    y = b.pad(x, b.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)))
    return b.depthwise_conv_2d(y, b.constant(normal(1, 3, 3, 3)), padding=Padding.VALID)


def two_pads(dtype=DType.FLOAT32):
    def build(b):
        x = b.input("x", (2, 3), dtype)
        y = b.pad(x, b.constant(np.array([[0, 1], [2, 0]], np.int32)))
        return b.pad(y, b.constant(np.array([[1, 1], [0, 3]], np.int32)))

    return build


def two_pads_requantized(b):
    x = b.input("x", (2,), INT8, quantized())
    y = b.pad(x, b.constant(np.array([[0, 1]], np.int32)), quant=quantized(0.1))
    return b.pad(y, b.constant(np.array([[0, 1]], np.int32)), quant=quantized(0.2))


def in_space(pads=(1, 1), kernel=3, channels=(0, 0), padding=Padding.VALID):
    """PAD on depth, height and width, then CONV_3D."""

    def build(b):
        x = b.input("x", (1, 4, 5, 6, 2))
        table = np.array([[0, 0], pads, pads, pads, channels], np.int32)
        y = b.pad(x, b.constant(table))
        w = b.constant(normal(*[kernel] * 3, 2 + sum(channels), 3))
        return b.conv_3d(y, w, padding=padding)

    return build


def bordered(border, dtype=DType.FLOAT32, x_quant=None, quant=None):
    def build(b):
        x = b.input("x", (2, 3), dtype, x_quant)
        pads = b.constant(np.array([[0, 1], [2, 0]], np.int32))
        value = b.constant(np.array(border, dtype.numpy), quant=x_quant)
        return b.padv2(x, pads, value, quant=quant)

    return build


SPACE, ZEROS = "pad into SAME", "padv2 with zeros"
STRIDES = "stride_w=2, stride_h=2)"
EXAMPLES = [
    Example(
        in_space(),
        "conv_3d(pad(x, [5,2]), [3,3,3,2,3], padding=VALID)",
        "conv_3d(x, [3,3,3,2,3])",
        (SPACE,),
        1e-6,
    ),
    Example(bordered(0.0), "padv2(x, {0, 1, 2, 0}, 0)", "pad(x, {0, 1, 2, 0})", (ZEROS,)),
    Example(
        bordered(3, INT8, quantized(), quantized()),
        "padv2(x, {0, 1, 2, 0}, 3)",
        "pad(x, {0, 1, 2, 0})",
        (ZEROS,),
    ),
    # Keras: ZeroPadding2D(((0, 1), (0, 1))), then a stride of 2 on an even size
    Example(
        padded(8, 3, 2, (0, 1)),
        f"conv_2d(pad(x, {{0, 0, 0, 1, 0, 1, 0, 0}}), [4,3,3,3], padding=VALID, {STRIDES}",
        f"conv_2d(x, [4,3,3,3], {STRIDES}",
        SAME,
    ),
    Example(
        quantized_conv(quantized()),
        f"conv_2d(pad(x, {{0, 0, 0, 1, 0, 1, 0, 0}}), [4,3,3,3], padding=VALID, {STRIDES}",
        f"conv_2d(x, [4,3,3,3], {STRIDES}",
        SAME,
    ),
    Example(
        depthwise,
        "depthwise_conv_2d(pad(x, {0, 0, 1, 1, 1, 1, 0, 0}), [1,3,3,3], padding=VALID)",
        "depthwise_conv_2d(x, [1,3,3,3])",
        SAME,
    ),
    Example(
        two_pads(),
        "pad(pad(x, {0, 1, 2, 0}), {1, 1, 0, 3})",
        "pad(x, {1, 2, 2, 3})",
        ("combine pads",),
    ),
    Example(
        two_pads(DType.INT32),
        "pad(pad(x, {0, 1, 2, 0}), {1, 1, 0, 3})",
        "pad(x, {1, 2, 2, 3})",
        ("combine pads",),
    ),
]


def dynamic(b):
    x = b.input("x", (1, Sym("h"), 8, 3))
    y = b.pad(x, b.constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)))
    return b.conv_2d(y, b.constant(normal(4, 3, 3, 3)), padding=Padding.VALID)


TWINS = [
    Twin(in_space((0, 1)), SPACE, "SAME pads a depth of 4 by (1, 1)"),
    Twin(in_space(channels=(0, 1)), SPACE, "are not on depth, height and width alone"),
    Twin(bordered(-1.0), ZEROS, "the border is [-1.0], not 0"),
    Twin(bordered(-0.0), ZEROS, "the border is [-0.0], not 0"),
    Twin(bordered(0, INT8, quantized(), quantized()), ZEROS, "the border is [0], not 3"),
    # MobileNet's symmetric pad in torch: SAME would put the odd row behind
    Twin(
        padded(8, 3, 2, (1, 1)),
        SAME[0],
        "SAME pads a height of 8 by (0, 1) (kernel 3, stride 2); the pad is (1, 1)",
    ),
    Twin(padded(9, 3, 2, (0, 1)), SAME[0], "SAME pads a height of 9 by (1, 1)"),
    Twin(padded(8, 3, 1, (1, 1), channels=(0, 1)), SAME[0], "not on height and width alone"),
    Twin(dynamic, SAME[0], "the height is unknown"),
    Twin(quantized_conv(quantized(0.1)), SAME[0], "'x' is int8"),
    Twin(two_pads_requantized, "combine pads", "is int8"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.before)
def test_rewrites(example):
    shows(example, PADDING)


@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.reason)
def test_must_not_match(twin):
    declines(twin, PADDING)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(1, 2, 1), (2, 1, 1), (3, 2, 1), (5, 3, 1), (3, 1, 2)]
)
def test_exactly_the_pads_of_same(size, kernel, stride, dilation):
    """Of all small pads the rule takes those of SAME and no others."""
    pads = Axis(kernel, stride, dilation).pads(size, Padding.SAME)
    for before in range(3):
        for after in range(3):
            graph = graph_of(padded(size, kernel, stride, (before, after), dilation=dilation))
            fused = rewrite(graph, PADDING).counts[SAME[0]] == 1
            assert fused == ((before, after) == pads), expression(graph)
