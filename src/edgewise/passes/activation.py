"""Rules that fuse activations into the operator before, and name clamps that are activations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.op import Op, Quantized
from edgewise.ops.activation import Clipped, Relu, Relu0To1, Relu6, ReluN1To1
from edgewise.ops.arithmetic import Add, Div, Mul, Sub
from edgewise.ops.dense_by_integers import DenseByIntegers
from edgewise.ops.pool import AveragePool2D, L2Pool2D, MaxPool2D
from edgewise.ops.requant import activation_range
from edgewise.passes.conditions import floats, same_bits
from edgewise.passes.linear import LINEAR
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

# Operators whose kernels clamp their result. CONCATENATION and L2_NORMALIZATION have the option
# too, but LiteRT refuses it.
FUSING: tuple[type[Op], ...] = (
    *LINEAR,
    DenseByIntegers,
    Add,
    Sub,
    Mul,
    Div,
    AveragePool2D,
    MaxPool2D,
    L2Pool2D,
)
CLIPPED = (Relu, Relu0To1, Relu6, ReluN1To1)
CLAMPS: dict[type[Clipped], Activation] = {
    Relu: Activation.RELU,
    Relu6: Activation.RELU6,
    ReluN1To1: Activation.RELU_N1_TO_1,
}
RANGES = {
    Activation.NONE: (-math.inf, math.inf),
    **{act: (cls.low, cls.high) for cls, act in CLAMPS.items()},
}


def _fused(match: Match) -> Activation | str:
    """The activation that does what the operator's own and the root do one after the other."""
    act = match.node("y").op.activation
    if act not in RANGES:
        return f"{match.node('y')} has fused activation {act.name}"
    low, high = _composed(RANGES[act], _range(match.root))
    for candidate, bounds in RANGES.items():
        if bounds == (low, high):
            return candidate
    return f"no fused activation clamps to [{low}, {high}]"


def _has_activation(match: Match) -> Verdict:
    fused = _fused(match)
    return fused if isinstance(fused, str) else True


def _same_integers(match: Match) -> Verdict:
    """Quantized: the operator's clamp gives the integers that the separate activation gives.

    An operator rounds, then clamps to the activation's bounds; checked on every stored integer.
    """
    y, result = match["y"], match.root.output
    if not y.dtype.is_integer:
        return True
    verdict = same_bits(y, result)
    if verdict is not True:
        return f"{match.root} requantizes: {verdict}"
    if y.quant is None or y.dtype is DType.INT32:
        return f"{y.name!r} is {y.dtype.text} without a scale"
    fused = _fused(match)
    assert isinstance(fused, Activation)
    low, high = y.dtype.range
    stored = np.arange(low, high + 1).astype(y.dtype.numpy)
    own = match.node("y").op.activation
    stored = np.clip(stored, *activation_range(own, y.type))
    separate = match.root.op.integer([Quantized(stored, y.quant)], [result.type])
    clamped = np.clip(stored, *activation_range(fused, result.type))
    if not np.array_equal(separate, clamped):
        return f"{match.root} gives other integers than a clamp"
    return True


def _fuse(b: Builder, match: Match) -> Value:
    node = match.node("y")
    op = node.op.replace(fused_activation_function=_fused(match))
    return b.node(op, *node.inputs, results=[match.root.output.type]).output


def _clamp_inside(match: Match) -> Verdict:
    """What `x` is clamped to already lies in the root's range."""
    low, high = _range(match.node("x"))
    wanted = _range(match.root)
    if wanted[0] <= low and high <= wanted[1]:
        return True
    return f"{match.node('x')} gives numbers in [{low}, {high}]"


def _clamp_outside(match: Match) -> Verdict:
    """The root's range lies in what `x` is clamped to."""
    low, high = _range(match.node("x"))
    wanted = _range(match.root)
    if low <= wanted[0] and wanted[1] <= high:
        return True
    return f"{match.node('x')} clamps to [{low}, {high}]"


def _range(node: Node) -> tuple[float, float]:
    assert isinstance(node.op, Clipped)
    return node.op.low, node.op.high


def _composed(inner: tuple[float, float], outer: tuple[float, float]) -> tuple[float, float]:
    """The range of a clamp to `inner` followed by one to `outer`."""
    low, high = (min(max(bound, outer[0]), outer[1]) for bound in inner)
    return low, high


def _named(op: str) -> Callable[[Builder, Match], Value]:
    def rewrite(b: Builder, match: Match) -> Value:
        method: Callable[..., Value] = getattr(b, op)
        return method(match["x"])

    return rewrite


def _keeps_shape(match: Match) -> Verdict:
    same = match["x"].type == match.root.output.type
    return same or "the bound broadcasts its operand"


