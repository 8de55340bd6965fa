"""What depends on the order of numbers: ranks, quantiles, places in sorted rows."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends.context import Context, known_sizes
from edgewise.frontends.decompose.reduce import negated
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def ascending(c: Context, x: Value) -> tuple[Value, Value]:
    """The last axis in ascending order, and where each element stood; equals keep their order."""
    (size,) = known_sizes(x.shape[-1:], "an axis that is sorted")
    k = c.b.constant(np.array(size, np.int32))
    values, places = c.b.node(operator("topk_v2")(), negated(c, x), k).outputs
    return negated(c, values), places


def in_top_k(c: Context, scores: Value, targets: Value, k: Value) -> Value:
    """Whether fewer than k elements of the row exceed that of the target: scores [N, C], targets
    [N]."""
    index = c.b.expand_dims(c.cast(targets, DType.INT32), c.ints([1]))
    own = c.b.gather(scores, index, axis=1, batch_dims=1)
    above = c.cast(c.b.greater(scores, own), DType.INT32)
    return c.b.less(c.b.sum(above, c.ints([1])), k)


def smaller(c: Context, row: Value, x: Value, *, or_equal: bool) -> Value:
    """How many elements of the last axis of `row` [..., K] are smaller than each of x [..., N]."""
    rank = len(x.shape)
    a = c.reshape(row, (*row.shape[:-1], 1, row.shape[-1]))
    test = c.b.less_equal if or_equal else c.b.less
    found = test(a, c.b.expand_dims(x, c.ints([rank])))
    return c.b.sum(c.cast(found, DType.INT32), c.ints([rank]))


def quantiles(c: Context, x: Value, shares: np.ndarray, method: str) -> Value:
    """[..., K] to [..., len(shares)]: what lies at `share * (K - 1)` in the sorted row, between
    neighbours by `linear`, `lower`, `higher`, `nearest` or `midpoint`. Not a number where the row
    has one that is none."""
    (size,) = known_sizes(x.shape[-1:], "an axis that is sorted")
    ordered, _ = ascending(c, x)
    axis, place = len(x.shape) - 1, shares * (size - 1)
    low, high, share = _between(place, method)
    y = c.b.gather(ordered, c.ints([int(i) for i in low]), axis=axis)
    if np.any(share):
        upper = c.b.gather(ordered, c.ints([int(i) for i in high]), axis=axis)
        weights = [c.b.constant(w.astype(np.float32)) for w in (1 - share, share)]
        y = c.b.add(c.b.mul(y, weights[0]), c.b.mul(upper, weights[1]))
    if x.dtype not in FLOATS:
        return y
    nothing = c.b.reduce_any(c.b.not_equal(x, x), c.ints([axis]), keep_dims=True)
    return c.b.select_v2(nothing, c.scalar(np.nan, y), y)


def _between(place: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two elements that a place lies between, and the share of the second one."""
    low, high = np.floor(place), np.ceil(place)
    share = {
        "linear": place - low, "lower": np.zeros_like(place), "higher": high - low,
        "nearest": np.round(place) - low, "midpoint": (high - low) / 2,
    }[method]  # fmt: skip
    return low, high, share


METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


def quantiles_of_numbers(c: Context, x: Value, shares: np.ndarray, method: str) -> Value:
    """As `quantiles`, of those elements of a row that are numbers."""
    missing, axis = c.b.not_equal(x, x), len(x.shape) - 1
    ordered, _ = ascending(c, c.b.select_v2(missing, c.scalar(np.inf, x), x))
    numbers = c.b.sum(c.cast(c.b.equal(x, x), DType.FLOAT32), c.ints([axis]), keep_dims=True)
    last = c.b.maximum(c.b.sub(numbers, c.scalar(1)), c.scalar(0))
    place = c.b.mul(last, c.b.constant(shares.astype(np.float32)))
    low, high = c.b.floor(place), c.b.ceil(place)
    if method == "nearest":
        low = high = c.b.round(place)
    pair = {"lower": (low, low), "higher": (high, high)}.get(method, (low, high))
    a, b = (c.b.gather(ordered, c.cast(i, DType.INT32), axis=axis, batch_dims=axis) for i in pair)
    share = c.scalar(0.5) if method == "midpoint" else c.b.sub(place, low)
    y = a if pair[0] is pair[1] else c.b.add(a, c.b.mul(c.b.sub(b, a), share))
    return c.b.select_v2(c.b.equal(numbers, c.scalar(0)), c.scalar(np.nan), y)
