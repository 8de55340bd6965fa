"""Arithmetic of complex numbers as pairs of real tensors, because `.tflite` has none."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.frontends.context import Context
from edgewise.frontends.decompose.fourier import Parts
from edgewise.ir.graph import Value


def bilinear(f: Callable[[Value, Value], Value], c: Context, x: Parts, y: Parts) -> Parts:
    """(a + ib) (d + ie) = (ad - be) + i(ae + bd), for what is linear in both."""
    return Parts(
        c.b.sub(f(x.real, y.real), f(x.imag, y.imag)), c.b.add(f(x.real, y.imag), f(x.imag, y.real))
    )


def times(c: Context, x: Parts, y: Parts) -> Parts:
    """x * y."""
    return bilinear(c.b.mul, c, x, y)


def squares(c: Context, x: Parts) -> Value:
    """|x|**2."""
    return c.b.add(c.b.square(x.real), c.b.square(x.imag))


def inverse(c: Context, x: Parts) -> Parts:
    """1 / x."""
    total = squares(c, x)
    return Parts(c.b.div(x.real, total), c.b.div(c.b.neg(x.imag), total))


def absolute(c: Context, x: Parts) -> Value:
    """|x|."""
    return c.b.sqrt(squares(c, x))


def angle(c: Context, x: Parts) -> Value:
    """The angle of the point (real, imag)."""
    return c.b.atan2(x.imag, x.real)


def polar(c: Context, size: Value, angle: Value) -> Parts:
    """The number of that size and angle."""
    return Parts(c.b.mul(size, c.b.cos(angle)), c.b.mul(size, c.b.sin(angle)))


def exponential(c: Context, x: Parts) -> Parts:
    """exp(x)."""
    return polar(c, c.b.exp(x.real), x.imag)


def logarithm(c: Context, x: Parts) -> Parts:
    """log(x)."""
    return Parts(c.b.mul(c.b.log(squares(c, x)), c.scalar(0.5)), angle(c, x))


def root(c: Context, x: Parts) -> Parts:
    """sqrt(x)."""
    return polar(c, c.b.sqrt(absolute(c, x)), c.b.mul(angle(c, x), c.scalar(0.5)))
