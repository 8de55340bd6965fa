"""Estimates with confidence intervals: shares, differences of shares on the same samples, means.

A share of 500 pictures is known to about 4 points either way; the difference between two models on
the same 500 pictures is known far better, because only the pictures count on which they disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from edgewise.errors import InputError
from edgewise.values import dataclass

_BISECTIONS = 60  # halves [-1, 1] until float64 has no smaller steps
_MOST_DRAWN = 1 << 22  # indices of resamples that are in memory at once


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the ends of its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def percent(self) -> str:
        """As text for people: `53.2 % [48.8, 57.5]`."""
        return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def wilson(count: int, total: int, confidence: float = 0.95) -> Interval:
    """The share `count / total` with Wilson's score interval, which stays in [0, 1] and is right
    also for shares near 0 and 1. Of nothing, the share is NaN in [0, 1].

    Source: E. B. Wilson, JASA 22 (1927), 209-212.
    """
    if not 0 <= count <= total:
        raise InputError(f"a share is count / total with 0 <= count <= total; got {count}/{total}")
    if total == 0:
        return Interval(math.nan, 0.0, 1.0)
    z, p = _z(confidence), count / total
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total**2))
    # at the ends the formula gives 0 and 1 up to rounding
    return Interval(
        p, 0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half
    )


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided p-value of McNemar's exact test: that as many samples are gained as lost, where
    two models disagree, is chance (a binomial with p = 1/2).

    Source: Q. McNemar, Psychometrika 12 (1947), 153-157; the exact form.
    """
    n, least = gained + lost, min(gained, lost)
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(least + 1))
    return min(1.0, 2 * tail / 2**n)


def paired_difference(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Interval:
    """Share of true values in `second` minus that in `first`: bool [N], of the same N samples.

    The interval holds the differences that McNemar's test (without continuity correction) does not
    reject: Tango's score interval. It is right also where the two hardly ever disagree.

    Source: T. Tango, Statistics in Medicine 17 (1998), 891-908, equations 4 and 15.

    Raises:
        InputError: arrays of different lengths.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise InputError(f"paired samples are two rows as long; got {first.shape}, {second.shape}")
    n = first.size
    if n == 0:
        return Interval(math.nan, -1.0, 1.0)
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    z = _z(confidence)
    value = (gained - lost) / n
    low = _crossing(lambda d: _tango(gained, lost, n, d) > z, -1.0, value)
    high = _crossing(lambda d: _tango(gained, lost, n, d) > -z, value, 1.0)
    return Interval(value, low, high)


def _tango(gained: int, lost: int, n: int, d: float) -> float:
    """Tango's statistic: how many standard deviations the counts are above a difference of d; it
    falls with d."""
    a = 2 * n
    b = -gained - lost + (2 * n - gained + lost) * d
    c = -lost * d * (1 - d)
    # the most likely share of samples lost, given d
    q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * q + d * (1 - d))
    above = gained - lost - n * d
    if variance <= 0:  # no disagreement, and d is an end or 0
        return math.copysign(math.inf, above) if above else 0.0
    return above / math.sqrt(variance)


def _crossing(is_below: Callable[[float], bool], low: float, high: float) -> float:
    """Where a condition that holds at `low` stops holding, or an end where it does not change."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if is_below(middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def bootstrap(
    values: np.ndarray, confidence: float = 0.95, *, resamples: int = 2000, seed: int = 0
) -> Interval:
    """The mean of values [N] with the percentile interval of its resampled means.

    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.
    """
    values = np.asarray(values, np.float64).reshape(-1)
    n = values.size
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    means: list[np.ndarray] = []
    rows = max(1, _MOST_DRAWN // n)
    for start in range(0, resamples, rows):
        drawn = rng.integers(0, n, (min(rows, resamples - start), n))
        means.append(values[drawn].mean(1))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"a confidence is between 0 and 1; got {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)
