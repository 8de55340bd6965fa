"""Rules of powers, roots and signs: the cheapest operator for each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import elements
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.activation import Relu
from edgewise.ops.arithmetic import Mul
from edgewise.ops.axes import shown
from edgewise.ops.binary import SquaredDifference
from edgewise.ops.broadcast import broadcast_shape
from edgewise.ops.reduce import Mean, Sum
from edgewise.ops.reshape import Reshape, Transpose
from edgewise.ops.unary import Abs, Exp, Square
from edgewise.passes.conditions import floats, keeps_type, same_shape
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE
PHRASE = "power[s] and root[s] made cheaper"
SIGNS = "sign[s] taken into sums and products"


def _power(name: str, exponent: float, op: str) -> Rule:
    """x ** exponent -> op(x)."""

    def rewrite(b: Builder, match: Match) -> Value:
        method: Callable[..., Value] = getattr(b, op)
        return method(match["x"])

    return Rule(
        name,
        lambda p: p.pow(p.value("x"), p.constant(equal=exponent)),
        every(floats, keeps_type),
        rewrite,
        tolerance=1e-6,
        phrase=PHRASE,
    )


def _times_inverse_root(b: Builder, match: Match) -> Value:
    return b.mul(
        match["y"], b.rsqrt(match["x"]), fused_activation_function=match.root.op.activation
    )


def _not_alone(match: Match) -> Verdict:
    """1 / sqrt(x) is one operator less; elsewhere the root's value is for this division alone."""
    y = match["y"]
    return y.data is None or y.data.size > 1 or "a number is divided by the root"


def _negated(b: Builder, match: Match) -> Value:
    scale = b.constant(-match.array("c"), name=match["c"].name)
    return b.mul(match["x"], scale, fused_activation_function=match.root.op.activation)


def _difference(b: Builder, match: Match) -> Value:
    return b.sub(match["x"], match["y"], fused_activation_function=match.root.op.activation)


def _sum(b: Builder, match: Match) -> Value:
    return b.add(match["x"], match["y"], fused_activation_function=match.root.op.activation)


def _offset(p: PatternBuilder, x: str, c: str) -> Pattern:
    return p.add(p.value(x), p.constant(c), fused_activation_function=NONE, name=f"{x}+{c}")


def _both_stay_small(match: Match) -> Verdict:
    """The sum of x and y has the result's shape, that of the constants no more elements."""
    x, y, a, c = match["x"], match["y"], match.array("a"), match.array("c")
    if not same_shape(broadcast_shape(x.shape, y.shape), match.root.output.shape):
        return f"the constants broadcast the sum of {x.type} and {y.type}"
    together = broadcast_shape(a.shape, c.shape)
    if elements(together) != max(a.size, c.size):
        return f"the constants {list(a.shape)} and {list(c.shape)} combine to {shown(together)}"
    return True


def _one_offset(b: Builder, match: Match) -> Value:
    a, c = (match.array(name).astype(np.float64) for name in ("a", "c"))
    offset = b.constant((a + c).astype(match.array("c").dtype), name=match["c"].name)
    total = b.add(match["x"], match["y"])
    return b.add(total, offset, fused_activation_function=match.root.op.activation)


def _root(p: PatternBuilder) -> Result:
    return p.sqrt(p.value("x"))


def _not_negative(match: Match) -> Verdict:
    """What the root is taken of has no negative number, whose root would be a NaN."""
    node = match["x"].producer
    while node is not None and isinstance(node.op, Mean | Sum | Reshape | Transpose):
        node = node.operand(0).producer
    if node is not None and isinstance(node.op, Square | SquaredDifference | Abs | Relu | Exp):
        return keeps_type(match)
    if node is not None and isinstance(node.op, Mul) and node.inputs[0] is node.inputs[1]:
        return keeps_type(match)
    return f"{match['x'].name!r} may be negative"


