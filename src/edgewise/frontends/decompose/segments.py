"""Reductions over groups of rows, which ids name in any order."""

from __future__ import annotations

from edgewise.frontends.context import Context
from edgewise.ir.graph import Value


def per_segment(
    c: Context, name: str, x: Value, ids: Value, count: Value, empty: float | None
) -> Value:
    """`sum`, `prod`, `max`, `min`, `mean` or `sqrt_n` of the rows of each of `count` segments;
    `empty` for segments without elements, None: what the operator gives there."""
    is_mean = name in ("mean", "sqrt_n")
    y = getattr(c.b, f"unsorted_segment_{'sum' if is_mean else name}")(x, ids, count)
    assert isinstance(y, Value)
    if not is_mean and (empty is None or name == "sum"):
        return y
    ones = c.b.fill(c.shape(ids.shape), c.scalar(1, x))
    sizes = c.b.unsorted_segment_sum(ones, ids, count)
    sizes = c.reshape(sizes, (*sizes.shape, *[1] * (len(x.shape) - 1)))
    if not is_mean:
        return c.b.select_v2(c.b.greater(sizes, c.scalar(0, x)), y, c.scalar(empty or 0, x))
    sizes = c.b.maximum(sizes, c.scalar(1, x))
    return c.b.div(y, c.b.sqrt(sizes) if name == "sqrt_n" else sizes)
