"""StableHLO's elementwise operators: kernels of ours that mean the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.op import Op
from edgewise.ops.stablehlo import (
    StablehloAdd,
    StablehloMaximum,
    StablehloMinimum,
    StablehloMultiply,
)
from edgewise.runtime.calls import Call, Site
from edgewise.runtime.select.binary import SAME_BITS, bounds
from edgewise.runtime.select.broadcast import BITS, binary_call, suffixed
from edgewise.runtime.select.typed import typed

# kernels without their suffix, and that of booleans; whether the operands are exchanged: where
# one is no number, StableHLO's extremes are the other one's
_KERNELS: Mapping[type[Op], tuple[str, str, bool]] = {
    StablehloAdd: ("add", "or_u8", False),
    StablehloMultiply: ("mul", "and_u8", False),
    StablehloMaximum: ("maximum", "or_u8", True),
    StablehloMinimum: ("minimum", "and_u8", True),
}


def combine(site: Site) -> Sequence[Call]:
    """Sums and products, which wrap, and extremes; of booleans the bit of the same meaning."""
    op, a, b = site.node.op, site.node.operand(0), site.node.operand(1)
    name, logical, is_exchanged = _KERNELS[type(op)]
    operands = (b, a) if is_exchanged else (a, b)
    if a.dtype is DType.BOOL:
        return binary_call(site, logical, operands, {})
    if isinstance(op, (StablehloMaximum, StablehloMinimum)):
        return binary_call(site, typed(name, a.dtype), operands, {})
    dtype = SAME_BITS.get(a.dtype, a.dtype)
    return binary_call(site, typed(name, dtype), operands, bounds(Activation.NONE, dtype))


def bits(site: Site) -> Sequence[Call]:
    """And, bit by bit."""
    a, b = site.node.operand(0), site.node.operand(1)
    return binary_call(site, suffixed("and", BITS[a.dtype.numpy.itemsize]), (a, b), {})


def shift_left(site: Site) -> Sequence[Call]:
    """Bits moved up."""
    a, b = site.node.operand(0), site.node.operand(1)
    return binary_call(site, typed("shift_left", a.dtype), (a, b), {})
