"""Cases of the operator matrix for tile registers (gemm_amx.h): columns, rows and runs of K that
fill some and leave a rest, one panel and pairs of them, and results that leave s32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation, Padding
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.conv import Conv2D
from edgewise.ops.fully_connected import FullyConnected
from tests.ops.case import Case, arg, const, quantized, weights

BOTH = ("int8", "uint8")


def conv(
    x: tuple[int, ...], w: tuple[int, ...], label: str, **attributes: object
) -> Iterator[Case]:
    """A convolution in each 8-bit type; of uint8, weights have a zero point."""
    operands = (arg(x), weights(w, low=-1, high=1), weights((w[0],)))
    case = Case(Conv2D(**attributes), operands, label=f"tiles-{label}")
    yield from (quantized(case, DType.of(dtype)) for dtype in BOTH)


def beyond() -> Case:
    """A product of scales above 1: sums times it leave s32."""
    operands = (
        arg((1, 3, 11, 64), "int8", quant=Quant(0.02, 3)),
        weights((70, 1, 1, 64), "int8", quant=Quant(0.011, 0)),
        const(np.arange(-35, 35, dtype=np.int32), quant=Quant(0.02 * 0.011)),
    )
    y = TensorType(None, DType.INT8, Quant(1e-9, -5))
    return Case(Conv2D(), operands, label="tiles-beyond", results=(y,))


def tiled_cases() -> Iterator[Case]:
    """All of them."""
    same = {"padding": Padding.SAME}
    relu6 = {"fused_activation_function": Activation.RELU6}
    yield from conv((1, 9, 33, 16), (70, 3, 3, 16), "runs", **same)
    yield from conv((1, 5, 37, 64), (100, 1, 1, 64), "pairs", **relu6)
    yield from conv((1, 4, 13, 130), (64, 1, 1, 130), "pairs-tail")
    yield from conv((2, 7, 7, 24), (17, 3, 3, 24), "images", **same)
    yield from conv((1, 6, 18, 64), (64, 3, 3, 32), "groups", **same)
    yield from conv((1, 11, 23, 40), (16, 5, 5, 40), "strides", stride_h=2, stride_w=2, **same)
    yield from conv((1, 9, 14, 32), (33, 2, 3, 32), "dilated", dilation_w_factor=2)
    yield from conv((1, 1, 49, 600), (96, 1, 1, 600), "deep")
    yield from conv((1, 1, 6, 64), (32, 1, 1, 64), "few-rows")
    yield beyond()
    rows = (arg((40, 96)), weights((65, 96), low=-1, high=1), weights((65,)))
    yield quantized(Case(FullyConnected(), rows, label="tiles-rows"), DType.INT8)
