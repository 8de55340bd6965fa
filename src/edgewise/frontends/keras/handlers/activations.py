"""Activations: Keras's named functions and the activation layers.

A function without an operator of its own is written with those that `.tflite` has; passes find
the shorter forms. Source: keras/src/activations/activations.py and ops/nn.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import number, numbers, optional_number
from edgewise.frontends.keras.handlers.context import Activation, Context, Handler, Unsupported
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

# Source: Klambauer et al. 2017, as Keras rounds them.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
# `_large_negative_number` of layers/activations/softmax.py for float32
MASKED = -1e9


def clip(c: Context, x: Value, low: float, high: float) -> Value:
    """x limited to [low, high]."""
    return c.b.minimum(c.b.maximum(x, c.scalar(low, x)), c.scalar(high, x))


def scaled(c: Context, x: Value, factor: float) -> Value:
    """x * factor."""
    return x if factor == 1 else c.b.mul(x, c.scalar(factor, x))


def hard_sigmoid(c: Context, x: Value) -> Value:
    """relu6(x + 3) / 6; in Keras 1 and 2 clip(0.2 x + 0.5, 0, 1)."""
    if c.is_keras_3:
        return scaled(c, c.b.relu6(c.b.add(x, c.scalar(3, x))), 1 / 6)
    return clip(c, c.b.add(scaled(c, x, 0.2), c.scalar(0.5, x)), 0, 1)


def silu(c: Context, x: Value) -> Value:
    """x * sigmoid(x)."""
    return c.b.mul(x, c.b.logistic(x))


def softplus(c: Context, x: Value) -> Value:
    """log(1 + exp(x)) = relu(x) + log(1 + exp(-|x|)), which does not overflow."""
    tail = c.b.log(c.b.add(c.b.exp(c.b.neg(c.b.abs(x))), c.scalar(1, x)))
    return c.b.add(c.b.relu(x), tail)


def elu(c: Context, x: Value, alpha: float = 1.0) -> Value:
    """x for x >= 0, else alpha * (exp(x) - 1)."""
    if alpha == 1:
        return c.b.elu(x)
    below = c.b.elu(c.b.minimum(x, c.scalar(0, x)))
    return c.b.add(c.b.relu(x), scaled(c, below, alpha))


def celu(c: Context, x: Value, alpha: float = 1.0) -> Value:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) = alpha * elu(x / alpha)."""
    return scaled(c, c.b.elu(scaled(c, x, 1 / alpha)), alpha)


def selu(c: Context, x: Value) -> Value:
    """scale * elu(x, alpha)."""
    return scaled(c, elu(c, x, SELU_ALPHA), SELU_SCALE)


def softsign(c: Context, x: Value) -> Value:
    """x / (1 + |x|)."""
    return c.b.div(x, c.b.add(c.b.abs(x), c.scalar(1, x)))


def log_softmax(c: Context, x: Value, axis: int = -1) -> Value:
    """x - log(sum(exp(x))) along an axis."""
    return _last(c, x, axis, c.b.log_softmax)


def softmax(c: Context, x: Value, axis: int = -1) -> Value:
    """exp(x) / sum(exp(x)) along an axis."""
    return _last(c, x, axis, c.b.softmax)


def _last(c: Context, x: Value, axis: int, operator: Handler) -> Value:
    """An operator of the last axis, along another."""
    rank = len(x.shape)
    perm = list(range(rank))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    y = operator(c.transpose(x, perm))
    assert isinstance(y, Value)
    return c.transpose(y, perm)


def glu(c: Context, x: Value, axis: int = -1) -> Value:
    """a * sigmoid(b), a and b the halves of x along an axis."""
    axis %= len(x.shape)
    size = x.shape[axis]
    if not isinstance(size, int) or size % 2:
        raise Unsupported(f"glu splits an axis in two; its size is {size}")
    halves = c.b.node(operator("split")(num_splits=2), c.b.constant(np.array(axis, np.int32)), x)
    return c.b.mul(halves.outputs[0], c.b.logistic(halves.outputs[1]))


