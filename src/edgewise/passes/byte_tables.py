"""Rules for runtime graphs of 8 bits: what is a function of one byte is one table.

x * sigmoid(x)  =  table[x]       with both roundings of the two operators in the table
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.evaluate import evaluate_op
from edgewise.ir.graph import Value
from edgewise.passes.conditions import same_shape
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict


def _swish(p: PatternBuilder) -> Result:
    x = p.value("x")
    return p.mul(x, p.either(p.logistic(x, name="gate"), p.tanh(x, name="gate")))


def _are_bytes(match: Match) -> Verdict:
    x, root = match["x"], match.root
    for value in (x, match["gate"], root.output):
        if value.dtype not in (DType.INT8, DType.UINT8) or value.dtype is not x.dtype:
            return f"{value.name!r} is {value.dtype.text}; this rule is for 8 bits"
        if value.quant is None or value.quant.scale.size != 1:
            return f"{value.name!r} has not one scale"
    return same_shape(x.shape, root.output.shape) or "the shape changes"


def _tabulated(b: Builder, match: Match) -> Value:
    x, gate, root = match["x"], match["gate"], match.root
    every = np.arange(256, dtype=np.uint8).view(x.dtype.numpy)
    types = [value.type.with_shape((256,)) for value in (x, gate, root.output)]
    assert gate.producer is not None
    between = evaluate_op(gate.producer.op, [every], types[:1], types[1:2])[0]
    is_first = root.operand(0) is x
    arrays = [every, between] if is_first else [between, every]
    pair = types[:2] if is_first else [types[1], types[0]]
    found = evaluate_op(root.op, arrays, pair, types[2:])[0]
    return b.byte_table(x, b.constant(found.view(np.uint8)), quant=root.output.quant)


BYTE_TABLES = (
    Rule(
        "product of a byte and its gate",
        _swish,
        _are_bytes,
        _tabulated,
        phrase="swish[es] of 8 bits made tables",
    ),
)
