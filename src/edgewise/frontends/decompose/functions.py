"""Elementary functions: numbers in, numbers out, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from edgewise.frontends.context import Context
from edgewise.ir.graph import Value
from edgewise.ops.broadcast import broadcast_shape

Function2: TypeAlias = Callable[[Context, Value, Value], Value]


def clip(c: Context, x: Value, low: float, high: float) -> Value:
    """x limited to [low, high]."""
    return c.b.minimum(c.b.maximum(x, c.scalar(low, x)), c.scalar(high, x))


def scaled(c: Context, x: Value, factor: float) -> Value:
    """x * factor."""
    return x if factor == 1 else c.b.mul(x, c.scalar(factor, x))


def plus(c: Context, x: Value, number: float) -> Value:
    """x + number."""
    return c.b.add(x, c.scalar(number, x))


def log1p(c: Context, x: Value) -> Value:
    """log(1 + x)."""
    return c.b.log(plus(c, x, 1))


def erf(c: Context, x: Value) -> Value:
    """erf(x), an operator of the IR: whole, it can be found in a GELU."""
    return c.b.erf(x)


def truncated(c: Context, x: Value) -> Value:
    """x rounded towards 0."""
    return c.b.mul(c.b.sign(x), c.b.floor(c.b.abs(x)))


def hyperbolic(sign: int) -> Callable[[Context, Value], Value]:
    """(exp(x) + sign * exp(-x)) / 2."""

    def function(c: Context, x: Value) -> Value:
        plus_, minus = c.b.exp(x), c.b.exp(c.b.neg(x))
        return scaled(c, c.b.add(plus_, minus) if sign > 0 else c.b.sub(plus_, minus), 0.5)

    return function


def arctan2(c: Context, y: Value, x: Value) -> Value:
    """The angle of the point (x, y). ATAN2 in LiteRT does not broadcast, so this does before."""
    shape = broadcast_shape(y.shape, x.shape)
    spread = (v if v.shape == shape else c.b.broadcast_to(v, c.shape(shape)) for v in (y, x))
    return c.b.atan2(*spread)


def root(c: Context, x: Value) -> Value:
    """sqrt(1 - x**2)."""
    return c.b.sqrt(c.b.sub(c.scalar(1, x), c.b.square(x)))


def arcsinh(c: Context, x: Value) -> Value:
    """sign(x) * log(|x| + sqrt(x**2 + 1))."""
    sizes = c.b.add(c.b.abs(x), c.b.sqrt(plus(c, c.b.square(x), 1)))
    return c.b.mul(c.b.sign(x), c.b.log(sizes))


def arccosh(c: Context, x: Value) -> Value:
    """log(x + sqrt(x**2 - 1))."""
    return c.b.log(c.b.add(x, c.b.sqrt(plus(c, c.b.square(x), -1))))


def arctanh(c: Context, x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2."""
    return scaled(c, c.b.log(c.b.div(plus(c, x, 1), c.b.sub(c.scalar(1, x), x))), 0.5)


def where_nonzero(c: Context, test: Value, x: Value, function: Callable[[Value], Value]) -> Value:
    """function(x) where `test` is not 0, else 0, whatever the function gives there."""
    y = function(x)
    return c.b.select_v2(c.b.equal(test, c.scalar(0, test)), c.scalar(0, y), y)


def division_without_nan(c: Context, x: Value, y: Value) -> Value:
    """x / y; 0 where y is 0."""
    return where_nonzero(c, y, y, lambda y: c.b.div(x, y))


def log_sum(c: Context, x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) = max(x, y) + log(1 + exp(-|x - y|))."""
    return c.b.add(c.b.maximum(x, y), log1p(c, c.b.exp(c.b.neg(c.b.abs(c.b.sub(x, y))))))


def remainder(c: Context, x: Value, y: Value) -> Value:
    """The remainder with the sign of x."""
    return c.b.sub(x, c.b.mul(y, truncated(c, c.b.div(x, y))))
