"""Special functions of float32 numbers by Lanczos' sum and by polynomials.

Measured against float64 over 1,000,000 numbers, the error of max(1, |y|): `lgamma` in [-20, 1e4]
3.7e-6 at -5.013705 and `digamma` in [-20, 50] 1.3e-6 at -3.7077746, 0.01 and more from their poles;
`bessel_i0` in [-80, 80] 7.1e-7 at -79.3808; `erfinv` 2.6e-7 at -0.99728686; `ndtri` in [1e-37, 1]
4.9e-7 at 2.6987594e-08.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.frontends.context import Context
from edgewise.ir.graph import Value

# Lanczos' approximation of the gamma function, g = 7, 9 terms: Paul Godfrey, 2001.
_G = 7.0
_FIRST = 0.99999999999980993
_TERMS = np.array([
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
])  # fmt: skip
# Giles, "Approximating the erfinv function", 2010: of w - 2.5 where w < 5, of sqrt(w) - 3 beyond.
_NEAR = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_FAR = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip

# Abramowitz and Stegun 1964, 9.8.1 and 9.8.2, the highest power first.
_I0_NEAR = (0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0)
_I0_FAR = (
    0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319,
    0.01328592, 0.39894228,
)  # fmt: skip


def lgamma(c: Context, x: Value) -> Value:
    """log |gamma(x)|. With z = x - 1 and t = z + 7.5 it is
    log(sqrt(2 pi)) + (z + 1/2) log t - t + log(sum of terms_k / (z + k)); below 1/2 by
    gamma(x) gamma(1 - x) = pi / sin(pi x)."""
    z, reflected = _shifted(c, x)
    log_t = _log_t(c, z)
    ratio = c.b.div(_plus(c, z, _G + 0.5), log_t)
    y = c.b.mul(c.b.sub(_plus(c, z, 0.5), ratio), log_t)
    y = c.b.add(_plus(c, y, math.log(math.sqrt(2 * math.pi))), c.b.log(_sum(c, z)))
    # of |x| less a whole number: the sine of a large number would have no correct digit
    size = c.b.abs(x)
    part = c.b.sub(size, c.b.floor(size))
    part = c.b.minimum(part, c.b.sub(c.scalar(1), part))
    log_sine = c.b.log(c.b.sin(c.b.mul(part, c.scalar(math.pi))))
    mirrored = c.b.sub(c.b.sub(c.scalar(math.log(math.pi)), log_sine), y)
    infinite = c.scalar(np.inf)
    found = c.b.select_v2(reflected, mirrored, y)
    return c.b.select_v2(c.b.equal(size, infinite), infinite, found)


def digamma(c: Context, x: Value) -> Value:
    """The derivative of lgamma; below 1/2 digamma(1 - x) - pi / tan(pi x)."""
    z, reflected = _shifted(c, x)
    slope = c.b.div(_sum(c, z, square=True), _sum(c, z))
    y = c.b.sub(c.b.add(_log_t(c, z), slope), c.b.div(c.scalar(_G), _plus(c, z, _G + 0.5)))
    angle = c.b.mul(c.b.sub(x, c.b.floor(_plus(c, x, 0.5))), c.scalar(math.pi))
    tangent = c.b.div(c.b.mul(c.b.cos(angle), c.scalar(math.pi)), c.b.sin(angle))
    return c.b.select_v2(reflected, c.b.sub(y, tangent), y)


def _shifted(c: Context, x: Value) -> tuple[Value, Value]:
    """z, where the sum is taken, and whether x is reflected to get there."""
    reflected = c.b.less(x, c.scalar(0.5))
    return c.b.select_v2(reflected, c.b.neg(x), _plus(c, x, -1)), reflected


def _log_t(c: Context, z: Value) -> Value:
    return c.b.log(_plus(c, z, _G + 0.5))


def _sum(c: Context, z: Value, *, square: bool = False) -> Value:
    """first + sum of terms_k / (z + k), k from 1; `square`: its derivative."""
    spread = c.b.add(c.reshape(z, (*z.shape, 1)), c.b.constant(np.arange(1, 9, dtype=np.float32)))
    terms = c.b.constant((-_TERMS if square else _TERMS).astype(np.float32))
    parts = c.b.div(terms, c.b.square(spread) if square else spread)
    total = c.b.sum(parts, c.ints([len(z.shape)]))
    return total if square else _plus(c, total, _FIRST)


def erfinv(c: Context, x: Value) -> Value:
    """The x of erf; infinite at -1 and 1."""
    one = c.scalar(1)
    rest = c.b.mul(c.b.sub(one, x), c.b.add(one, x))
    return _with_edges(c, x, rest, _inverse(c, x, _exponent(c, rest)))


def ndtri(c: Context, x: Value) -> Value:
    """The quantile of the normal distribution, sqrt(2) erfinv(2 x - 1). 1 - (2 x - 1)**2 is
    4 x (1 - x), which tells small x apart."""
    rest = c.b.mul(c.b.mul(x, c.scalar(4)), c.b.sub(c.scalar(1), x))
    side, w = _plus(c, c.b.mul(x, c.scalar(2)), -1), _exponent(c, rest)
    tail = c.b.mul(c.b.sign(side), _tail(c, w))
    y = c.b.select_v2(c.b.less(w, c.scalar(16)), _inverse(c, side, w), tail)
    return _with_edges(c, side, rest, c.b.mul(y, c.scalar(math.sqrt(2))))


def _exponent(c: Context, rest: Value) -> Value:
    return c.b.neg(c.b.log(rest))


def _inverse(c: Context, x: Value, w: Value) -> Value:
    """erfinv(x), w = -log(1 - x**2) below 16.6: x times a polynomial."""
    near = c.b.less(w, c.scalar(5))
    v = c.b.select_v2(near, _plus(c, w, -2.5), _plus(c, c.b.sqrt(w), -3))
    y: Value | None = None
    for a, b in zip(_NEAR, _FAR, strict=True):
        term = c.b.select_v2(near, c.scalar(a), c.scalar(b))
        y = term if y is None else c.b.add(c.b.mul(y, v), term)
    assert y is not None
    return c.b.mul(y, x)


def bessel_i0(c: Context, x: Value) -> Value:
    """The modified Bessel function of the first kind and order 0: a polynomial of (x / 3.75)**2 up
    to |x| = 3.75; beyond, exp(|x|) / sqrt(|x|) times one of 3.75 / |x|."""
    size = c.b.abs(x)
    near = c.b.less(size, c.scalar(3.75))
    t = c.b.mul(c.b.minimum(size, c.scalar(3.75)), c.scalar(1 / 3.75))
    small = _polynomial(c, c.b.square(t), _I0_NEAR)
    large = c.b.maximum(size, c.scalar(3.75))
    tail = _polynomial(c, c.b.div(c.scalar(3.75), large), _I0_FAR)
    tail = c.b.mul(c.b.div(c.b.exp(large), c.b.sqrt(large)), tail)
    return c.b.select_v2(near, small, tail)


def _polynomial(c: Context, x: Value, coefficients: tuple[float, ...]) -> Value:
    """By Horner's rule, the highest coefficient first."""
    y = c.scalar(coefficients[0])
    for coefficient in coefficients[1:]:
        y = _plus(c, c.b.mul(y, x), coefficient)
    return y


