"""Rules that recognise an operator in the arithmetic that a framework wrote it as."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgewise.ir.enums import Activation
from edgewise.ops.l2_normalization import EPSILON
from edgewise.passes.conditions import floats, same_type
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE


def _gate(p: PatternBuilder) -> Result:
    """min(max(x + 3, 0), 6)."""
    return p.relu6(p.add(p.value("x"), p.constant(equal=3.0), fused_activation_function=NONE))


def _fused_gate(p: PatternBuilder) -> Result:
    """The same with the activation fused."""
    three = p.constant(equal=3.0)
    return p.add(p.value("x"), three, fused_activation_function=Activation.RELU6)


def _times(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.mul(a, b, fused_activation_function=NONE)


def _sixth(p: PatternBuilder) -> Pattern:
    return p.constant(equal=1 / 6)


# x * gate / 6, the two products in any order
ORDERS: tuple[Callable[[PatternBuilder, Pattern], Result], ...] = (
    lambda p, gate: _times(p, _times(p, p.value("x"), gate), _sixth(p)),
    lambda p, gate: _times(p, p.value("x"), _times(p, gate, _sixth(p))),
    lambda p, gate: _times(p, _times(p, p.value("x"), _sixth(p)), gate),
)


def _hard_swish(
    order: Callable[[PatternBuilder, Pattern], Result], gate: Callable[[PatternBuilder], Pattern]
) -> Rule:
    return Rule(
        "hard_swish",
        lambda p: order(p, gate(p)),
        every(floats, _keeps_shape),
        lambda b, match: b.hard_swish(match["x"]),
        tolerance=1e-6,
        phrase="hard-swish[es] recognised",
    )


def _keeps_shape(match: Match) -> Verdict:
    return same_type(match["x"], match.root.output)


# -- gelu ---------------------------------------------------------------------------------------

# Source: Hendrycks and Gimpel 2016; 0.044715 is fitted.
ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715


def _cube(p: PatternBuilder, form: int) -> Pattern:
    """x**3, in three ways."""
    if form == 0:
        return p.pow(p.value("x"), p.constant(equal=3.0))
    return _times(p, p.value("x"), _square(p, form))


def _square(p: PatternBuilder, form: int) -> Pattern:
    return p.square(p.value("x")) if form == 1 else _times(p, p.value("x"), p.value("x"))


def _gelu_gate(p: PatternBuilder, form: int) -> Result:
    """1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3))."""
    cubic = _times(p, _cube(p, form), p.constant(equal=CUBIC))
    inner = p.add(p.value("x"), cubic, fused_activation_function=NONE)
    tanh = p.tanh(_times(p, inner, p.constant(equal=ROOT)))
    return p.add(tanh, p.constant(equal=1.0), fused_activation_function=NONE)


def _half(p: PatternBuilder) -> Pattern:
    return p.constant(equal=0.5)


HALVES: tuple[Callable[[PatternBuilder, Pattern], Result], ...] = (
    lambda p, gate: _times(p, _times(p, p.value("x"), gate), _half(p)),
    lambda p, gate: _times(p, p.value("x"), _times(p, gate, _half(p))),
    lambda p, gate: _times(p, _times(p, p.value("x"), _half(p)), gate),
)


def _gelu(order: Callable[[PatternBuilder, Pattern], Result], form: int) -> Rule:
    return Rule(
        "gelu",
        lambda p: order(p, _gelu_gate(p, form)),
        every(floats, _keeps_shape),
        lambda b, match: b.gelu(match["x"], approximate=True),
        tolerance=1e-6,
        phrase="gelu[s] recognised",
    )


# -- along the last axis ------------------------------------------------------------------------


def _last_axis(match: Match) -> Verdict:
    """Every reduction is along the last axis alone."""
    rank = len(match["x"].shape)
    for name in ("axes", "other_axes"):
        if name in match.values:
            axes = [int(axis) % rank for axis in match.array(name).reshape(-1)] if rank else []
            if axes != [rank - 1]:
                return f"it reduces axes {axes} of {rank}"
    return _keeps_shape(match)


def _softmax(p: PatternBuilder) -> Result:
    top = p.reduce_max(p.value("x"), p.constant("axes"), keep_dims=True)
    shifted = p.sub(p.value("x"), top, fused_activation_function=NONE)
    total = p.sum(p.value("e"), p.constant("other_axes"), keep_dims=True)
    return p.div(p.exp(shifted, name="e"), total, fused_activation_function=NONE)


def _unit(p: PatternBuilder, square: Pattern) -> Result:
    total = p.sum(square, p.constant("axes"), keep_dims=True)
    floor = p.maximum(total, p.constant(equal=EPSILON**2))
    return _times(p, p.value("x"), p.rsqrt(floor))


RECOMPOSE = [
    # x * relu6(x + 3) * (1/6) -> hard_swish(x)
    *[_hard_swish(order, gate) for order in ORDERS for gate in (_gate, _fused_gate)],
    # x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x**3))) -> gelu(x; approximate)
    *[_gelu(order, form) for order in HALVES for form in range(3)],
    # exp(x - max(x)) / sum(exp(x - max(x))) -> softmax(x)
    Rule(
        "softmax",
        _softmax,
        every(floats, _last_axis),
        lambda b, match: b.softmax(match["x"]),
        tolerance=1e-6,
        phrase="softmax[es] recognised",
    ),
    # log(softmax(x)) -> log_softmax(x)
    Rule(
        "log_softmax",
        lambda p: p.log(p.softmax(p.value("x"), beta=1.0)),
        floats,
        lambda b, match: b.log_softmax(match["x"]),
        tolerance=1e-5,
        phrase="log-softmax[es] recognised",
    ),
    # x * rsqrt(max(sum(x**2), 1e-12)) -> l2_normalization(x), which has just this epsilon
    *[
        Rule(
            "l2_normalization",
            lambda p, form=form: _unit(p, _square(p, form)),  # type: ignore[misc]
            every(floats, _last_axis),
            lambda b, match: b.l2_normalization(match["x"]),
            tolerance=1e-6,
            phrase="unit vector[s] recognised",
        )
        for form in (1, 2)
    ],
]
