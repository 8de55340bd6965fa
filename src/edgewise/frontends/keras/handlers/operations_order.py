"""`keras.ops` nodes that depend on the order of numbers, or on which of them are equal.

Source: keras/src/backend/tensorflow/{numpy,math}.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.decompose import order
from edgewise.frontends.decompose.distinct import Distinct, distinct
from edgewise.frontends.decompose.index import last_axis, one_hot
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import (
    Operand,
    axes_of,
    axis_in,
    promoted,
    real,
    tensor,
)
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

Quantiles = Callable[[Context, Value, np.ndarray, str], Value]


def _quantile(quantiles: Quantiles, unit: float) -> Handler:
    """Over `axis` (all where it is null); the shares, if there are several, come first."""

    def handler(c: Context, layer: KerasLayer, x: Operand, q: Operand = 0.5) -> Value:
        y, given = real(c, x), q.data if isinstance(q, Value) else np.asarray(q)
        method = text(layer, "method", "linear")
        if given is None:
            raise Unsupported("its shares are computed; use constant ones")
        if method not in order.METHODS:
            raise Unsupported(f"the method '{method}'; use one of {', '.join(order.METHODS)}")
        shares, rank = np.asarray(given, np.float64) / unit, len(y.shape)
        axes = axes_of(layer, rank)
        kept = [axis for axis in range(rank) if axis not in axes]
        outer = [y.shape[axis] for axis in kept]
        y = c.transpose(y, kept + axes)
        y = c.reshape(y, [*outer, elements(y.shape[len(kept) :])])
        y = quantiles(c, y, shares.reshape(-1), method)
        last = len(kept)
        y = c.transpose(y, [last, *range(last)])
        if flag(layer, "keepdims"):
            sizes = iter(outer)
            outer = [1 if axis in axes else next(sizes) for axis in range(rank)]
        return c.reshape(y, [*shares.shape, *outer])

    return handler


def _search_sorted(c: Context, layer: KerasLayer, row: Operand, x: Operand) -> Value:
    """How many elements of the sorted row are smaller; on the right side, or equal."""
    a, b = promoted(c, row, x)
    is_right = text(layer, "side", "left") == "right"
    return order.smaller(c, a, b, or_equal=is_right)


def _argpartition(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Places in ascending order, which is parted at every place."""
    y = tensor(c, x)
    if layer.config.get("axis", -1) is None:
        y, axis = c.reshape(y, [elements(y.shape)]), 0
    else:
        axis = axis_in(layer, layer.config.get("axis", -1), len(y.shape))
    y, perm = last_axis(c, y, axis)
    return c.transpose(order.ascending(c, y)[1], perm)


def _in_top_k(c: Context, layer: KerasLayer, targets: Operand, scores: Operand) -> Value:
    k = c.dim(integer(layer, "k"))
    return order.in_top_k(c, real(c, scores), tensor(c, targets), k)


def _is_in(c: Context, layer: KerasLayer, x: Operand, elements_: Operand) -> Value:
    """Whether each element of x is one of others."""
    a, b = promoted(c, x, elements_)
    rank = len(a.shape)
    equal = c.b.equal(c.b.expand_dims(a, c.ints([rank])), c.reshape(b, [elements(b.shape)]))
    found = c.b.reduce_any(equal, c.ints([rank]))
    return c.b.logical_not(found) if flag(layer, "invert") else found


def _nonzero(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """The places of what is not 0, a vector for every axis; as many as the data says."""
    y = tensor(c, x)
    # UNPACK of LiteRT has no int64
    places = c.cast(c.b.where(c.cast(y, DType.BOOL)), DType.INT32)
    return c.b.node(operator("unpack")(num=len(y.shape), axis=1), places).outputs


def _unique(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """The distinct elements of a tensor; where they stand first, where each went, how many."""
    if layer.config.get("axis") is not None and len(tensor(c, x).shape) > 1:
        raise Unsupported("the distinct parts along an axis; use axis=None, which takes elements")
    y = tensor(c, x)
    flat = c.reshape(y, [elements(y.shape)])
    given = distinct(c, flat)
    given = given.sorted(c) if flag(layer, "sorted", True) else given
    wanted = [flag(layer, f"return_{what}") for what in ("index", "inverse", "counts")]
    inverse = c.reshape(given.inverse, y.shape) if wanted[1] else given.inverse
    if layer.config.get("size") is not None:
        fill = layer.config.get("fill_value")
        given = _resized(c, given, integer(layer, "size"), 0 if fill is None else fill)  # type: ignore[arg-type]
    others = (given.first, inverse, given.counts)
    chosen = [given.values, *(v for v, is_wanted in zip(others, wanted, strict=True) if is_wanted)]
    return chosen if len(chosen) > 1 else chosen[0]


def _resized(c: Context, given: Distinct, size: int, fill: float) -> Distinct:
    """Cut to `size` elements or filled up: each is written to its place of as many and more."""

    def fitted(x: Value, number: float) -> Value:
        ends = c.b.fill(c.ints([size]), c.scalar(number, x))
        both = c.b.concatenation(x, ends, axis=0)
        return c.b.slice(both, c.ints([0]), c.ints([size]))

    return Distinct(
        fitted(given.values, fill), fitted(given.first, 1), given.inverse, fitted(given.counts, 0)
    )


def _histogram(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """How many elements each of `bins` equal parts of the range has, and the ends of the parts.

    The range is that of the data, or the one that is given, beyond which nothing counts."""
    y, bins, given = tensor(c, x), integer(layer, "bins", 10), layer.config.get("range")
    flat = c.real(c.reshape(y, [elements(y.shape)]))
    t = c.b.constant(np.linspace(0, 1, bins + 1, dtype=np.float32))
    if given is None:
        low, high = c.b.reduce_min(flat, c.ints([0])), c.b.reduce_max(flat, c.ints([0]))
    else:
        low, high = (real(c, end) for end in given)  # type: ignore[attr-defined]
    edges = c.b.add(c.b.mul(low, c.b.sub(c.scalar(1), t)), c.b.mul(high, t))
    inner = c.b.slice(edges, c.ints([1]), c.ints([bins - 1]))
    place = order.smaller(c, inner, flat, or_equal=True)
    inside = c.b.logical_and(c.b.greater_equal(flat, low), c.b.less_equal(flat, high))
    place = c.b.select_v2(inside, place, c.scalar(-1, place))
    counts = c.b.sum(one_hot(c, place, bins, 1, y.dtype), c.ints([0]))
    return [counts, c.cast(edges, y.dtype)]


OPERATIONS: dict[str, Handler] = {
    "Quantile": _quantile(order.quantiles, 1),
    "Percentile": _quantile(order.quantiles, 100),
    "Median": _quantile(order.quantiles, 1),
    "Nanquantile": _quantile(order.quantiles_of_numbers, 1),
    "Nanpercentile": _quantile(order.quantiles_of_numbers, 100),
    "Nanmedian": _quantile(order.quantiles_of_numbers, 1),
    "SearchSorted": _search_sorted,
    "Argpartition": _argpartition,
    "InTopK": _in_top_k,
    "IsIn": _is_in,
    "Nonzero": _nonzero,
    "Unique": _unique,
    "Histogram": _histogram,
}
