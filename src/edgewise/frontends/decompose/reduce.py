"""Reductions written with those that `.tflite` has."""

from __future__ import annotations

from edgewise.dtypes import FLOATS
from edgewise.frontends.context import Context
from edgewise.ir.graph import Value


def variance(c: Context, x: Value, axes: Value, keep: bool) -> Value:
    """The mean of the squared distances to the mean."""
    mean = c.b.mean(x, axes, keep_dims=True)
    return c.b.mean(c.b.squared_difference(x, mean), axes, keep_dims=keep)


def log_sum_exp(c: Context, x: Value, axes: Value, keep: bool) -> Value:
    """max + log(sum(exp(x - max)))."""
    top = c.b.reduce_max(x, axes, keep_dims=True)
    total = c.b.sum(c.b.exp(c.b.sub(x, top)), axes, keep_dims=True)
    y = c.b.add(c.b.log(total), top)
    assert axes.data is not None
    gone = [int(axis) for axis in axes.data]
    return y if keep else c.reshape(y, [d for i, d in enumerate(y.shape) if i not in gone])


def negated(c: Context, x: Value) -> Value:
    """-x, of whole numbers 0 - x."""
    return c.b.neg(x) if x.dtype in FLOATS else c.b.sub(c.scalar(0, x), x)
