"""Rules of passes/windows.py: padding by numbers."""

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.errors import ShapeError, UnsupportedOp
from edgewise.ir import Builder, Quant
from edgewise.ir.enums import Activation, Padding
from edgewise.ops.reduce_window import StablehloReduceWindow
from edgewise.passes.pipeline import to_tflite
from edgewise.passes.windows import WINDOWS
from tests.passes.example import (
    INT8,
    Example,
    Twin,
    declines,
    model_of,
    normal,
    quantized,
    shows,
)

CONV, POOL = ("pad into convolution",), ("pad into max pool",)
PADS = np.array([[0, 0], [2, 1], [0, 3], [0, 0]], np.int32)


def conv(b, padding=Padding.VALID, pads=PADS, op="conv_2d", border=None):
    x = b.input("x", (2, 9, 8, 4))
    padded = b.pad(x, b.constant(pads)) if border is None else _bordered(b, x, border)
    w = normal(4, 3, 2, 4 + pads[3].sum()) if op == "conv_2d" else normal(1, 3, 2, 4)
    stride = {"stride_h": 2, "stride_w": 1, "dilation_h_factor": 1}
    return getattr(b, op)(padded, b.constant(w), padding=padding, **stride)


def _bordered(b, x, border):
    return b.padv2(x, b.constant(PADS), b.constant(np.float32(border)))


def conv_8(b, border=3):
    x = b.input("x", (1, 6, 6, 3), INT8, quantized())
    value = b.constant(np.int8(border), quant=quantized())
    y = b.padv2(x, b.constant(PADS), value, quant=quantized())
    w = b.constant(np.full((4, 3, 3, 3), 5, np.int8), quant=Quant([0.1] * 4, axis=0))
    return b.conv_2d(y, w, quant=quantized(0.5), padding=Padding.VALID)


def pool(b, pads=((1, 1), (1, 1)), clamp=True, padding=Padding.VALID):
    x = b.input("x", (1, 7, 7, 2))
    act = Activation.RELU if clamp else Activation.NONE
    x = b.add(x, x, fused_activation_function=act)
    y = b.pad(x, b.constant(np.array([[0, 0], *pads, [0, 0]], np.int32)))
    size = {"filter_height": 3, "filter_width": 3, "stride_h": 2, "stride_w": 2}
    return b.max_pool_2d(y, padding=padding, **size)


CASES = {
    "valid": Example(
        conv,
        "conv_2d(pad(x, {0, 0, 2, 1, 0, 3, 0, 0}), [4,3,2,4], padding=VALID, stride_h=2)",
        "conv_2d(x, [4,3,2,4], padding=((2, 1), (0, 3)), stride_h=2)",
        CONV,
        1e-6,
    ),
    "same": Example(
        lambda b: conv(b, Padding.SAME),
        "conv_2d(pad(x, {0, 0, 2, 1, 0, 3, 0, 0}), [4,3,2,4], stride_h=2)",
        "conv_2d(x, [4,3,2,4], padding=((2, 2), (0, 4)), stride_h=2)",
        CONV,
        1e-6,
    ),
    "depthwise": Example(
        lambda b: conv(b, op="depthwise_conv_2d"),
        "depthwise_conv_2d(pad(x, {0, 0, 2, 1, 0, 3, 0, 0}), [1,3,2,4], padding=VALID, stride_h=2)",
        "depthwise_conv_2d(x, [1,3,2,4], padding=((2, 1), (0, 3)), stride_h=2)",
        CONV,
        1e-6,
    ),
    "border of zeros": Example(
        lambda b: conv(b, border=0),
        "conv_2d(padv2(x, {0, 0, 2, 1, 0, 3, 0, 0}, 0), [4,3,2,4], padding=VALID, stride_h=2)",
        "conv_2d(x, [4,3,2,4], padding=((2, 1), (0, 3)), stride_h=2)",
        CONV,
        1e-6,
    ),
    "border of zero points": Example(
        conv_8,
        "conv_2d(padv2(x, {0, 0, 2, 1, 0, 3, 0, 0}, 3), [4,3,3,3], padding=VALID)",
        "conv_2d(x, [4,3,3,3], padding=((2, 1), (0, 3)))",
        CONV,
    ),
    "max pool of what is not negative": Example(
        pool,
        "max_pool_2d(pad(add(x, x, RELU), {0, 0, 1, 1, 1, 1, 0, 0}), padding=VALID, stride_w=2, "
        "stride_h=2, filter_width=3, filter_height=3)",
        "max_pool_2d(add(x, x, RELU), padding=((1, 1), (1, 1)), stride_w=2, stride_h=2, "
        "filter_width=3, filter_height=3)",
        POOL,
    ),
}
TWINS = {
    "channels": Twin(
        lambda b: conv(b, pads=np.array([[0, 0], [1, 1], [1, 1], [0, 1]], np.int32)),
        *CONV,
        "not on height and width alone",
    ),
    "border of ones": Twin(lambda b: conv(b, border=1), *CONV, "the border is [1.0], not zero"),
    "border beside the zero point": Twin(
        lambda b: conv_8(b, 0), *CONV, "the border is [0], not zero"
    ),
    "pool of anything": Twin(
        lambda b: pool(b, clamp=False), *POOL, "x may be -inf, the border is 0"
    ),
    "pool of the border alone": Twin(
        lambda b: pool(b, pads=((3, 0), (0, 0))), *POOL, "may lie in pads of (3, 0)"
    ),
    "pool with SAME": Twin(
        lambda b: pool(b, padding=Padding.SAME), *POOL, "SAME leaves out its own border"
    ),
}


@pytest.mark.parametrize("example", CASES.values(), ids=CASES.keys())
def test_padding_moves_into_the_window(example):
    shows(example, WINDOWS)


@pytest.mark.parametrize("twin", TWINS.values(), ids=TWINS.keys())
def test_padding_stays(twin):
    declines(twin, WINDOWS)


def test_a_file_has_no_padding_by_numbers():
    def build(b):
        w = b.constant(normal(4, 3, 3, 2))
        return b.conv_2d(b.input("x", (1, 5, 5, 2)), w, padding=((1, 1), (1, 1)))

    with pytest.raises(UnsupportedOp, match="padding by numbers"):
        to_tflite(model_of(build))


@pytest.mark.parametrize("pads", [((-1, 0), (0, 0)), ((0, 0), (0, 1 << 17))])
def test_padding_has_bounds(pads):
    b = Builder()
    x = b.input("x", (1, 5, 5, 2), DType.FLOAT32)
    with pytest.raises(ShapeError, match="padding must be in"):
        b.max_pool_2d(x, padding=pads)


def test_padding_of_windows_that_are_reduced_is_the_files():
    def build(b):
        body = Builder("sum")
        body.finish(body.stablehlo_add(body.input("a", ()), body.input("b", ())))
        op = StablehloReduceWindow(body=body.graph, window_dimensions=(3,), padding=(1, 1))
        return b.node(op, b.input("x", (5,)), b.constant(np.float32(0))).output

    model = model_of(build)
    model.add(next(iter(model.main.nodes)).op.graphs[0])
    assert len(list(to_tflite(model).main.nodes)) == 1
