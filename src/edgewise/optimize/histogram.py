"""Histograms of any number of arrays whose range nobody knows before: bounded memory, any order.

Bins are as wide as a power of two and begin at multiples of it. Where a number lies outside, bins
become twice as wide and neighbours are joined. So the histogram of all numbers is the same in
whatever order and pieces they came; 1025 to 2048 bins cover the range that was seen.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from edgewise.values import dataclass

BINS = 2048
_PART = 1 << 15  # numbers that are counted at a time: what a core's cache holds


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` numbers in [(first + i) * 2**exponent, (first + i + 1) * 2**exponent); the
    smallest and largest number are `low` and `high`."""

    low: float
    high: float
    exponent: int
    first: int
    counts: np.ndarray  # int64 [at most BINS]

    @classmethod
    def of(cls, array: np.ndarray) -> Histogram:
        """Of finite numbers, one at least."""
        x = array.reshape(-1)
        low, high = float(x.min()), float(x.max())
        exponent = _exponent(low, high)
        first, last = (math.floor(math.ldexp(end, -exponent)) for end in (low, high))
        counts = np.zeros(last - first + 1, np.int64)
        for begin in range(0, x.size, _PART):
            part = np.floor(x[begin : begin + _PART].astype(np.float64) * 2.0**-exponent)
            counts += np.bincount((part - first).astype(np.int64), minlength=counts.size)
        return cls(low, high, exponent, first, counts)

    def __add__(self, other: Histogram) -> Histogram:
        low, high = min(self.low, other.low), max(self.high, other.high)
        exponent = max(_exponent(low, high), self.exponent, other.exponent)
        first, last = (math.floor(math.ldexp(x, -exponent)) for x in (low, high))
        counts = np.zeros(last - first + 1, np.int64)
        for part in (self, other):
            places = (part.first + np.arange(part.counts.size)) >> (exponent - part.exponent)
            np.add.at(counts, places - first, part.counts)
        return Histogram(low, high, exponent, first, counts)

    @property
    def total(self) -> int:
        """How many numbers."""
        return int(self.counts.sum())

    @property
    def centres(self) -> np.ndarray:
        """float64, as long as `counts`: the middles of the bins, within the range seen."""
        middles = np.ldexp(self.first + np.arange(self.counts.size) + 0.5, self.exponent)
        return np.clip(middles, self.low, self.high)

    def quantile(self, share: float) -> float:
        """The number below which this share of all numbers lies, to a bin's width."""
        if share <= 0 or share >= 1:
            return self.low if share <= 0 else self.high
        passed = np.cumsum(self.counts)
        place = int(np.searchsorted(passed, share * passed[-1]))
        before = passed[place - 1] if place else 0
        part = (share * passed[-1] - before) / max(1, self.counts[place])
        edge = math.ldexp(self.first + place + part, self.exponent)
        return min(max(edge, self.low), self.high)


def total(histograms: list[Histogram]) -> Histogram:
    """Of all of them; there is one at least."""
    return reduce(Histogram.__add__, histograms)


def _exponent(low: float, high: float) -> int:
    """The smallest for which BINS bins reach from `low` to `high`; float32 has no more digits than
    24 of its largest number, so that a constant does not ask for endless ones."""
    span = max(high - low, max(abs(low), abs(high)) * 2.0**-23, 1e-38)
    exponent = math.frexp(span / BINS)[1] - 1
    while math.floor(math.ldexp(high, -exponent)) - math.floor(math.ldexp(low, -exponent)) >= BINS:
        exponent += 1
    return exponent
