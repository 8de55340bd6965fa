"""Kernels of two operands of stored 8-bit integers.

MUL is one float32 multiplication. ADD and SUB are LiteRT's three 32-bit multipliers (`ops.
fixed_point.add_fixed`), which cost 64-bit products; `_linear` finds a cheaper formula and proves
that all 65,536 pairs of operands give the same bits. Everything else is a table of those pairs.

Where an operand is one known number, or one along each row, the table of 256 bytes that it selects
is looked up in registers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Value
from edgewise.ops.arithmetic import Add, Fused, Mul, Sub
from edgewise.ops.requant import activation_range
from edgewise.runtime.calls import Call, Site, scale, shape_of, zero_point
from edgewise.runtime.library import Number
from edgewise.runtime.select.broadcast import binary_call, layout

_SPARE_BITS = 20  # of add_fixed
# Steps: a sum this near to a tie is looked at; and where the formula is nearer to the real sums, as
# most are, one this near, which are a sixteenth of them.
_NEAR, _NEARER = 2.0**-6, 2.0**-10
# Changes of both multipliers that are tried: together (slopes a little too large round halves away
# from zero, as the formula to be met does), and each by some units.
_STRETCHES = np.array([0.0, *(2.0**-k for k in range(22, 11, -1))])
_UNITS = np.array(
    sorted(
        ((i, j) for i in range(-6, 7) for j in range(-6, 7)), key=lambda u: abs(u[0]) + abs(u[1])
    )
)
_MOST_SEARCHED = 4096  # sums near ties for which the units are tried


def arithmetic(site: Site) -> Sequence[Call]:
    """All operators that have a meaning on stored integers."""
    op = site.node.op
    numbered = _with_number(site)
    if numbered is not None:
        return numbered
    if isinstance(op, Mul):
        return _product(site)
    if isinstance(op, (Add, Sub)):
        numbers = _linear(site, 1 if isinstance(op, Add) else -1)
        if numbers is not None:
            a, b = site.node.operand(0), site.node.operand(1)
            return binary_call(site, "add_b8", (a, b), _points(site) | numbers)
    return pair_table(site)


def pair_table(site: Site) -> Sequence[Call]:
    """The reference on all pairs: 64 KiB of constants."""
    a, b = site.node.operand(0), site.node.operand(1)
    every = np.arange(256, dtype=np.uint8)
    first, second = every[:, None], every[None, :]
    for x, row in ((a, b), (b, a)):
        if layout(site, x, row).fields["period"] == [0, 1, 0]:
            # made as it is read: to transpose it takes as long
            pair = (second, first) if x is a else (first, second)
            return _row_table(site, x, row, _reference(site, *pair))
    table = _reference(site, first, second)
    return binary_call(site, "pair_table_b8", (a, b, np.ascontiguousarray(table)), {})


def _with_number(site: Site) -> Sequence[Call] | None:
    """One of the operands is a known number: a table of the other."""
    a, b = site.node.operand(0), site.node.operand(1)
    every = np.arange(256, dtype=np.uint8)
    for x, other in ((a, b), (b, a)):
        number = site.known(other)
        if number is None or number.size != 1 or shape_of(x) != shape_of(site.node.output):
            continue
        byte = number.reshape(1).view(np.uint8)
        table = _reference(site, *((every, byte) if x is a else (byte, every)))
        return _row_table(site, x, np.zeros(1, x.dtype.numpy), table)
    return None


def _row_table(site: Site, x: Value, row: Value | np.ndarray, tables: np.ndarray) -> Sequence[Call]:
    """y = tables[row][x] with one `row` along each run of x."""
    return binary_call(site, "row_table_b8", (x, row, np.ascontiguousarray(tables)), {})


def _reference(site: Site, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Stored results for operands given as bytes; the shapes broadcast."""
    node = site.node
    values = (node.operand(0), node.operand(1))
    arrays = [x.astype(np.uint8).view(v.dtype.numpy) for x, v in zip((a, b), values, strict=True)]
    types = [v.type.with_shape(x.shape) for x, v in zip(arrays, values, strict=True)]
    result = node.output.type.with_shape(np.broadcast_shapes(a.shape, b.shape))
    return evaluate_op(node.op, arrays, types, [result])[0]


