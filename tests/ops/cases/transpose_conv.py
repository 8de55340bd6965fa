"""Cases of ops/transpose_conv.py."""

import numpy as np

from edgewise.ir import Quant
from edgewise.ir.enums import Activation, Padding
from edgewise.ops.transpose_conv import Conv3DTranspose, TransposeConv
from tests.ops.case import Case, arg, const, weights

ALL = ("int8", "uint8", "int16")


def transposed(
    out,
    w,
    x,
    bias=True,
    *,
    op=TransposeConv,
    quantize=ALL,
    label="",
    error="",
    no_litert="",
    **attributes,
):
    channels = w[0] if op is TransposeConv else w[3]
    return Case(
        op(**attributes),
        (
            const(out, "int32"),
            weights(w, low=-1, high=1),
            arg(x),
            weights((channels,)) if bias else None,
        ),
        label=label,
        quantize=() if error or op is not TransposeConv else quantize,
        error=error,
        no_litert=no_litert,
    )


def deep(out, w, x, bias=True, **keywords):
    return transposed(out, w, x, bias, op=Conv3DTranspose, **keywords)


CASES = [
    transposed([1, 7, 5, 4], (4, 3, 3, 3), (1, 7, 5, 3)),
    transposed([2, 8, 10, 5], (5, 3, 3, 7), (2, 4, 5, 7), stride_h=2, stride_w=2, label="stride"),
    transposed([1, 7, 9, 5], (5, 2, 2, 7), (1, 4, 5, 7), stride_h=2, stride_w=2, label="odd"),
    transposed([1, 4, 4, 2], (2, 2, 2, 3), (1, 2, 2, 3), False, stride_h=2, stride_w=2),
    transposed(
        [1, 9, 11, 4],
        (4, 3, 3, 3),
        (1, 4, 5, 3),
        False,
        padding=Padding.VALID,
        stride_h=2,
        stride_w=2,
        label="valid",
    ),
    transposed([1, 1, 1, 1], (1, 1, 1, 1), (1, 1, 1, 1), label="ones"),
    transposed([1, 12, 12, 3], (3, 5, 5, 4), (1, 4, 4, 4), stride_h=3, stride_w=3, label="three"),
    transposed(
        [1, 4, 4, 2],
        (2, 2, 2, 3),
        (1, 2, 2, 3),
        stride_h=2,
        stride_w=2,
        fused_activation_function=Activation.RELU6,
        label="relu6",
    ),
    transposed(
        [1, 5, 5, 2],
        (2, 2, 2, 3),
        (1, 1, 5, 3),
        stride_h=1 << 15,
        label="far",
        quantize=(),
        no_litert="strides above 32767 are refused",
    ),
    *(
        Case(
            TransposeConv(stride_h=stride, stride_w=stride),
            (
                const([1, size, size, 26], "int32"),
                weights((26, 3, 3, 24), "int8", quant=Quant(np.linspace(0.005, 0.01, 26), axis=0)),
                arg((1, 4, 4, 24)),
                weights((26,)),
            ),
            label="hybrid",
            no_litert="quantizes x on the fly",
        )
        for stride, size in ((2, 8), (4, 16))
    ),
    transposed([1, 7, 5, 4], (4, 3, 3, 2), (1, 7, 5, 3), error="the same input channels"),
    transposed([1, 7, 5, 5], (4, 3, 3, 3), (1, 7, 5, 3), error="end with 4 channels"),
    transposed([1, 7, -5, 4], (4, 3, 3, 3), (1, 7, 5, 3), error="numbers of at least 0"),
    transposed([1, 7, 5, 4], (4, 3, 3, 3), (1, 7, 5, 3), stride_w=0, error="stride_w must be"),
    transposed([1, 7, 5, 4], (4, 3, 3), (1, 7, 5, 3), error="w must have rank 4"),
    transposed([1, 7, 5, 4], (4, 3, 3, 3), (1, 14, 5, 3), error="7 elements along an axis of x"),
    deep([1, 3, 4, 5, 4], (2, 3, 3, 4, 2), (1, 3, 4, 5, 2)),
    deep(
        [2, 4, 6, 4, 3],
        (3, 2, 3, 3, 2),
        (2, 2, 3, 2, 2),
        False,
        stride_d=2,
        stride_h=2,
        stride_w=2,
        label="stride",
    ),
    deep(
        [1, 5, 5, 5, 2],
        (3, 3, 3, 2, 1),
        (1, 3, 3, 3, 1),
        padding=Padding.VALID,
        label="valid",
        fused_activation_function=Activation.RELU,
    ),
    deep(
        [1, 5, 6, 7, 2],
        (2, 2, 2, 2, 3),
        (1, 5, 6, 7, 3),
        dilation_d_factor=2,
        dilation_h_factor=2,
        dilation_w_factor=3,
        label="dilation",
    ),
    deep([1, 3, 4, 5], (2, 3, 3, 4, 2), (1, 3, 4, 5, 2), error="must be 5 numbers"),
]
