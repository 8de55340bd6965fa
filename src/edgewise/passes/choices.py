"""Rules of SELECT and of logic: choices that are known, and negations that are not needed."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.op import Op
from edgewise.ops.choose import Select, SelectV2
from edgewise.ops.compare import (
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalOr,
    NotEqual,
)
from edgewise.passes.conditions import keeps_type, same_type
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict

# not OP(a, b) is this operator; of orders only where no operand is a NaN
OPPOSITES: dict[type[Op], type[Op]] = {
    Equal: NotEqual,
    NotEqual: Equal,
    Less: GreaterEqual,
    GreaterEqual: Less,
    Greater: LessEqual,
    LessEqual: Greater,
}
CHOSEN = "choice[s] that are known made"
LOGIC = "logical operator[s] simplified"


def _choice(p: PatternBuilder) -> Result:
    return p.any(Select, SelectV2, operands=(p.constant("condition"), p.value("x"), p.value("y")))


def _chosen(match: Match) -> Value | str:
    condition = match.array("condition")
    if condition.size and condition.all():
        return match["x"]
    if condition.size and not condition.any():
        return match["y"]
    return f"the condition {match['condition'].type} is true in some places only"


def _one_side(match: Match) -> Verdict:
    chosen = _chosen(match)
    return chosen if isinstance(chosen, str) else same_type(chosen, match.root.output)


def _take_chosen(b: Builder, match: Match) -> Value:
    chosen = _chosen(match)
    assert isinstance(chosen, Value)
    return chosen


def _swapped(b: Builder, match: Match) -> Value:
    operands = (match["condition"], match["y"], match["x"])
    return b.node(match.root.op, *operands, results=[match.root.output.type]).output


def _has_opposite(match: Match) -> Verdict:
    node = match.node("compared")
    if isinstance(node.op, Equal | NotEqual) or node.input.dtype.is_integer:
        return True
    return f"{node} is false of NaN, and so would be its opposite"


def _opposite(b: Builder, match: Match) -> Value:
    node = match.node("compared")
    op = OPPOSITES[type(node.op)]()
    return b.node(op, *node.inputs, results=[match.root.output.type]).output


def _neutral(match: Match) -> Verdict:
    """True for AND, false for OR."""
    constant = match.array("c")
    wanted = isinstance(match.root.op, LogicalAnd)
    if not np.all(constant == wanted):
        return f"the constant {match['c'].type} is not {str(wanted).lower()} everywhere"
    return keeps_type(match)


def _take_x(b: Builder, match: Match) -> Value:
    return match["x"]


CHOICES = [
    # true ? x : y -> x
    Rule("choice by a constant", _choice, _one_side, _take_chosen, phrase=CHOSEN),
    # c ? x : x -> x
    Rule(
        "choice between equals",
        lambda p: p.any(Select, SelectV2, operands=(p.value(), p.value("x"), p.value("x"))),
        keeps_type,
        _take_x,
        phrase=CHOSEN,
    ),
    # not c ? x : y -> c ? y : x
    Rule(
        "choice by a negation",
        lambda p: p.any(
            Select,
            SelectV2,
            operands=(
                p.logical_not(p.value("condition"), shared=True),
                p.value("x"),
                p.value("y"),
            ),
        ),
        lambda match: True,
        _swapped,
        phrase=LOGIC,
    ),
    # not not x -> x
    Rule(
        "not of not",
        lambda p: p.logical_not(p.logical_not(p.value("x"), shared=True)),
        keeps_type,
        _take_x,
        phrase=LOGIC,
    ),
    # not (a == b) -> a != b
    Rule(
        "not of a comparison",
        lambda p: p.logical_not(p.any(*OPPOSITES, name="compared")),
        _has_opposite,
        _opposite,
        phrase=LOGIC,
    ),
    # x and true -> x, x or false -> x
    Rule(
        "logic with a constant",
        lambda p: p.any(LogicalAnd, LogicalOr, operands=(p.value("x"), p.constant("c"))),
        _neutral,
        _take_x,
        phrase=LOGIC,
    ),
    # x and x -> x, x or x -> x
    Rule(
        "logic with itself",
        lambda p: p.any(LogicalAnd, LogicalOr, operands=(p.value("x"), p.value("x"))),
        keeps_type,
        _take_x,
        phrase=LOGIC,
    ),
]
