"""Rules that recognise an operator in the arithmetic that a framework wrote it as."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.ir.enums import Activation
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
    )


def _keeps_shape(match: Match) -> Verdict:
    return same_type(match["x"], match.root.output)


# x * relu6(x + 3) * (1/6) -> hard_swish(x)
RECOMPOSE = [_hard_swish(order, gate) for order in ORDERS for gate in (_gate, _fused_gate)]
