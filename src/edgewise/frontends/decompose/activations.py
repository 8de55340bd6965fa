"""Activations written with the operators that `.tflite` has; passes find the shorter forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Context, Unsupported
from edgewise.frontends.decompose.functions import clip, scaled
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

# Source: Klambauer et al. 2017, as Keras and TensorFlow round them.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def silu(c: Context, x: Value) -> Value:
    """x * sigmoid(x)."""
    return c.b.mul(x, c.b.logistic(x))


def softplus(c: Context, x: Value) -> Value:
    """log(1 + exp(x)) = relu(x) - log(sigmoid(|x|)), which does not overflow.

    Two operators more than log(exp(x) + 1), which is infinite from 89 on. Three cannot do it:
    x - log(sigmoid(x)) is infinite below -103. Four can, relu(x - log(max(sigmoid(x), tiny))),
    but err by 6e-7 at -11.44, where softplus is 1e-5; these err below 0 by 1.5e-7 at most."""
    return c.b.sub(c.b.relu(x), c.b.log(c.b.logistic(c.b.abs(x))))


def log_sigmoid(c: Context, x: Value) -> Value:
    """-softplus(-x) = min(x, 0) + log(sigmoid(|x|))."""
    return c.b.add(c.b.minimum(x, c.scalar(0, x)), c.b.log(c.b.logistic(c.b.abs(x))))


def mish(c: Context, x: Value) -> Value:
    """x * tanh(softplus(x)) = -x * tanh(log(sigmoid(-x))). Where the sigmoid is 0, as beyond 103,
    the logarithm is -inf and its tanh -1. Error of max(1, |y|) in [-1000, 1000] 1.3e-6 at
    -16.923067, where the sigmoid is the number before 1."""
    minus = c.b.neg(x)
    return c.b.mul(minus, c.b.tanh(c.b.log(c.b.logistic(minus))))


def elu(c: Context, x: Value, alpha: float = 1.0) -> Value:
    """x for x >= 0, else alpha * (exp(x) - 1): what is below 0 of elu(x), times alpha."""
    y = c.b.elu(x)
    return y if alpha == 1 else c.b.leaky_relu(y, alpha=alpha)


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


def _last(c: Context, x: Value, axis: int, operator: Callable[[Value], Value]) -> Value:
    """An operator of the last axis, along another."""
    rank = len(x.shape)
    perm = list(range(rank))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return c.transpose(operator(c.transpose(x, perm)), perm)


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


def softmax_over(c: Context, x: Value, axes: Sequence[int]) -> Value:
    """exp(x) / sum(exp(x)) over several axes together."""
    over = c.ints([axis % len(x.shape) for axis in axes])
    e = c.b.exp(c.b.sub(x, c.b.reduce_max(x, over, keep_dims=True)))
    return c.b.div(e, c.b.sum(e, over, keep_dims=True))
