"""Kernels of two operands on floats and plain integers; binary_b8.py has stored 8-bit integers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import QUANTIZED, DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.op import Arithmetic, Op
from edgewise.ops.arithmetic import Add, Fused, Mul, Sub
from edgewise.ops.binary import Pow
from edgewise.runtime.calls import (
    FLOAT_BOUNDS,
    Call,
    Site,
    float_bounds,
    is_8_bit,
    is_float,
    require,
    shape_of,
)
from edgewise.runtime.library import Number, constant, pack
from edgewise.runtime.select.broadcast import BITS, PER_TILE, binary_call, suffixed
from edgewise.runtime.select.typed import typed

SAME_BITS = {  # of wrapped results
    DType.UINT8: DType.INT8,
    DType.UINT16: DType.INT16,
    DType.UINT32: DType.INT32,
    DType.UINT64: DType.INT64,
}
_RELATIONS: Mapping[str, tuple[str, bool]] = {  # and whether the operands are exchanged
    "equal": ("EW_EQUAL", False),
    "not_equal": ("EW_NOT_EQUAL", False),
    "less": ("EW_LESS", False),
    "less_equal": ("EW_LESS_EQUAL", False),
    "greater": ("EW_LESS", True),
    "greater_equal": ("EW_LESS_EQUAL", True),
}


def arithmetic(site: Site) -> Sequence[Call]:
    """ADD to FLOOR_MOD, the extremes and PRELU."""
    a, b, y = site.node.operand(0), site.node.operand(1), site.node.output
    op = site.node.op
    if is_8_bit(a, b, y) and op.arithmetic_for(y.dtype) is not Arithmetic.NONE:
        from edgewise.runtime.select import binary_b8

        return binary_b8.arithmetic(site)
    if y.dtype is DType.INT16 and y.quant is not None:
        from edgewise.runtime.select import binary_s16

        if isinstance(op, Fused):
            return binary_s16.arithmetic(site)
        if op.name == "prelu":
            return binary_s16.prelu(site)
    if isinstance(op, Pow) and _is_two(site) and is_float(a, b):
        return with_constant(site, "mul", a)
    _require_plain(op, a, b, y)
    require(a.dtype is y.dtype, f"no kernel from {a.dtype.text} to {y.dtype.text}")
    dtype = y.dtype
    if isinstance(op, (Add, Sub, Mul)) and op.fused_activation_function is Activation.NONE:
        dtype = SAME_BITS.get(dtype, dtype)
    kernel = typed(op.name, dtype)
    checks: Sequence[Call] = ()
    if dtype.is_integer and op.name in ("div", "floor_div", "floor_mod", "pow"):
        checks = _checks(site, b)
    numbers: Mapping[str, Number] = {}
    if isinstance(op, Fused):
        numbers = bounds(op.fused_activation_function, dtype)
    return [*checks, *binary_call(site, kernel, (a, b), numbers)]


def _checks(site: Site, b: Value) -> Sequence[Call]:
    """A divisor of 0 and a negative exponent are refused: now, or when they are computed."""
    is_exponent, given = isinstance(site.node.op, Pow), site.known(b)
    if given is not None:
        what = "exponents" if is_exponent else "divisors"
        require(bool(np.all(given >= 0 if is_exponent else given)), f"invalid {what}")
        return ()
    count = math.prod(shape_of(b))
    fields = {
        "count": count,
        "per_tile": PER_TILE,
        "element_bytes": b.dtype.numpy.itemsize,
        "is_exponent": int(is_exponent),
    }
    params = pack("ew_check_numbers", fields)
    return [Call("check_numbers", params, (b, site.node.output), -(-count // PER_TILE), 4)]


def add_n(site: Site) -> Sequence[Call]:
    """One sum after the other, into the result."""
    y, xs = site.node.output, [v for v in site.node.inputs if v is not None]
    require(len(xs) > 1, "a sum of one operand")
    require(y.dtype is not DType.FLOAT16, "the sum of all is rounded once")
    kernel, numbers = typed("add", y.dtype), bounds(Activation.NONE, y.dtype)
    totals = [xs[0], *[y] * (len(xs) - 2)]
    pairs = zip(totals, xs[1:], strict=True)
    return [c for pair in pairs for c in binary_call(site, kernel, pair, numbers)]


def with_constant(site: Site, name: str, number: int | Value, **given: Number) -> Sequence[Call]:
    """A node of one operand as a kernel of two, the other a number or again the operand."""
    x = site.node.operand(0)
    other = np.array(number, x.dtype.numpy) if isinstance(number, int) else number
    numbers = {**bounds(Activation.NONE, x.dtype), **given}
    return binary_call(site, typed(name, x.dtype), (x, other), numbers)


def comparison(site: Site) -> Sequence[Call]:
    """EQUAL to LESS_EQUAL."""
    from edgewise.ops.compare import Comparison

    op, a, b = site.node.op, site.node.operand(0), site.node.operand(1)
    assert isinstance(op, Comparison)
    if is_8_bit(a) and is_8_bit(b):
        from edgewise.runtime.select import binary_b8

        return binary_b8.pair_table(site)
    is_16 = a.dtype is DType.INT16 and a.quant is not None and b.quant is not None
    name, exchanged = _RELATIONS[op.name]
    is_equality = op.name in ("equal", "not_equal")
    if is_16 and is_equality:
        from edgewise.runtime.select import binary_s16

        return binary_s16.equality(site, constant(name))
    if not (op.raw_int16 and a.dtype is DType.INT16 and a.quant is not None):
        _require_plain(op, a, b)
    dtype = SAME_BITS.get(a.dtype, a.dtype) if is_equality else a.dtype
    operands = (b, a) if exchanged else (a, b)
    relation = {"relation": constant(name)}
    return binary_call(site, typed("compare", dtype), operands, relation)


def logic(site: Site) -> Sequence[Call]:
    """LOGICAL_AND, LOGICAL_OR, BITWISE_XOR and RIGHT_SHIFT."""
    name, a, b = site.node.op.name, site.node.operand(0), site.node.operand(1)
    if name == "right_shift":
        return binary_call(site, typed("right_shift", a.dtype), (a, b), {})
    if name == "bitwise_xor":
        return binary_call(site, suffixed("xor", BITS[a.dtype.numpy.itemsize]), (a, b), {})
    kernel = {"logical_and": "and_u8", "logical_or": "or_u8"}[name]
    return binary_call(site, kernel, (a, b), {})


def logical_not(site: Site) -> Sequence[Call]:
    """Exclusive or with 1."""
    return binary_call(site, "xor_u8", (site.node.operand(0), np.ones((), np.bool_)), {})


def _require_plain(op: Op, *values: Value) -> None:
    """The numbers mean themselves: no scale stands behind them, or the operator ignores it."""
    dtype = values[0].dtype
    require(
        op.arithmetic_for(dtype) is Arithmetic.NONE
        or dtype not in QUANTIZED
        or all(v.quant is None for v in values),
        f"no kernel for quantized {dtype.text} (with these scales)",
    )


def bounds(act: Activation, dtype: DType) -> Mapping[str, Number]:
    """The clamp of a fused activation."""
    if dtype in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16):
        low, high = float_bounds(act)
        return {"low_f32": low, "high_f32": high}
    if not dtype.is_integer:
        require(act is Activation.NONE, f"no kernel for {dtype.text} with {act.name}")
        return {}
    smallest, largest = dtype.range
    bottom, top = FLOAT_BOUNDS[act]
    return {"low_int": int(max(smallest, bottom)), "high_int": int(min(largest, top))}


def _is_two(site: Site) -> bool:
    """The exponent is the number 2: C's pow is the square, too."""
    b = site.known(site.node.operand(1))
    return b is not None and b.size == 1 and float(b.flat[0]) == 2.0
