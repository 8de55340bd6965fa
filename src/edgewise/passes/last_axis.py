"""Rules that recognise what works along the last axis: softmax, its logarithm, unit vectors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.l2_normalization import EPSILON
from edgewise.passes.conditions import floats, keeps_type
from edgewise.passes.gelu import square, times
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Usual, Verdict, every, spellings

NONE = Activation.NONE


def _axes(match: Match) -> list[list[int]]:
    """What every reduction goes along, from the front."""
    rank = len(match["x"].shape)
    names = [name for name in ("axes", "other_axes") if name in match.values]
    return [[int(a) % max(rank, 1) for a in match.array(n).reshape(-1)] for n in names]


def _last_axis(match: Match) -> Verdict:
    """Every reduction is along the last axis alone."""
    rank = len(match["x"].shape)
    for axes in _axes(match):
        if not rank or axes != [rank - 1]:
            return f"it reduces axes {axes} of {rank}"
    return keeps_type(match)


def _another_axis(match: Match) -> Verdict:
    """Every reduction is along one axis, which is not the last."""
    rank, found = len(match["x"].shape), _axes(match)
    if any(axes != found[0] for axes in found) or len(found[0]) != 1:
        return f"it reduces axes {found} of {rank}, not the same one"
    if found[0] == [rank - 1]:
        return Usual("it works along the last axis")
    return keeps_type(match)


def _with_axis_last(op: str) -> Callable[[Builder, Match], Value]:
    """The operator between two transposes that put the axis last and back."""

    def rewrite(b: Builder, match: Match) -> Value:
        x = match["x"]
        perm = list(range(len(x.shape)))
        (axis,) = _axes(match)[0]
        perm[axis], perm[-1] = perm[-1], axis
        swap = b.constant(np.array(perm, np.int32))
        method: Callable[[Value], Value] = getattr(b, op)
        return b.transpose(method(b.transpose(x, swap)), swap)

    return rewrite


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


# Lengths below which vectors are not made units are at most so many times larger or smaller than
# L2_NORMALIZATION's; its squares overflow for numbers so many times smaller than 1.8e19.
MOST = 1e4


def _total_of_squares(p: PatternBuilder) -> Result:
    return p.sum(square(p, p.value("x")), p.constant("axes"), keep_dims=True)


FLOORED: tuple[Callable[[PatternBuilder], Result], ...] = (
    # x * rsqrt(max(sum(x**2), c**2))
    lambda p: times(
        p,
        p.value("x"),
        p.rsqrt(p.maximum(_total_of_squares(p), p.constant("squared"))),
    ),
    # x / sqrt(max(sum(x**2), c**2)), x / max(sqrt(sum(x**2)), c)
    lambda p: p.div(
        p.value("x"),
        p.either(
            p.sqrt(p.maximum(_total_of_squares(p), p.constant("squared"))),
            p.maximum(p.sqrt(_total_of_squares(p)), p.constant("floor")),
        ),
        fused_activation_function=NONE,
    ),
    # x * min(rsqrt(sum(x**2)), 1/c): Keras 3
    lambda p: times(
        p,
        p.value("x"),
        p.minimum(p.rsqrt(_total_of_squares(p)), p.constant("inverse")),
    ),
)


def _floor(match: Match) -> float:
    """The length c below which a vector is not made a unit; NaN where it is not one number."""
    (name,) = match.values.keys() & {"squared", "floor", "inverse"}
    data = match.array(name).astype(np.float64)
    if data.size != 1 or not float(data.flat[0]) > 0:
        return math.nan
    number = float(data.flat[0])
    return {"squared": math.sqrt(number), "floor": number, "inverse": 1 / number}[name]


def _has_floor(match: Match) -> Verdict:
    floor = _floor(match)
    if not EPSILON / MOST <= floor <= EPSILON * MOST:
        return f"the shortest unit, {floor:.3g}, is not one number near {EPSILON:g}"
    return True


def _scaled_unit(b: Builder, match: Match) -> Value:
    # x / max(|x|, c) = s*x / max(|s*x|, s*c), and s*c is the operator's own epsilon
    x = match["x"]
    scale = np.array(EPSILON / _floor(match), x.dtype.numpy)
    return b.l2_normalization(b.mul(x, b.constant(scale)))


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
    # x * min(rsqrt(sum(x**2)), 1/c) -> l2_normalization(x * (1e-6 / c))
    *spellings(
        "l2_normalization with another epsilon",
        FLOORED,
        every(floats, _last_axis, _has_floor),
        _scaled_unit,
        tolerance=1e-6,
        phrase="unit vector[s] recognised",
    ),
]

# For files only: transposes cost more than the operators that they save where all are one step.
OTHER_AXES = [
    # exp(x - max(x)) / sum(exp(x - max(x))) along another axis -> transpose(softmax(transpose(x)))
    Rule(
        "softmax along another axis",
        _softmax,
        every(floats, _another_axis),
        _with_axis_last("softmax"),
        tolerance=1e-6,
        phrase="softmax[es] recognised",
    ),
    # x - log(sum(exp(x))) along another axis -> transpose(log_softmax(transpose(x)))
    *spellings(
        "log_softmax along another axis",
        LOGARITHMS,
        every(floats, _another_axis),
        _with_axis_last("log_softmax"),
        tolerance=1e-6,
        phrase="log-softmax[es] recognised",
    ),
]
