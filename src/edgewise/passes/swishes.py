"""Rules for runtime graphs: a product of a float and its sigmoid is one operator.

x * sigmoid(x)  =  swish(x)       which reads x once, and keeps no sigmoid
"""

from __future__ import annotations

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.passes.conditions import keeps_type
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every


def _swish(p: PatternBuilder) -> Result:
    x = p.value("x")
    return p.mul(x, p.logistic(x), fused_activation_function=Activation.NONE)


def _has_kernel(match: Match) -> Verdict:
    x = match["x"]
    return x.dtype is DType.FLOAT32 or f"{x.name!r} is {x.dtype.text}; the kernel is for float32"


SWISHES = (
    # x * logistic(x) -> swish(x)
    Rule(
        "product of a float and its sigmoid",
        _swish,
        every(_has_kernel, keeps_type),
        lambda b, match: b.swish(match["x"]),
        phrase="swish[es] made one operator",
    ),
)
