"""Normalizations, and functions of whole rows: softmax, local response.

Source: tensorflow/core/ops/nn_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.frontends.decompose.functions import scaled
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.layout import is_channels_first
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _batch_norm(
    c: Context,
    node: TFNode,
    x: Value,
    gamma: Value,
    beta: Value,
    mean: Value,
    variance: Value,
) -> Sequence[Value]:
    """folded into a neighbour, else MUL and ADD; training mode is refused"""
    if attrs.flag(node, "is_training", True):
        raise Unsupported(
            "batch normalization in training mode; export the model for inference (training=False)"
        )
    y = c.b.batch_norm(
        x, gamma, beta, mean, variance,
        epsilon=attrs.real(node, "epsilon", 1e-4), axis=1 if is_channels_first(node) else -1,
    )  # fmt: skip
    return y, mean, variance, mean, variance


def _local_response(c: Context, node: TFNode, x: Value) -> Value:
    return c.b.local_response_normalization(
        x,
        radius=attrs.integer(node, "depth_radius", 5),
        bias=attrs.real(node, "bias", 1.0),
        alpha=attrs.real(node, "alpha", 1.0),
        beta=attrs.real(node, "beta", 0.5),
    )


def _l2_loss(c: Context, node: TFNode, x: Value) -> Value:
    """sum(x**2) / 2"""
    axes = c.ints(range(len(x.shape)))
    return scaled(c, c.b.sum(c.b.square(x), axes), 0.5)


def _fused_batch_norm(c: Context, node: TFNode, *operands: Value) -> Sequence[Value]:
    """FusedBatchNorm, the addition and the activation that Grappler fused into it"""
    y, *statistics = _batch_norm(c, node, *operands[:5])
    for side in operands[5:]:
        y = c.b.add(y, side)
    kind = attrs.choice(node, "activation_mode", ("Identity", "Relu"), "Identity")
    return c.b.relu(y) if kind == "Relu" else y, *statistics


def _cross_entropy(c: Context, node: TFNode, scores: Value, labels: Value) -> Sequence[Value]:
    """the loss, -sum(labels * log_softmax), and its gradient, softmax - labels"""
    total = c.b.sum(c.b.mul(labels, c.b.log_softmax(scores)), c.ints([1]))
    return [c.b.neg(total), c.b.sub(c.b.softmax(scores), labels)]


def _sparse_cross_entropy(
    c: Context, node: TFNode, scores: Value, labels: Value
) -> Sequence[Value]:
    """the loss, -log_softmax at the label, and its gradient, softmax - one_hot"""
    place = c.b.expand_dims(labels, c.ints([1]))
    found = c.b.gather(c.b.log_softmax(scores), place, axis=1, batch_dims=1)
    depth = c.shape(scores.shape[1:])
    one, zero = c.scalar(1, scores), c.scalar(0, scores)
    chosen = c.b.one_hot(labels, c.b.squeeze(depth), one, zero, axis=-1)
    loss = c.b.neg(c.reshape(found, (found.shape[0],)))
    return [loss, c.b.sub(c.b.softmax(scores), chosen)]


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    "Softmax": lambda c, node, x: c.b.softmax(x),
    "LogSoftmax": lambda c, node, x: c.b.log_softmax(x),
    "LRN": _local_response,
    "_FusedBatchNormEx": _fused_batch_norm,
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
    "L2Loss": _l2_loss,
}
