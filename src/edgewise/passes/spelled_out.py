"""Operators that others say just as well, for the planner, which has no kernels of their own for
them: STABLEHLO_CASE as IF inside IF, L2_POOL_2D as the root of a mean of squares, a layer norm over
inner axes between transpositions, CONCATENATION and its activation. Those about scales stand in
spelled_scales.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Value
from edgewise.ir.types import TensorType
from edgewise.ops.control import If
from edgewise.ops.join import Concatenation
from edgewise.ops.norm import LayerNorm
from edgewise.ops.pool import L2Pool2D
from edgewise.ops.regions import StablehloCase
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict

NONE = Activation.NONE


def _has_branches(match: Match) -> Verdict:
    op = match.root.op
    assert isinstance(op, StablehloCase)
    return len(op.branches) > 1 or "there is one branch"


def _chain(b: Builder, match: Match) -> Sequence[Value]:
    op, values = match.root.op, match.root.inputs
    assert isinstance(op, StablehloCase)
    index, *x = [v for v in values if v is not None]
    types = [v.type for v in x]
    return _choice(b, index, x, types, op.branches, 0)


def _choice(
    b: Builder,
    index: Value,
    x: Sequence[Value],
    types: Sequence[TensorType],
    branches: Sequence[Graph],
    number: int,
) -> Sequence[Value]:
    """Branch `number` of all, or the choice among those behind it."""
    is_this = b.equal(index, b.constant(np.array(number, np.int32)))
    if index.shape:
        is_this = b.reshape(is_this, b.constant(np.zeros(0, np.int32)))
    then = _with_index(branches[number], index.type)
    if number + 2 == len(branches):
        otherwise = _with_index(branches[-1], index.type)
    else:
        inner = Builder(f"{branches[number].name}/others")
        at = _input(inner, "index", index.type)
        given = [_input(inner, f"x{i}", t) for i, t in enumerate(types)]
        otherwise = inner.finish(*_choice(inner, at, given, types, branches, number + 1))
    return b.node(If(then=then, otherwise=otherwise), is_this, index, *x).outputs


def _input(b: Builder, name: str, type_: TensorType) -> Value:
    assert type_.shape is not None
    return b.input(name, type_.shape, type_.dtype, type_.quant)


def _with_index(graph: Graph, type_: TensorType) -> Graph:
    """The same graph, which is given the index, too."""
    copy = graph.copy()
    copy.inputs.insert(0, Value(type_, "index"))
    return copy


def _has_kernels(match: Match) -> Verdict:
    op = match.root.op
    assert isinstance(op, L2Pool2D)
    if op.fused_activation_function is Activation.SIGN_BIT:
        return "SIGN_BIT means nothing here"
    return match.root.input.dtype is not DType.FLOAT64 or "float64 has no kernels"


def _root_of_mean(b: Builder, match: Match) -> Value:
    op, x = match.root.op, match.root.input
    assert isinstance(op, L2Pool2D)
    attributes = {**dict(op.items()), "fused_activation_function": NONE}
    square = b.mul(x, x, fused_activation_function=NONE)
    y = b.sqrt(b.average_pool_2d(square, **attributes))
    # a root is not negative: RELU leaves it, and the other bounds are their upper ones
    act = op.fused_activation_function
    if act in (NONE, Activation.RELU):
        return y
    if act is Activation.TANH:
        return b.tanh(y)
    most = {Activation.RELU6: 6.0, Activation.RELU_N1_TO_1: 1.0}[act]
    return b.minimum(y, b.constant(np.array(most, x.dtype.numpy)))


def _is_inner(match: Match) -> Verdict:
    op, x = match.root.op, match.root.operand(0)
    assert isinstance(op, LayerNorm)
    rank = len(x.shape)
    axes = [a % rank for a in op.axes]
    return axes != list(range(rank - len(axes), rank)) or "the axes are the last ones"


def _transposed(b: Builder, match: Match) -> Value:
    op, (x, *vectors) = match.root.op, match.root.inputs
    assert isinstance(op, LayerNorm)
    assert x is not None
    rank = len(x.shape)
    axes = [a % rank for a in op.axes]
    order = [a for a in range(rank) if a not in axes] + axes
    rows = b.transpose(x, b.constant(np.array(order, np.int32)))
    last = LayerNorm(axes=tuple(range(-len(axes), 0)), epsilon=op.epsilon)
    y = b.node(last, rows, *vectors).output
    return b.transpose(y, b.constant(np.argsort(order).astype(np.int32)))


def _acts_on_floats(match: Match) -> Verdict:
    op = match.root.op
    assert isinstance(op, Concatenation)
    if op.fused_activation_function in (NONE, Activation.SIGN_BIT):
        return "there is no activation"
    return match.root.output.dtype.is_float or "integers are clamped where they are copied"


def _activated(b: Builder, match: Match) -> Value:
    op = match.root.op
    assert isinstance(op, Concatenation)
    y = b.node(op.replace(fused_activation_function=NONE), *match.root.inputs).output
    act = {
        Activation.RELU: b.relu,
        Activation.RELU6: b.relu6,
        Activation.RELU_N1_TO_1: b.relu_n1_to_1,
        Activation.TANH: b.tanh,
    }[op.fused_activation_function]
    return act(y)


SPELLED_OUT = [
    # case(i, x) -> i == 0 ? first(x) : i == 1 ? second(x) : .. : last(x)
    Rule(
        "case as IF inside IF",
        lambda p: p.any(StablehloCase),
        _has_branches,
        _chain,
        phrase="case[s] written as IF",
    ),
    # l2_pool(x) -> sqrt(average_pool(x * x))
    Rule(
        "L2 pool as the root of a mean",
        lambda p: p.any(L2Pool2D),
        _has_kernels,
        _root_of_mean,
        tolerance=1e-6,
        phrase="L2 pool[s] written as the root of a mean of squares",
    ),
    # layer_norm(x, inner axes) -> transpose(layer_norm(transpose(x), last axes))
    Rule(
        "layer norm over inner axes",
        lambda p: p.any(LayerNorm),
        _is_inner,
        _transposed,
        tolerance=1e-5,
        phrase="layer norm[s] over inner axes between transpositions",
    ),
    # concatenation(xs, act) -> act(concatenation(xs))
    Rule(
        "activation behind a concatenation",
        lambda p: p.any(Concatenation),
        _acts_on_floats,
        _activated,
        phrase="activation[s] of a concatenation behind it",
    ),
]
