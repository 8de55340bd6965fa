"""Kernels of the reductions: SUM, MEAN, REDUCE_MAX, _MIN, _PROD, _ANY, _ALL over any axes."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ops.reduce import (
    Mean,
    ReduceAll,
    ReduceAny,
    ReduceMax,
    ReduceMin,
    ReduceProd,
    Reduction,
    Sum,
    mean_multiplier,
)
from edgewise.ops.requant import multiplier
from edgewise.runtime.calls import (
    Call,
    Selection,
    Site,
    is_float,
    is_real,
    require,
    require_8_bit,
    require_16_bit,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Fields, constant, pack
from edgewise.runtime.select.typed import typed

TILE_ELEMENTS = 16384  # of x

_OPS = {
    Mean: "EW_REDUCE_sum",
    Sum: "EW_REDUCE_sum",
    ReduceMax: "EW_REDUCE_max",
    ReduceAny: "EW_REDUCE_max",
    ReduceMin: "EW_REDUCE_min",
    ReduceAll: "EW_REDUCE_min",
    ReduceProd: "EW_REDUCE_prod",
}
_INTEGERS = (
    *("is_signed", "bias", "y_zero", "low", "high"),
    *("divisor", "is_fixed", "multiplier", "shift"),
)
_WIDE = {  # kernels, and those of MEAN
    DType.INT32: ("reduce_s32", "mean_s32"),
    DType.INT64: ("reduce_s64", "reduce_s64"),
}
_BOOL_OPS = {**_OPS, Sum: "EW_REDUCE_max", ReduceProd: "EW_REDUCE_min"}


def reduction(site: Site) -> Selection:
    """Any reduction."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, Reduction)
    shape = shape_of(x)
    given, rank = [int(a) for a in site.constant(1, "axes").reshape(-1)], len(shape)
    require(all(-rank <= a < rank for a in given) or rank == 0, "an axis is beyond the rank")
    axes = {a % rank for a in given} if rank else set()
    count = math.prod(shape[a] for a in axes)
    kernel, numbers = _numbers(op, x, y, count)
    rows, columns, walk = _walk(shape, axes)
    columns_per_tile = min(columns, max(TILE_ELEMENTS // max(count, 1), 128))
    rows_per_tile = max(TILE_ELEMENTS // max(count * max(columns, 1), 1), 1)
    params = pack(
        "ew_reduce",
        {
            "op": constant((_BOOL_OPS if x.dtype is DType.BOOL else _OPS)[type(op)]),
            "rows": rows,
            "columns": columns,
            **walk,
            **numbers,
            "rows_per_tile": rows_per_tile,
            "columns_per_tile": columns_per_tile,
        },
    )
    n_tiles = -(-rows // rows_per_tile) * (-(-columns // columns_per_tile) if columns else 1)
    n_tiles = n_tiles if math.prod(shape_of(y)) else 0
    per_tile = rows_per_tile * max(columns, 1)
    if columns_per_tile < columns:
        is_even = rows == 1 or (rows_per_tile == 1 and columns % columns_per_tile == 0)
        per_tile = columns_per_tile if is_even else 0
    scratch = 8 * max(columns_per_tile, 1)
    return [Call(kernel, params, (x, y), n_tiles, scratch, per_tile or None)]


def _walk(shape: tuple[int, ...], axes: set[int]) -> tuple[int, int, Fields]:
    """Rows and columns of y, and how x is read: its dimensions by kind, neighbours merged."""
    groups: list[tuple[bool, int, int]] = []  # (reduced, size, stride), the last one first
    stride = 1
    for axis, size in reversed(list(enumerate(shape))):
        is_reduced = axis in axes
        if size != 1 and groups and groups[-1][0] == is_reduced:
            _, before, inner = groups.pop()
            groups.append((is_reduced, before * size, inner))
        elif size != 1:
            groups.append((is_reduced, size, stride))
        stride *= size
    columns = groups.pop(0)[1] if groups and not groups[0][0] else 0
    kept = [(n, s) for is_reduced, n, s in reversed(groups) if not is_reduced]
    reduced = [(n, s) for is_reduced, n, s in reversed(groups) if is_reduced]
    if any(n == 0 for n, _ in reduced):
        reduced = [(0, 0)]
    reduced = reduced or [(1, 0)]
    most = constant("EW_MAX_RANK")
    require(max(len(kept), len(reduced)) <= most, f"more than {most} groups of dimensions")
    fields: Fields = {
        "kept_rank": len(kept),
        "reduced_rank": len(reduced),
        "kept": [n for n, _ in kept],
        "kept_stride": [s for _, s in kept],
        "reduced": [n for n, _ in reduced],
        "reduced_stride": [s for _, s in reduced],
    }
    return math.prod(n for n, _ in kept), columns, fields


def _numbers(op: Reduction, x: Value, y: Value, count: int) -> tuple[str, Fields]:
    """The kernel, and what it does with sums."""
    none: Fields = {**dict.fromkeys(_INTEGERS, 0), "scale": 1}
    if is_real(x) and is_float(y):
        if isinstance(op, Mean):
            require(count > 0, "the mean of nothing")
            return typed("reduce", x.dtype), {**none, "scale": float(np.float32(1 / count))}
        return typed("reduce", x.dtype), none
    require(count > 0 or x.dtype in _WIDE, "the reduction of nothing")
    if x.dtype is DType.BOOL:
        return "reduce_b8", none
    if x.dtype in _WIDE and y.dtype is x.dtype:
        require(x.quant is None and y.quant is None, f"no kernel for {x.dtype.text} with a scale")
        if isinstance(op, Mean):
            return _WIDE[x.dtype][1], {**none, "divisor": max(count, 1)}
        return _WIDE[x.dtype][0], none
    if x.dtype is DType.INT16 and x.quant is not None:
        kernel = "prod_s16" if isinstance(op, ReduceProd) else "reduce_s16"
        return kernel, {**none, **_numbers_16(op, x, y, count)}
    require_8_bit(x, y)
    is_signed = int(x.dtype is DType.INT8)
    if isinstance(op, ReduceMax | ReduceMin):
        require(x.quant == y.quant, "x and y have different scales")
        return "reduce_b8", {**none, "is_signed": is_signed}
    low, high = y.dtype.range
    if isinstance(op, ReduceProd):
        return "prod_b8", {**none, "is_signed": is_signed, **_product(x, y, count)}
    factor = scale(x.type) / scale(y.type)
    if isinstance(op, Mean):
        factor = factor / np.float32(max(count, 1))
    require(bool(np.isfinite(factor)), "the scales' quotient is not finite")
    bias = (-count * zero_point(x.type) + (1 << 31)) % (1 << 32) - (1 << 31)
    return "reduce_b8", {
        **none,
        "is_signed": is_signed,
        "bias": bias,
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
        "scale": float(factor),
    }


def _product(x: Value, y: Value, count: int) -> Fields:
    """Every product is scaled by 15 bits, an n-th of the way to the scale of y."""
    root = float(scale(y.type)) ** (1.0 / max(count, 1))
    m, shift = multiplier(float(scale(x.type)) / root)
    require(1 <= 15 - shift <= 62, "the scales are too far apart")
    low, high = y.dtype.range
    return {
        "bias": zero_point(x.type),
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
        "multiplier": (m + (1 << 15)) >> 16 if m < 0x7FFF0000 else 0x7FFF,
        "shift": 15 - shift,
    }


def _numbers_16(op: Reduction, x: Value, y: Value, count: int) -> Fields:
    """The constants of the references of int16 (ops/reduce.py)."""
    require_16_bit(x, y)
    if isinstance(op, ReduceProd):
        return _product(x, y, count)
    if isinstance(op, ReduceMax | ReduceMin):
        require(x.quant == y.quant, "x and y have different scales")
        return {}
    if isinstance(op, Mean):
        m, shift = mean_multiplier(float(scale(x.type)) / float(scale(y.type)), count)
        return {"is_fixed": 1, "multiplier": m, "shift": shift}
    require(count < 1 << 16, f"a sum of {count} elements, which is kept in 32 bits")
    factor = np.float32(scale(x.type) / scale(y.type))
    require(bool(np.isfinite(factor)), "the scales' quotient is not finite")
    return {"scale": float(factor)}