def sparse_plus(c: Context, x: Value) -> Value:
    """0 below -1, (x + 1)**2 / 4 up to 1, then x: (clip(x) + 1)**2 / 4 + relu(x - 1)."""
    middle = c.b.square(c.b.add(clip(c, x, -1, 1), c.scalar(1, x)))
    return c.b.add(scaled(c, middle, 0.25), c.b.relu(c.b.sub(x, c.scalar(1, x))))


def squareplus(c: Context, x: Value, b: float = 4.0) -> Value:
    """(x + sqrt(x**2 + b)) / 2."""
    root = c.b.sqrt(c.b.add(c.b.square(x), c.scalar(b, x)))
    return scaled(c, c.b.add(x, root), 0.5)


def soft_shrink(c: Context, x: Value, threshold: float = 0.5) -> Value:
    """x moved towards 0 by the threshold: x - clip(x)."""
    return c.b.sub(x, clip(c, x, -threshold, threshold))


def hard_shrink(c: Context, x: Value, threshold: float = 0.5) -> Value:
    """x where |x| > threshold, else 0."""
    return keep_above(c, x, threshold, of=c.b.abs(x))


def keep_above(
    c: Context, x: Value, threshold: float, default: float = 0.0, of: Value | None = None
) -> Value:
    """x where `of` (x itself) > threshold, else `default`."""
    of = x if of is None else of
    chosen = c.b.greater(of, c.scalar(threshold, x))
    return c.b.select_v2(chosen, x, c.scalar(default, x))


def sparsemax(c: Context, x: Value, axis: int = -1) -> Value:
    """relu(x - t); with z sorted downwards and s_k its running sums, the support are the k with
    1 + k z_k > s_k, and t = (sum of s_k over the support - 1) / its size.

    Martins and Astudillo (2016) take the last s_k of the support instead of their sum. Keras's
    function sums (backend/tensorflow/nn.py, 3.15), and a model is converted as Keras runs it.
    """
    size = x.shape[axis]
    if not isinstance(size, int):
        raise Unsupported("sparsemax sorts its axis, whose size must be known")

    def last(x: Value) -> Value:
        ranked = c.b.node(operator("topk_v2")(), x, c.b.constant(np.array(size, np.int32)))
        z, end = ranked.outputs[0], c.ints([-1])
        counts = c.b.constant(np.arange(1, size + 1, dtype=np.float32))
        sums = c.b.cumsum(z, c.b.constant(np.array(-1, np.int32)))
        inside = c.b.greater(c.b.add(c.b.mul(z, counts), c.scalar(1, x)), sums)
        support = c.cast(inside, DType.FLOAT32)
        total = c.b.sum(c.b.mul(sums, support), end, keep_dims=True)
        count = c.b.sum(support, end, keep_dims=True)
        threshold = c.b.div(c.b.sub(total, c.scalar(1, x)), count)
        return c.b.relu(c.b.sub(x, threshold))

    return _last(c, x, axis, last)


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
    y = softmax(c, x, axes[0]) if len(axes) == 1 else _softmax_over(c, x, axes)
    return y if mask is None else c.b.select_v2(mask, y, c.scalar(0.0))


def _softmax_over(c: Context, x: Value, axes: list[int]) -> Value:
    over = c.ints([axis % len(x.shape) for axis in axes])
    e = c.b.exp(c.b.sub(x, c.b.reduce_max(x, over, keep_dims=True)))
    return c.b.div(e, c.b.sum(e, over, keep_dims=True))


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
    "mish": lambda c, x: c.b.mul(x, c.b.tanh(softplus(c, x))),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "leaky_relu": lambda c, x: c.b.leaky_relu(x, alpha=0.2),
    "log_sigmoid": lambda c, x: c.b.neg(softplus(c, c.b.neg(x))),
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
