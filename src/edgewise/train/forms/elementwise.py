"""Operators on elements: functions of `keras.ops`."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.ops import activation, arithmetic, binary, choose, compare, sigmoid, softmax, unary
from edgewise.ops.convert import Cast
from edgewise.train.forms.context import Context, Form, Tensor, Untrainable, constant, need_floats


def call(name: str, **options: object) -> Form:
    """`keras.ops.NAME` of the operands."""

    def form(c: Context, op: object, *operands: Tensor) -> Tensor:
        return getattr(c.ops, name)(*operands, **options)

    return form


def _fused(name: str) -> Form:
    """`keras.ops.NAME` of two operands, then the activation that is fused into the operator."""

    def form(c: Context, op: Any, a: Tensor, b: Tensor) -> Tensor:
        return c.activated(op.fused_activation_function, getattr(c.ops, name)(a, b))

    return form


def _div(c: Context, op: arithmetic.Div, a: Tensor, b: Tensor) -> Tensor:
    need_floats(c)
    return c.activated(op.fused_activation_function, c.ops.divide(a, b))


def _add_n(c: Context, op: arithmetic.AddN, *xs: Tensor) -> Tensor:
    y = xs[0]
    for x in xs[1:]:
        y = c.ops.add(y, x)
    return y


def _gelu(c: Context, op: activation.Gelu, x: Tensor) -> Tensor:
    return c.ops.gelu(x, approximate=op.approximate)


def _leaky_relu(c: Context, op: activation.LeakyRelu, x: Tensor) -> Tensor:
    return c.ops.leaky_relu(x, negative_slope=op.alpha)


def _prelu(c: Context, op: activation.Prelu, x: Tensor, alpha: object) -> Tensor:
    """PReLU; axes where alpha has size 1 are shared."""
    slopes = constant(alpha, "slope")
    slopes = slopes.reshape((1,) * (len(x.shape) - slopes.ndim) + slopes.shape)
    if len(x.shape) < 2 or slopes.shape[0] != 1:
        raise Untrainable("Keras's PReLU has one slope for all examples of a batch")
    shared = [i for i in range(1, slopes.ndim) if slopes.shape[i] == 1]
    return c.layer("PReLU", {"alpha": slopes[0]}, shared_axes=shared or None)(x)


def _softmax(c: Context, op: softmax.Softmax, x: Tensor) -> Tensor:
    return c.ops.softmax(x if op.beta == 1 else c.ops.multiply(x, np.float32(op.beta)))


def _squared_difference(c: Context, op: object, a: Tensor, b: Tensor) -> Tensor:
    return c.ops.square(c.ops.subtract(a, b))


def _cast(c: Context, op: Cast, x: Tensor) -> Tensor:
    assert c.node is not None
    return c.ops.cast(x, c.node.output.dtype.text)


def _clip(low: float, high: float) -> Form:
    return lambda c, op, x: c.ops.clip(x, low, high)


FORMS: dict[type, Form] = {
    unary.Abs: call("absolute"),
    unary.Neg: call("negative"),
    unary.Sqrt: call("sqrt"),
    unary.Rsqrt: call("rsqrt"),
    unary.Square: call("square"),
    unary.Exp: call("exp"),
    unary.Log: call("log"),
    unary.Erf: call("erf"),
    unary.Sin: call("sin"),
    unary.Cos: call("cos"),
    unary.Floor: call("floor"),
    unary.Ceil: call("ceil"),
    unary.Round: call("round"),
    unary.Sign: call("sign"),
    unary.ZerosLike: call("zeros_like"),
    activation.Relu: call("relu"),
    activation.Relu6: call("relu6"),
    activation.ReluN1To1: _clip(-1.0, 1.0),
    activation.Relu0To1: _clip(0.0, 1.0),
    activation.HardSwish: call("hard_silu"),
    activation.Gelu: _gelu,
    activation.Elu: call("elu"),
    activation.LeakyRelu: _leaky_relu,
    activation.Prelu: _prelu,
    sigmoid.Logistic: call("sigmoid"),
    sigmoid.Tanh: call("tanh"),
    softmax.Softmax: _softmax,
    softmax.LogSoftmax: call("log_softmax"),
    arithmetic.Add: _fused("add"),
    arithmetic.Sub: _fused("subtract"),
    arithmetic.Mul: _fused("multiply"),
    arithmetic.Div: _div,
    arithmetic.AddN: _add_n,
    binary.Maximum: call("maximum"),
    binary.Minimum: call("minimum"),
    binary.Pow: call("power"),
    binary.FloorDiv: call("floor_divide"),
    binary.FloorMod: call("mod"),
    binary.SquaredDifference: _squared_difference,
    binary.Atan2: call("arctan2"),
    compare.Equal: call("equal"),
    compare.NotEqual: call("not_equal"),
    compare.Less: call("less"),
    compare.LessEqual: call("less_equal"),
    compare.Greater: call("greater"),
    compare.GreaterEqual: call("greater_equal"),
    compare.LogicalAnd: call("logical_and"),
    compare.LogicalOr: call("logical_or"),
    compare.LogicalNot: call("logical_not"),
    choose.SelectV2: call("where"),
    Cast: _cast,
}
