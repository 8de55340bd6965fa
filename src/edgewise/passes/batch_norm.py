"""The rule that recognises a batch norm in the scale and the offset that exporters write for it.

Only before a RELU: elsewhere a scale and an offset find their way into the operators around them
by rules of their own. Whole, the norm stays what a Keras file has there, until a file is written
(`passes/norms.py`).
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.passes.conditions import floats, per_channel, same_type
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE


def _rectified(p: PatternBuilder) -> Result:
    scaled = p.mul(p.value("x"), p.constant("s"), fused_activation_function=NONE)
    return p.relu(p.add(scaled, p.constant("t"), fused_activation_function=NONE))


def _number_per_channel(match: Match) -> Verdict:
    """Scale and offset are vectors along the last axis, and one of them is no single number."""
    kept = same_type(match["x"], match.root.output)
    if kept is not True:
        return kept
    for name in "st":
        vector = per_channel(match.array(name), match["x"].shape)
        if isinstance(vector, str):
            return vector
    several = max(match.array("s").size, match.array("t").size) > 1
    return several or "scale and offset are one number each"


def _norm(b: Builder, match: Match) -> Value:
    gamma, beta = (_vector(b, match, name) for name in "st")
    channels, dtype = match["x"].shape[-1], match["x"].dtype.numpy
    assert isinstance(channels, int)
    mean = b.constant(np.zeros(channels, dtype), name=f"{match['t'].name}/mean")
    variance = b.constant(np.ones(channels, dtype), name=f"{match['s'].name}/variance")
    return b.relu(b.batch_norm(match["x"], gamma, beta, mean, variance, epsilon=0.0))


def _vector(b: Builder, match: Match, name: str) -> Value:
    vector = per_channel(match.array(name), match["x"].shape)
    assert not isinstance(vector, str)
    return b.constant(vector.astype(match["x"].dtype.numpy), name=match[name].name)


RECTIFIED_NORMS = [
    # relu(x*s + t) -> relu(bn(x)) with gamma s and beta t
    Rule(
        "batch norm before RELU",
        _rectified,
        every(floats, _number_per_channel),
        _norm,
        phrase="batch norm[s] recognised",
    ),
]
