"""Rules that recognise GELU in the ways frameworks write it: x/2 * (1 + erf(x / sqrt 2)), and
with tanh for erf.

TensorFlow writes erfc (1 - erf here) of the negated argument, JAX and torch erf; the half is
multiplied with x, with the gate, with both, or stands inside the gate. Keras, JAX and torch write
the cube of the tanh form as a power or as products, or take x out of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.passes.conditions import floats, keeps_type
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import every, spellings

NONE = Activation.NONE
# Source: Hendrycks and Gimpel 2016; 0.044715 is fitted.
ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715


def times(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    """a * b, nothing fused."""
    return p.mul(a, b, fused_activation_function=NONE)


def plus(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    """a + b, nothing fused."""
    return p.add(a, b, fused_activation_function=NONE)


def square(p: PatternBuilder, x: Pattern) -> Pattern:
    """x**2: an operator, a power, a product."""
    return p.either(p.square(x), p.pow(x, p.constant(equal=2.0)), times(p, x, x))


def _erf(p: PatternBuilder, sign: int) -> Pattern:
    """erf(x / sqrt 2) or erf(-x / sqrt 2)."""
    return p.erf(times(p, p.value("x"), p.constant(equal=sign * math.sqrt(0.5))))


def _tanh(p: PatternBuilder) -> Pattern:
    """tanh(sqrt(2/pi) * (x + 0.044715 x**3)); the sum as it is, or x * (1 + 0.044715 x**2)."""
    x, root, cubic = p.value("x"), p.constant(equal=ROOT), p.constant(equal=CUBIC)
    cube = p.either(p.pow(x, p.constant(equal=3.0)), times(p, x, square(p, x)))
    factor = plus(p, times(p, square(p, x), cubic), p.constant(equal=1.0))
    inner = p.either(
        times(p, plus(p, x, times(p, cube, cubic)), root),
        times(p, times(p, x, root), factor),
        times(p, times(p, x, factor), root),
    )
    return p.tanh(inner, name="tanh")


def _sigmoid(p: PatternBuilder) -> Pattern:
    """From -1 to 1."""
    return p.either(_erf(p, 1), _tanh(p))


def _gate(p: PatternBuilder) -> Pattern:
    """From 0 to 2: 1 + erf(x / sqrt 2), or 1 - erf(-x / sqrt 2), which is TensorFlow's erfc."""
    one = p.constant(equal=1.0)
    minus = p.sub(one, _erf(p, -1), fused_activation_function=NONE)
    return p.either(plus(p, _sigmoid(p), one), minus)


def _half_of(p: PatternBuilder, x: Pattern) -> Result:
    return times(p, x, p.constant(equal=0.5))


def _half_sum(p: PatternBuilder) -> Result:
    half = p.constant(equal=0.5)
    halved = p.mul(p.value("x"), half, fused_activation_function=NONE, name="half")
    return plus(p, p.value("half"), times(p, halved, _sigmoid(p)))


FORMS: tuple[Callable[[PatternBuilder], Result], ...] = (
    # (x * gate) * 1/2
    lambda p: _half_of(p, times(p, p.value("x"), _gate(p))),
    # x * (gate * 1/2), x * (1/2 + sigmoid * 1/2)
    lambda p: times(
        p,
        p.value("x"),
        p.either(
            _half_of(p, _gate(p)),
            plus(p, _half_of(p, _sigmoid(p)), p.constant(equal=0.5)),
        ),
    ),
    # (x * 1/2) * gate
    lambda p: times(p, _half_of(p, p.value("x")), _gate(p)),
    # x * 1/2 + (x * 1/2) * sigmoid
    _half_sum,
)


def _gelu(b: Builder, match: Match) -> Value:
    return b.gelu(match["x"], approximate="tanh" in match.values)


# x/2 * (1 + erf(x / sqrt 2)) -> gelu(x)
# x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3))) -> gelu(x; approximate)
GELUS = spellings(
    "gelu",
    FORMS,
    every(floats, keeps_type),
    _gelu,
    tolerance=1e-6,
    phrase="gelu[s] recognised",
)
