"""`keras.ops` nodes element by element: arithmetic, functions, comparisons, choices, casts.

Functions without an operator of their own are written with those that `.tflite` has.
Source: keras/src/ops/{numpy,math,core}.py and backend/tensorflow/numpy.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose import functions
from edgewise.frontends.decompose.functions import clip, scaled
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, promoted, real, tensor
from edgewise.ir.graph import Value

Function = Callable[[Context, Value], Value]


def _float(function: Function) -> Handler:
    """An operation of one float tensor; integers become floats."""
    return lambda c, layer, x: function(c, real(c, x))


def _any(function: Function) -> Handler:
    """An operation of one tensor of any number type."""
    return lambda c, layer, x: function(c, tensor(c, x))


def _float2(function: functions.Function2) -> Handler:
    return lambda c, layer, x, y: function(c, real(c, x), real(c, y))


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
    if found is None or not (found in FLOATS or found in _CASTS):
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


def _fmod(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    a, b = promoted(c, x, y)
    return c.cast(functions.remainder(c, c.real(a), c.real(b)), a.dtype)


def _finite(c: Context, x: Value) -> Value:
    return c.b.less(c.b.abs(x), c.scalar(np.inf, x))


_CASTS = (DType.BOOL, *(dtype for dtype in DType if dtype.is_integer))


_INF = float(np.finfo(np.float32).max)


OPERATIONS: dict[str, Handler] = {
    "Add": _binary("add"),
    "Subtract": _binary("sub"),
    "Multiply": _binary("mul"),
    "Divide": _float2(lambda c, x, y: c.b.div(x, y)),
    "TrueDivide": _float2(lambda c, x, y: c.b.div(x, y)),
    "DivideNoNan": _float2(functions.division_without_nan),
    "FloorDivide": _binary("floor_div"),
    "Mod": _binary("floor_mod"),
    "Fmod": _fmod,
    "Power": _binary("pow"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Arctan2": _float2(functions.arctan2),
    "Hypot": _float2(lambda c, x, y: c.b.sqrt(c.b.add(c.b.square(x), c.b.square(y)))),
    "Logaddexp": _float2(functions.log_sum),
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
    "Trunc": _float(functions.truncated),
    "Sqrt": _float(lambda c, x: c.b.sqrt(x)),
    "Rsqrt": _float(lambda c, x: c.b.rsqrt(x)),
    "Cbrt": _float(lambda c, x: c.b.mul(c.b.sign(x), c.b.pow(c.b.abs(x), c.scalar(1 / 3, x)))),
    "Reciprocal": _float(lambda c, x: c.b.div(c.scalar(1, x), x)),
    "Exp": _float(lambda c, x: c.b.exp(x)),
    "Exp2": _float(lambda c, x: c.b.exp(scaled(c, x, math.log(2)))),
    "Expm1": _float(lambda c, x: functions.plus(c, c.b.exp(x), -1)),
    "Log": _float(lambda c, x: c.b.log(x)),
    "Log1p": _float(functions.log1p),
    "Log2": _float(lambda c, x: scaled(c, c.b.log(x), 1 / math.log(2))),
    "Log10": _float(lambda c, x: scaled(c, c.b.log(x), 1 / math.log(10))),
    "Sin": _float(lambda c, x: c.b.sin(x)),
    "Cos": _float(lambda c, x: c.b.cos(x)),
    "Tan": _float(lambda c, x: c.b.div(c.b.sin(x), c.b.cos(x))),
    "Arcsin": _float(lambda c, x: c.b.atan2(x, functions.root(c, x))),
    "Arccos": _float(lambda c, x: c.b.atan2(functions.root(c, x), x)),
    "Arctan": _float(lambda c, x: functions.arctan2(c, x, c.scalar(1, x))),
    "Sinh": _float(functions.hyperbolic(-1)),
    "Cosh": _float(functions.hyperbolic(1)),
    "Tanh": _float(lambda c, x: c.b.tanh(x)),
    "Arcsinh": _float(functions.arcsinh),
    "Arccosh": _float(functions.arccosh),
    "Arctanh": _float(functions.arctanh),
    "Deg2rad": _float(lambda c, x: scaled(c, x, math.pi / 180)),
    "Rad2deg": _float(lambda c, x: scaled(c, x, 180 / math.pi)),
    "Erf": _float(functions.erf),
    "Erfc": _float(lambda c, x: c.b.sub(c.scalar(1, x), functions.erf(c, x))),
    "Isnan": _float(lambda c, x: c.b.not_equal(x, x)),
    "Isinf": _float(lambda c, x: c.b.equal(c.b.abs(x), c.scalar(np.inf, x))),
    "Isfinite": _float(_finite),
    "NanToNum": _float(
        lambda c, x: clip(c, c.b.select_v2(c.b.not_equal(x, x), c.scalar(0, x), x), -_INF, _INF)
    ),
    **dict.fromkeys(
        ("StopGradient", "Copy", "ConvertToTensor", "Identity", "Real", "Conjugate", "Conj"),
        _any(lambda c, x: x),
    ),
}
