"""Cases of ops/mediapipe.py: LiteRT's wheel has none of these operators."""

import numpy as np

from edgewise.ir.enums import Activation, Padding
from edgewise.ops.mediapipe import (
    Convolution2DTransposeBias,
    MaxPoolingWithArgmax2D,
    MaxUnpooling2D,
)
from tests.ops.case import Case, arg, const, weights

NO_LITERT = "MediaPipe's own operator, which LiteRT does not have"
EDGES = np.array(
    [np.nan, -np.inf, -3e38, 0, 7, 7, np.inf, 1, -1, -np.inf, np.nan, -np.finfo(np.float32).max],
    np.float32,
).reshape(1, 2, 6, 1)


def up(x, kernel, o, stride=(2, 2), padding=Padding.SAME, error="", bias=None, label=""):
    operands = (arg(x), weights((o, *kernel, x[-1])), weights((o if bias is None else bias,)))
    op = Convolution2DTransposeBias(padding=padding, stride_h=stride[0], stride_w=stride[1])
    return Case(op, operands, error=error, no_litert=NO_LITERT, label=label)


def pool(x, window, stride, padding=Padding.SAME, label="", error="", **facts):
    op = MaxPoolingWithArgmax2D(
        padding=padding,
        filter_height=window[0],
        filter_width=window[1],
        stride_h=stride[0],
        stride_w=stride[1],
        **facts,
    )
    return Case(op, (x,), label=label, error=error, no_litert=NO_LITERT)


def unpool(x, window, stride, indices=None, label="", error=""):
    op = MaxUnpooling2D(
        filter_height=window[0], filter_width=window[1], stride_h=stride[0], stride_w=stride[1]
    )
    given = arg(x, low=0, high=window[0] * window[1] - 0.5) if indices is None else indices
    return Case(op, (arg(x), given), label=label, error=error, no_litert=NO_LITERT)


CASES = [
    up((1, 5, 4, 3), (2, 2), 1),
    up((2, 4, 5, 6), (3, 4), 5, label="overlap"),
    up((1, 4, 5, 6), (3, 3), 17, padding=Padding.VALID, label="valid"),
    up((1, 3, 3, 2), (1, 1), 2, (3, 2), label="gaps"),
    up((1, 7, 1, 8), (5, 3), 4, (1, 1), label="stride-one"),
    up((1, 5, 4, 3), (2, 2), 2, bias=3, error="bias must be [2], one per output channel; got [3]"),
    up((5, 4, 3), (2, 2), 2, error="x, w and bias must have rank 4, 4 and 1; got [3, 4, 1]"),
    up((1, 5, 4, 3), (2, 2), 2, (0, 2), error="stride_h must be at least 1; got 0"),
    pool(arg((1, 6, 4, 3)), (2, 2), (2, 2)),
    pool(arg((2, 7, 5, 17)), (3, 2), (2, 1), label="overlap"),
    pool(arg((1, 7, 5, 4)), (3, 3), (2, 2), Padding.VALID, label="valid"),
    pool(const(EDGES), (2, 2), (2, 2), label="edges"),
    pool(
        arg((1, 4, 4, 5)),
        (2, 2),
        (2, 2),
        fused_activation_function=Activation.RELU6,
        label="relu6",
    ),
    pool(arg((4, 4, 5)), (2, 2), (2, 2), error="x must be [N, H, W, C]; got rank 3"),
    unpool((1, 3, 4, 5), (2, 2), (2, 2)),
    unpool((2, 3, 2, 17), (3, 2), (2, 1), label="overlap"),
    unpool((1, 3, 4, 2), (2, 2), (3, 3), label="padding"),
    unpool(
        (1, 2, 3, 2),
        (2, 2),
        (2, 2),
        const(
            np.array(
                [np.inf, -1, 99, -np.inf, 3.9, 0, -5.5, 2, 1e30, 1, 0.1, 3], np.float32
            ).reshape(1, 2, 3, 2)
        ),
        label="outside",
    ),
    unpool(
        (1, 3, 4, 5),
        (2, 2),
        (2, 2),
        arg((1, 3, 4, 1)),
        error="indices must have the shape of x, [1, 3, 4, 5]; got [1, 3, 4, 1]",
    ),
]
