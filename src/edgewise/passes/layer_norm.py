"""Rules that recognise layer normalization in the small operators that a file has for it.

TensorFlow's converter writes `x * s + (beta - mean * s)` with `s = rsqrt(variance + epsilon) *
gamma`; other exporters, and `passes/lower.py`, write `(x - mean) * rsqrt(variance + epsilon)` and
let gamma and beta follow. For floats only: of quantized operators every one rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.norm import LayerNorm
from edgewise.passes.conditions import floats, same_type
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every, spellings

NONE = Activation.NONE


def _times(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.mul(a, b, fused_activation_function=NONE)


def _plus(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.add(a, b, fused_activation_function=NONE)


def _minus(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.sub(a, b, fused_activation_function=NONE)


# Patterns name the mean `m`, x - m `c` and the scale `s`. Of several places that read one of them,
# the last one visited has it in full, so that it is erased after its readers.


def _mean(p: PatternBuilder) -> Pattern:
    return p.mean(p.value("x"), p.constant("axes"), keep_dims=True, name="m")


def _centred(p: PatternBuilder) -> Pattern:
    return p.sub(p.value("x"), _mean(p), fused_activation_function=NONE, name="c")


def _shifted_variance(p: PatternBuilder, square: Pattern) -> Result:
    """variance + epsilon."""
    variance = p.mean(square, p.constant("other_axes"), keep_dims=True)
    return _plus(p, variance, p.constant("epsilon"))


Root = Callable[[PatternBuilder, Pattern, Pattern], Result]
ROOTS: tuple[Root, ...] = (
    lambda p, c, variance: _times(p, c, p.rsqrt(variance)),
    lambda p, c, variance: p.div(c, p.sqrt(variance), fused_activation_function=NONE),
)
# x - mean as the root reads it, and the square of it
SQUARES: tuple[Callable[[PatternBuilder], tuple[Pattern, Pattern]], ...] = (
    lambda p: (
        _minus(p, p.value("x"), p.value("m")),
        p.squared_difference(p.value("x"), _mean(p)),
    ),
    lambda p: (p.value("c"), p.square(_centred(p))),
    lambda p: (p.value("c"), _times(p, p.value("c"), _centred(p))),
    lambda p: (p.value("c"), p.pow(_centred(p), p.constant(equal=2.0))),
)


def _direct(
    p: PatternBuilder, root: Root, parts: Callable[[PatternBuilder], tuple[Pattern, Pattern]]
) -> Result:
    """(x - mean) / sqrt(variance + epsilon)."""
    c, square = parts(p)
    return root(p, c, _shifted_variance(p, square))


def _scale(p: PatternBuilder, has_gamma: bool) -> Pattern:
    """rsqrt(variance + epsilon) * gamma."""
    square = p.squared_difference(p.value("x"), _mean(p))
    if not has_gamma:
        return p.rsqrt(_shifted_variance(p, square), name="s")
    inverse = p.rsqrt(_shifted_variance(p, square))
    return p.mul(inverse, p.constant("gamma"), fused_activation_function=NONE, name="s")


# x * s + (beta - mean * s), in the ways to write it
SPREAD: tuple[Callable[[PatternBuilder, Pattern, Pattern], Result], ...] = (
    lambda p, xs, s: _minus(p, xs, _times(p, p.value("m"), s)),
    lambda p, xs, s: _plus(p, xs, _times(p, p.neg(p.value("m")), s)),
    lambda p, xs, s: _plus(p, xs, _minus(p, p.constant("beta"), _times(p, p.value("m"), s))),
    lambda p, xs, s: _plus(p, xs, _plus(p, _times(p, p.neg(p.value("m")), s), p.constant("beta"))),
)


def _spread(
    p: PatternBuilder,
    form: Callable[[PatternBuilder, Pattern, Pattern], Result],
    has_gamma: bool,
) -> Result:
    return form(p, _times(p, p.value("x"), p.value("s")), _scale(p, has_gamma))


def _normalises_rows(match: Match) -> Verdict:
    """Mean and variance are over the same last axes, as the kernel needs it."""
    x = match["x"]
    if x.dtype is not DType.FLOAT32:
        return f"{x.name!r} is {x.dtype.text}; the kernel is for float32"
    rank = len(x.shape)
    axes, others = (
        sorted({int(axis) % max(rank, 1) for axis in match.array(name).reshape(-1)})
        for name in ("axes", "other_axes")
    )
    if axes != others:
        return f"the mean is over axes {axes}, the variance over {others}"
    if not axes or axes != list(range(axes[0], rank)):
        return f"axes {axes} of {rank} are not the last ones"
    epsilon = match.array("epsilon")
    if epsilon.size != 1 or not float(epsilon.flat[0]) >= 0:
        return f"{match['epsilon'].name!r} is not one number, 0 or more"
    return _fits(match, tuple(axes))


def _takes_vector(match: Match) -> Verdict:
    """What follows the norm is one number per normalised element."""
    return _fits(match, _norm_before(match).axes)


def _norm_before(match: Match) -> LayerNorm:
    op = match.node("norm").op
    assert isinstance(op, LayerNorm)
    return op


def _fits(match: Match, axes: tuple[int, ...]) -> Verdict:
    kept = same_type(match["x"], match.root.output)
    if kept is not True:
        return kept
    for name in ("gamma", "beta"):
        value = match.values.get(name)
        if value is not None and value.data is not None:
            vector = _vector(value.data, match["x"], axes)
            if isinstance(vector, str):
                return f"{value.name!r}: {vector}"
    return True


def _vector(constant: np.ndarray, x: Value, axes: tuple[int, ...]) -> np.ndarray | str:
    """A constant that is spread along x, as an array of x's last dimensions `axes`."""
    wanted = [d for d in x.shape[len(x.shape) - len(axes) :] if isinstance(d, int)]
    own = list(constant.shape[max(constant.ndim - len(axes), 0) :])
    if len(wanted) < len(axes) or constant.size != np.prod(own, dtype=np.int64):
        return f"{list(constant.shape)} is not one number per normalised element {wanted}"
    return np.ascontiguousarray(np.broadcast_to(constant.reshape(own), wanted))


