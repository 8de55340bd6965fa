"""`keras.ops` nodes element by element: arithmetic, functions, comparisons, choices, casts.

Functions without an operator of their own are written with those that `.tflite` has.
Source: keras/src/ops/{numpy,math,core}.py and backend/tensorflow/numpy.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.activations import clip, scaled
from edgewise.frontends.keras.handlers.config import integer
from edgewise.frontends.keras.handlers.context import Context, Handler, Unsupported
from edgewise.frontends.keras.handlers.operands import Operand, promoted, real, tensor
from edgewise.ir.graph import Value

Function = Callable[[Context, Value], Value]
Function2 = Callable[[Context, Value, Value], Value]


def _float(function: Function) -> Handler:
    """An operation of one float tensor; integers become floats."""
    return lambda c, layer, x: function(c, real(c, x))


def _any(function: Function) -> Handler:
    """An operation of one tensor of any number type."""
    return lambda c, layer, x: function(c, tensor(c, x))


def _float2(function: Function2) -> Handler:
    return lambda c, layer, x, y: function(c, real(c, x), real(c, y))


def _any2(function: Function2) -> Handler:
    """An operation of two tensors that broadcast, brought to one element type."""
    return lambda c, layer, x, y: function(c, *promoted(c, x, y))


def plus(c: Context, x: Value, number: float) -> Value:
    """x + number."""
    return c.b.add(x, c.scalar(number, x))


def log1p(c: Context, x: Value) -> Value:
    """log(1 + x)."""
    return c.b.log(plus(c, x, 1))


def erf(c: Context, x: Value) -> Value:
    """gelu(z) = z * (1 + erf(z / sqrt(2))) / 2, solved for erf; 0 at 0.

    Off by at most 2e-7, close to 0, where gelu(z) / z is rounded.
    """
    z = scaled(c, x, math.sqrt(2))
    is_zero = c.b.equal(z, c.scalar(0, x))
    halved = c.b.div(c.b.gelu(z), c.b.select_v2(is_zero, c.scalar(1, x), z))
    y = c.b.sub(scaled(c, halved, 2), c.scalar(1, x))
    return c.b.select_v2(is_zero, c.scalar(0, x), y)


def truncated(c: Context, x: Value) -> Value:
    """x rounded towards 0."""
    return c.b.mul(c.b.sign(x), c.b.floor(c.b.abs(x)))


def _hyperbolic(sign: int) -> Function:
    """(exp(x) + sign * exp(-x)) / 2."""

    def function(c: Context, x: Value) -> Value:
        plus_, minus = c.b.exp(x), c.b.exp(c.b.neg(x))
        return scaled(c, c.b.add(plus_, minus) if sign > 0 else c.b.sub(plus_, minus), 0.5)

    return function


def _root(c: Context, x: Value) -> Value:
    """sqrt(1 - x**2)."""
    return c.b.sqrt(c.b.sub(c.scalar(1, x), c.b.square(x)))


def _arcsinh(c: Context, x: Value) -> Value:
    """sign(x) * log(|x| + sqrt(x**2 + 1))."""
    sizes = c.b.add(c.b.abs(x), c.b.sqrt(plus(c, c.b.square(x), 1)))
    return c.b.mul(c.b.sign(x), c.b.log(sizes))


def _arccosh(c: Context, x: Value) -> Value:
    """log(x + sqrt(x**2 - 1))."""
    return c.b.log(c.b.add(x, c.b.sqrt(plus(c, c.b.square(x), -1))))


def _arctanh(c: Context, x: Value) -> Value:
    """log((1 + x) / (1 - x)) / 2."""
    return scaled(c, c.b.log(c.b.div(plus(c, x, 1), c.b.sub(c.scalar(1, x), x))), 0.5)


def _integers(function: Function, on_integers: Function) -> Handler:
    """An operation that `.tflite` has only for floats."""

    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = tensor(c, x)
        return (function if y.dtype in FLOATS else on_integers)(c, y)

    return handler


def _negated(c: Context, x: Value) -> Value:
    return c.b.sub(c.scalar(0, x), x)


def _sign(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    return c.cast(c.b.sign(c.real(y)), y.dtype)


def _rounded(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Half to even, to `decimals` places."""
    y = tensor(c, x)
    factor = 10.0 ** integer(layer, "decimals", 0)
    if y.dtype not in FLOATS:
        return y
    return scaled(c, c.b.round(scaled(c, y, factor)), 1 / factor)


