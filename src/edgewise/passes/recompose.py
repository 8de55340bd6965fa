"""Rules that recognise an activation in the arithmetic that a framework wrote it as.

`RECOMPOSE` also holds what `passes/gelu.py` and `passes/last_axis.py` recognise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.choose import Select, SelectV2
from edgewise.ops.compare import Greater, GreaterEqual
from edgewise.passes.conditions import floats, keeps_type
from edgewise.passes.gelu import GELUS, plus, times
from edgewise.passes.last_axis import LAST_AXIS
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every, spellings

NONE = Activation.NONE
Form = Callable[[PatternBuilder], Result]


def _over(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.div(a, b, fused_activation_function=NONE)


# -- hard swish ---------------------------------------------------------------------------------


def _six(p: PatternBuilder) -> Pattern:
    """min(max(x + 3, 0), 6)."""
    x, three = p.value("x"), p.constant(equal=3.0)
    return p.either(
        p.relu6(plus(p, x, three)), p.add(x, three, fused_activation_function=Activation.RELU6)
    )


def _sixth(p: PatternBuilder, x: Pattern) -> Pattern:
    return p.either(times(p, x, p.constant(equal=1 / 6)), _over(p, x, p.constant(equal=6.0)))


def _one(p: PatternBuilder) -> Pattern:
    """min(max(x/6 + 1/2, 0), 1)."""
    return p.relu_0_to_1(plus(p, _sixth(p, p.value("x")), p.constant(equal=0.5)))


HARD_SWISHES: tuple[Form, ...] = (
    lambda p: times(p, times(p, p.value("x"), _six(p)), p.constant(equal=1 / 6)),
    lambda p: _over(p, times(p, p.value("x"), _six(p)), p.constant(equal=6.0)),
    lambda p: times(p, p.value("x"), p.either(_sixth(p, _six(p)), _one(p))),
    lambda p: times(p, _sixth(p, p.value("x")), _six(p)),
)


# -- logistic -----------------------------------------------------------------------------------


def _one_and_exponential(p: PatternBuilder) -> Pattern:
    """1 + exp(-x)."""
    x = p.value("x")
    minus = p.either(p.neg(x), times(p, x, p.constant(equal=-1.0)))
    return plus(p, p.exp(minus), p.constant(equal=1.0))


def _half_tanh(p: PatternBuilder) -> Pattern:
    """tanh(x/2)."""
    return p.tanh(times(p, p.value("x"), p.constant(equal=0.5)))


LOGISTICS: tuple[Form, ...] = (
    lambda p: _over(p, p.constant(equal=1.0), _one_and_exponential(p)),
    lambda p: times(p, plus(p, _half_tanh(p), p.constant(equal=1.0)), p.constant(equal=0.5)),
    lambda p: plus(p, times(p, _half_tanh(p), p.constant(equal=0.5)), p.constant(equal=0.5)),
)


# -- one thing above zero, another below ----------------------------------------------------------


def _positive(p: PatternBuilder) -> Pattern:
    zero = p.constant(equal=0.0)
    return p.any(Greater, GreaterEqual, operands=(p.value("x"), zero), name="chosen", shared=True)


def _by_sign(p: PatternBuilder, above: Pattern, below: Pattern) -> Result:
    """x > 0 ? above : below; both are the same at 0."""
    return p.any(Select, SelectV2, operands=(_positive(p), above, below))


LEAKY: tuple[Form, ...] = (
    lambda p: _by_sign(p, p.value("x"), times(p, p.value("x"), p.constant("slope"))),
    # relu(x) - slope * relu(-x)
    lambda p: p.sub(
        p.relu(p.value("x")),
        times(p, p.relu(p.neg(p.value("x"))), p.constant("slope")),
        fused_activation_function=NONE,
    ),
    # relu(x) + minus_slope * relu(-x)
    lambda p: plus(
        p,
        p.relu(p.value("x")),
        times(p, p.relu(p.neg(p.value("x"))), p.constant("minus_slope")),
    ),
)


def _slope(match: Match) -> np.ndarray:
    return match.array("slope") if "slope" in match.values else -match.array("minus_slope")


def _leaks(b: Builder, match: Match) -> Value:
    slope = _slope(match)
    if slope.size == 1:
        return b.leaky_relu(match["x"], alpha=float(slope.reshape(-1)[0]))
    name = "slope" if "slope" in match.values else "minus_slope"
    return b.prelu(match["x"], b.constant(slope, name=match[name].name))


def _not_above_one(match: Match) -> Verdict:
    """max(x, slope * x) is x above 0 and slope * x below only for such slopes."""
    slope = match.array("slope")
    if slope.size != 1 or not 0 <= float(slope.reshape(-1)[0]) <= 1:
        return f"the slope {match['slope'].type} is not one number in [0, 1]"
    return True


def _below_elu(p: PatternBuilder) -> Pattern:
    """exp(x) - 1, where x may be kept from overflowing."""
    x, zero = p.value("x"), p.constant(equal=0.0)
    safe = p.either(
        x,
        p.minimum(x, zero),
        p.any(Select, SelectV2, operands=(p.value("chosen"), zero, x)),
    )
    e = p.exp(safe)
    return p.either(
        p.sub(e, p.constant(equal=1.0), fused_activation_function=NONE),
        plus(p, e, p.constant(equal=-1.0)),
    )


def _elu(p: PatternBuilder) -> Result:
    # the root's operands are matched in order, so that `chosen` is known where it is read below
    return _by_sign(p, p.value("x"), _below_elu(p))


RECOMPOSE = [
    # x * relu6(x + 3) * (1/6), x * relu_0_to_1(x/6 + 1/2) -> hard_swish(x)
    *spellings(
        "hard_swish",
        HARD_SWISHES,
        every(floats, keeps_type),
        lambda b, match: b.hard_swish(match["x"]),
        tolerance=1e-6,
        phrase="hard-swish[es] recognised",
    ),
    *GELUS,
    *LAST_AXIS,
    # 1 / (1 + exp(-x)), (1 + tanh(x/2)) / 2 -> logistic(x)
    *spellings(
        "logistic",
        LOGISTICS,
        every(floats, keeps_type),
        lambda b, match: b.logistic(match["x"]),
        tolerance=1e-6,
        phrase="sigmoid[s] recognised",
    ),
    # x / (1 + exp(-x)) -> x * logistic(x)
    Rule(
        "swish",
        lambda p: _over(p, p.value("x"), _one_and_exponential(p)),
        every(floats, keeps_type),
        lambda b, match: b.mul(match["x"], b.logistic(match["x"])),
        tolerance=1e-6,
        phrase="sigmoid[s] recognised",
    ),
    # x > 0 ? x : x * slope, relu(x) - slope * relu(-x) -> prelu(x, slope)
    *spellings(
        "leaky relu",
        LEAKY,
        every(floats, keeps_type),
        _leaks,
        tolerance=1e-6,
        phrase="leaky relu[s] recognised",
    ),
    # max(x, x * slope) -> leaky_relu(x; slope)
    Rule(
        "leaky relu from maximum",
        lambda p: p.maximum(p.value("x"), times(p, p.value("x"), p.constant("slope"))),
        every(floats, keeps_type, _not_above_one),
        _leaks,
        tolerance=1e-6,
        phrase="leaky relu[s] recognised",
    ),
    # x > 0 ? x : exp(x) - 1 -> elu(x)
    Rule(
        "elu",
        _elu,
        every(floats, keeps_type),
        lambda b, match: b.elu(match["x"]),
        tolerance=1e-6,
        phrase="elu[s] recognised",
    ),
]
