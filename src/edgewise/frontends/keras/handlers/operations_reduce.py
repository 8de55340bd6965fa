"""`keras.ops` nodes over axes: sums, extremes, statistics, order, norms.

Source: keras/src/ops/{numpy,math,nn,linalg}.py, Keras 3.15.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.decompose.index import last_axis
from edgewise.frontends.decompose.reduce import log_sum_exp, negated, variance
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, number
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, axes_of, real, tensor
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

Reduction = Callable[[Context, Value, Value, bool], Value]


def _reduced(reduction: Reduction, prepare: Callable[[Context, Operand], Value]) -> Handler:
    """Over `axis` (all where it is null), which stays as 1 with `keepdims`."""

    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = prepare(c, x)
        if layer.config.get("initial") is not None:
            raise Unsupported("the argument 'initial'; leave it out")
        axes = axes_of(layer, len(y.shape))
        return reduction(c, y, c.ints(axes), flag(layer, "keepdims")) if axes else y

    return handler


def _simple(name: str) -> Reduction:
    def reduction(c: Context, x: Value, axes: Value, keep: bool) -> Value:
        y = getattr(c.b, name)(x, axes, keep_dims=keep)
        assert isinstance(y, Value)
        return y

    return reduction


def _number(c: Context, x: Operand) -> Value:
    """x, a bool tensor as int32."""
    y = tensor(c, x)
    return c.cast(y, DType.INT32) if y.dtype is DType.BOOL else y


def _truth(c: Context, x: Operand) -> Value:
    return c.cast(tensor(c, x), DType.BOOL)


def _deviation(c: Context, x: Value, axes: Value, keep: bool) -> Value:
    return c.b.sqrt(variance(c, x, axes, keep))


def _extreme(name: str, of_bools: str) -> Reduction:
    """The largest or smallest; of bools whether any or all hold."""

    def reduction(c: Context, x: Value, axes: Value, keep: bool) -> Value:
        return _simple(of_bools if x.dtype is DType.BOOL else name)(c, x, axes, keep)

    return reduction


def _count_nonzero(c: Context, layer: KerasLayer, x: Operand) -> Value:
    y = tensor(c, x)
    ones = c.cast(c.b.not_equal(y, c.scalar(0, y)), DType.INT32)
    axes = axes_of(layer, len(y.shape))
    return c.b.sum(ones, c.ints(axes), keep_dims=flag(layer, "keepdims"))


def _average(c: Context, layer: KerasLayer, x: Operand, weights: Operand | None = None) -> Value:
    y = real(c, x)
    axes = c.ints(axes_of(layer, len(y.shape)))
    if weights is None:
        return c.b.mean(y, axes)
    w = real(c, weights)
    if len(w.shape) != len(y.shape):
        axis = int(axes.data[0])  # type: ignore[index]
        w = c.reshape(w, [y.shape[i] if i == axis else 1 for i in range(len(y.shape))])
    w = c.b.add(w, c.b.mul(y, c.scalar(0)))  # of the shape of y
    return c.b.div(c.b.sum(c.b.mul(y, w), axes), c.b.sum(w, axes))


def _range(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """The largest less the smallest."""
    y = tensor(c, x)
    axes, keep = c.ints(axes_of(layer, len(y.shape))), flag(layer, "keepdims")
    return c.b.sub(c.b.reduce_max(y, axes, keep_dims=keep), c.b.reduce_min(y, axes, keep_dims=keep))


def _moments(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """The mean and the variance."""
    y = real(c, x)
    axes, keep = c.ints(axes_of(layer, len(y.shape), "axes")), flag(layer, "keepdims")
    return [c.b.mean(y, axes, keep_dims=keep), variance(c, y, axes, keep)]


def _extreme_index(name: str) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = _number(c, x)
        keep, rank = flag(layer, "keepdims"), len(y.shape)
        if layer.config.get("axis") is None:
            flat = c.reshape(y, [elements(y.shape)])
            found = getattr(c.b, name)(flat, c.ints([0]))
            return c.reshape(found, [1] * rank) if keep else found
        axis = axes_of(layer, rank)[0]
        found = getattr(c.b, name)(y, c.ints([axis]))
        return c.b.expand_dims(found, c.ints([axis])) if keep else found

    return handler


def _top_k(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    """The k largest elements of the last axis and their indices."""
    k = c.b.constant(np.array(integer(layer, "k"), np.int32))
    return c.b.node(operator("topk_v2")(), tensor(c, x), k).outputs


def _sorted(result: int) -> Handler:
    """Ascending: the largest of -x, elements or indices. Equals keep their order."""

    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        y = _number(c, x)
        if layer.config.get("axis", -1) is None:
            y, axis = c.reshape(y, [elements(y.shape)]), 0
        else:
            axis = axes_of(layer, len(y.shape))[0] if "axis" in layer.config else -1
        y, perm = last_axis(c, y, axis)
        size = y.shape[-1]
        if not isinstance(size, int):
            raise Unsupported("it sorts an axis of unknown size; give the model a fixed shape")
        k = c.b.constant(np.array(size, np.int32))
        found = c.b.node(operator("topk_v2")(), negated(c, y), k).outputs[result]
        return c.transpose(found if result else negated(c, found), perm)

    return handler


def _norm(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """Of vectors (one axis, or all): orders 1, 2 and infinity; of matrices: Frobenius."""
    y, order = real(c, x), layer.config.get("ord")
    given = axes_of(layer, len(y.shape))
    is_matrix = len(given) == 2 and layer.config.get("axis") is not None
    axes, keep = c.ints(given), flag(layer, "keepdims")
    order = math.inf if order == "inf" else order
    if order is None or order == "fro" or (order == 2 and not is_matrix):
        return c.b.sqrt(c.b.sum(c.b.square(y), axes, keep_dims=keep))
    if order == 1 and not is_matrix:
        return c.b.sum(c.b.abs(y), axes, keep_dims=keep)
    if order in (math.inf, -math.inf) and not is_matrix:
        extreme = c.b.reduce_max if order == math.inf else c.b.reduce_min
        return extreme(c.b.abs(y), axes, keep_dims=keep)
    raise Unsupported(f"a norm of order {order!r}; use 1, 2 or infinity of vectors, or 'fro'")


def _normalize(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """x divided by its norm along `axis`, or by epsilon if that is larger."""
    y, order = real(c, x), number(layer, "order", 2)
    axes = c.ints(axes_of(layer, len(y.shape)))
    epsilon = number(layer, "epsilon", 1e-12)
    if order == 2:
        squares = c.b.sum(c.b.square(y), axes, keep_dims=True)
        return c.b.mul(y, c.b.rsqrt(c.b.maximum(squares, c.scalar(epsilon**2))))
    powers = c.b.sum(c.b.pow(c.b.abs(y), c.scalar(order)), axes, keep_dims=True)
    norm = c.b.pow(powers, c.scalar(1 / order))
    return c.b.div(y, c.b.maximum(norm, c.scalar(epsilon)))


def _over(names: Sequence[str], reduction: Reduction, prepare: Handler) -> dict[str, Handler]:
    return dict.fromkeys(names, _reduced(reduction, prepare))  # type: ignore[arg-type]


OPERATIONS: dict[str, Handler] = {
    **_over(["Mean"], _simple("mean"), real),
    **_over(["Sum"], _simple("sum"), _number),
    **_over(["Prod"], _simple("reduce_prod"), _number),
    **_over(["Max", "Amax"], _extreme("reduce_max", "reduce_any"), tensor),
    **_over(["Min", "Amin"], _extreme("reduce_min", "reduce_all"), tensor),
    **_over(["Any"], _simple("reduce_any"), _truth),
    **_over(["All"], _simple("reduce_all"), _truth),
    **_over(["Var"], variance, real),
    **_over(["Std"], _deviation, real),
    **_over(["Logsumexp"], log_sum_exp, real),
    "CountNonzero": _count_nonzero,
    "Average": _average,
    "Moments": _moments,
    "Ptp": _range,
    "Argmax": _extreme_index("arg_max"),
    "Argmin": _extreme_index("arg_min"),
    "TopK": _top_k,
    "Sort": _sorted(0),
    "Argsort": _sorted(1),
    "Norm": _norm,
    "Normalize": _normalize,
}