def _tail(c: Context, w: Value) -> Value:
    """The y of a small erfc(y) = exp(-w) / 2, by repetition of
    y**2 = w + log(2 / sqrt(pi)) - log(y) + log(series), the asymptotic series of erfc in
    u = -1 / (2 y**2); each makes the error 2 y**2 > 27 times smaller."""
    top = _plus(c, w, math.log(2) - 0.5 * math.log(math.pi))
    y = c.b.sqrt(c.b.sub(top, c.b.log(c.b.sqrt(top))))
    for _ in range(3):
        u = c.b.div(c.scalar(-0.5), c.b.square(y))
        series = c.scalar(9.0)
        for odd in (7, 5, 3, 1):  # 1 + u (1 + 3 u (1 + 5 u (1 + 7 u (1 + 9 u))))
            inner = c.b.mul(u, series)
            series = c.b.mul(_plus(c, inner, 1), c.scalar(odd))
        log_series = c.b.log(_plus(c, c.b.mul(u, series), 1))
        y = c.b.sqrt(c.b.sub(c.b.add(top, log_series), c.b.log(y)))
    return y


def _with_edges(c: Context, x: Value, rest: Value, y: Value) -> Value:
    """y, infinite where x is -1 or 1."""
    edge = c.b.mul(x, c.scalar(np.inf))
    return c.b.select_v2(c.b.equal(rest, c.scalar(0)), edge, y)


def _plus(c: Context, x: Value, number: float) -> Value:
    return c.b.add(x, c.scalar(number))
