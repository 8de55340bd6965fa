"""Rules that recognise what works along the last axis: softmax, its logarithm, unit vectors."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.l2_normalization import EPSILON
from edgewise.passes.conditions import floats, keeps_type
from edgewise.passes.gelu import square, times
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every, spellings

NONE = Activation.NONE


def _last_axis(match: Match) -> Verdict:
    """Every reduction is along the last axis alone."""
    rank = len(match["x"].shape)
    for name in ("axes", "other_axes"):
        if name in match.values:
            axes = [int(axis) % rank for axis in match.array(name).reshape(-1)] if rank else []
            if axes != [rank - 1]:
                return f"it reduces axes {axes} of {rank}"
    return keeps_type(match)


def _minus(p: PatternBuilder, a: Pattern, b: Pattern, name: str = "") -> Result:
    return p.sub(a, b, fused_activation_function=NONE, name=name)


def _shifted(p: PatternBuilder, name: str = "") -> Result:
    """x - max(x)."""
    top = p.reduce_max(p.value("x"), p.constant("axes"), keep_dims=True)
    return _minus(p, p.value("x"), top, name)


def _total(p: PatternBuilder, terms: Pattern) -> Result:
    return p.sum(terms, p.constant("other_axes"), keep_dims=True)


def _softmax(p: PatternBuilder) -> Result:
    exponentials = p.either(
        p.exp(_shifted(p), name="e"),
        p.exp(p.value("x"), name="e"),
    )
    total = _total(p, p.value("e"))
    return p.div(exponentials, total, fused_activation_function=NONE)


def _log_of_total(p: PatternBuilder, terms: Pattern) -> Result:
    return p.log(_total(p, p.exp(terms)))


LOGARITHMS: tuple[Callable[[PatternBuilder], Result], ...] = (
    # x - max(x) - log(sum(exp(x - max(x))))
    lambda p: _minus(p, p.value("shifted"), _log_of_total(p, _shifted(p, "shifted"))),
    # x - log(sum(exp(x)))
    lambda p: _minus(p, p.value("x"), _log_of_total(p, p.value("x"))),
    # x - (max(x) + log(sum(exp(x - max(x)))))
    lambda p: _minus(
        p,
        p.value("x"),
        p.add(
            p.value("top"),
            _log_of_total(
                p,
                _minus(
                    p,
                    p.value("x"),
                    p.reduce_max(p.value("x"), p.constant("axes"), keep_dims=True, name="top"),
                ),
            ),
            fused_activation_function=NONE,
        ),
    ),
)


def _floored(p: PatternBuilder) -> Result:
    """max(sum(x**2), 1e-12)."""
    total = p.sum(square(p, p.value("x")), p.constant("axes"), keep_dims=True)
    return p.maximum(total, p.constant(equal=EPSILON**2))


def _length(p: PatternBuilder) -> Pattern:
    """sqrt(max(sum(x**2), 1e-12)), max(sqrt(sum(x**2)), 1e-6)."""
    total = p.sum(square(p, p.value("x")), p.constant("axes"), keep_dims=True)
    return p.either(p.sqrt(_floored(p)), p.maximum(p.sqrt(total), p.constant(equal=EPSILON)))


UNITS: tuple[Callable[[PatternBuilder], Result], ...] = (
    lambda p: times(p, p.value("x"), p.rsqrt(_floored(p))),
    lambda p: p.div(p.value("x"), _length(p), fused_activation_function=NONE),
)


def _unit(b: Builder, match: Match) -> Value:
    return b.l2_normalization(match["x"])


LAST_AXIS = [
    # exp(x - max(x)) / sum(exp(x - max(x))) -> softmax(x), which is defined where exp(x) is too big
    Rule(
        "softmax",
        _softmax,
        every(floats, _last_axis),
        lambda b, match: b.softmax(match["x"]),
        tolerance=1e-6,
        phrase="softmax[es] recognised",
    ),
    # x - log(sum(exp(x))) -> log_softmax(x)
    *spellings(
        "log_softmax from exponentials",
        LOGARITHMS,
        every(floats, _last_axis),
        lambda b, match: b.log_softmax(match["x"]),
        tolerance=1e-6,
        phrase="log-softmax[es] recognised",
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
    *spellings(
        "l2_normalization",
        UNITS,
        every(floats, _last_axis),
        _unit,
        tolerance=1e-6,
        phrase="unit vector[s] recognised",
    ),
]
