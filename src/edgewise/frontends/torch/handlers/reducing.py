"""Reductions, running sums, order.

Source: aten/src/ATen/native/{ReduceOps,TensorCompare,Sorting}.cpp, PyTorch 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.frontends import context
from edgewise.frontends.context import computed
from edgewise.frontends.decompose import functions as fn
from edgewise.frontends.decompose.index import last_axis
from edgewise.frontends.decompose.integers import wide
from edgewise.frontends.decompose.reduce import log_sum_exp
from edgewise.frontends.decompose.scan import running
from edgewise.frontends.torch.context import Context, Handler, Unsupported, axes_of, axis_of
from edgewise.frontends.torch.handlers.binary import truth
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

Axes = int | Sequence[int] | None
_LOWEST = float(np.finfo(np.float32).min)


def _reduced(c: Context, name: str, x: Value, dim: Axes, keepdim: bool) -> Value:
    """The operator of that name over the axes; narrow whole numbers are computed in wider ones."""
    axes = axes_of(dim, len(x.shape))
    if not axes:
        return x
    y = getattr(c.b, name)(wide(c, x), c.ints(axes), keep_dims=keepdim)
    assert isinstance(y, Value)
    return c.cast(y, x.dtype)


def _sum(name: str) -> Handler:
    """Sums and products: of whole numbers and truth values in int64."""

    def handler(
        c: Context, x: Value, dim: Axes = None, keepdim: bool = False, dtype: DType | None = None
    ) -> Value:
        wanted = dtype or (x.dtype if x.dtype in FLOATS else DType.INT64)
        return _reduced(c, name, c.converted(x, computed(wanted)), dim, keepdim)

    return handler


def mean(
    c: Context, x: Value, dim: Axes = None, keepdim: bool = False, dtype: DType | None = None
) -> Value:
    """The mean over the axes."""
    return _reduced(c, "mean", c.real(x), dim, keepdim)


def _extreme(name: str) -> Handler:
    def handler(c: Context, x: Value, dim: Axes = None, keepdim: bool = False) -> Value:
        if x.dtype is DType.BOOL:
            truthful = {"reduce_max": "reduce_any", "reduce_min": "reduce_all"}[name]
            return _reduced(c, truthful, x, dim, keepdim)
        return _reduced(c, name, x, dim, keepdim)

    return handler


def _extreme_and_index(name: str, index: str) -> Handler:
    """The extreme elements along one axis, and where they are."""

    def handler(c: Context, x: Value, dim: int, keepdim: bool = False) -> list[Value]:
        return [_reduced(c, name, x, dim, keepdim), _index(c, index, x, dim, keepdim)]

    return handler


def _index(c: Context, name: str, x: Value, dim: int | None, keepdim: bool = False) -> Value:
    if x.dtype is DType.INT64:
        raise Unsupported("an index among int64 elements; convert them to int32 before")
    if dim is None:
        y = _index(c, name, c.reshape(x, (elements(x.shape),)), 0)
        return c.reshape(y, (1,) * len(x.shape)) if keepdim else y
    at = axis_of(dim, len(x.shape))
    y = getattr(c.b, name)(wide(c, x), c.ints([at]), output_type=DType.INT64)
    assert isinstance(y, Value)
    return c.reshape(y, (*x.shape[:at], 1, *x.shape[at + 1 :])) if keepdim else y


def _extreme_index(name: str) -> Handler:
    return lambda c, x, dim=None, keepdim=False: _index(c, name, x, dim, keepdim)


def _truth(name: str) -> Handler:
    def handler(c: Context, x: Value, dim: Axes = None, keepdim: bool = False) -> Value:
        return _reduced(c, name, truth(c, x), dim, keepdim)

    return handler


def _variance(
    c: Context,
    x: Value,
    dim: Axes | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Value:
    """The mean of squared distances to the mean, over n - correction in place of n elements."""
    if isinstance(dim, bool):
        unbiased = dim
    less = float(unbiased) if correction is None else float(correction)
    axes = axes_of(None if isinstance(dim, bool) else dim, len(x.shape))
    centre = mean(c, x, axes, True)
    y = _reduced(c, "mean", c.b.squared_difference(x, centre), axes, keepdim)
    if less == 0:
        return y
    count = elements(x.shape[axis] for axis in axes)
    if isinstance(count, int):
        return fn.scaled(c, y, count / (count - less) if count > less else math.inf)
    n = c.operand(count, DType.FLOAT32)
    return c.b.mul(y, c.b.div(n, fn.plus(c, n, -less)))


def _deviation(c: Context, x: Value, *args: object, **kwargs: object) -> Value:
    return c.b.sqrt(_variance(c, x, *args, **kwargs))  # type: ignore[arg-type]


def _with_mean(function: Callable[..., Value]) -> Handler:
    def handler(c: Context, x: Value, dim: Axes = None, **kwargs: bool) -> list[Value]:
        centre = mean(c, x, dim, kwargs.get("keepdim", False))
        return [function(c, x, dim, **kwargs), centre]

    return handler


def _log_sum_exp(c: Context, x: Value, dim: Axes, keepdim: bool = False) -> Value:
    axes = axes_of(dim, len(x.shape))
    return log_sum_exp(c, c.real(x), c.ints(axes), keepdim) if axes else x


def norm(
    c: Context,
    x: Value,
    ord: float | None = 2,
    dim: Axes = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Value:
    """(sum |x|**p)**(1/p)."""
    p = 2.0 if ord is None else float(ord)
    if p == 2:
        return c.b.sqrt(_reduced(c, "sum", c.b.square(x), dim, keepdim))
    sizes = c.b.abs(x)
    if math.isinf(p):
        return _reduced(c, "reduce_max" if p > 0 else "reduce_min", sizes, dim, keepdim)
    if p == 1:
        return _reduced(c, "sum", sizes, dim, keepdim)
    if p == 0:
        return _reduced(c, "sum", c.cast(truth(c, x), DType.FLOAT32), dim, keepdim)
    total = _reduced(c, "sum", c.b.pow(sizes, c.scalar(p, x)), dim, keepdim)
    return c.b.pow(total, c.scalar(1 / p, x))


def _norm(
    c: Context,
    x: Value,
    ord: float | str | None = None,
    dim: Axes = None,
    keepdim: bool = False,
    dtype: DType | None = None,
) -> Value:
    """Of vectors; of matrices that of Frobenius only."""
    is_vector = isinstance(dim, int) or len(x.shape if dim is None else dim) == 1
    if not is_vector and ord not in (None, "fro"):
        raise Unsupported(f"the norm {ord!r} of matrices; use the one of Frobenius")
    if isinstance(ord, str) and ord != "fro":
        raise Unsupported(f"the norm {ord!r}; use the one of Frobenius")
    return norm(c, x, None if isinstance(ord, str) else ord, dim, keepdim)


def _count_nonzero(c: Context, x: Value, dim: Axes = None) -> Value:
    return _reduced(c, "sum", c.cast(truth(c, x), DType.INT64), dim, False)


def _cumsum(c: Context, x: Value, dim: int, dtype: DType | None = None) -> Value:
    x = c.converted(x, computed(dtype or (x.dtype if x.dtype in FLOATS else DType.INT64)))
    axis = c.b.constant(np.array(axis_of(dim, len(x.shape)), np.int32))
    return c.b.cumsum(x, axis) if x.shape else x


def _running(function: Callable[[context.Context, Value, Value], Value], neutral: float) -> Handler:
    def handler(c: Context, x: Value, dim: int, dtype: DType | None = None) -> Value:
        at = axis_of(dim, len(x.shape))
        if not isinstance(x.shape[at], int):
            raise Unsupported("it runs along an axis of unknown size; give the model a fixed shape")
        return running(c, c.real(x), at, function, neutral)

    return handler


def topk(
    c: Context, x: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> list[Value]:
    """The k largest or smallest elements along an axis, and where they are."""
    if not x.shape:
        return [x, c.operand(0, DType.INT64)]
    last, perm = last_axis(c, x, axis_of(dim, len(x.shape)))
    ranked = wide(c, last)
    if ranked.dtype is DType.BOOL:
        ranked = c.cast(ranked, DType.INT32)
    if not largest:
        ranked = c.b.neg(ranked) if x.dtype in FLOATS else c.b.sub(c.scalar(0, ranked), ranked)
    count = c.b.constant(np.array(k, np.int32))
    values, places = c.b.node(operator("topk_v2")(), ranked, count).outputs
    if not largest:
        values = c.b.neg(values) if x.dtype in FLOATS else c.b.sub(c.scalar(0, values), values)
    found = (c.cast(values, x.dtype), c.cast(places, DType.INT64))
    return [c.transpose(y, perm) for y in found]


def _sort(
    c: Context, x: Value, dim: int = -1, descending: bool = False, stable: bool | None = None
) -> list[Value]:
    """All elements along an axis in order, and where they were."""
    size = x.shape[axis_of(dim, len(x.shape))] if x.shape else 1
    if not isinstance(size, int):
        raise Unsupported("it sorts an axis of unknown size; give the model a fixed shape")
    return topk(c, x, size, dim, descending)


def _argsort(c: Context, x: Value, dim: int = -1, descending: bool = False, **_: bool) -> Value:
    return _sort(c, x, dim, descending)[1]


HANDLERS: dict[str, Handler] = {
    "sum": _sum("sum"),
    "prod": _sum("reduce_prod"),
    "mean": mean,
    "amax": _extreme("reduce_max"),
    "amin": _extreme("reduce_min"),
    "max": _extreme("reduce_max"),
    "min": _extreme("reduce_min"),
    "max.dim": _extreme_and_index("reduce_max", "arg_max"),
    "min.dim": _extreme_and_index("reduce_min", "arg_min"),
    "argmax": _extreme_index("arg_max"),
    "argmin": _extreme_index("arg_min"),
    "any": _truth("reduce_any"),
    "all": _truth("reduce_all"),
    "var": _variance,
    "std": _deviation,
    "var_mean": _with_mean(_variance),
    "std_mean": _with_mean(_deviation),
    **dict.fromkeys(("logsumexp", "special_logsumexp"), _log_sum_exp),
    **dict.fromkeys(("linalg_vector_norm", "norm"), norm),
    "linalg_norm": _norm,
    "linalg_matrix_norm": lambda c, x, ord="fro", dim=(-2, -1), keepdim=False: _norm(
        c, x, ord, dim, keepdim
    ),
    "count_nonzero": _count_nonzero,
    "cumsum": _cumsum,
    "cumprod": _running(lambda c, x, y: c.b.mul(x, y), 1),
    "logcumsumexp": _running(fn.log_sum, _LOWEST),
    "topk": topk,
    "sort": _sort,
    "sort.stable": lambda c, x, stable=None, dim=-1, descending=False: _sort(c, x, dim, descending),
    "argsort": _argsort,
    "argsort.stable": _argsort,
    "msort": lambda c, x: _sort(c, x, 0)[0],
}