def _points(site: Site) -> dict[str, Number]:
    op, y = site.node.op, site.node.output
    assert isinstance(op, Fused)
    low, high = activation_range(op.fused_activation_function, y.type)
    return {
        "is_signed": int(y.dtype is DType.INT8),
        "a_zero": zero_point(site.node.operand(0).type),
        "b_zero": zero_point(site.node.operand(1).type),
        "y_zero": zero_point(y.type),
        "low": low,
        "high": high,
    }


def _product(site: Site) -> Sequence[Call]:
    """The scale of `ops.fixed_point.multiply_f32`."""
    a, b, y = site.node.operand(0), site.node.operand(1), site.node.output
    factor = float(np.float32(scale(a.type) * scale(b.type) / scale(y.type)))
    return binary_call(site, "mul_b8", (a, b), _points(site) | {"scale": factor})


def _linear(site: Site, sign: int) -> dict[str, Number] | None:
    """Integers with `clamp((a * a_multiplier + b * b_multiplier + bias) >> shift)` equal to the
    reference on all stored pairs; None where the search finds none.

    Where both formulas are within `near` / 2 of the real sum, they can differ only where that lies
    within `near` of a tie: there the reference says what each sum must be, which is an interval
    for the bias given the multipliers. The first multipliers for which there is one are mostly as
    near as `_NEARER`, which leaves few sums to look at; those that are not are tried anew with all
    that lie within `_NEAR`. Found for all of 600 random triples of scales and all 129 sums of the
    benchmark models; not where small ratios such as 3/4 make many sums ties that the reference
    rounds either way. 0.3 to 1 ms, 50 where it fails.
    """
    points = _points(site)
    a_type, b_type, y_type = (
        v.type for v in (site.node.operand(0), site.node.operand(1), site.node.output)
    )
    low, high = points["low"] - points["y_zero"], points["high"] - points["y_zero"]
    ratios = [float(scale(t)) / float(scale(y_type)) for t in (a_type, b_type)]
    error = 8 * 2 * max(ratios) / (1 << _SPARE_BITS)  # of the reference, in steps
    shift = min(30, 31 - int(np.ceil(np.log2(255 * sum(ratios) + 2))))
    if shift < 8 or error > _NEAR / 2:
        return None
    stored = np.arange(y_type.dtype.range[0], y_type.dtype.range[1] + 1)
    a, b = stored - points["a_zero"], stored - points["b_zero"]
    real_a, real_b = a * ratios[0], b * (ratios[1] * sign)
    unit = 1 << shift
    slopes = np.array([ratios[0], sign * ratios[1]]) * unit
    candidates = np.rint(slopes * (1 + _STRETCHES[:, None]))
    for near in (_NEARER, _NEAR):
        i, j = _near_ties(real_a, real_b, near)
        real = real_a[i] + real_b[j]
        inside = (real > low - 1) & (real < high + 1)
        i, j = i[inside], j[inside]
        wanted = _reference(site, stored[i], stored[j]).astype(np.int64) - points["y_zero"]
        if near == _NEAR and i.size <= _MOST_SEARCHED:
            candidates = np.concatenate([candidates, np.rint(slopes) + _UNITS])
        x, y, starts, ends = a[i], b[j], wanted * unit, (wanted + 1) * unit - 1
        is_above, is_below = wanted > low, wanted < high
        for m_a, m_b in candidates.astype(np.int64).tolist():
            rest = x * m_a + y * m_b
            least = int((starts - rest)[is_above].max(initial=-(1 << 40)))
            most = int((ends - rest)[is_below].min(initial=1 << 40))
            if least > most:
                continue
            half = min(max(unit // 2, least), most)
            moved = 255 * float(np.abs((m_a, m_b) - slopes).sum()) + abs(half - unit // 2)
            if max(moved / unit, error) <= near / 2:
                bias = half - m_a * int(points["a_zero"]) - m_b * int(points["b_zero"])
                return {"a_multiplier": m_a, "b_multiplier": m_b, "bias": bias, "shift": shift}
            if near == _NEARER:
                break
    return None


def _near_ties(x: np.ndarray, y: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
    """Index pairs whose sums x[i] + y[j] lie within `near` of a half: all j of an i are neighbours
    among the sorted fractions of y."""
    order = np.argsort(y - np.floor(y))
    fractions = (y - np.floor(y))[order]
    around = np.concatenate([fractions - 1, fractions, fractions + 1])
    target = 0.5 - (x - np.floor(x))
    first = np.searchsorted(around, target - near, "left")
    counts = np.searchsorted(around, target + near, "right") - first
    i = np.repeat(np.arange(x.size), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return i, order[(np.repeat(first, counts) + within) % y.size]
