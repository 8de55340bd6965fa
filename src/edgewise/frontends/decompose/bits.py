"""Bitwise functions of whole numbers: `.tflite` has exclusive or and the shift to the right."""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.frontends.context import Context, Unsupported
from edgewise.ir.graph import Value


def both(c: Context, x: Value, y: Value) -> Value:
    """x & y of int32 tensors.

    x + y = (x ^ y) + 2 (x & y). Without the lowest bits nothing overflows: with h = x >> 1 and
    k = y >> 1, h + k - (h ^ k) is x & y but for the lowest bit, which is the product of both.
    """
    _check(x)
    one = c.scalar(1, x)
    h, k = c.b.right_shift(x, one), c.b.right_shift(y, one)
    high = c.b.sub(c.b.add(h, k), c.b.bitwise_xor(h, k))
    low = c.b.mul(c.b.sub(x, c.b.add(h, h)), c.b.sub(y, c.b.add(k, k)))
    return c.b.add(high, low)


def either(c: Context, x: Value, y: Value) -> Value:
    """x | y = (x ^ y) + (x & y) of int32 tensors: the terms have no bit in common."""
    return c.b.add(c.b.bitwise_xor(x, y), both(c, x, y))


def shifted_left(c: Context, x: Value, y: Value) -> Value:
    """x * 2**y of int32 tensors"""
    _check(x)
    return c.b.mul(x, c.b.pow(c.scalar(2, y), y))


def _check(x: Value) -> None:
    if x.dtype is not DType.INT32:
        raise Unsupported(f"bits of {x.dtype.text} tensors; use int32")
