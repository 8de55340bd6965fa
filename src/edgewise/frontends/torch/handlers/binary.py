"""Operations of two tensors or numbers, element by element: arithmetic, comparisons, logic.

Source: aten/src/ATen/native/{BinaryOps,TensorCompare}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import is_float
from edgewise.frontends.decompose import bits
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose.integers import wide, widened
from edgewise.frontends.torch.context import Context, Handler, Operand, Unsupported, promotion
from edgewise.ir.graph import Value

Function = Callable[[Context, Value, Value], Value]


def _same(c: Context, function: Function, x: Operand, y: Operand) -> Value:
    """A function whose result has the type that its operands are computed in."""
    a, b = c.promoted(x, y)
    dtype = a.dtype
    if dtype is DType.BOOL:
        raise Unsupported("arithmetic of truth values; convert them to numbers before")
    return c.cast(function(c, wide(c, a), wide(c, b)), dtype)


def _arithmetic(function: Function) -> Handler:
    return lambda c, x, y: _same(c, function, x, y)


def _named(name: str) -> Function:
    def function(c: Context, x: Value, y: Value) -> Value:
        z = getattr(c.b, name)(x, y)
        assert isinstance(z, Value)
        return z

    return function


def add(c: Context, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """x + alpha * y; of truth values, or."""
    if promotion(x, y) is DType.BOOL:
        return c.b.logical_or(*c.promoted(x, y))
    return _same(c, _named("add"), x, _times(c, y, alpha))


def sub(c: Context, x: Operand, y: Operand, alpha: float = 1) -> Value:
    """x - alpha * y."""
    return _same(c, _named("sub"), x, _times(c, y, alpha))


def _times(c: Context, y: Operand, alpha: float) -> Operand:
    return y if alpha == 1 else mul(c, y, alpha)


def mul(c: Context, x: Operand, y: Operand) -> Value:
    """x * y; of truth values, and."""
    if promotion(x, y) is DType.BOOL:
        return c.b.logical_and(*c.promoted(x, y))
    return _same(c, _named("mul"), x, y)


def div(c: Context, x: Operand, y: Operand, rounding_mode: str | None = None) -> Value:
    """x / y in floats; `floor` and `trunc` keep the type of whole numbers."""
    if rounding_mode == "floor":
        return floor_divide(c, x, y)
    dtype = promotion(x, y)
    a, b = c.operand(x, DType.FLOAT32), c.operand(y, DType.FLOAT32)
    if rounding_mode is None:
        return c.b.div(a, b)
    if dtype in FLOATS:
        return fn.truncated(c, c.b.div(a, b))
    # -(-x // y) where the quotient is negative
    p, q = c.promoted(x, y)
    p, q = wide(c, p), wide(c, q)
    down = c.b.floor_div(p, q)
    exact = c.b.equal(c.b.mul(down, q), p)
    is_negative = c.b.less(down, c.scalar(0, down))
    up = c.b.add(down, c.scalar(1, down))
    kept = c.b.logical_or(exact, c.b.logical_not(is_negative))
    return c.cast(c.b.select_v2(kept, down, up), dtype)


def floor_divide(c: Context, x: Operand, y: Operand) -> Value:
    """The quotient rounded down."""
    return _same(c, _named("floor_div"), x, y)


def remainder(c: Context, x: Operand, y: Operand) -> Value:
    """The remainder with the sign of y."""
    return _same(c, _named("floor_mod"), x, y)


def _fmod(c: Context, x: Value, y: Value) -> Value:
    if x.dtype in FLOATS:
        return fn.remainder(c, x, y)
    quotient = div(c, x, y, rounding_mode="trunc")
    return c.b.sub(x, c.b.mul(quotient, y))


def power(c: Context, x: Operand, exponent: Operand) -> Value:
    """x ** exponent; squares, roots and reciprocals as such."""
    if isinstance(exponent, int | float) and isinstance(x, Value) and is_float(x):
        if exponent == 2:
            return c.b.square(x)
        if exponent in (0.5, -0.5):
            return c.b.sqrt(x) if exponent > 0 else c.b.rsqrt(x)
        if exponent == 1:
            return x
        if exponent == -1:
            return c.b.div(c.scalar(1, x), x)
        if exponent == 3:
            return c.b.mul(c.b.square(x), x)
    if isinstance(exponent, int) and exponent == 2:
        return mul(c, x, x)
    return _same(c, _named("pow"), x, exponent)


def _comparison(name: str) -> Handler:
    def handler(c: Context, x: Operand, y: Operand) -> Value:
        a, b = c.promoted(x, y)
        if a.dtype is DType.BOOL and name not in ("equal", "not_equal"):
            a, b = c.cast(a, DType.INT32), c.cast(b, DType.INT32)
        return _named(name)(c, wide(c, a), wide(c, b))

    return handler


def truth(c: Context, x: Operand) -> Value:
    """x != 0."""
    if not isinstance(x, Value) or x.dtype is DType.BOOL:
        return c.operand(x, DType.BOOL)
    return c.b.not_equal(wide(c, x), c.scalar(0, wide(c, x)))


def _logic(function: Function) -> Handler:
    return lambda c, x, y: function(c, truth(c, x), truth(c, y))


def _bitwise(name: str, of_truth: Function, of_bits: Function) -> Handler:
    def handler(c: Context, x: Operand, y: Operand) -> Value:
        a, b = c.promoted(x, y)
        return (of_truth if a.dtype is DType.BOOL else of_bits)(c, a, b)

    return handler


def _xor(c: Context, x: Value, y: Value) -> Value:
    return c.b.not_equal(x, y)


def _shifted(function: Function) -> Handler:
    return lambda c, x, y: function(c, *c.promoted(x, y))


def _squared_difference(c: Context, x: Value, y: Value, reduction: int = 1) -> Value:
    """The loss (x - y)**2; its mean or sum over all."""
    z = _same(c, _named("squared_difference"), x, y)
    if reduction == 0:
        return z
    axes = c.ints(range(len(z.shape)))
    return c.b.mean(z, axes) if reduction == 1 else c.b.sum(z, axes)


def _logaddexp(c: Context, x: Value, y: Value) -> Value:
    return fn.log_sum(c, c.real(x), c.real(y))


def _hypot(c: Context, x: Value, y: Value) -> Value:
    return c.b.sqrt(c.b.add(c.b.square(x), c.b.square(y)))


def _xlogy(c: Context, x: Value, y: Value) -> Value:
    """x * log(y); 0 where x is 0."""
    return fn.where_nonzero(c, x, y, lambda y: c.b.mul(x, c.b.log(y)))


def bitwise_not(c: Context, x: Value) -> Value:
    """-1 - x; of truth values, not."""
    if x.dtype is DType.BOOL:
        return c.b.logical_not(x)
    top = x.dtype.range[1] if x.dtype.range[0] == 0 else -1
    return widened(c, x, lambda c, x: c.b.sub(c.scalar(top, x), x))


def _reversed_sub(c: Context, x: Operand, y: Operand, alpha: float = 1) -> Value:
    return sub(c, y, x, alpha)


def _atan2(c: Context, y: Operand, x: Operand) -> Value:
    return fn.arctan2(c, c.operand(y, DType.FLOAT32), c.operand(x, DType.FLOAT32))


def _lerp(c: Context, start: Value, end: Value, weight: Operand) -> Value:
    """start + weight * (end - start)."""
    return add(c, start, mul(c, weight, sub(c, end, start)))


def _addcmul(c: Context, x: Value, a: Value, b: Value, value: float = 1) -> Value:
    return add(c, x, mul(c, a, b), value)


def _addcdiv(c: Context, x: Value, a: Value, b: Value, value: float = 1) -> Value:
    return add(c, x, div(c, a, b), value)


def _heaviside(c: Context, x: Value, values: Value) -> Value:
    """0 below 0, 1 above, `values` at 0."""
    zero = c.scalar(0, x)
    positive = c.cast(c.b.greater(x, zero), x.dtype)
    return c.b.select_v2(c.b.equal(x, zero), c.operand(values, x.dtype), positive)


def _is_close(
    c: Context, x: Value, y: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Value:
    a, b = c.operand(x, DType.FLOAT32), c.operand(y, DType.FLOAT32)
    bound = fn.plus(c, fn.scaled(c, c.b.abs(b), rtol), atol)
    near = c.b.less_equal(c.b.abs(c.b.sub(a, b)), bound)
    return c.b.logical_or(near, c.b.equal(a, b))


HANDLERS: dict[str, Handler] = {
    "add": add,
    "sub": sub,
    "subtract": sub,
    "rsub": _reversed_sub,
    "mul": mul,
    "multiply": mul,
    **dict.fromkeys(("div", "divide", "true_divide"), div),
    "floor_divide": floor_divide,
    "remainder": remainder,
    "fmod": _arithmetic(_fmod),
    "pow": power,
    "float_power": lambda c, x, y: power(c, c.operand(x, DType.FLOAT32), y),
    **dict.fromkeys(("maximum", "max.other", "fmax"), _arithmetic(_named("maximum"))),
    **dict.fromkeys(("minimum", "min.other", "fmin"), _arithmetic(_named("minimum"))),
    **dict.fromkeys(("eq",), _comparison("equal")),
    **dict.fromkeys(("ne", "not_equal"), _comparison("not_equal")),
    **dict.fromkeys(("lt", "less"), _comparison("less")),
    **dict.fromkeys(("le", "less_equal"), _comparison("less_equal")),
    **dict.fromkeys(("gt", "greater"), _comparison("greater")),
    **dict.fromkeys(("ge", "greater_equal"), _comparison("greater_equal")),
    "logical_and": _logic(_named("logical_and")),
    "logical_or": _logic(_named("logical_or")),
    "logical_xor": _logic(_xor),
    "logical_not": lambda c, x: c.b.logical_not(truth(c, x)),
    **dict.fromkeys(("bitwise_and", "__and__"), _bitwise("and", _named("logical_and"), bits.both)),
    **dict.fromkeys(("bitwise_or", "__or__"), _bitwise("or", _named("logical_or"), bits.either)),
    **dict.fromkeys(("bitwise_xor", "__xor__"), _bitwise("xor", _xor, _named("bitwise_xor"))),
    "bitwise_not": bitwise_not,
    **dict.fromkeys(("bitwise_left_shift", "__lshift__"), _shifted(bits.shifted_left)),
    **dict.fromkeys(("bitwise_right_shift", "__rshift__"), _shifted(_named("right_shift"))),
    **dict.fromkeys(("atan2", "arctan2"), _atan2),
    "logaddexp": _logaddexp,
    "hypot": _hypot,
    "xlogy": _xlogy,
    "lerp": _lerp,
    "addcmul": _addcmul,
    "addcdiv": _addcdiv,
    "heaviside": _heaviside,
    "isclose": _is_close,
    "mse_loss": _squared_difference,
}
