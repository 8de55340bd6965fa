"""How far one tensor is from another, over any number of samples, in five sums."""

from __future__ import annotations

import math

import numpy as np

from edgewise.values import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Sums over elements of a true signal x and another one y; of several samples they add up.

    Sums are float64, of values converted one array at a time: relative error below 1e-12 for 1e9
    elements.
    """

    count: int = 0
    xx: float = 0.0  # sum of x * x
    yy: float = 0.0
    xy: float = 0.0
    noise: float = 0.0  # sum of (x - y)**2
    most: float = 0.0  # the largest |x - y|

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> Difference:
        """Of two arrays as large; elements in their order in memory."""
        x, y = (a.reshape(-1).astype(np.float64) for a in (x, y))
        error = x - y
        return cls(
            x.size,
            float(x @ x),
            float(y @ y),
            float(x @ y),
            float(error @ error),
            float(np.abs(error).max(initial=0.0)),
        )

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.count + other.count,
            self.xx + other.xx,
            self.yy + other.yy,
            self.xy + other.xy,
            self.noise + other.noise,
            max(self.most, other.most),
        )

    @property
    def snr(self) -> float:
        """Signal to noise ratio in dB, `10 log10(sum x**2 / sum (x - y)**2)`; infinite where
        nothing differs, NaN of nothing."""
        if self.count == 0 or math.isnan(self.noise):
            return math.nan
        if self.noise == 0:
            return math.inf
        return 10 * math.log10(self.xx / self.noise) if self.xx else -math.inf

    @property
    def cosine(self) -> float:
        """Cosine of the angle between them; 1 where both are zero, 0 where one is."""
        if self.xx == 0 or self.yy == 0:
            return float(self.xx == self.yy)
        return self.xy / math.sqrt(self.xx * self.yy)

    @property
    def rms(self) -> float:
        """Root of the mean squared difference, in the signal's unit."""
        return math.sqrt(self.noise / self.count) if self.count else math.nan
