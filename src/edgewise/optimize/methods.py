"""How the range of a value follows from the numbers it took: methods of calibration, as values.

Clipping the rarest numbers makes the steps of all others finer. Which of the methods is best
depends on the network: measure with `edgewise compare`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.errors import InputError
from edgewise.optimize.histogram import Histogram
from edgewise.optimize.ranges import Range
from edgewise.values import dataclass

_STEPS = 64  # clippings that a search tries per end
_LEAST = 0.2  # of the range is left by the strongest of them


@dataclass(frozen=True, slots=True)
class MinMax:
    """The smallest and the largest number seen."""

    def __call__(self, seen: Histogram, average: Range) -> Range:
        """The range; see `Method`."""
        return Range(seen.low, seen.high)


@dataclass(frozen=True, slots=True)
class MovingAverage:
    """Each sample's smallest and largest number, averaged exponentially in the samples' order:
    `end = momentum * end + (1 - momentum) * sample's`, beginning with the first sample's.

    Source: B. Jacob et al., arXiv:1712.05877, section 3.1.
    """

    momentum: float = 0.9

    def __call__(self, seen: Histogram, average: Range) -> Range:
        """The range; see `Method`."""
        return average


@dataclass(frozen=True, slots=True)
class Percentile:
    """Leaves out so many of the numbers that `percent` are within, half of the rest at each end.

    Source: H. Wu et al., arXiv:2004.09602, section 3.3 (percentile calibration).
    """

    percent: float = 99.99

    def __call__(self, seen: Histogram, average: Range) -> Range:
        """The range; see `Method`."""
        tail = (1 - self.percent / 100) / 2
        # of values that are never negative, zeros are no tail
        low = seen.low if seen.low >= 0 else seen.quantile(tail)
        return Range(low, seen.quantile(1 - tail))


@dataclass(frozen=True, slots=True)
class MSE:
    """The clipping with the least mean squared error of quantizing to `bits` bits:
    `sum n_i * (x_i - Q(x_i))**2` over the bins of the histogram, ends searched one by one.

    Source: Y. Choukroun et al., arXiv:1902.06822, section 3 (OMSE), for both ends.
    """

    bits: int = 8

    def __call__(self, seen: Histogram, average: Range) -> Range:
        """The range; see `Method`."""
        x, n = seen.centres, seen.counts.astype(np.float64)
        n /= n.sum()

        def loss(low: float, high: float) -> float:
            error = x - _quantized(x, low, high, self.bits)
            return float(n @ (error * error))

        return _search(seen, loss)


@dataclass(frozen=True, slots=True)
class KL:
    """The clipping whose quantized distribution loses least against the distribution of the
    numbers: P has what is clipped in its outermost bins; Q spreads the count of each of the
    `2**bits` levels evenly over its bins that hold something; least `sum P * log(P / Q)`. The bin
    of zero is left out: zero is exact in any quantization, and after a relu most numbers are zero,
    which spread over a level would outweigh everything.

    Source: S. Migacz, 8-bit Inference with TensorRT (GTC 2017), for both ends.
    """

    bits: int = 8

    def __call__(self, seen: Histogram, average: Range) -> Range:
        """The range; see `Method`."""
        x, n = seen.centres, seen.counts.astype(np.float64)
        if 0 <= -seen.first < n.size and n.sum() > n[-seen.first]:
            n[-seen.first] = 0
        n /= n.sum()
        levels = 2**self.bits

        def loss(low: float, high: float) -> float:
            inside = (x >= low) & (x <= high)
            if not inside.any():
                return np.inf
            p = n[inside]
            own = p.copy()  # what is quantized is not the clipped ones
            p[0] += n[x < low].sum()
            p[-1] += n[x > high].sum()
            level = np.rint((x[inside] - low) * ((levels - 1) / max(high - low, 1e-300)))
            level = level.astype(np.int64)
            holds = own > 0
            sums = np.bincount(level, own, levels)
            sizes = np.bincount(level, holds, levels)
            q = np.where(holds, sums[level] / np.maximum(sizes[level], 1), 0)
            q = np.maximum(q / max(q.sum(), 1e-300), 1e-12)
            some = p > 0
            return float((p[some] * np.log(p[some] / q[some])).sum())

        return _search(seen, loss)


# Of a value: what was seen of it in all, and the moving average of its samples' ranges.
Method = MinMax | MovingAverage | Percentile | MSE | KL

METHODS: dict[str, Method] = {
    "minmax": MinMax(),
    "moving-average": MovingAverage(),
    "percentile": Percentile(),
    "mse": MSE(),
    "kl": KL(),
}


def method_named(name: str) -> Method:
    """The method in METHODS of a name. Raises InputError."""
    if name not in METHODS:
        raise InputError(f"no calibration is named {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]


def _quantized(x: np.ndarray, low: float, high: float, bits: int) -> np.ndarray:
    """x on the levels of a range, which is widened to hold 0, as quantizing does."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1)
    if scale == 0:
        return np.zeros_like(x)
    point = np.rint(-low / scale)
    return (np.clip(np.rint(x / scale) + point, 0, 2**bits - 1) - point) * scale


def _search(seen: Histogram, loss: Callable[[float, float], float]) -> Range:
    """The least loss: first over the upper end, then the lower one, then the upper one again; an
    end on the other side of zero's stays. Of equal losses the widest range."""
    low, high = seen.low, seen.high
    for _ in range(2):
        if seen.high > 0:
            ends = [seen.high * share for share in np.linspace(1, _LEAST, _STEPS)]
            ends = [end for end in ends if end > low] or [high]
            high = min(ends, key=lambda end: loss(low, end))
        if seen.low < 0:
            ends = [seen.low * share for share in np.linspace(1, _LEAST, _STEPS)]
            ends = [end for end in ends if end < high] or [low]
            low = min(ends, key=lambda end: loss(end, high))
    return Range(float(low), float(high))
