"""Operations of two tensors, element by element: arithmetic, comparisons, logic, bits.

Source: tensorflow/core/ops/{math_ops,bitwise_ops}.cc and core/kernels/cwise_ops.h, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.decompose import bits
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ops.broadcast import broadcast_shape

Function = Callable[[Context, Value, Value], Value]


def _arithmetic(name: str) -> Handler:
    """The operator of that name; narrow whole numbers are computed in wider ones."""

    def handler(c: Context, node: TFNode, x: Value, y: Value) -> Value:
        return c.cast(getattr(c.b, name)(wide(c, x), wide(c, y)), x.dtype)

    return handler


def _comparison(name: str) -> Handler:
    def handler(c: Context, node: TFNode, x: Value, y: Value) -> Value:
        z = getattr(c.b, name)(wide(c, x), wide(c, y))
        assert isinstance(z, Value)
        return z

    return handler


def _function(function: Function, remark: str = "") -> Handler:
    """A function of two tensors. `remark` is for the table of operations."""

    def handler(c: Context, node: TFNode, x: Value, y: Value) -> Value:
        return c.cast(function(c, wide(c, x), wide(c, y)), x.dtype)

    handler.__doc__ = remark or function.__doc__
    return handler


def _add_n(c: Context, node: TFNode, *xs: Value) -> Value:
    return xs[0] if len(xs) == 1 else c.b.add_n(*xs)


def _subtract(c: Context, x: Value, y: Value) -> Value:
    return c.b.sub(x, y)


def _squared_difference(c: Context, x: Value, y: Value) -> Value:
    if x.dtype is DType.INT64:
        return c.b.mul(c.b.sub(x, y), c.b.sub(x, y))
    return c.b.squared_difference(x, y)


def _div(c: Context, x: Value, y: Value) -> Value:
    """whole numbers are rounded towards 0"""
    return c.b.div(x, y) if x.dtype in FLOATS else _truncated_quotient(c, x, y)


def _truncated_quotient(c: Context, x: Value, y: Value) -> Value:
    """the quotient of the absolute values with the sign of the product"""
    if x.dtype in FLOATS:
        return fn.truncated(c, c.b.div(x, y))
    return c.b.div(x, y)  # DIV of whole numbers rounds towards 0


def _truncated_rest(c: Context, x: Value, y: Value) -> Value:
    """x - y * truncated quotient: the sign of x"""
    return c.b.sub(x, c.b.mul(y, _truncated_quotient(c, x, y)))


def _times_without_nan(c: Context, x: Value, y: Value) -> Value:
    """x * y; 0 where y is 0, whatever x is"""
    return fn.where_nonzero(c, y, x, lambda x: c.b.mul(x, y))


def _x_divided(c: Context, x: Value, y: Value) -> Value:
    """x / y; 0 where x is 0"""
    return fn.where_nonzero(c, x, y, lambda y: c.b.div(x, y))


def _x_log(c: Context, x: Value, y: Value) -> Value:
    """x * log(y); 0 where x is 0"""
    return fn.where_nonzero(c, x, y, lambda y: c.b.mul(x, c.b.log(y)))


def _x_log1p(c: Context, x: Value, y: Value) -> Value:
    """x * log(1 + y); 0 where x is 0"""
    return fn.where_nonzero(c, x, y, lambda y: c.b.mul(x, fn.log1p(c, y)))


def _approximately(c: Context, node: TFNode, x: Value, y: Value) -> Value:
    """abs(x - y) < tolerance"""
    tolerance = node.attrs.get("tolerance", 1e-5)
    assert isinstance(tolerance, float)
    return c.b.less(c.b.abs(c.b.sub(x, y)), c.scalar(tolerance, x))


def _broadcast_args(c: Context, node: TFNode, x: Value, y: Value) -> Value:
    """a constant where the sizes are known"""
    left, right = c.dims(x), c.dims(y)
    if left is None or right is None:
        return c.b.broadcast_args(x, y)
    return c.cast(c.shape(broadcast_shape(left, right)), x.dtype)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("Add", "AddV2"), _arithmetic("add")),
    **dict.fromkeys(("AddN", "AccumulateNV2"), _add_n),
    "Sub": _arithmetic("sub"),
    "Mul": _arithmetic("mul"),
    "RealDiv": _arithmetic("div"),
    "Div": _function(_div),
    "FloorDiv": _arithmetic("floor_div"),
    "FloorMod": _arithmetic("floor_mod"),
    "TruncateDiv": _function(_truncated_quotient),
    **dict.fromkeys(("Mod", "TruncateMod"), _function(_truncated_rest)),
    "Pow": _arithmetic("pow"),
    "Maximum": _arithmetic("maximum"),
    "Minimum": _arithmetic("minimum"),
    "SquaredDifference": _function(_squared_difference, " "),
    "Atan2": _function(fn.arctan2, "operands of two shapes are broadcast before"),
    "DivNoNan": _function(fn.division_without_nan, "x / y; 0 where y is 0"),
    "MulNoNan": _function(_times_without_nan),
    "Xdivy": _function(_x_divided),
    "Xlogy": _function(_x_log),
    "Xlog1py": _function(_x_log1p),
    "LogicalAnd": _comparison("logical_and"),
    "LogicalOr": _comparison("logical_or"),
    "Equal": _comparison("equal"),
    "NotEqual": _comparison("not_equal"),
    "Less": _comparison("less"),
    "LessEqual": _comparison("less_equal"),
    "Greater": _comparison("greater"),
    "GreaterEqual": _comparison("greater_equal"),
    "ApproximateEqual": _approximately,
    "BitwiseXor": lambda c, node, x, y: c.b.bitwise_xor(x, y),
    "BitwiseAnd": _function(bits.both, "by RIGHT_SHIFT and BITWISE_XOR"),
    "BitwiseOr": _function(bits.either, "by RIGHT_SHIFT and BITWISE_XOR"),
    "RightShift": lambda c, node, x, y: c.b.right_shift(x, y),
    "LeftShift": _function(bits.shifted_left),
    "BroadcastArgs": _broadcast_args,
}
