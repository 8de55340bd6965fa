"""Rules that fold scales, offsets and batch norms into the linear operator before them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.norm import BatchNorm
from edgewise.ops.reshape import Reshape, Transpose
from edgewise.passes.conditions import floats, per_channel, same_shape
from edgewise.passes.linear import (
    LINEAR,
    channels_out,
    constant_weights,
    scale_output,
)
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

NONE = Activation.NONE
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
        return scale_output(b, node, scale, offset, match.root.op.activation)

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


def normalises_channels(match: Match) -> Verdict:
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


def norm_of(p: PatternBuilder, x: Pattern) -> Result:
    """A batch norm of `x`, captured as `norm`."""
    parameters = (p.optional(), p.optional(), p.value(), p.value())
    return p.any(BatchNorm, operands=(x, *parameters), name="norm")


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
        act = match.root.op.activation
        method: Callable[..., Value] = getattr(b, op)
        y = method(match["linear"], constant, fused_activation_function=act)
        reshaped = match.node("reshaped")
        return b.node(reshaped.op, y, match["shape"], results=[reshaped.output.type]).output

    return Rule(
        name,
        pattern,
        every(floats, _covers_channels),
        rewrite,
        phrase="scale[s] moved towards the operator before",
    )


def _scalar(match: Match) -> Verdict:
    size = match.array("c").size
    return size == 1 or f"the factor has {size} elements; only a scalar moves freely"


def _before_transpose(b: Builder, match: Match) -> Value:
    transposed = match.node("transposed")
    act = match.root.op.activation
    y = b.mul(match["x"], match["c"], fused_activation_function=act)
    return b.node(transposed.op, y, match["perm"], results=[transposed.output.type]).output


def _from_linear(value: Value | None) -> bool:
    """Only reshapes and transposes stand between the value and a linear operator of its own."""
    while value is not None and len(value.uses) == 1 and value.producer is not None:
        node = value.producer
        if isinstance(node.op, LINEAR):
            return node.op.activation is NONE and constant_weights(node) is True
        if not isinstance(node.op, Reshape | Transpose):
            return False
        value = node.operand(0)
    return False


def _comes_from_linear(match: Match) -> Verdict:
    return _from_linear(match["x"]) or "what it negates is not computed by an operator before"


def _scaled_by_minus_one(b: Builder, match: Match) -> Value:
    minus = np.array(-1, match["x"].dtype.numpy)
    return b.mul(match["x"], b.constant(minus, name=f"{match.root.output.name}/minus"))


def _same_product(match: Match) -> Verdict:
    same = match["product"].type == match.root.output.type
    return same or "the constant raises the rank"


def _has_linear_operand(match: Match) -> Verdict:
    fed = _from_linear(match["left"]) or _from_linear(match["right"])
    return fed or "neither operand of the product comes from an operator that could take it in"


def _before_product(b: Builder, match: Match) -> Value:
    operands = [match["left"], match["right"]]
    scaled = 0 if _from_linear(operands[0]) else 1
    operands[scaled] = b.mul(operands[scaled], match["c"])
    return b.node(match.node("product").op, *operands, results=[match.root.output.type]).output


def _same_rank(match: Match) -> Verdict:
    return len(match["c"].shape) <= len(match["x"].shape) or "the constant raises the rank"


AFFINE = [
    # bn(w*x + b) -> (w*s)*x + (b*s + t)
    Rule(
        "batch norm into the operator before",
        lambda p: norm_of(p, _linear(p)),
        every(floats, _linear_constant, normalises_channels),
        _norm_after,
        tolerance=1e-5,
        phrase="batch norm[s] folded into the operator before",
    ),
    # (w*x + b) * c -> (w*c)*x + b*c
    Rule(
        "scale into the operator before",
        lambda p: p.mul(_linear(p), p.constant("c")),
        every(floats, _fits_output),
        _after(lambda match, c: (c, np.zeros_like(c))),
        tolerance=1e-5,
        phrase="scale[s] folded into the operator before",
    ),
    # (w*x + b) + c -> w*x + (b + c)
    Rule(
        "offset into the bias",
        lambda p: p.add(_linear(p), p.constant("c")),
        every(floats, _fits_output),
        _after(lambda match, c: (np.ones_like(c), c)),
        tolerance=1e-5,
        phrase="offset[s] folded into the bias before",
    ),
    # c - (w*x + b) -> (-w)*x + (c - b)
    Rule(
        "subtraction into the operator before",
        lambda p: p.sub(p.constant("c"), _linear(p)),
        every(floats, _fits_output),
        _after(lambda match, c: (-np.ones_like(c), c)),
        tolerance=1e-5,
        phrase="scale[s] folded into the operator before",
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
        phrase="scale[s] moved towards the operator before",
    ),
    # -(w*x) -> (w*x) * -1, which goes into w; reshapes may stand between
    Rule(
        "negation into the operator before",
        lambda p: p.neg(p.value("x")),
        every(floats, _comes_from_linear),
        _scaled_by_minus_one,
        is_quiet=True,
        phrase="negation[s] folded into the operator before",
    ),
    # (a @ b) * c -> (a * c) @ b, of attention's scores: towards the operator that computes a
    Rule(
        "scale before the matrix product",
        lambda p: p.mul(
            p.batch_matmul(p.value("left"), p.value("right"), name="product"),
            p.constant("c"),
            fused_activation_function=NONE,
        ),
        every(floats, _scalar, _same_product, _has_linear_operand),
        _before_product,
        tolerance=1e-5,
        phrase="scale[s] moved towards the operator before",
    ),
]
