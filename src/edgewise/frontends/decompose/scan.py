"""Running combinations along an axis: cumulative products and kin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.frontends.context import Context
from edgewise.ir.graph import Value


def running(
    c: Context,
    x: Value,
    axis: int,
    function: Callable[[Context, Value, Value], Value],
    neutral: float,
    exclusive: bool = False,
    reverse: bool = False,
) -> Value:
    """y[i] = x[0] * ... * x[i] for an associative `*` with a neutral element.

    After the step of distance d every element holds the combination of the 2 d elements that end
    at it (Hillis and Steele 1986): log2(n) steps instead of n. The axis must have a known size.
    """
    size = x.shape[axis]
    assert isinstance(size, int)
    y = _shifted(c, x, axis, 1, neutral, reverse) if exclusive else x
    distance = 1
    while distance < size:
        y = function(c, y, _shifted(c, y, axis, distance, neutral, reverse))
        distance *= 2
    return y


def _shifted(
    c: Context, x: Value, axis: int, distance: int, neutral: float, reverse: bool
) -> Value:
    """x moved by `distance` towards the end (reverse: the start), the neutral element behind."""
    rank, size = len(x.shape), x.shape[axis]
    assert isinstance(size, int)
    begin, sizes = [0] * rank, [-1] * rank
    begin[axis] = distance if reverse else 0
    sizes[axis] = size - distance
    kept = c.b.slice(x, c.ints(begin), c.ints(sizes))
    margins = np.zeros((rank, 2), np.int32)
    margins[axis, 1 if reverse else 0] = distance
    return c.b.padv2(kept, c.b.constant(margins), c.scalar(neutral, x))
