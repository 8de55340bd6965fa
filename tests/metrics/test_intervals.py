"""Intervals against published values, and against what they promise: coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.metrics import bootstrap, mcnemar, paired_difference, wilson


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_the_published_one(count: int, total: int, low: float, high: float) -> None:
    found = wilson(count, total)
    assert found.value == count / total
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    mirrored = wilson(total - count, total)
    assert (mirrored.low, mirrored.high) == (
        pytest.approx(1 - found.high),
        pytest.approx(1 - found.low),
    )


def test_shares_of_nothing_and_wrong_ones() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)
    assert math.isnan(wilson(0, 0).value)
    with pytest.raises(InputError, match="got 3/2"):
        wilson(3, 2)
    with pytest.raises(InputError, match="between 0 and 1"):
        wilson(1, 2, confidence=95)


def test_mcnemar_is_binomial() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(3, 3) == 1
    assert mcnemar(0, 5) == mcnemar(5, 0) == 2 / 32
    # sum of C(16, k) for k <= 4 is 2517
    assert mcnemar(4, 12) == pytest.approx(2 * 2517 / 65536)


def rows(both: int, gained: int, lost: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, False, True, False], [both, gained, lost, none])
    second = np.repeat([True, True, False, False], [both, gained, lost, none])
    return first, second


def test_the_paired_interval_inverts_mcnemars_test() -> None:
    """Zero is in the interval exactly where McNemar's statistic (b - c) / sqrt(b + c) is within
    1.96: the two ends are where it would be rejected."""
    for gained, lost in [(0, 3), (0, 4), (1, 6), (1, 7), (10, 22), (10, 23), (30, 15), (30, 16)]:
        found = paired_difference(*rows(200, gained, lost, 100))
        statistic = abs(gained - lost) / math.sqrt(gained + lost)
        assert (found.low <= 0 <= found.high) == (statistic < 1.959964), (gained, lost)
        assert found.low < found.value < found.high
        mirrored = paired_difference(*rows(200, lost, gained, 100))
        assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_models_that_never_disagree_still_have_an_interval() -> None:
    found = paired_difference(*rows(400, 0, 0, 100))
    assert found.value == 0
    # of n equal pairs, z**2 / (n + z**2) either way
    assert found.high == pytest.approx(3.8415 / 503.8415, rel=1e-4)
    assert found.low == pytest.approx(-found.high)


def test_the_paired_interval_covers_what_it_says() -> None:
    """Enumerated: of all counts that n = 60 pairs with 8 % gained and 3 % lost can show, those
    whose interval holds the true difference of 5 points have 95 % (92 to 97) of the chance."""
    n, p_gained, p_lost = 60, 0.08, 0.03
    covered = total = 0.0
    for gained in range(16):
        for lost in range(12):
            chance = (
                math.comb(n, gained)
                * math.comb(n - gained, lost)
                * p_gained**gained
                * p_lost**lost
                * (1 - p_gained - p_lost) ** (n - gained - lost)
            )
            found = paired_difference(*rows(0, gained, lost, n - gained - lost))
            total += chance
            covered += chance * (found.low <= 0.05 <= found.high)
    assert total > 0.999
    assert 0.92 < covered < 0.97


def test_bootstrap_is_the_normal_interval_of_many_values() -> None:
    values = np.random.default_rng(1).normal(3, 2, 2000)
    found = bootstrap(values)
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert bootstrap(values) == found  # by its seed


def test_pairs_are_as_long() -> None:
    with pytest.raises(InputError, match="as long"):
        paired_difference(np.ones(3, bool), np.ones(4, bool))
