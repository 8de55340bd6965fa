"""8-bit convolutions by weights of 4 bits, kept so: the bits that weights of 8 bits with the same
numbers give, and half their bytes."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Quant, TensorType, Value
from edgewise.ir.enums import Padding
from edgewise.ops.conv import Conv2D
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.threads import Threads
from tests.isas import ISAS

VECTORS = [isa for isa in ISAS if isa.lanes > 1]

Shape = tuple[int, ...]

# x, w, and what else the convolution has
LAYERS: list[tuple[Shape, Shape, dict[str, int]]] = [
    ((1, 1, 1, 67), (300, 1, 1, 67), {}),
    ((1, 1, 1, 256), (256, 1, 1, 256), {}),
    ((1, 1, 3, 31), (33, 1, 1, 31), {}),
    ((2, 5, 7, 17), (70, 1, 1, 17), {}),
    ((1, 9, 11, 64), (129, 1, 1, 64), {}),
    ((1, 8, 9, 7), (40, 3, 3, 7), {"stride_h": 2, "stride_w": 2}),
    ((1, 9, 9, 8), (25, 3, 3, 8), {"dilation_h_factor": 2, "dilation_w_factor": 3}),
    ((1, 6, 6, 32), (70, 3, 3, 16), {}),
    ((1, 12, 40, 128), (64, 3, 3, 128), {}),
]


def layer(x: Shape, w: Shape, attributes: dict[str, int], dtype: DType, zero: int = 0) -> Graph:
    """Weights of which all numbers of 4 bits occur, in this type."""
    rng = np.random.default_rng(5)
    array = rng.integers(-8, 8, w, np.int8)
    array.reshape(-1)[:16] = np.arange(-8, 8)
    b = Builder("main")
    source = b.input("x", x, DType.INT8, Quant(0.02, 5))
    weights = Value(TensorType(w, dtype, Quant(0.1, zero)), "w", array.astype(dtype.numpy))
    bias = Value(
        TensorType((w[0],), DType.INT32, Quant(0.002)),
        "b",
        rng.integers(-999, 999, w[0], np.int32),
    )
    op = Conv2D(padding=Padding.SAME, **attributes)
    y = TensorType(None, DType.INT8, Quant(0.6, -3))
    return b.finish(b.node(op, source, weights, bias, results=(y,)).output)


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("shapes", LAYERS, ids=str)
@pytest.mark.parametrize("isa", ISAS, ids=lambda i: i.name.lower())
def test_the_same_bits_as_weights_of_8_bits(
    isa: Isa, shapes: tuple[Shape, Shape, dict[str, int]], zero: int
) -> None:
    x = np.random.default_rng(7).integers(-128, 128, shapes[0], np.int8)
    found = []
    for dtype in (DType.INT8, DType.INT4):
        for target in (Target(isa), Target(isa, 3)):
            run = Executor(
                plan(layer(*shapes, dtype, zero), target), threads=Threads(target.threads)
            )
            found.append(run.run([x], {})[0])
    assert np.unique(found[0]).size > 20
    for y in found[1:]:
        np.testing.assert_array_equal(y, found[0])


@pytest.mark.parametrize(
    "isa", [isa for isa in ISAS if isa.lanes > 1], ids=lambda i: i.name.lower()
)
def test_weights_take_half_a_byte(isa: Isa) -> None:
    x, w, attributes = LAYERS[-1]
    narrow, wide = (plan(layer(x, w, attributes, d), Target(isa)) for d in (DType.INT4, DType.INT8))
    saved = wide.constants.nbytes - narrow.constants.nbytes
    assert abs(saved - 9 * 64 * 128 // 2) < 128
