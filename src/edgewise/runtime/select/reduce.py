"""Kernels of MEAN (over neighbouring axes) and SOFTMAX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.softmax import Softmax, exponentials
from edgewise.runtime.calls import (
    Call,
    Site,
    is_float,
    require,
    require_8_bit,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Fields, pack


def mean(site: Site) -> Sequence[Call]:
    """x as [outer, count, inner], the middle summed."""
    x, y = site.node.operand(0), site.node.output
    shape = shape_of(x)
    given, rank = [int(a) for a in site.constant(1, "axes").reshape(-1)], len(shape)
    require(all(-rank <= a < rank for a in given), "an axis is beyond the rank")
    axes = [a for a in sorted({a % rank for a in given}) if shape[a] != 1]
    run = list(range(axes[0], axes[-1] + 1)) if axes else []
    require(
        all(a in axes or shape[a] == 1 for a in run), "the axes are not neighbours of each other"
    )
    first, last = (run[0], run[-1] + 1) if run else (len(shape), len(shape))
    outer, count, inner = (
        int(np.prod(part, dtype=np.int64))
        for part in (shape[:first], shape[first:last], shape[last:])
    )
    require(count > 0, "the mean of nothing")
    if is_float(x, y):
        numbers: Fields = {**dict.fromkeys(("is_signed", "x_zero", "y_zero", "low", "high"), 0)}
        factor = np.float32(1 / count)
    else:
        require_8_bit(x, y)
        factor = scale(x.type) / scale(y.type) / np.float32(count)
        low, high = y.dtype.range
        numbers = {
            "is_signed": int(x.dtype is DType.INT8),
            "x_zero": zero_point(x.type),
            "y_zero": zero_point(y.type),
            "low": low,
            "high": high,
        }
    params = pack(
        "ew_mean",
        {"outer": outer, "count": count, "inner": inner, **numbers, "scale": float(factor)},
    )
    kernel = "mean_f32" if is_float(x) else "mean_b8"
    return [Call(kernel, params, (x, y), outer if inner else 0, 4 * inner)]


def softmax(site: Site) -> Sequence[Call]:
    """Rows along the last axis."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Softmax)
    shape = shape_of(x)
    rows = int(np.prod(shape[:-1], dtype=np.int64)) if shape[-1] else 0
    fields: dict[str, int | float] = {"rows": rows, "depth": shape[-1], "beta": op.beta}
    if is_float(x, y):
        fields |= dict.fromkeys(("is_signed", "y_zero", "low", "high", "y_scale"), 0)
        return [Call("softmax_f32", pack("ew_softmax", fields), (x, y), rows)]
    require_8_bit(x, y)
    require(op.beta >= 0, "beta is negative")
    low, high = y.dtype.range
    fields |= {
        "is_signed": int(x.dtype is DType.INT8),
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
        "y_scale": float(scale(y.type)),
    }
    table = exponentials(scale(x.type) * np.float32(op.beta))
    return [Call("softmax_b8", pack("ew_softmax", fields), (x, table, y), rows)]