POWERS = [
    # x ** 2 -> square(x)
    _power("power as square", 2.0, "square"),
    # x ** (1/2) -> sqrt(x)
    _power("power as root", 0.5, "sqrt"),
    # x ** (-1/2) -> rsqrt(x)
    _power("power as inverse root", -0.5, "rsqrt"),
    # 1 / sqrt(x) -> rsqrt(x)
    Rule(
        "inverse of a root",
        lambda p: p.div(p.constant(equal=1.0), _root(p), fused_activation_function=NONE),
        every(floats, keeps_type),
        lambda b, match: b.rsqrt(match["x"]),
        tolerance=1e-6,
        phrase=PHRASE,
    ),
    # y / sqrt(x) -> y * rsqrt(x)
    Rule(
        "division by a root",
        lambda p: p.div(p.value("y"), _root(p)),
        every(floats, _not_alone),
        _times_inverse_root,
        tolerance=1e-6,
        phrase=PHRASE,
    ),
    # sqrt(x * x) -> |x|
    Rule(
        "root of a square",
        lambda p: p.sqrt(
            p.either(
                p.square(p.value("x")),
                p.mul(p.value("x"), p.value("x"), fused_activation_function=NONE),
            )
        ),
        every(floats, keeps_type),
        lambda b, match: b.abs(match["x"]),
        tolerance=1e-6,
        phrase=PHRASE,
    ),
    # sqrt(x) ** 2 -> x, where x is a square or a sum of squares
    Rule(
        "square of a root",
        lambda p: p.square(_root(p)),
        every(floats, _not_negative),
        lambda b, match: match["x"],
        tolerance=1e-6,
        phrase=PHRASE,
    ),
    # (-x) * c -> x * (-c)
    Rule(
        "negation into the scale",
        lambda p: p.mul(p.neg(p.value("x")), p.constant("c")),
        floats,
        _negated,
        phrase=SIGNS,
    ),
    # -(x * c) -> x * (-c)
    Rule(
        "negation of a scale",
        lambda p: p.neg(p.mul(p.value("x"), p.constant("c"), fused_activation_function=NONE)),
        floats,
        _negated,
        phrase=SIGNS,
    ),
    # x + (-y) -> x - y
    Rule(
        "negation into the sum",
        lambda p: p.add(p.value("x"), p.neg(p.value("y"))),
        floats,
        _difference,
        phrase=SIGNS,
    ),
    # x - (-y) -> x + y
    Rule(
        "negation into the difference",
        lambda p: p.sub(p.value("x"), p.neg(p.value("y"))),
        floats,
        _sum,
        phrase=SIGNS,
    ),
]


def _product(p: PatternBuilder, x: Pattern) -> Result:
    return p.mul(x, p.value("s"), fused_activation_function=NONE)


def _spreads_no_more(match: Match) -> Verdict:
    """The sum of x and y has the shape of the larger one, so that no work is added."""
    x, y = match["x"], match["y"]
    shape = broadcast_shape(x.shape, y.shape)
    if not same_shape(shape, x.shape) and not same_shape(shape, y.shape):
        return f"{x.type} and {y.type} broadcast each other"
    return True


# After normalisations are recognised, which some write with the factor in both terms.
FACTORS = [
    # x * s - y * s, x * s + (-y) * s -> (x - y) * s
    *[
        Rule(
            "common factor of a difference",
            form,
            every(floats, _spreads_no_more),
            lambda b, match: b.mul(
                b.sub(match["x"], match["y"]),
                match["s"],
                fused_activation_function=match.root.op.activation,
            ),
            tolerance=1e-5,
            phrase="common factor[s] taken out of sums",
        )
        for form in (
            lambda p: p.sub(_product(p, p.value("x")), _product(p, p.value("y"))),
            lambda p: p.add(_product(p, p.value("x")), _product(p, p.neg(p.value("y")))),
        )
    ],
    # x * s + y * s -> (x + y) * s
    Rule(
        "common factor of a sum",
        lambda p: p.add(_product(p, p.value("x")), _product(p, p.value("y"))),
        every(floats, _spreads_no_more),
        lambda b, match: b.mul(
            b.add(match["x"], match["y"]),
            match["s"],
            fused_activation_function=match.root.op.activation,
        ),
        tolerance=1e-5,
        phrase="common factor[s] taken out of sums",
    ),
]


# After linear operators took in what offsets they could: a bias costs nothing.
OFFSETS = [
    # (x + a) + (y + c) -> (x + y) + (a + c)
    Rule(
        "offsets of a sum",
        lambda p: p.add(_offset(p, "x", "a"), _offset(p, "y", "c")),
        every(floats, _both_stay_small),
        _one_offset,
        tolerance=1e-6,
        phrase="product[s] and sum[s] with constants put together",
    ),
]