def _recomposed(b: Builder, match: Match) -> Value:
    count = len({int(axis) % len(match["x"].shape) for axis in match.array("axes").reshape(-1)})
    return _norm(b, match, tuple(range(-count, 0)), float(match.array("epsilon").flat[0]))


def _extended(b: Builder, match: Match) -> Value:
    op = _norm_before(match)
    return _norm(b, match, op.axes, op.epsilon)


def _norm(b: Builder, match: Match, axes: tuple[int, ...], epsilon: float) -> Value:
    """The layer norm with the gamma and beta that the match has."""
    parameters: list[Value | None] = []
    for name in ("gamma", "beta"):
        value = match.values.get(name)
        if value is not None and value.data is not None:
            vector = _vector(value.data, match["x"], axes)
            assert not isinstance(vector, str)
            value = b.constant(vector, name=value.name)
        parameters.append(value)
    return b.layer_norm(match["x"], *parameters, axes=axes, epsilon=epsilon)


LAYER_NORMS = [
    # (x - m) * rsqrt(v + epsilon) -> layer_norm(x) with m = mean(x), v = mean((x - m)**2)
    *spellings(
        "layer_norm",
        [partial(_direct, root=root, parts=parts) for root, parts in product(ROOTS, SQUARES)],
        every(floats, _normalises_rows),
        _recomposed,
        tolerance=1e-5,
        phrase="layer norm[s] recognised",
    ),
    # x*s + (beta - m*s) -> layer_norm(x, gamma, beta) with s = rsqrt(v + epsilon) * gamma
    *spellings(
        "layer_norm",
        [
            partial(_spread, form=form, has_gamma=gamma)
            for form, gamma in product(SPREAD, (False, True))
        ],
        every(floats, _normalises_rows),
        _recomposed,
        tolerance=1e-5,
        phrase="layer norm[s] recognised",
    ),
    # layer_norm(x) * gamma -> layer_norm(x, gamma)
    Rule(
        "gamma of a layer_norm",
        lambda p: _times(p, p.layer_norm(p.value("x"), name="norm"), p.constant("gamma")),
        every(floats, _takes_vector),
        _extended,
        tolerance=1e-6,
        phrase="gamma[s] and beta[s] taken into layer norms",
    ),
    # layer_norm(x, gamma) + beta -> layer_norm(x, gamma, beta)
    Rule(
        "beta of a layer_norm",
        lambda p: _plus(
            p,
            p.layer_norm(p.value("x"), p.optional("gamma"), name="norm"),
            p.constant("beta"),
        ),
        every(floats, _takes_vector),
        _extended,
        tolerance=1e-6,
        phrase="gamma[s] and beta[s] taken into layer norms",
    ),
]
