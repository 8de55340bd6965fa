"""Lowering: the higher operators of the IR in builtin operators.

`LOWER` makes of every BATCH_NORM a MUL and an ADD, of every LAYER_NORM nine operators, of every
ERF eight, and gives every float convolution the bias that LiteRT needs. What cannot be written or
does not run where the model goes is refused in `target.py`.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ops.axes import axes_in
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.norm import BatchNorm, LayerNorm
from edgewise.ops.unary import Erf
from edgewise.passes.affine import batch_norm_affine
from edgewise.passes.pattern import Match
from edgewise.passes.rewrite import Rule, Verdict


def _lower_batch_norm(b: Builder, match: Match) -> Value:
    # (x - mean) / sqrt(variance + epsilon) * gamma + beta -> x * scale + offset
    node = match.root
    affine = batch_norm_affine(node)
    if isinstance(affine, str):
        return _batch_norm_in_full(b, match)
    scale, offset = (
        b.constant(_aligned(node.op, a, node.input).astype(node.input.dtype.numpy)) for a in affine
    )
    name = node.operand(3).name
    scale.name, offset.name = f"{name}/scale", f"{name}/offset"
    return b.add(b.mul(node.input, scale), offset)


def _batch_norm_in_full(b: Builder, match: Match) -> Value:
    """The same where the parameters are computed: offset and scale cost operators of their own."""
    node = match.root
    assert isinstance(node.op, BatchNorm)
    gamma, beta, mean, variance = (_spread(b, match, node.optional(i)) for i in range(1, 5))
    assert mean is not None
    assert variance is not None
    scale = b.rsqrt(b.add(variance, _epsilon(b, variance, node.op.epsilon)))
    if gamma is not None:
        scale = b.mul(scale, gamma)
    y = b.mul(b.sub(node.input, mean), scale)
    return y if beta is None else b.add(y, beta)


def _spread(b: Builder, match: Match, value: Value | None) -> Value | None:
    """A parameter [C] with 1s behind it, so that it broadcasts along the normalised axis."""
    op, x = match.root.op, match.root.input
    assert isinstance(op, BatchNorm)
    after = len(x.shape) - 1 - op.axis % len(x.shape)
    if value is None or after == 0:
        return value
    return b.reshape(value, b.constant(np.array([-1] + [1] * after, np.int32)))


def _aligned(op: object, vector: np.ndarray, x: Value) -> np.ndarray:
    assert isinstance(op, BatchNorm)
    after = len(x.shape) - 1 - op.axis % len(x.shape)
    return vector.reshape([-1] + [1] * after)


def _lower_layer_norm(b: Builder, match: Match) -> Value:
    # m = mean(x); v = mean((x - m)**2); y = (x - m) * rsqrt(v + epsilon) * gamma + beta
    node = match.root
    op, x = node.op, node.input
    assert isinstance(op, LayerNorm)
    chosen = axes_in(op.axes, len(x.shape))
    axes = b.constant(np.array(chosen, np.int32), name=f"{node.output.name}/axes")
    mean = b.mean(x, axes, keep_dims=True)
    variance = b.mean(b.squared_difference(x, mean), axes, keep_dims=True)
    inverse = b.rsqrt(b.add(variance, _epsilon(b, x, op.epsilon)))
    y = b.mul(b.sub(x, mean), inverse)
    gamma, beta = (_behind(b, match, node.optional(i), chosen) for i in (1, 2))
    if gamma is not None:
        y = b.mul(y, gamma)
    return y if beta is None else b.add(y, beta)


def _behind(b: Builder, match: Match, value: Value | None, axes: tuple[int, ...]) -> Value | None:
    """A parameter over `axes` with 1s where x has other axes between or behind them."""
    rank = len(match.root.input.shape)
    if value is None or axes == tuple(range(rank - len(axes), rank)):
        return value
    shape = [value.shape[axes.index(i)] if i in axes else 1 for i in range(axes[0], rank)]
    return b.reshape(value, b.constant(np.array(shape, np.int32)))


def _lower_erf(b: Builder, match: Match) -> Value:
    # gelu(z) = z * (1 + erf(z / sqrt(2))) / 2, solved for erf; 0 at 0.
    # Off by at most 2e-7, close to 0, where gelu(z) / z is rounded; NaN where z is infinite.
    x = match.root.input

    def number(value: float) -> Value:
        return b.constant(np.array(value, x.dtype.numpy))

    z = b.mul(x, number(math.sqrt(2)))
    is_zero = b.equal(z, number(0))
    halved = b.div(b.gelu(z), b.select_v2(is_zero, number(1), z))
    y = b.add(b.mul(halved, number(2)), number(-1))
    return b.select_v2(is_zero, number(0), y)


def _floats_only(match: Match) -> Verdict:
    for value in (match["x"], match["w"], match.root.output):
        if value.quant is not None:
            return f"{value.name!r} is quantized; a bias would need the product of two scales"
    channels = match.root.output.shape[-1]
    return isinstance(channels, int) or "the number of channels is unknown"


def _zero_bias(b: Builder, match: Match) -> Value:
    node, x = match.root, match["x"]
    channels = node.output.shape[-1]
    assert isinstance(channels, int)
    zeros = np.zeros(channels, x.dtype.numpy)
    bias = b.constant(zeros, name=f"{match['w'].name}/no_bias")
    return b.node(node.op, x, match["w"], bias, results=[node.output.type]).output


def _epsilon(b: Builder, like: Value, epsilon: float) -> Value:
    return b.constant(np.array(epsilon, like.dtype.numpy), name="epsilon")


BATCH_NORMS = [
    Rule(
        "batch norm as scale and offset",
        lambda p: p.any(BatchNorm),
        lambda match: True,
        _lower_batch_norm,
        tolerance=1e-5,
        phrase="batch norm[s] written as scale and offset",
    ),
]

ERRORS = [
    Rule(
        "erf in builtin operators",
        lambda p: p.any(Erf),
        lambda match: True,
        _lower_erf,
        tolerance=1e-6,
        phrase="error function[s] written by means of gelu",
    ),
]

LOWER = [
    *BATCH_NORMS,
    *ERRORS,
    Rule(
        "layer norm in builtin operators",
        lambda p: p.any(LayerNorm),
        lambda match: True,
        _lower_layer_norm,
        tolerance=1e-5,
        phrase="layer norm[s] written in builtin operators",
    ),
    # w*x -> w*x + 0: without a bias, LiteRT 2.3 refuses CONV_2D (conv.cc: has_bias was not true),
    # and dies of a null pointer in DEPTHWISE_CONV_2D, where only its reference kernels look first
    Rule(
        "bias of zeros",
        lambda p: p.any(Conv2D, DepthwiseConv2D, operands=(p.value("x"), p.value("w"))),
        _floats_only,
        _zero_bias,
        phrase="convolution[s] given the bias that LiteRT needs",
    ),
]
