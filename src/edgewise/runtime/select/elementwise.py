"""Kernels of ADD, SUB and MUL: collapsed dimensions, strides, requantization constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ops.arithmetic import Fused
from edgewise.ops.requant import activation_range, multiplier
from edgewise.runtime.calls import (
    Call,
    Site,
    float_bounds,
    is_float,
    require,
    require_8_bit,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Fields, constant, pack

_SPARE_BITS = 20
_INTEGERS = [
    "is_signed",
    "a_zero",
    "b_zero",
    "y_zero",
    "low",
    "high",
    "scale",
    "a_multiplier",
    "a_shift",
    "b_multiplier",
    "b_shift",
    "y_multiplier",
    "y_shift",
    "sign",
]


def add(site: Site) -> Sequence[Call]:
    """a + b."""
    return _binary(site, "add_f32", "add_b8", sign=1)


def sub(site: Site) -> Sequence[Call]:
    """a - b."""
    return _binary(site, "sub_f32", "add_b8", sign=-1)


def mul(site: Site) -> Sequence[Call]:
    """a * b."""
    return _binary(site, "mul_f32", "mul_b8", sign=0)


def _binary(site: Site, f32: str, b8: str, sign: int) -> Sequence[Call]:
    op, y = site.node.op, site.node.output
    assert isinstance(op, Fused)
    a, b = site.node.operand(0), site.node.operand(1)
    act = op.fused_activation_function
    if is_float(a, b, y):
        low, high = float_bounds(act)
        numbers: Fields = {**dict.fromkeys(_INTEGERS, 0), "low_f32": low, "high_f32": high}
    else:
        require_8_bit(a, b, y)
        numbers = _sum(a, b, y, sign, act) if sign else _product(a, b, y, act)
    shape, a_strides, b_strides = collapse(shape_of(a), shape_of(b))
    most = constant("EW_MAX_RANK")
    require(len(shape) <= most, f"broadcasting over {len(shape)} dimensions; at most {most}")
    params = pack(
        "ew_binary",
        {
            "rank": len(shape),
            "dims": shape,
            "a_stride": a_strides,
            "b_stride": b_strides,
            **numbers,
        },
    )
    n_tiles = int(np.prod(shape[:-1], dtype=np.int64)) if np.prod(shape, dtype=np.int64) else 0
    return [Call(f32 if is_float(y) else b8, params, (a, b, y), n_tiles)]


def _sum(a: Value, b: Value, y: Value, sign: int, act: Activation) -> Fields:
    """The multipliers of `ops.fixed_point.add_fixed`."""
    common = 2 * float(max(scale(a.type), scale(b.type)))
    a_m, a_shift = multiplier(float(scale(a.type)) / common)
    b_m, b_shift = multiplier(float(scale(b.type)) / common)
    y_m, y_shift = multiplier(common / ((1 << _SPARE_BITS) * float(scale(y.type))))
    return {
        **_points(a, b, y, act),
        "scale": 0.0,
        "a_multiplier": a_m,
        "a_shift": a_shift,
        "b_multiplier": b_m,
        "b_shift": b_shift,
        "y_multiplier": y_m,
        "y_shift": y_shift,
        "sign": sign,
    }


def _product(a: Value, b: Value, y: Value, act: Activation) -> Fields:
    """The scale of `ops.fixed_point.multiply_f32`."""
    factor = float(np.float32(scale(a.type) * scale(b.type) / scale(y.type)))
    return {**dict.fromkeys(_INTEGERS, 0), **_points(a, b, y, act), "scale": factor}


def _points(a: Value, b: Value, y: Value, act: Activation) -> Fields:
    low, high = activation_range(act, y.type)
    return {
        "is_signed": int(y.dtype is DType.INT8),
        "a_zero": zero_point(a.type),
        "b_zero": zero_point(b.type),
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
        "low_f32": 0.0,
        "high_f32": 0.0,
    }


def collapse(
    a: Sequence[int], b: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(dims, strides of a, strides of b) of a broadcast, neighbouring dimensions merged where
    both operands run through them alike. Broadcast dimensions have stride 0."""
    rank = max(len(a), len(b), 1)
    a, b = ((1,) * (rank - len(s)) + tuple(s) for s in (a, b))
    dims: list[int] = []
    kinds: list[tuple[bool, bool]] = []  # which operands move along the dimension
    for m, n in zip(a, b, strict=True):
        size = n if m == 1 else m
        if size == 1:
            continue
        kind = (m != 1, n != 1)
        if kinds and kinds[-1] == kind:
            dims[-1] *= size
        else:
            dims.append(size)
            kinds.append(kind)
    if not dims:
        return (1,), (1,), (1,)
    a_moves, b_moves = zip(*kinds, strict=True)
    return tuple(dims), _strides(dims, a_moves), _strides(dims, b_moves)


def _strides(dims: Sequence[int], moves: Sequence[bool]) -> tuple[int, ...]:
    strides, stride = [], 1
    for size, does in zip(reversed(dims), reversed(moves), strict=True):
        strides.append(stride if does else 0)
        stride *= size if does else 1
    return tuple(reversed(strides))
