"""Functions of elements: arithmetic, comparisons, logic, choices, casts.

Source: jax/_src/lax/lax.py, JAX 0.10.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.decompose import bits, special
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose.integers import absolute, by_type, negated, wide
from edgewise.frontends.jax.context import Context, Equation, Handler, Unsupported
from edgewise.ir.graph import Value

Function = Callable[[Context, Value], Value]


def _same(c: Context, node: Equation, x: Value) -> Value:
    return x


def _operator(name: str) -> Handler:
    """The operator of that name, of narrow whole numbers in a wider type."""
    return lambda c, node, *xs: getattr(c.b, name)(*(wide(c, x) for x in xs))


def _function(function: Function) -> Handler:
    """A function of floats."""

    def handler(c: Context, node: Equation, x: Value) -> Value:
        if x.dtype not in FLOATS:
            raise Unsupported(f"takes elements of type {x.dtype.text}; cast them to float32")
        return function(c, x)

    return handler


def _whole(on_floats: str, on_integers: Function) -> Handler:
    """The operator on floats, something else on whole numbers."""
    return lambda c, node, x: by_type(c, x, on_floats, on_integers)


def _cast(c: Context, node: Equation, x: Value) -> Value:
    """numbers that are not 0 are true"""
    if node.dtype is DType.BOOL and x.dtype is not DType.BOOL:
        return c.b.not_equal(wide(c, x), c.scalar(0, wide(c, x)))
    return c.cast(x, node.dtype)


# -- powers and quotients -----------------------------------------------------------------------


def _integer_pow(c: Context, node: Equation, x: Value) -> Value:
    exponent = int(node.params["y"])
    x = wide(c, x)
    if exponent < 0:
        power = _raised(c, x, -exponent)
        return c.b.div(c.scalar(1, x), power)
    return _raised(c, x, exponent)


def _raised(c: Context, x: Value, exponent: int) -> Value:
    if exponent == 2:
        return c.b.square(x) if x.dtype in FLOATS else c.b.mul(x, x)
    return x if exponent == 1 else c.b.pow(x, c.scalar(exponent, x))


def _pow(c: Context, node: Equation, x: Value, y: Value) -> Value:
    x = wide(c, x)
    return c.b.pow(x, c.cast(y, x.dtype))


def _rem(c: Context, node: Equation, x: Value, y: Value) -> Value:
    """The remainder with the sign of x."""
    if x.dtype in FLOATS:
        return fn.remainder(c, x, y)
    x, y = wide(c, x), wide(c, y)
    return c.b.sub(x, c.b.mul(y, c.b.div(x, y)))  # DIV of whole numbers rounds towards 0


def _cbrt(c: Context, x: Value) -> Value:
    return c.b.mul(c.b.sign(x), c.b.pow(c.b.abs(x), c.scalar(1 / 3)))


def _expm1(c: Context, x: Value) -> Value:
    return fn.plus(c, c.b.exp(x), -1)


def _exp2(c: Context, x: Value) -> Value:
    return c.b.exp(fn.scaled(c, x, math.log(2)))


def _erfc(c: Context, x: Value) -> Value:
    return c.b.sub(c.scalar(1), fn.erf(c, x))


def _arctan(c: Context, x: Value) -> Value:
    return fn.arctan2(c, x, c.scalar(1))


def _is_finite(c: Context, x: Value) -> Value:
    return c.b.less(c.b.abs(x), c.scalar(np.inf, x))


def _round(c: Context, node: Equation, x: Value) -> Value:
    """ROUND takes halves to even numbers; away from 0: the size and a half, rounded down"""
    if node.params["rounding_method"].name == "TO_NEAREST_EVEN":
        return c.b.round(x)
    return c.b.mul(c.b.sign(x), c.b.floor(fn.plus(c, c.b.abs(x), 0.5)))


# -- choices ------------------------------------------------------------------------------------


def _clamp(c: Context, node: Equation, low: Value, x: Value, high: Value) -> Value:
    return c.b.minimum(c.b.maximum(wide(c, x), wide(c, low)), wide(c, high))


def _select(c: Context, node: Equation, which: Value, *cases: Value) -> Value:
    """the case of that number; of a bool the first where it is false"""
    if which.dtype is DType.BOOL:
        return c.b.select_v2(which, cases[1], cases[0])
    y = cases[0]
    for number, case in enumerate(cases[1:], 1):
        y = c.b.select_v2(c.b.equal(which, c.scalar(number, which)), case, y)
    return y


# -- logic and bits -----------------------------------------------------------------------------


def _logic(on_bools: str, on_bits: Callable[[Context, Value, Value], Value]) -> Handler:
    def handler(c: Context, node: Equation, x: Value, y: Value) -> Value:
        if x.dtype is not DType.BOOL:
            return on_bits(c, x, y)
        z = getattr(c.b, on_bools)(x, y)
        assert isinstance(z, Value)
        return z

    return handler


def _not(c: Context, node: Equation, x: Value) -> Value:
    if x.dtype is DType.BOOL:
        return c.b.logical_not(x)
    top = x.dtype.range[1] if x.dtype.range[0] == 0 else -1
    return c.b.sub(c.scalar(top, wide(c, x)), wide(c, x))


ELEMENTWISE: dict[str, Handler] = {
    **dict.fromkeys(
        (
            "copy",
            "copy_p",
            "stop_gradient",
            "reduce_precision",
            "name",
            "device_put",
            "sharding_constraint",
            "optimization_barrier",
            "real",
            "conj",
        ),
        _same,
    ),
    **{name: _operator(name) for name in ("add", "sub", "mul", "div")},
    **dict.fromkeys(("add_any", "add_jaxvals"), _operator("add")),
    "max": _operator("maximum"),
    "min": _operator("minimum"),
    **dict.fromkeys(("eq", "eq_to"), _operator("equal")),
    "ne": _operator("not_equal"),
    **dict.fromkeys(("lt", "lt_to"), _operator("less")),
    **dict.fromkeys(("le", "le_to"), _operator("less_equal")),
    "gt": _operator("greater"),
    "ge": _operator("greater_equal"),
    **{name: _operator(name) for name in ("exp", "log", "sin", "cos", "tanh", "sqrt", "rsqrt")},
    "logistic": _operator("logistic"),
    "atan2": lambda c, node, x, y: fn.arctan2(c, x, y),
    "neg": _whole("neg", negated),
    "abs": _whole("abs", absolute),
    "sign": _whole("sign", lambda c, x: fn.clip(c, x, -1, 1)),
    "floor": _whole("floor", lambda c, x: x),
    "ceil": _whole("ceil", lambda c, x: x),
    "round": _round,
    "square": _whole("square", lambda c, x: c.b.mul(x, x)),
    "integer_pow": _integer_pow,
    "pow": _pow,
    "rem": _rem,
    "cbrt": _function(_cbrt),
    "exp2": _function(_exp2),
    "expm1": _function(_expm1),
    "log1p": _function(fn.log1p),
    "erf": _function(fn.erf),
    "erfc": _function(_erfc),
    "erf_inv": _function(special.erfinv),
    "lgamma": _function(special.lgamma),
    "digamma": _function(special.digamma),
    "tan": _function(lambda c, x: c.b.div(c.b.sin(x), c.b.cos(x))),
    "asin": _function(lambda c, x: c.b.atan2(x, fn.root(c, x))),
    "acos": _function(lambda c, x: c.b.atan2(fn.root(c, x), x)),
    "atan": _function(_arctan),
    "sinh": _function(fn.hyperbolic(-1)),
    "cosh": _function(fn.hyperbolic(1)),
    "asinh": _function(fn.arcsinh),
    "acosh": _function(fn.arccosh),
    "atanh": _function(fn.arctanh),
    "is_finite": _function(_is_finite),
    "convert_element_type": _cast,
    "clamp": _clamp,
    "select_n": _select,
    "and": _logic("logical_and", bits.both),
    "or": _logic("logical_or", bits.either),
    "xor": _logic("not_equal", lambda c, x, y: c.b.bitwise_xor(x, y)),
    "not": _not,
    "shift_left": lambda c, node, x, y: bits.shifted_left(c, x, y),
    "shift_right_arithmetic": lambda c, node, x, y: c.b.right_shift(x, y),
}
