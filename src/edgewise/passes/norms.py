"""Rules that write what is left of normalisations into their readers; for files only.

Numbers per channel are worse to quantize in weights than in the norm, so `canonicalize` leaves
them there.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.axes import axes_in
from edgewise.ops.norm import LayerNorm
from edgewise.passes.affine import batch_norm_affine, norm_of, normalises_channels
from edgewise.passes.conditions import floats
from edgewise.passes.linear import channels_in, constant_weights, meets_every_tap, scale_input
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.prescale import DIRECT, direct, divides, plus_vector, takes_channels
from edgewise.passes.rewrite import Rule, Usual, Verdict, every

NONE = Activation.NONE


def _rectified(p: PatternBuilder) -> Result:
    """relu(bn(x)), which passes a positive scale on."""
    return p.relu(norm_of(p, p.value("x")), name="act")


def _keeps_sign(match: Match) -> Verdict:
    affine = batch_norm_affine(match.node("norm"))
    if isinstance(affine, str):
        return affine
    scale, offset = affine
    if "act" in match.values and not (scale > 0).all():
        return f"{int((scale <= 0).sum())} channels have a scale of 0 or below"
    return divides(scale, offset)


def _norm_as_offset(b: Builder, match: Match) -> Value:
    affine = batch_norm_affine(match.node("norm"))
    assert not isinstance(affine, str)
    scale, offset = affine
    act = Activation.RELU if "act" in match.values else NONE
    name = f"{match['norm'].name}/offset"
    y = plus_vector(b, match["x"], offset / scale, name, act)
    paddings = match.values.get("paddings")
    if paddings is not None:
        y = b.pad(y, paddings)
    return scale_input(b, match.root, y, scale, None)


def _all_readers_fold(match: Match) -> Verdict:
    """Everything that reads the layer norm is linear and can take gamma and beta in."""
    node = match.node("norm")
    assert isinstance(node.op, LayerNorm)
    gamma, beta = node.optional(1), node.optional(2)
    rank = len(node.output.shape)
    if axes_in(node.op.axes, rank) != (rank - 1,):
        return f"{node} normalises more than the channels"
    if gamma is None and beta is None:
        return Usual(f"{node} has neither gamma nor beta")
    for value in (gamma, beta):
        if value is not None and value.data is None:
            return f"{value.name!r} is no constant"
    for user, index in node.output.uses:
        if not isinstance(user, Node) or not isinstance(user.op, DIRECT) or index:
            return f"{node} is also read by {user if isinstance(user, Node) else 'the outputs'}"
        verdict = constant_weights(user)
        if verdict is True and channels_in(user) is None:
            verdict = f"{user} does not read vectors of its input channels"
        if verdict is True and beta is not None:
            verdict = meets_every_tap(user)
        if verdict is not True:
            return verdict
    return True


def _bare_norm(b: Builder, match: Match) -> Value:
    node = match.node("norm")
    gamma, beta = (None if v is None else v.data for v in (node.optional(1), node.optional(2)))
    channels = channels_in(match.root)
    assert channels is not None
    scale = np.ones(channels) if gamma is None else gamma.astype(np.float64)
    offset = None if beta is None else beta.astype(np.float64)
    bare = b.node(node.op, node.input, results=[node.output.type]).output
    return scale_input(b, match.root, bare, scale, offset)


NORMS = [
    # w*relu(bn(x)) + b -> (w*s)*relu(x + t/s) + b with bn(x) = x*s + t and s > 0
    Rule(
        "scale of a batch norm through RELU into the operator after",
        lambda p: direct(p, _rectified(p)),
        every(floats, takes_channels, normalises_channels, _keeps_sign),
        _norm_as_offset,
        tolerance=1e-5,
        phrase="scale[s] of batch norms folded into the operator after",
    ),
    Rule(
        "scale of a batch norm through RELU and pad",
        lambda p: direct(p, p.pad(_rectified(p), p.constant("paddings"))),
        every(floats, takes_channels, normalises_channels, _keeps_sign),
        _norm_as_offset,
        tolerance=1e-5,
        phrase="scale[s] of batch norms folded into the operator after",
    ),
    # w*bn(x) + b -> (w*s)*(x + t/s) + b where padding keeps t from the bias
    Rule(
        "scale of a batch norm into the operator after",
        lambda p: direct(p, norm_of(p, p.value("x"))),
        every(floats, takes_channels, normalises_channels, _keeps_sign),
        _norm_as_offset,
        tolerance=1e-5,
        phrase="scale[s] of batch norms folded into the operator after",
    ),
    # w*(n(x)*gamma + beta) + b -> (w*gamma)*n(x) + (w*beta + b), for all that read the layer norm
    Rule(
        "gamma and beta into the operators after",
        lambda p: direct(p, p.any(LayerNorm, name="norm", shared=True)),
        every(floats, _all_readers_fold),
        _bare_norm,
        tolerance=1e-5,
        phrase="gamma[s] and beta[s] of layer norms folded into the operators after",
    ),
]
