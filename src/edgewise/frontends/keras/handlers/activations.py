"""Activations: Keras's named functions and the activation layers.

A function without an operator of its own is written with those that `.tflite` has; passes find
the shorter forms. Source: keras/src/activations/activations.py and ops/nn.py, Keras 3.15.
"""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler
from edgewise.frontends.decompose.activations import (
    celu,
    elu,
    glu,
    hard_shrink,
    keep_above,
    log_sigmoid,
    log_softmax,
    mish,
    selu,
    silu,
    soft_shrink,
    softmax,
    softmax_over,
    softplus,
    softsign,
    sparse_plus,
    sparsemax,
    squareplus,
)
from edgewise.frontends.decompose.functions import clip, scaled
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import number, numbers, optional_number
from edgewise.frontends.keras.handlers.context import Activation, Context
from edgewise.ir.graph import Value

# `_large_negative_number` of layers/activations/softmax.py for float32
MASKED = -1e9


def hard_sigmoid(c: Context, x: Value) -> Value:
    """relu6(x + 3) / 6; in Keras 1 and 2 clip(0.2 x + 0.5, 0, 1)."""
    if c.is_keras_3:
        return scaled(c, c.b.relu6(c.b.add(x, c.scalar(3, x))), 1 / 6)
    return clip(c, c.b.add(scaled(c, x, 0.2), c.scalar(0.5, x)), 0, 1)


def relu(c: Context, layer: KerasLayer, x: Value) -> Value:
    """max_value, negative_slope and threshold as `keras.activations.relu` has them."""
    top = optional_number(layer, "max_value")
    slope, threshold = number(layer, "negative_slope", 0.0), number(layer, "threshold", 0.0)
    if threshold == 0 and slope and top is None:
        return c.b.leaky_relu(x, alpha=slope)
    if threshold != 0:
        y = keep_above(c, x, threshold)
    elif top == 6:
        y = c.b.relu6(x)
    else:
        y = c.b.relu(x)
    if top is not None and not (threshold == 0 and top == 6):
        y = clip(c, y, 0.0, top) if threshold != 0 else c.b.minimum(y, c.scalar(top, x))
    if not slope:
        return y
    below = c.b.relu(c.b.sub(c.scalar(threshold, x), x))
    return c.b.sub(y, scaled(c, below, slope))


def leaky_relu(c: Context, layer: KerasLayer, x: Value) -> Value:
    """`negative_slope`, in Keras 1 and 2 `alpha`."""
    slope = optional_number(layer, "negative_slope")
    return c.b.leaky_relu(x, alpha=number(layer, "alpha", 0.3) if slope is None else slope)


def prelu(c: Context, layer: KerasLayer, x: Value) -> Value:
    """alpha has the shape of x without the batch, 1 on shared axes."""
    return c.b.prelu(x, c.constant(layer, "alpha", c.weight(layer, "alpha")))


def softmax_layer(c: Context, layer: KerasLayer, x: Value, mask: Value | None = None) -> Value:
    """Masked positions get no weight. Several axes are reduced together."""
    mask = c.mask(x) if mask is None else mask
    if mask is not None:
        mask = mask if mask.dtype is DType.BOOL else c.b.greater(c.real(mask), c.scalar(0.5))
        x = c.b.select_v2(mask, x, c.scalar(MASKED))
    axes = numbers(layer, "axis") if layer.config.get("axis") is not None else [-1]
    y = softmax(c, x, axes[0]) if len(axes) == 1 else softmax_over(c, x, axes)
    return y if mask is None else c.b.select_v2(mask, y, c.scalar(0.0))


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda c, x: x,
    "relu": lambda c, x: c.b.relu(x),
    "relu6": lambda c, x: c.b.relu6(x),
    "sigmoid": lambda c, x: c.b.logistic(x),
    "tanh": lambda c, x: c.b.tanh(x),
    "hard_tanh": lambda c, x: clip(c, x, -1, 1),
    "hard_sigmoid": hard_sigmoid,
    "silu": silu,
    "swish": silu,
    "hard_silu": lambda c, x: c.b.mul(x, hard_sigmoid(c, x)),
    "hard_swish": lambda c, x: c.b.mul(x, hard_sigmoid(c, x)),
    "gelu": lambda c, x: c.b.gelu(x),
    "elu": elu,
    "selu": selu,
    "celu": celu,
    "glu": glu,
    "softplus": softplus,
    "softsign": softsign,
    "exponential": lambda c, x: c.b.exp(x),
    "mish": mish,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "leaky_relu": lambda c, x: c.b.leaky_relu(x, alpha=0.2),
    "log_sigmoid": log_sigmoid,
    "sparse_sigmoid": lambda c, x: scaled(c, c.b.add(clip(c, x, -1, 1), c.scalar(1, x)), 0.5),
    "sparse_plus": sparse_plus,
    "squareplus": squareplus,
    "soft_shrink": soft_shrink,
    "hard_shrink": hard_shrink,
    "tanh_shrink": lambda c, x: c.b.sub(x, c.b.tanh(x)),
    "sparsemax": sparsemax,
}

HANDLERS: dict[str, Handler] = {
    "Activation": lambda c, layer, x: c.activate(layer, x),
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "PReLU": prelu,
    "ELU": lambda c, layer, x: elu(c, x, number(layer, "alpha", 1.0)),
    "ThresholdedReLU": lambda c, layer, x: keep_above(c, x, number(layer, "theta", 1.0)),
    "Softmax": softmax_layer,
}
