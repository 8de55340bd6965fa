"""`keras.ops` nodes element by element that few networks need: bits, tests, kinds of numbers.

Source: keras/src/backend/tensorflow/{numpy,math,core}.py, Keras 3.15.
"""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose import bits, functions, special
from edgewise.frontends.decompose.divisors import greatest_divisor
from edgewise.frontends.decompose.functions import plus, scaled
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, promoted, real, tensor
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

_NARROW = (DType.INT8, DType.UINT8, DType.INT16, DType.INT32)


def _bits(function: functions.Function2) -> Handler:
    """Of whole numbers up to int32."""

    def handler(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
        a, b = promoted(c, x, y)
        if a.dtype not in _NARROW:
            raise Unsupported(f"bits of {a.dtype.text} tensors; use int32")
        return c.cast(function(c, c.cast(a, DType.INT32), c.cast(b, DType.INT32)), a.dtype)

    return handler


def _inverted(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """-1 - x of signed numbers, 255 - x of uint8."""
    y = tensor(c, x)
    if y.dtype is DType.BOOL:
        return c.b.logical_not(y)
    wide = c.cast(y, DType.INT32)
    top = c.scalar(255 if y.dtype is DType.UINT8 else -1, wide)
    return c.cast(c.b.sub(top, wide), y.dtype)


def _isclose(
    c: Context, layer: KerasLayer, x: Operand, y: Operand, rtol: float = 1e-5, atol: float = 1e-8
) -> Value:
    """|x - y| <= atol + rtol |y|; of whole numbers x == y."""
    a, b = promoted(c, x, y)
    if a.dtype not in FLOATS:
        return c.b.equal(a, b)
    bar = plus(c, scaled(c, c.b.abs(b), rtol), atol)
    # NumPy's equal infinities are close; their distance is no number
    near = c.b.logical_or(c.b.less_equal(c.b.abs(c.b.sub(a, b)), bar), c.b.equal(a, b))
    if not flag(layer, "equal_nan"):
        return near
    neither = c.b.logical_and(c.b.not_equal(a, a), c.b.not_equal(b, b))
    return c.b.logical_or(near, neither)


def _allclose(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    tolerances = {key: layer.config.get(key, d) for key, d in (("rtol", 1e-5), ("atol", 1e-8))}
    near = _isclose(c, layer, x, y, **tolerances)  # type: ignore[arg-type]
    return c.b.reduce_all(near, c.ints(range(len(near.shape))))


def _heaviside(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """0 below 0, 1 above, y at 0."""
    a, b = real(c, x), real(c, y)
    zero, one = c.scalar(0), c.scalar(1)
    above = c.b.select_v2(c.b.greater(a, zero), one, b)
    return c.b.select_v2(c.b.less(a, zero), zero, above)


def _extreme(name: str) -> Handler:
    """The larger or smaller; of a number and what is none, the number."""

    def handler(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
        a, b = promoted(c, x, y)
        found = getattr(c.b, name)(a, b)
        assert isinstance(found, Value)
        if a.dtype not in FLOATS:
            return found
        found = c.b.select_v2(c.b.not_equal(a, a), b, found)
        return c.b.select_v2(c.b.not_equal(b, b), a, found)

    return handler


def _log_sum_2(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """log2(2**x + 2**y)."""
    log2 = math.log(2)
    a, b = (scaled(c, real(c, v), log2) for v in (x, y))
    distance = c.b.sub(a, b)
    found = functions.log_sum(c, a, b)
    # of equal infinities, their sum
    kept = c.b.select_v2(c.b.not_equal(distance, distance), c.b.add(a, b), found)
    return scaled(c, kept, 1 / log2)


def _ldexp(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """x 2**y; in two steps, because 2**y alone may be infinite or 0."""
    a, b = real(c, x), tensor(c, y)
    half = c.b.floor_div(b, c.scalar(2, b))
    two = c.scalar(2)
    for part in (half, c.b.sub(b, half)):
        a = c.b.mul(a, c.b.pow(two, c.real(part)))
    return a


def _sinc(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """sin(pi x) / (pi x); 1 at 0."""
    y = scaled(c, real(c, x), math.pi)
    return c.b.select_v2(c.b.equal(y, c.scalar(0)), c.scalar(1), c.b.div(c.b.sin(y), y))


def _signbit(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    if y.dtype is DType.BOOL:
        return c.b.logical_and(y, c.b.logical_not(y))
    if y.dtype in FLOATS:
        y = bits_as(c, c.real(y), DType.INT32)
    return c.b.less(y, c.scalar(0, y))


def _next_after(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """The number beside x on the side of y: its bits as a whole number, one more or less."""
    a, b = real(c, x), real(c, y)
    i = bits_as(c, a, DType.INT32)
    zero, one = c.scalar(0), c.scalar(1, i)
    away = c.b.equal(c.b.greater(b, a), c.b.greater(a, zero))
    moved = c.b.add(i, c.b.select_v2(away, one, c.scalar(-1, i)))
    first = scaled(c, c.b.sign(b), float(np.float32(1e-45)))
    found = bits_as(c, moved, DType.FLOAT32)
    found = c.b.select_v2(c.b.equal(a, zero), first, found)
    found = c.b.select_v2(c.b.equal(a, b), b, found)
    return c.b.select_v2(c.b.not_equal(a, a), a, found)


def bits_as(c: Context, x: Value, dtype: DType) -> Value:
    """The bits of x read as another type of their size."""
    return c.b.node(operator("bitcast")(dtype=dtype), x).output


def _view(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The bytes of x as another type; of another size, the last axis is as long as they say."""
    y = tensor(c, x)
    found = next((d for d in DType if d.text == layer.config.get("dtype")), y.dtype)
    old, new = y.dtype.bits, found.bits
    if new > old:
        *outer, last = y.shape
        y = c.reshape(y, [*outer, last // (new // old), new // old])
    y = bits_as(c, y, found)
    return c.reshape(y, [*y.shape[:-2], y.shape[-2] * (old // new)]) if new < old else y


def _is_infinity(sign: int) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = real(c, x)
        return c.b.equal(y, c.scalar(sign * np.inf))

    return handler


def _is_real(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    return c.b.fill(c.shape(y.shape), c.b.constant(np.array(True)))


def _angle(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Of real numbers: pi below 0."""
    y = real(c, x)
    return c.b.select_v2(c.b.less(y, c.scalar(0)), c.scalar(math.pi), c.scalar(0))


def _saturated(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """A cast of what is limited to the range of the wanted dtype."""
    y, name = tensor(c, x), layer.config.get("dtype")
    found = next((d for d in DType if d.text == name and (d in FLOATS or d.is_integer)), None)
    if found is None:
        raise Unsupported(f"a cast to '{name}'; use float32, int32, int64 or another whole type")
    if found in FLOATS:
        return c.real(y)
    low, high = _limits(found)
    if y.dtype in FLOATS:
        # the last float32 below 2**31 or 2**63
        high = int(np.nextafter(np.float32(high), np.float32(0))) if high >= 1 << 24 else high
    elif y.dtype.is_integer:
        least, most = _limits(y.dtype)
        low, high = max(low, least), min(high, most)
    else:
        return c.cast(y, found)
    return c.cast(functions.clip(c, y, low, high), found)


def _limits(dtype: DType) -> tuple[int, int]:
    found = np.iinfo(str(dtype.numpy))
    return int(found.min), int(found.max)


def _gcd(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    return greatest_divisor(c, *promoted(c, x, y))


def _lcm(c: Context, layer: KerasLayer, x: Operand, y: Operand) -> Value:
    """|x| |y| / gcd; 0 where both are 0."""
    a, b = (c.b.abs(v) for v in promoted(c, x, y))
    divisor = c.b.maximum(greatest_divisor(c, a, b), c.scalar(1, a))
    return c.b.mul(a, c.b.floor_div(b, divisor))


OPERATIONS: dict[str, Handler] = {
    "BitwiseAnd": _bits(bits.both),
    "BitwiseOr": _bits(bits.either),
    **dict.fromkeys(("LeftShift", "BitwiseLeftShift"), _bits(bits.shifted_left)),
    **dict.fromkeys(("BitwiseNot", "BitwiseInvert"), _inverted),
    "Isclose": _isclose,
    "AllClose": _allclose,
    "Isposinf": _is_infinity(1),
    "Isneginf": _is_infinity(-1),
    "Isreal": _is_real,
    "Signbit": _signbit,
    "View": _view,
    "Nextafter": _next_after,
    "Heaviside": _heaviside,
    "Fmax": _extreme("maximum"),
    "Fmin": _extreme("minimum"),
    "Logaddexp2": _log_sum_2,
    "Ldexp": _ldexp,
    "Sinc": _sinc,
    "Gcd": _gcd,
    "Lcm": _lcm,
    "Erfinv": lambda c, layer, x: special.erfinv(c, real(c, x)),
    "I0": lambda c, layer, x: special.bessel_i0(c, real(c, x)),
    "SaturateCast": _saturated,
    "Angle": _angle,
}
