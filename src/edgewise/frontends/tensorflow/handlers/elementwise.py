"""Operations of one tensor, element by element: functions, activations, casts, tests.

Operators that `.tflite` has only for floats are written otherwise for whole numbers.
Source: tensorflow/core/ops/{math_ops,nn_ops,array_ops,bitwise_ops}.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.decompose import activations as act
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose.integers import absolute, by_type, negated, widened
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported, computed
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import is_static
from edgewise.ir.graph import Value

Function = Callable[[Context, Value], Value]


def _plain(name: str) -> Handler:
    """The operator of that name."""
    return lambda c, node, x: getattr(c.b, name)(x)


def _function(function: Function, remark: str = "") -> Handler:
    """A function of a float tensor. `remark` is for the table of operations."""

    def handler(c: Context, node: TFNode, x: Value) -> Value:
        if x.dtype not in FLOATS:
            raise Unsupported(f"elements of type {x.dtype.text}; cast them to float32")
        return function(c, x)

    handler.__doc__ = remark or function.__doc__
    return handler


def _whole(on_floats: str, on_integers: Function) -> Handler:
    """The operator on floats, something else on whole numbers."""
    return lambda c, node, x: by_type(c, x, on_floats, on_integers)


def _abs(c: Context, x: Value) -> Value:
    return c.b.abs(x) if x.dtype is DType.INT32 else absolute(c, x)


def _neg(c: Context, x: Value) -> Value:
    return c.b.neg(x) if x.dtype in (DType.INT32, DType.INT64) else negated(c, x)


def _sign(c: Context, x: Value) -> Value:
    """The number limited to [-1, 1]."""
    return c.b.sign(x) if x.dtype is DType.INT32 else fn.clip(c, x, -1, 1)


def _relu(c: Context, x: Value) -> Value:
    return c.b.maximum(x, c.scalar(0, x))


def cast(c: Context, node: TFNode, x: Value) -> Value:
    """floats of every width are computed in float32; a cast between them does nothing"""
    return c.cast(x, attrs.dtype(node, "DstT"))


def _leaky_relu(c: Context, node: TFNode, x: Value) -> Value:
    return c.b.leaky_relu(x, alpha=attrs.real(node, "alpha", 0.2))


def _clip(c: Context, node: TFNode, x: Value, low: Value, high: Value) -> Value:
    return c.b.minimum(c.b.maximum(x, low), high)


def _ones_like(c: Context, node: TFNode, x: Value) -> Value:
    return c.b.fill(shape_of(c, x), c.scalar(1, x))


def shape_of(c: Context, x: Value) -> Value:
    """The shape of x: a constant where it is known, else SHAPE."""
    return c.shape(x.shape) if is_static(x.shape) else c.b.shape(x)


def _zeros_like(c: Context, node: TFNode, x: Value) -> Value:
    """ZEROS_LIKE where the shape is not known, else a constant"""
    if is_static(x.shape) or x.dtype not in (DType.FLOAT32, DType.INT32, DType.INT64):
        return c.b.fill(shape_of(c, x), c.scalar(0, x))
    return c.b.zeros_like(x)


def _erfc(c: Context, x: Value) -> Value:
    """1 - erf(x); by GELU"""
    return c.b.sub(c.scalar(1, x), fn.erf(c, x))


def _is_nan(c: Context, x: Value) -> Value:
    """x != x"""
    return c.b.not_equal(x, x)


def _is_infinite(c: Context, x: Value) -> Value:
    """abs(x) = infinity"""
    return c.b.equal(c.b.abs(x), c.scalar(np.inf, x))


def _is_finite(c: Context, x: Value) -> Value:
    """abs(x) < infinity"""
    return c.b.less(c.b.abs(x), c.scalar(np.inf, x))


def _reciprocal(c: Context, x: Value) -> Value:
    """1 / x"""
    return c.b.div(c.scalar(1, x), x)


def _expm1(c: Context, x: Value) -> Value:
    """exp(x) - 1; off by 6e-8 close to 0"""
    return fn.plus(c, c.b.exp(x), -1)


def _tan(c: Context, x: Value) -> Value:
    """sin(x) / cos(x)"""
    return c.b.div(c.b.sin(x), c.b.cos(x))


def _arcsin(c: Context, x: Value) -> Value:
    """the angle of (sqrt(1 - x**2), x)"""
    return c.b.atan2(x, fn.root(c, x))


def _arccos(c: Context, x: Value) -> Value:
    """the angle of (x, sqrt(1 - x**2))"""
    return c.b.atan2(fn.root(c, x), x)


def _arctan(c: Context, x: Value) -> Value:
    """the angle of (1, x)"""
    return fn.arctan2(c, x, c.scalar(1, x))


def _bitwise_not(c: Context, node: TFNode, x: Value) -> Value:
    """-1 - x; of unsigned numbers the largest minus x"""
    top = x.dtype.range[1] if x.dtype.range[0] == 0 else -1
    return widened(c, x, lambda c, x: c.b.sub(c.scalar(top, x), x))


def _bitcast(c: Context, node: TFNode, x: Value) -> Value:
    """constants only, between types of one width"""
    given, wanted = node.attrs.get("T"), node.attrs.get("type")
    if given is not x.dtype or not isinstance(wanted, DType) or wanted is not computed(wanted):
        raise Unsupported("its bits are those of a float type that is computed in float32")
    known = c.known(x)
    if known is None or wanted.bits != given.bits:
        raise Unsupported("bits of a computed tensor; use cast, or compute it otherwise")
    return c.b.constant(np.ascontiguousarray(known).view(wanted.numpy))


HANDLERS: dict[str, Handler] = {
    **{name: _plain(name.lower()) for name in ("Ceil", "Floor", "Exp", "Log", "Sqrt", "Rsqrt")},
    **{name: _plain(name.lower()) for name in ("Sin", "Cos", "Tanh", "Relu6", "Elu")},
    "Sigmoid": _plain("logistic"),
    "LogicalNot": _plain("logical_not"),
    "Round": _whole("round", lambda c, x: x),
    "Rint": _plain("round"),
    "Abs": _whole("abs", _abs),
    "Neg": _whole("neg", _neg),
    "Square": _whole("square", lambda c, x: c.b.mul(x, x)),
    "Sign": _whole("sign", _sign),
    "Relu": _whole("relu", _relu),
    "LeakyRelu": _leaky_relu,
    "ClipByValue": _clip,
    "Cast": cast,
    "Bitcast": _bitcast,
    "Invert": _bitwise_not,
    "ZerosLike": _zeros_like,
    "OnesLike": _ones_like,
    "Selu": _function(act.selu),
    "Softplus": _function(act.softplus),
    "Softsign": _function(act.softsign),
    "Log1p": _function(fn.log1p),
    "Expm1": _function(_expm1),
    "Erf": _function(fn.erf, "by GELU: 2 gelu(z) / z - 1 with z = x sqrt(2)"),
    "Erfc": _function(_erfc),
    "Reciprocal": _function(_reciprocal),
    "Inv": _function(_reciprocal),
    "Tan": _function(_tan),
    "Asin": _function(_arcsin),
    "Acos": _function(_arccos),
    "Atan": _function(_arctan),
    "Sinh": _function(fn.hyperbolic(-1), "(exp(x) - exp(-x)) / 2"),
    "Cosh": _function(fn.hyperbolic(1), "(exp(x) + exp(-x)) / 2"),
    "Asinh": _function(fn.arcsinh),
    "Acosh": _function(fn.arccosh),
    "Atanh": _function(fn.arctanh),
    "IsNan": _function(_is_nan),
    "IsInf": _function(_is_infinite),
    "IsFinite": _function(_is_finite),
}
