"""kernels/math.h: largest errors of the functions on float32, in units in the last place (ulp).

The ci tier takes every 4,099th of the 2**32 operands, the full tier all of them. The bounds are
just above the numbers in math.h.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from edgewise.ir import Op
from edgewise.ops.activation import Elu, Gelu
from edgewise.ops.binary import Pow
from edgewise.ops.sigmoid import Logistic, Swish, Tanh
from edgewise.ops.softmax import Softmax
from edgewise.ops.unary import Cos, Exp, Log, Rsqrt, Sin, Sqrt
from edgewise.runtime.library import Isa
from tests.runtime.test_elementwise import EACH_ISA, ISAS, run, site_of

SAMPLED, BLOCK = 4099, 1 << 16  # a prime step; operands at a time, which stay in a cache
EXPONENT, LARGEST = 0x7FF << 52, float(np.finfo(np.float32).max)


def _logistic(x: np.ndarray) -> np.ndarray:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


FUNCTIONS = {
    Exp(): (np.exp, 1.1),
    Log(): (np.log, 1.0),
    Logistic(): (_logistic, 3.3),
    Swish(): (lambda x: x * _logistic(x), 5.6),
    Tanh(): (np.tanh, 6.3),
    Elu(): (lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x), 1.1),
    Sin(): (np.sin, 0.51),
    Cos(): (np.cos, 0.51),
    Rsqrt(): (lambda x: 1 / np.sqrt(x), 1.5),
    Sqrt(): (np.sqrt, 0.5),
}
FLUSHED = {Logistic(), Swish()}  # may be 0 where e**x is below 2**-126.5


def ulps(got: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """|got - wanted| in ulp of float32 at `wanted` (float64); infinities and NaN must agree."""
    rounded = wanted.astype(np.float32)
    special = ~np.isfinite(rounded) | ~np.isfinite(got)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(rounded))
    beyond = special & ~np.isnan(got) & (got != rounded)
    size = np.maximum(np.abs(np.where(special, 1.0, wanted)), 2.0**-126)
    power = (size.view(np.int64) & EXPONENT).view(np.float64)  # of two, not above the size
    error = np.abs(got.astype(np.float64) - wanted) / (power * 2.0**-23)
    return np.where(special, np.where(beyond, math.inf, 0.0), error)


def too_large(got: np.ndarray, wanted: np.ndarray, bound: float) -> np.ndarray:
    """Where `ulps` are above the bound; the few numbers that may be are looked at closely."""
    size = np.clip(np.abs(wanted), 2.0**-126, 2.0**128)
    unit = (size.view(np.int64) & EXPONENT).view(np.float64)
    suspect = ~(np.abs(got - wanted) <= unit * (bound * 2.0**-23)) | (size > LARGEST)
    (places,) = np.nonzero(suspect)
    return places[ulps(got[places], wanted[places]) > bound]


def require_small_errors(op: Op, isas: Sequence[Isa], start: int, step: int) -> None:
    """Of the float32 with bits start, start + step, ..."""
    function, bound = FUNCTIONS[op]
    for first in range(start, 1 << 32, step * BLOCK):
        bits = np.arange(first, min(first + step * BLOCK, 1 << 32), step, np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            wanted = function(x.astype(np.float64))
            for isa in isas:
                got = run(site_of(op, [x], isa), [x])
                if op in FLUSHED:
                    got = np.where((got == 0) & (x < -126.5 * math.log(2)), wanted, got)
                bad = too_large(got, wanted, bound)
                assert not bad.size, f"{op.name}({x[bad[0]]!r}), {isa.name}"


@pytest.mark.filterwarnings("ignore:.*encountered in")
def test_an_error_above_the_bound_is_found() -> None:
    wanted = np.array([1.0, 2.0, 0.0, 1e-40, 3e38, 4e38, math.inf, -math.inf, math.nan])
    exact = wanted.astype(np.float32)
    assert not too_large(exact, wanted, 0.51).size
    up, down = np.nextafter(exact, np.float32(math.inf)), np.nextafter(exact, np.float32(-math.inf))
    assert list(too_large(up, wanted, 0.51)) == [0, 1, 2, 3, 4, 7]
    # below a power of two numbers are half as far apart
    assert list(too_large(down, wanted, 0.51)) == [2, 3, 4, 5, 6]
    assert not too_large(down[:3], wanted[:3], 1.01).size


@pytest.mark.ci
@EACH_ISA
@pytest.mark.parametrize("op", FUNCTIONS, ids=lambda op: op.name)
def test_errors_of_a_sample(op: Op, isa: Isa) -> None:
    require_small_errors(op, [isa], 1, SAMPLED)


@pytest.mark.full
@pytest.mark.timeout(7200)  # the float64 functions take minutes for 2**32 operands
@pytest.mark.parametrize("op", FUNCTIONS, ids=lambda op: op.name)
def test_errors_of_all_operands(op: Op) -> None:
    require_small_errors(op, ISAS, 0, 1)


@EACH_ISA
def test_powers(isa: Isa) -> None:
    rng = np.random.default_rng(5)
    a = np.exp(rng.uniform(-20, 20, 50_000)).astype(np.float32)
    b = (rng.uniform(-80, 80, a.size) / np.log(a)).astype(np.float32)
    with np.errstate(all="ignore"):
        error = ulps(run(site_of(Pow(), [a, b], isa), [a, b]), a.astype(np.float64) ** b)
    assert error.max() <= 0.51


@EACH_ISA
def test_powers_end_as_in_c(isa: Isa) -> None:
    ends = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, -0.5, 1e-40, 16777217.0, 2.0**24 - 1]
    ends += [3e38, -3e38, math.inf, -math.inf, math.nan]
    a, b = (x.ravel().astype(np.float32) for x in np.meshgrid(ends, ends))
    with np.errstate(all="ignore"):
        wanted = np.power(a, b)
    got = run(site_of(Pow(), [a, b], isa), [a, b])
    np.testing.assert_allclose(got, wanted, 2e-7)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted) & ~np.isnan(got))


@EACH_ISA
def test_gelu(isa: Isa) -> None:
    x = np.linspace(-12, 12, 100_001, dtype=np.float32)
    for op, of_one in ((Gelu(), 2.5e-7), (Gelu(approximate=True), 2e-7)):
        wanted = op.reference(x.astype(np.float64))
        got = run(site_of(op, [x], isa), [x])
        assert (np.abs(got - wanted) / np.maximum(np.abs(x), 1)).max() <= of_one, op


@EACH_ISA
def test_terms_of_a_softmax(isa: Isa) -> None:
    """By one number for ln 2, e**x is 2.8e-9 |x| off, beside rounding."""
    x = np.linspace(-80, 0, 20_011, dtype=np.float32)[None]
    y = run(site_of(Softmax(), [x], isa), [x])[0].astype(np.float64)
    error = np.abs(y / y[-1] / np.exp(x[0].astype(np.float64)) - 1)
    assert (error - 2.8e-9 * np.abs(x[0])).max() < 1.3e-7


@EACH_ISA
@pytest.mark.parametrize("depth", [1, 16, 63, 64, 67, 128, 131])
def test_rows_of_a_softmax(depth: int, isa: Isa) -> None:
    """More than take a step together; each of its own size."""
    rng = np.random.default_rng(8)
    x = rng.uniform(-9, 9, (21, depth)) + 20 * np.arange(-10, 11)[:, None]
    x = x.astype(np.float32)
    y = run(site_of(Softmax(), [x], isa), [x])
    np.testing.assert_allclose(y, Softmax().reference(x.astype(np.float64)), 2e-6)
    np.testing.assert_allclose(y.sum(-1), 1, 2e-6)
