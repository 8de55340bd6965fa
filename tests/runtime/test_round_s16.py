"""How int16 is rounded: the factors at which kernels change their ways, and sums of operands."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph
from edgewise.ir.evaluate import evaluate
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.arithmetic import Add, Sub
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import Isa
from edgewise.runtime.plan import Target
from edgewise.runtime.planner import plan
from edgewise.runtime.select.weights_s16 import Rounding
from tests.isas import ISAS

# LiteRT's multiplier has 15 bits: just below 2**-e takes a shift of 15 + e. Of 16 to 32, with 8
# lanes or more, the upper half of a product has the result.
EXPONENTS = (-1, 0, 1, 2, 3, 9, 17, 18, 19)


def graph(exponent: int, *, is_depthwise: bool) -> Graph:
    """A convolution whose accumulators are multiplied by about 2**-exponent."""
    rng = np.random.default_rng(exponent + 9)
    b = Builder()
    x = b.input("x", (1, 5, 6, 24), DType.INT16, Quant(1.0))
    factors = 2.0**-exponent * (1 - rng.uniform(0, 0.4, 24)).astype(np.float32)
    most = 2 if exponent < 3 else 128
    shape, axis = ((1, 3, 3, 24), 3) if is_depthwise else ((24, 1, 2, 24), 0)
    w = b.constant(
        rng.integers(-most, most, shape).astype(np.int8), quant=Quant(factors, axis=axis)
    )
    added = b.constant(rng.integers(-999, 999, 24).astype(np.int64), quant=Quant(factors, axis=0))
    op = DepthwiseConv2D() if is_depthwise else Conv2D()
    return b.finish(
        b.node(op, x, w, added, results=[TensorType(None, DType.INT16, Quant(1.0))]).output
    )


@pytest.mark.parametrize("is_depthwise", [False, True])
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_factors(exponent: int, is_depthwise: bool) -> None:
    made = graph(exponent, is_depthwise=is_depthwise)
    rng = np.random.default_rng(3)
    most = min(2 ** (exponent + 3), 2**15)
    x = rng.integers(-most, most, (1, 5, 6, 24)).astype(np.int16)
    (wanted,) = evaluate(made, [x])
    assert np.unique(wanted).size > 4
    for isa in ISAS:
        (got,) = Executor(plan(made, Target(isa))).run([x], {}, None)
        np.testing.assert_array_equal(got, wanted, err_msg=isa.name)


# scales of a, b and y: alike, apart, those whose result is shifted to the left, far apart
SCALES = [
    (2e-4, 1.7e-4, 3e-4),
    (1e-4, 1e-4, 1e-4),
    (3e-5, 2e-2, 1.1e-2),
    (1e-2, 4e-3, 1e-7),
    (1e-5, 1e-1, 3e-6),
    (1e-9, 1e-1, 2e-1),
]


@pytest.mark.parametrize("op", [Add, Sub])
@pytest.mark.parametrize("scales", SCALES, ids=str)
def test_sums(scales: tuple[float, float, float], op: type[Add | Sub]) -> None:
    """Of all pairs of extremes too, in whole vectors and rests."""
    rng = np.random.default_rng(5)
    ends = np.array([-(2**15), 2**15 - 1, -1, 0, 1])
    pairs = np.stack(np.meshgrid(ends, ends)).reshape(2, -1)
    a, c = np.c_[pairs, rng.integers(-(2**15), 2**15, (2, 1012))].astype(np.int16)
    b = Builder()
    x, y = (b.input(n, a.shape, DType.INT16, Quant(s)) for n, s in zip("ab", scales, strict=False))
    results = [TensorType(None, DType.INT16, Quant(scales[2]))]
    made = b.finish(b.node(op(pot_scale_int16=False), x, y, results=results).output)
    (wanted,) = evaluate(made, [a, c])
    for isa in ISAS:
        (got,) = Executor(plan(made, Target(isa))).run([a, c], {}, None)
        np.testing.assert_array_equal(got, wanted, err_msg=isa.name)


def test_the_upper_half_is_the_rounded_product() -> None:
    rng = np.random.default_rng(4)
    acc = np.r_[rng.integers(-(2**31), 2**31, 5000), -(2**31), 2**31 - 1, 0, 1, -1]
    for exponent in EXPONENTS:
        real = 2.0**-exponent * (1 - rng.uniform(0, 0.49, 7))
        narrow = Rounding.up(real, is_narrow=True, isa=Isa.AVX2)
        exact = Rounding.up(real, is_narrow=False, isa=Isa.AVX2)
        is_fit = 1 <= exponent <= 17
        assert narrow.name == ("up_s32" if is_fit else "up_f64"), exponent
        assert Rounding.up(real, is_narrow=True, isa=Isa.BASELINE).name == "up_f64"
        if is_fit:
            half = np.int64(1) << (exact.second.astype(np.int64) - 1)
            wanted = (acc[:, None] * exact.first + half) >> exact.second
            np.testing.assert_array_equal(
                (acc[:, None] * narrow.first.astype(np.int64) + 2**31) >> 32, wanted
            )


def test_a_factor_of_zero_takes_any_shift() -> None:
    found = Rounding.up(np.array([0.0, 2.0**-9]), is_narrow=True, isa=Isa.AVX512)
    assert found.name == "up_s32"
    assert found.first[0] == 0