def _minimum(p: PatternBuilder, x: Pattern, bound: float) -> Result:
    return p.minimum(x, p.constant(equal=bound))


def _maximum(p: PatternBuilder, x: Pattern, bound: float) -> Result:
    return p.maximum(x, p.constant(equal=bound))


CLAMPS_NAMED = [
    # max(x, 0) -> relu(x)
    Rule(
        "relu from maximum",
        lambda p: _maximum(p, p.value("x"), 0.0),
        every(floats, _keeps_shape),
        _named("relu"),
        phrase="clamp[s] recognised as activations",
    ),
    # min(max(x, -1), 1) -> relu_n1_to_1(x)
    Rule(
        "relu_n1_to_1 from minimum of maximum",
        lambda p: _minimum(p, _maximum(p, p.value("x"), -1.0), 1.0),
        every(floats, _keeps_shape),
        _named("relu_n1_to_1"),
        phrase="clamp[s] recognised as activations",
    ),
    # max(min(x, 1), -1) -> relu_n1_to_1(x)
    Rule(
        "relu_n1_to_1 from maximum of minimum",
        lambda p: _maximum(p, _minimum(p, p.value("x"), 1.0), -1.0),
        every(floats, _keeps_shape),
        _named("relu_n1_to_1"),
        phrase="clamp[s] recognised as activations",
    ),
    # min(relu(x), 6) -> relu6(x)
    Rule(
        "relu6 from minimum of relu",
        lambda p: _minimum(p, p.relu(p.value("x")), 6.0),
        every(floats, _keeps_shape),
        _named("relu6"),
        phrase="clamp[s] recognised as activations",
    ),
    # relu(min(x, 6)) -> relu6(x)
    Rule(
        "relu6 from relu of minimum",
        lambda p: p.relu(_minimum(p, p.value("x"), 6.0)),
        every(floats, _keeps_shape),
        _named("relu6"),
        phrase="clamp[s] recognised as activations",
    ),
    # min(relu(x), 1) -> relu_0_to_1(x): the end of Keras 2's hard sigmoid
    Rule(
        "relu_0_to_1 from minimum of relu",
        lambda p: _minimum(p, p.relu(p.value("x")), 1.0),
        every(floats, _keeps_shape),
        _named("relu_0_to_1"),
        phrase="clamp[s] recognised as activations",
    ),
    # relu(min(x, 1)) -> relu_0_to_1(x)
    Rule(
        "relu_0_to_1 from relu of minimum",
        lambda p: p.relu(_minimum(p, p.value("x"), 1.0)),
        every(floats, _keeps_shape),
        _named("relu_0_to_1"),
        phrase="clamp[s] recognised as activations",
    ),
    # relu(relu6(x)) -> relu6(x)
    Rule(
        "clamp of what is clamped",
        lambda p: p.any(*CLIPPED, operands=(p.any(*CLIPPED, name="x", shared=True),)),
        every(floats, _clamp_inside),
        lambda b, match: match["x"],
        phrase="clamp[s] recognised as activations",
    ),
    # relu6(relu(x)) -> relu6(x)
    Rule(
        "clamp by a wider clamp",
        lambda p: p.any(*CLIPPED, operands=(p.any(*CLIPPED, name="x", shared=True),)),
        every(floats, _clamp_outside),
        lambda b, match: b.node(match.root.op, match.node("x").input).output,
        phrase="clamp[s] recognised as activations",
    ),
]


def _before_reshape(b: Builder, match: Match) -> Value:
    reshaped = match.node("reshaped")
    y = match["y"]
    result = match.root.output.type.with_shape(y.type.shape)
    clamped = b.node(match.root.op, y, results=[result]).output
    return b.node(
        reshaped.op, clamped, *reshaped.inputs[1:], results=[match.root.output.type]
    ).output


ACTIVATIONS = [
    # relu(reshape(conv(x))) -> reshape(relu(conv(x))): layers of one dimension
    Rule(
        "activation before the reshape",
        lambda p: p.any(
            *CLAMPS,
            operands=(p.reshape(p.any(*FUSING, name="y"), p.optional(), name="reshaped"),),
        ),
        lambda match: same_bits(match["y"], match.node("reshaped").output),
        _before_reshape,
        phrase="activation[s] moved before reshapes",
    ),
    # relu(conv(x)) -> conv(x; RELU)
    Rule(
        "activation into the operator before",
        lambda p: p.any(*CLAMPS, operands=(p.any(*FUSING, name="y"),)),
        every(_has_activation, _same_integers),
        _fuse,
        phrase="activation[s] fused into the operator before",
    ),
]