def _where(
    c: Context,
    layer: KerasLayer,
    condition: Operand,
    x: Operand | None = None,
    y: Operand | None = None,
) -> Value:
    if x is None or y is None:
        raise Unsupported("where() without values has as many results as the data says; name both")
    return c.b.select_v2(_truth(c, tensor(c, condition)), *promoted(c, x, y))


def _clip(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """x between `x_min` and `x_max`, numbers or arrays, either of which may be null."""
    y = tensor(c, x)
    for key, operator in (("x_min", "maximum"), ("x_max", "minimum")):
        bound = layer.config.get(key)
        if bound is not None:
            y = getattr(c.b, operator)(*promoted(c, y, bound))  # type: ignore[arg-type]
    return y


def _cast(c: Context, layer: KerasLayer, x: Operand) -> Value:
    name = str(layer.config.get("dtype"))
    found = next((d for d in DType if d.text == name), None)
    if found is None:
        raise Unsupported(f"a cast to '{name}'; use float32, int32, int64 or bool")
    return c.cast(tensor(c, x), DType.FLOAT32 if found in FLOATS else found)


def _truth(c: Context, x: Value) -> Value:
    return c.cast(x, DType.BOOL)


def _logical(operator: str) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
        result = getattr(c.b, operator)(_truth(c, tensor(c, x)), _truth(c, tensor(c, y)))
        assert isinstance(result, Value)
        return result

    return handler


def _binary(operator: str) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
        result = getattr(c.b, operator)(*promoted(c, x, y))
        assert isinstance(result, Value)
        return result

    return handler


def _division_without_nan(c: Context, x: Value, y: Value) -> Value:
    """x / y; 0 where y is 0."""
    is_zero = c.b.equal(y, c.scalar(0, y))
    safe = c.b.select_v2(is_zero, c.scalar(1, y), y)
    return c.b.select_v2(is_zero, c.scalar(0, y), c.b.div(x, safe))


def log_sum(c: Context, x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) = max(x, y) + log(1 + exp(-|x - y|))."""
    return c.b.add(c.b.maximum(x, y), log1p(c, c.b.exp(c.b.neg(c.b.abs(c.b.sub(x, y))))))


def _remainder(c: Context, x: Value, y: Value) -> Value:
    """The remainder with the sign of x."""
    return c.b.sub(x, c.b.mul(y, truncated(c, c.b.div(x, y))))


def _fmod(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    a, b = promoted(c, x, y)
    return c.cast(_remainder(c, c.real(a), c.real(b)), a.dtype)


def _finite(c: Context, x: Value) -> Value:
    return c.b.less(c.b.abs(x), c.scalar(np.inf, x))


_INF = float(np.finfo(np.float32).max)

OPERATIONS: dict[str, Handler] = {
    "Add": _binary("add"),
    "Subtract": _binary("sub"),
    "Multiply": _binary("mul"),
    "Divide": _float2(lambda c, x, y: c.b.div(x, y)),
    "TrueDivide": _float2(lambda c, x, y: c.b.div(x, y)),
    "DivideNoNan": _float2(_division_without_nan),
    "FloorDivide": _binary("floor_div"),
    "Mod": _binary("floor_mod"),
    "Fmod": _fmod,
    "Power": _binary("pow"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Arctan2": _float2(lambda c, x, y: c.b.atan2(x, y)),
    "Hypot": _float2(lambda c, x, y: c.b.sqrt(c.b.add(c.b.square(x), c.b.square(y)))),
    "Logaddexp": _float2(log_sum),
    "BitwiseXor": _binary("bitwise_xor"),
    "RightShift": _binary("right_shift"),
    "BitwiseRightShift": _binary("right_shift"),
    "Equal": _binary("equal"),
    "NotEqual": _binary("not_equal"),
    "Less": _binary("less"),
    "LessEqual": _binary("less_equal"),
    "Greater": _binary("greater"),
    "GreaterEqual": _binary("greater_equal"),
    "LogicalAnd": _logical("logical_and"),
    "LogicalOr": _logical("logical_or"),
    "LogicalXor": _logical("not_equal"),
    "LogicalNot": _any(lambda c, x: c.b.logical_not(_truth(c, x))),
    "Where": _where,
    "Clip": _clip,
    "Cast": _cast,
    "Absolute": _any(lambda c, x: c.b.abs(x)),
    "Abs": _any(lambda c, x: c.b.abs(x)),
    "Fabs": _float(lambda c, x: c.b.abs(x)),
    "Negative": _integers(lambda c, x: c.b.neg(x), _negated),
    "Square": _integers(lambda c, x: c.b.square(x), lambda c, x: c.b.mul(x, x)),
    "Sign": _sign,
    "Round": _rounded,
    "Floor": _float(lambda c, x: c.b.floor(x)),
    "Ceil": _float(lambda c, x: c.b.ceil(x)),
    "Trunc": _float(truncated),
    "Sqrt": _float(lambda c, x: c.b.sqrt(x)),
    "Rsqrt": _float(lambda c, x: c.b.rsqrt(x)),
    "Cbrt": _float(lambda c, x: c.b.mul(c.b.sign(x), c.b.pow(c.b.abs(x), c.scalar(1 / 3, x)))),
    "Reciprocal": _float(lambda c, x: c.b.div(c.scalar(1, x), x)),
    "Exp": _float(lambda c, x: c.b.exp(x)),
    "Exp2": _float(lambda c, x: c.b.exp(scaled(c, x, math.log(2)))),
    "Expm1": _float(lambda c, x: plus(c, c.b.exp(x), -1)),
    "Log": _float(lambda c, x: c.b.log(x)),
    "Log1p": _float(log1p),
    "Log2": _float(lambda c, x: scaled(c, c.b.log(x), 1 / math.log(2))),
    "Log10": _float(lambda c, x: scaled(c, c.b.log(x), 1 / math.log(10))),
    "Sin": _float(lambda c, x: c.b.sin(x)),
    "Cos": _float(lambda c, x: c.b.cos(x)),
    "Tan": _float(lambda c, x: c.b.div(c.b.sin(x), c.b.cos(x))),
    "Arcsin": _float(lambda c, x: c.b.atan2(x, _root(c, x))),
    "Arccos": _float(lambda c, x: c.b.atan2(_root(c, x), x)),
    "Arctan": _float(lambda c, x: c.b.atan2(x, c.scalar(1, x))),
    "Sinh": _float(_hyperbolic(-1)),
    "Cosh": _float(_hyperbolic(1)),
    "Tanh": _float(lambda c, x: c.b.tanh(x)),
    "Arcsinh": _float(_arcsinh),
    "Arccosh": _float(_arccosh),
    "Arctanh": _float(_arctanh),
    "Deg2rad": _float(lambda c, x: scaled(c, x, math.pi / 180)),
    "Rad2deg": _float(lambda c, x: scaled(c, x, 180 / math.pi)),
    "Erf": _float(erf),
    "Erfc": _float(lambda c, x: c.b.sub(c.scalar(1, x), erf(c, x))),
    "Isnan": _float(lambda c, x: c.b.not_equal(x, x)),
    "Isinf": _float(lambda c, x: c.b.equal(c.b.abs(x), c.scalar(np.inf, x))),
    "Isfinite": _float(_finite),
    "NanToNum": _float(
        lambda c, x: clip(c, c.b.select_v2(c.b.not_equal(x, x), c.scalar(0, x), x), -_INF, _INF)
    ),
    **dict.fromkeys(
        ("StopGradient", "Copy", "ConvertToTensor", "Identity", "Real", "Conjugate"),
        _any(lambda c, x: x),
    ),
}
