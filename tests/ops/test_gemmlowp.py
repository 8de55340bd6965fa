"""Fixed-point functions against the real ones, on every int16 number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.ops.gemmlowp import inverse_sqrt, logistic_16, tanh_16

ALL = np.arange(-(1 << 15), 1 << 15)


@pytest.mark.parametrize("bits", range(1, 7))
def test_logistic_and_tanh_are_near_the_real_functions(bits: int) -> None:
    """Largest errors found, in units of 2**-15: logistic 6.8, tanh 12.1 (1 integer bit)."""
    real = ALL / 2.0 ** (15 - bits)
    assert np.abs(logistic_16(ALL, bits) - 32768 / (1 + np.exp(-real))).max() <= 7
    assert np.abs(tanh_16(ALL, bits) - 32768 * np.tanh(real)).max() <= 12.5


def test_both_are_odd_and_monotonic_where_it_matters() -> None:
    tanh = tanh_16(ALL[1:], 3)
    np.testing.assert_array_equal(tanh, -tanh[::-1])
    logistic = logistic_16(ALL[1:], 3)
    assert logistic[(1 << 15) - 1] == 1 << 14
    assert logistic.min() >= 0
    assert logistic.max() <= 32767


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 100, 12345, 1 << 20, (1 << 29) + 7, 2**31 - 1])
def test_inverse_sqrt(number: int) -> None:
    """Largest error found: 1.3e-6 where the scaled number is just above a quarter."""
    m, shift = inverse_sqrt(number)
    assert m * 2.0 ** (shift - 31) == pytest.approx(1 / math.sqrt(number), rel=2e-6)
