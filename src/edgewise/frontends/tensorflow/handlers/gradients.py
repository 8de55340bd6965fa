"""Gradients: what `tf.GradientTape` makes of dense layers, for models that train themselves; those
of convolutions and poolings are in `window_gradients`.

`dy` is the gradient of the result, in TensorFlow's order of operands, which is not the same for all
(some take the operand of the function, others its result).
Source: tensorflow/core/ops/{math_ops,nn_ops}.cc and training_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from edgewise.frontends.decompose.functions import plus, scaled
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.layout import is_channels_first
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _relu(c: Context, node: TFNode, dy: Value, x: Value) -> Value:
    """dy where x > 0, else 0"""
    return _where(c, c.b.greater(x, c.scalar(0, x)), dy)


def _relu6(c: Context, node: TFNode, dy: Value, x: Value) -> Value:
    """dy where 0 < x < 6, else 0"""
    inside = c.b.logical_and(c.b.greater(x, c.scalar(0, x)), c.b.less(x, c.scalar(6, x)))
    return _where(c, inside, dy)


def _leaky_relu(c: Context, node: TFNode, dy: Value, x: Value) -> Value:
    """dy where x > 0, else alpha * dy"""
    alpha = attrs.real(node, "alpha", 0.2)
    return c.b.select_v2(c.b.greater(x, c.scalar(0, x)), dy, scaled(c, dy, alpha))


def _elu(c: Context, node: TFNode, dy: Value, y: Value) -> Value:
    """dy where y >= 0, else dy * (y + 1)"""
    return c.b.select_v2(c.b.less(y, c.scalar(0, y)), c.b.mul(dy, plus(c, y, 1)), dy)


def _softplus(c: Context, node: TFNode, dy: Value, x: Value) -> Value:
    """dy * logistic(x)"""
    return c.b.mul(dy, c.b.logistic(x))


def _sigmoid(c: Context, node: TFNode, y: Value, dy: Value) -> Value:
    """dy * y * (1 - y)"""
    return c.b.mul(c.b.mul(dy, y), c.b.sub(c.scalar(1, y), y))


def _tanh(c: Context, node: TFNode, y: Value, dy: Value) -> Value:
    """dy * (1 - y**2)"""
    return c.b.mul(dy, c.b.sub(c.scalar(1, y), c.b.square(y)))


def _sqrt(c: Context, node: TFNode, y: Value, dy: Value) -> Value:
    """dy / (2 * y)"""
    return c.b.div(scaled(c, dy, 0.5), y)


def _rsqrt(c: Context, node: TFNode, y: Value, dy: Value) -> Value:
    """-dy * y**3 / 2"""
    return c.b.mul(scaled(c, dy, -0.5), c.b.mul(c.b.square(y), y))


def _reciprocal(c: Context, node: TFNode, y: Value, dy: Value) -> Value:
    """-dy * y**2"""
    return c.b.neg(c.b.mul(dy, c.b.square(y)))


def _bias(c: Context, node: TFNode, dy: Value) -> Value:
    """the sum over all but the channels"""
    rank = len(dy.shape)
    channels = 1 if is_channels_first(node) else rank - 1
    return c.b.sum(dy, c.ints([axis for axis in range(rank) if axis != channels]))


def _broadcast(c: Context, node: TFNode, first: Value, second: Value) -> list[Value]:
    """constants: the axes along which either operand was repeated"""
    shapes = [c.dims(operand) for operand in (first, second)]
    if None in shapes:
        raise Unsupported("the gradient of a broadcast of unknown sizes; fix the shapes")
    rank = max(len(shape) for shape in shapes if shape is not None)
    full = [(1,) * (rank - len(shape)) + shape for shape in shapes if shape is not None]
    axes = [(axis, a, b) for axis, (a, b) in enumerate(zip(*full, strict=True))]
    if unclear := [f"{a} and {b}" for _, a, b in axes if a != b and 1 not in (a, b)]:
        raise Unsupported(f"the gradient of a broadcast of {unclear[0]}; fix the shapes")
    return [c.ints([axis for axis, *pair in axes if pair[k] == 1]) for k in (0, 1)]


def _where(c: Context, condition: Value, dy: Value) -> Value:
    return c.b.select_v2(condition, dy, c.scalar(0, dy))


HANDLERS: dict[str, Handler] = {
    "ReluGrad": _relu,
    "Relu6Grad": _relu6,
    "LeakyReluGrad": _leaky_relu,
    "EluGrad": _elu,
    "SoftplusGrad": _softplus,
    "SigmoidGrad": _sigmoid,
    "TanhGrad": _tanh,
    "SqrtGrad": _sqrt,
    "RsqrtGrad": _rsqrt,
    **dict.fromkeys(("ReciprocalGrad", "InvGrad"), _reciprocal),
    "BiasAddGrad": _bias,
    "BroadcastGradientArgs": _broadcast,
}
