"""Kernels of two operands on quantized int16: the reference's multipliers, one by one."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ops.arithmetic import Add, Div, Fused, Mul, Sub
from edgewise.ops.fixed_point import power_of_two
from edgewise.ops.requant import activation_range, multiplier
from edgewise.runtime.calls import Call, Site, require, require_16_bit, scale
from edgewise.runtime.select.broadcast import binary_call

_SPARE = 15  # bits of sums, as ops/fixed_point.py has them


def arithmetic(site: Site) -> Sequence[Call]:
    """The kernel for the scales."""
    op, a, b, y = site.node.op, site.node.operand(0), site.node.operand(1), site.node.output
    assert isinstance(op, Fused)
    require_16_bit(a, b, y)
    low, high = activation_range(op.fused_activation_function, y.type)
    numbers = {"low": low, "high": high, "is_difference": int(isinstance(op, Sub))}
    if isinstance(op, Mul):
        m, shift = multiplier(float(scale(a.type) * scale(b.type) / scale(y.type)))
        return binary_call(site, "mul_q16", (a, b), {**numbers, "y_multiplier": m, "shift": shift})
    if isinstance(op, Div):
        m, shift = multiplier(float(scale(a.type) / (scale(b.type) * scale(y.type))))
        return binary_call(site, "div_q16", (a, b), {**numbers, "y_multiplier": m, "shift": shift})
    assert isinstance(op, (Add, Sub))
    logs = [power_of_two(scale(v.type)) for v in (a, b, y)]
    if op.pot_scale_int16 and logs[0] is not None and logs[1] is not None and logs[2] is not None:
        shifts = {"a_shift": logs[2] - logs[0], "b_shift": logs[2] - logs[1]}
        if min(shifts.values()) == 0:
            require(max(shifts.values()) < 31, "the scales are too far apart")
            return binary_call(site, "add_shifted_q16", (a, b), {**numbers, **shifts})
    common = 2 * float(max(scale(a.type), scale(b.type)))
    factors = {
        "a": float(scale(a.type)) / common,
        "b": float(scale(b.type)) / common,
        "y": common / ((1 << _SPARE) * float(scale(y.type))),
    }
    for name, factor in factors.items():
        m, shift = multiplier(factor)
        numbers |= {f"{name}_multiplier": m, "shift" if name == "y" else f"{name}_shift": shift}
    return binary_call(site, "add_q16", (a, b), numbers)


def prelu(site: Site) -> Sequence[Call]:
    """x, or below 0 x times alpha."""
    x, alpha, y = site.node.operand(0), site.node.operand(1), site.node.output
    require_16_bit(x, alpha, y)
    low, high = y.dtype.range
    numbers = {"low": low, "high": high}
    above = multiplier(float(scale(x.type) / scale(y.type)))
    below = multiplier(float(scale(x.type) * scale(alpha.type) / scale(y.type)))
    numbers |= {"a_multiplier": above[0], "a_shift": above[1]}
    numbers |= {"y_multiplier": below[0], "shift": below[1]}
    return binary_call(site, "prelu_q16", (x, alpha), numbers)


def equality(site: Site, relation: int) -> Sequence[Call]:
    """EQUAL and NOT_EQUAL of multiples of 1/256."""
    a, b = site.node.operand(0), site.node.operand(1)
    require_16_bit(a, b)
    numbers = {"relation": relation}
    for name, value in (("a", a), ("b", b)):
        m, shift = multiplier(float(scale(value.type)))
        numbers |= {f"{name}_multiplier": m, f"{name}_shift": shift}
    return binary_call(site, "equal_q16", (a, b), numbers)
