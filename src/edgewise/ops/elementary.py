"""Elementary functions on arrays: the same bits on every machine in float64, fast in float32.

float64 arrays go element by element through Python's `math` (the C library, correctly rounded to
within an ulp and independent of the CPU's vector unit): tables and folded constants are filled
this way. Narrower types use NumPy, whose results vary by an ulp between CPUs. The functions never
warn: overflow gives an infinity and an argument outside the domain NaN, as in C.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Array = np.ndarray


def exp(x: Array) -> Array:
    """e**x."""
    return _apply(x, np.exp, math.exp)


def expm1(x: Array) -> Array:
    """e**x - 1, accurate near 0."""
    return _apply(x, np.expm1, math.expm1)


def log(x: Array) -> Array:
    """Natural logarithm; -inf at 0, NaN below."""
    return _apply(x, np.log, lambda v: math.log(v) if v != 0.0 else -math.inf)


def sin(x: Array) -> Array:
    """Sine of radians."""
    return _apply(x, np.sin, math.sin)


def cos(x: Array) -> Array:
    """Cosine of radians."""
    return _apply(x, np.cos, math.cos)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return _apply(x, np.tanh, math.tanh)


def erf(x: Array) -> Array:
    """2/sqrt(pi) times the integral of exp(-t**2) from 0 to x; through `math.erf`."""
    return _each(x, math.erf)


def erfc(x: Array) -> Array:
    """1 - erf(x), accurate where erf is near 1; in every type through `math.erfc`."""
    return _each(x, math.erfc)


def logistic(x: Array) -> Array:
    """1 / (1 + e**-x), without overflow on either side; half precision is rounded once."""
    if x.dtype.itemsize == 2:
        return logistic(x.astype(np.float32)).astype(x.dtype)
    small = exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def power(a: Array, b: Array) -> Array:
    """a**b for floats of equal dtype, broadcast."""
    with np.errstate(all="ignore"):
        if a.dtype != np.float64:
            return np.power(a, b)
        return np.asarray(np.frompyfunc(_guarded_power, 2, 1)(a, b), np.float64)


def atan2(a: Array, b: Array) -> Array:
    """Angle of the point (b, a), in (-pi, pi], broadcast."""
    if a.dtype != np.float64:
        return np.arctan2(a, b)
    return np.asarray(np.frompyfunc(math.atan2, 2, 1)(a, b), np.float64)


def _apply(x: Array, fast: np.ufunc, exact: Callable[[float], float]) -> Array:
    if x.dtype == np.float64:
        return _each(x, exact)
    with np.errstate(all="ignore"):
        return np.asarray(fast(x))


def _each(x: Array, exact: Callable[[float], float]) -> Array:
    def guarded(v: float) -> float:
        try:
            return exact(v)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    with np.errstate(all="ignore"):  # C's flags are still set where Python raised
        y = np.asarray(np.frompyfunc(guarded, 1, 1)(x.astype(np.float64)), np.float64)
        return y.astype(x.dtype)


def _guarded_power(a: float, b: float) -> float:
    """C's pow: Python raises where C returns an infinity or NaN."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a != 0.0:
            return math.nan
        return math.copysign(math.inf, a) if b % 2 == 1 else math.inf
