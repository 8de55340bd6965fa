"""Rules that fold scales, offsets and batch norms into linear operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.conv3d import Conv3D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.norm import BatchNorm
from edgewise.ops.reshape import Reshape
from edgewise.passes.conditions import floats, per_channel, same_shape
from edgewise.passes.linear import (
    LINEAR,
    channels_in,
    channels_out,
    constant_weights,
    meets_every_tap,
    scale_input,
    scale_output,
)
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE
DIRECT = (Conv2D, DepthwiseConv2D, Conv3D, FullyConnected)  # their data is operand 0
Affine = tuple[np.ndarray, np.ndarray]  # scale and offset, float64


def _linear(p: PatternBuilder) -> Result:
    """A linear operator; what it reads is looked at by `layout`."""
    return p.any(*LINEAR, name="linear", fused_activation_function=NONE)


# -- (w*x + bias) * s + t ---------------------------------------------------------------------


def _fits_output(match: Match) -> Verdict:
    node = match.node("linear")
    verdict = constant_weights(node)
    if verdict is not True:
        return verdict
    vector = per_channel(match.array("c"), node.output.shape)
    return vector if isinstance(vector, str) else True


def _after(affine: Callable[[Match, np.ndarray], Affine]) -> Callable[[Builder, Match], Value]:
    """Rewrite: the linear operator with `affine(match, c)` behind it."""

    def rewrite(b: Builder, match: Match) -> Value:
        node = match.node("linear")
        vector = per_channel(match.array("c"), node.output.shape)
        assert not isinstance(vector, str)
        scale, offset = affine(match, vector)
        act = getattr(match.root.op, "fused_activation_function", NONE)
        return scale_output(b, node, scale, offset, act)

    return rewrite


def batch_norm_affine(node: Node) -> Affine | str:
    """Scale and offset [C] of a BATCH_NORM, float64; a sentence where they are not constant.

    scale = gamma / sqrt(variance + epsilon), offset = beta - mean * scale.
    """
    arrays = []
    for declared, value in zip(node.op.operands[1:], node.inputs[1:], strict=False):
        if value is not None and value.data is None:
            return f"{declared.name} of {node} is no constant"
        arrays.append(None if value is None or value.data is None else value.data)
    gamma, beta, mean, variance = (None if a is None else a.astype(np.float64) for a in arrays)
    assert mean is not None
    assert variance is not None
    assert isinstance(node.op, BatchNorm)
    scale = 1 / np.sqrt(variance + node.op.epsilon)
    if gamma is not None:
        scale = scale * gamma
    return scale, (0 if beta is None else beta) - mean * scale


def _normalises_channels(match: Match) -> Verdict:
    """The batch norm is of constants, along the last axis."""
    node = match.node("norm")
    affine = batch_norm_affine(node)
    if isinstance(affine, str):
        return affine
    assert isinstance(node.op, BatchNorm)
    rank = len(node.output.shape)
    if node.op.axis % rank != rank - 1:
        return f"{node} normalises axis {node.op.axis}, not the channels"
    return True


def _linear_constant(match: Match) -> Verdict:
    return constant_weights(match.node("linear"))


def _norm_after(b: Builder, match: Match) -> Value:
    affine = batch_norm_affine(match.node("norm"))
    assert not isinstance(affine, str)
    return scale_output(b, match.node("linear"), *affine, NONE)


def _norm(p: PatternBuilder, x: Pattern) -> Result:
    parameters = (p.optional(), p.optional(), p.value(), p.value())
    return p.any(BatchNorm, operands=(x, *parameters), name="norm")


# -- w*(x*s + t) + bias ----------------------------------------------------------------------


def _scaled(p: PatternBuilder) -> Result:
    return p.mul(p.value("x"), p.constant("c"), name="scaled", fused_activation_function=NONE)


def _offset(p: PatternBuilder) -> Result:
    return p.add(p.value("x"), p.constant("c"), name="scaled", fused_activation_function=NONE)


def _direct(p: PatternBuilder, x: Pattern) -> Result:
    """A linear operator with its data first, on `x`."""
    return p.any(*DIRECT, operands=(x, p.value(), p.optional()))


def _fits_input(match: Match) -> Verdict:
    node = match.root
    verdict = constant_weights(node)
    if verdict is not True:
        return verdict
    vector = _input_vector(match)
    return vector if isinstance(vector, str) else True


def _input_vector(match: Match) -> np.ndarray | str:
    """The constant `c` as float64 vector over the input channels of the root."""
    c, channels = match.array("c"), channels_in(match.root)
    scaled = match["scaled"]
    if not same_shape(match["x"].type.shape, scaled.type.shape):
        return f"{scaled.name!r} broadcasts {match['x'].name!r}"
    if channels is None:
        return f"{match.root} does not read vectors of its input channels"
    vector = per_channel(c, scaled.shape)
    if isinstance(vector, str):
        return vector
    if c.size > 1 and vector.size != channels:
        return f"{vector.size} numbers do not fit {channels} input channels"
    return np.broadcast_to(vector[:1], (channels,)) if c.size == 1 else vector


def _constant_vector(match: Match) -> np.ndarray:
    vector = _input_vector(match)
    assert not isinstance(vector, str)
    return vector


def _sees_everything(match: Match) -> Verdict:
    return meets_every_tap(match.root)


def _through_pad(b: Builder, match: Match) -> Value:
    padded = b.pad(match["x"], match["paddings"])
    return scale_input(b, match.root, padded, _constant_vector(match), None)


def _norm_fits_input(match: Match) -> Verdict:
    channels = channels_in(match.root)
    if channels is None:
        return f"{match.root} does not read vectors of its input channels"
    return constant_weights(match.root)


def _norm_before(b: Builder, match: Match) -> Value:
    affine = batch_norm_affine(match.node("norm"))
    assert not isinstance(affine, str)
    return scale_input(b, match.root, match.node("norm").input, *affine)


def _scalar(match: Match) -> Verdict:
    size = match.array("c").size
    return size == 1 or f"the factor has {size} elements; only a scalar moves freely"


def _gate_scale(b: Builder, match: Match) -> Value:
    gated = b.mul(match["x"], match["gate"])
    channels = channels_in(match.root)
    assert channels is not None
    scale = np.full(channels, float(match.array("c").reshape(-1)[0]))
    return scale_input(b, match.root, gated, scale, None)


# -- bias behind a reshape ---------------------------------------------------------------------


def _covers_channels(match: Match) -> Verdict:
    """The constant is a scalar, or one number per output channel in the reshaped order."""
    node, c = match.node("linear"), match.array("c")
    verdict = constant_weights(node)
    if verdict is not True:
        return verdict
    if not same_shape(match["reshaped"].type.shape, match.root.output.type.shape):
        return "the constant broadcasts the result"
    if c.size == 1:
        return True
    shape = c.shape
    while shape[0] == 1:
        shape = shape[1:]
    if shape != match["reshaped"].shape[-len(shape) :] or c.size != channels_out(node):
        return f"the constant {list(c.shape)} is not one number per channel before the reshape"
    return True


def _through_reshape(name: str, op: str) -> Rule:
    def pattern(p: PatternBuilder) -> Result:
        reshaped = p.reshape(_linear(p), p.constant("shape"), name="reshaped")
        method: Callable[..., Result] = getattr(p, op)
        return method(reshaped, p.constant("c"))

    def rewrite(b: Builder, match: Match) -> Value:
        constant = b.constant(match.array("c").reshape(-1), name=match["c"].name)
        act = getattr(match.root.op, "fused_activation_function", NONE)
        method: Callable[..., Value] = getattr(b, op)
        y = method(match["linear"], constant, fused_activation_function=act)
        reshaped = match.node("reshaped")
        return b.node(reshaped.op, y, match["shape"], results=[reshaped.output.type]).output

    return Rule(name, pattern, every(floats, _covers_channels), rewrite)


def _before_transpose(b: Builder, match: Match) -> Value:
    transposed = match.node("transposed")
    act = getattr(match.root.op, "fused_activation_function", NONE)
    y = b.mul(match["x"], match["c"], fused_activation_function=act)
    return b.node(transposed.op, y, match["perm"], results=[transposed.output.type]).output


def _same_rank(match: Match) -> Verdict:
    return len(match["c"].shape) <= len(match["x"].shape) or "the constant raises the rank"


AFFINE = [
    # bn(w*x + b) -> (w*s)*x + (b*s + t)
    Rule(
        "batch norm into the operator before",
        lambda p: _norm(p, _linear(p)),
        every(floats, _linear_constant, _normalises_channels),
        _norm_after,
        tolerance=1e-5,
    ),
    # (w*x + b) * c -> (w*c)*x + b*c
    Rule(
        "scale into the operator before",
        lambda p: p.mul(_linear(p), p.constant("c")),
        every(floats, _fits_output),
        _after(lambda match, c: (c, np.zeros_like(c))),
        tolerance=1e-5,
    ),
    # (w*x + b) + c -> w*x + (b + c)
    Rule(
        "offset into the bias",
        lambda p: p.add(_linear(p), p.constant("c")),
        every(floats, _fits_output),
        _after(lambda match, c: (np.ones_like(c), c)),
        tolerance=1e-5,
    ),
    # c - (w*x + b) -> (-w)*x + (c - b)
    Rule(
        "subtraction into the operator before",
        lambda p: p.sub(p.constant("c"), _linear(p)),
        every(floats, _fits_output),
        _after(lambda match, c: (-np.ones_like(c), c)),
        tolerance=1e-5,
    ),
    # reshape(w*x) + c -> reshape(w*x + c), and the same of a factor
    _through_reshape("offset before the reshape", "add"),
    _through_reshape("scale before the reshape", "mul"),
    # transpose(y) * c -> transpose(y * c), towards the operator that computes y
    Rule(
        "scale before the transpose",
        lambda p: p.mul(
            p.transpose(p.any(Reshape, *LINEAR, name="x"), p.constant("perm"), name="transposed"),
            p.constant("c"),
        ),
        every(floats, _scalar, _same_rank),
        _before_transpose,
    ),
    # w*bn(x) + b -> (w*s)*x + (w*t + b)
    Rule(
        "batch norm into the operator after",
        lambda p: _direct(p, _norm(p, p.value())),
        every(floats, _norm_fits_input, _normalises_channels, _sees_everything),
        _norm_before,
        tolerance=1e-5,
    ),
    # w*(x*c) + b -> (w*c)*x + b
    Rule(
        "scale into the operator after",
        lambda p: _direct(p, _scaled(p)),
        every(floats, _fits_input),
        lambda b, match: scale_input(b, match.root, match["x"], _constant_vector(match), None),
        tolerance=1e-5,
    ),
    # w*pad(x*c) + b -> (w*c)*pad(x) + b: zeros stay zeros
    Rule(
        "scale through the pad into the operator after",
        lambda p: _direct(p, p.pad(_scaled(p), p.constant("paddings"))),
        every(floats, _fits_input),
        _through_pad,
        tolerance=1e-5,
    ),
    # w*(x + c) + b -> w*x + (w*c + b)
    Rule(
        "offset into the bias of the operator after",
        lambda p: _direct(p, _offset(p)),
        every(floats, _fits_input, _sees_everything),
        lambda b, match: scale_input(
            b,
            match.root,
            match["x"],
            np.ones_like(_constant_vector(match)),
            _constant_vector(match),
        ),
        tolerance=1e-5,
    ),
    # w*(x * (g*c)) + b -> (w*c)*(x*g) + b: the 1/6 of a hard sigmoid that gates x
    Rule(
        "scale of a gate into the operator after",
        lambda p: _direct(
            p,
            p.mul(
                p.value("x"),
                p.mul(p.value("gate"), p.constant("c"), fused_activation_function=NONE),
                fused_activation_function=NONE,
            ),
        ),
        every(floats, _scalar, _norm_fits_input),
        _gate_scale,
        tolerance=1e-5,
    ),
]
