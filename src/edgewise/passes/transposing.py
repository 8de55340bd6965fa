"""Rules that move transposes down, behind elementwise operators, until two meet or one is taken
into a reduction or a matrix product. Elements are computed as before, in another order."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ir.op import Op
from edgewise.ops.activation import Prelu
from edgewise.ops.arithmetic import Add, Div, Mul, Sub
from edgewise.ops.binary import Maximum, Minimum, SquaredDifference
from edgewise.ops.compare import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from edgewise.ops.pad import MirrorPad, Pad
from edgewise.ops.reduce import Mean, ReduceMax, ReduceMin, ReduceProd, Sum
from edgewise.ops.table import Unary
from edgewise.passes.conditions import same_bits
from edgewise.passes.pattern import Match, Pattern, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Verdict, every

BINARY: tuple[type[Op], ...] = (
    *(Add, Sub, Mul, Div, Maximum, Minimum, SquaredDifference, Prelu),
    *(Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual),
)
REDUCTIONS = (Mean, Sum, ReduceMax, ReduceMin, ReduceProd)
PHRASE = "transpose[s] moved behind elementwise operators"


def transposed(p: PatternBuilder, x: str, perm: str, name: str) -> Result:
    """A transpose of a value by a constant."""
    return p.transpose(p.value(x), p.constant(perm), name=name)


def permutation(match: Match, name: str = "perm") -> list[int]:
    """The permutation captured as `name`, counted from the front."""
    perm = [int(axis) for axis in match.array(name).reshape(-1)]
    return [axis % len(perm) for axis in perm]


def keeps_integers(match: Match) -> Verdict:
    """The transpose of `x` keeps what its integers mean."""
    return same_bits(match["x"], match.node("transposed").output)


def _functions() -> tuple[type[Op], ...]:
    """The operators of one operand that look at one element at a time."""
    return tuple(cls for cls in Op.registry.values() if issubclass(cls, Unary))


def _behind_one(b: Builder, match: Match) -> Value:
    root, x = match.root, match["x"]
    result = root.output.type.with_shape(x.type.shape)
    y = b.node(root.op, x, results=[result]).output
    return b.node(match.node("transposed").op, y, match["perm"], results=[root.output.type]).output


def _alike(match: Match) -> Verdict:
    """Both operands are transposed the same way; none is spread over more dimensions."""
    if permutation(match, "perm") != permutation(match, "other_perm"):
        return f"its operands are transposed by {permutation(match, 'perm')} and otherwise"
    return same_bits(match["y"], match.node("other").output)


def _behind_two(b: Builder, match: Match) -> Value:
    return above(b, match, match["x"], match["y"])


def above(b: Builder, match: Match, *operands: Value) -> Value:
    """The root on operands that are not transposed, and its result transposed."""
    root, order = match.root, permutation(match, "perm")
    shape = root.output.type.shape
    assert shape is not None
    straight = [shape[order.index(axis)] for axis in range(len(order))]
    y = b.node(root.op, *operands, results=[root.output.type.with_shape(straight)]).output
    return b.node(match.node("transposed").op, y, match["perm"], results=[root.output.type]).output


def _plain_constant(match: Match) -> Verdict:
    """The constant can be transposed back: it is no more than x has dimensions."""
    c, rank = match["c"], len(match["x"].shape)
    if c.quant is not None and c.quant.scale.size > 1:
        return f"{c.name!r} has a scale per channel"
    if len(c.shape) > rank or len(match.root.output.shape) > rank:
        return f"{c.type} raises the rank of {match['x'].type}"
    return True


def _behind_constant(b: Builder, match: Match) -> Value:
    order, data, c = permutation(match, "perm"), match.array("c"), match["c"]
    whole = data.reshape([1] * (len(order) - data.ndim) + list(data.shape))
    back = np.ascontiguousarray(whole.transpose(np.argsort(order)))
    constant = (
        c if data.size == 1 and data.ndim == 0 else b.constant(back, name=c.name, quant=c.quant)
    )
    operands = [constant if v is c else match["x"] for v in match.root.inputs]
    return above(b, match, *operands)


def _binary(p: PatternBuilder, a: Pattern, b: Pattern) -> Result:
    return p.any(*BINARY, operands=(a, b))


def _kept_in_order(match: Match) -> Verdict:
    """The dimensions that are left stand as they stood before the transpose."""
    order, op = permutation(match, "perm"), match.root.op
    if getattr(op, "keep_dims", False):
        return "it keeps the reduced dimensions where the transpose put them"
    axes = {int(axis) % len(order) for axis in match.array("axes").reshape(-1)}
    left = [axis for place, axis in enumerate(order) if place not in axes]
    return left == sorted(left) or f"the transpose also permutes what is left, {left}"


def _reduce_before(b: Builder, match: Match) -> Value:
    order, root = permutation(match, "perm"), match.root
    axes = sorted(order[int(axis) % len(order)] for axis in match.array("axes").reshape(-1))
    constant = b.constant(np.array(axes, np.int32), name=match["axes"].name)
    return b.node(root.op, match["x"], constant, results=[root.output.type]).output


def _behind_reversal(b: Builder, match: Match) -> Value:
    order = permutation(match, "perm")
    axes = [order[int(axis) % len(order)] for axis in match.array("axes").reshape(-1)]
    constant = b.constant(np.array(axes, np.int32), name=match["axes"].name)
    return above(b, match, match["x"], constant)


def _behind_pad(b: Builder, match: Match) -> Value:
    order, pads = permutation(match, "perm"), match.array("pads")
    before = np.ascontiguousarray(pads[np.argsort(order)])
    constant = b.constant(before, name=match["pads"].name)
    border = (match["border"],) if "border" in match.values else ()
    return above(b, match, match["x"], constant, *border)


def one(p: PatternBuilder) -> Result:
    """The transpose that moves: of `x`, by `perm`."""
    return transposed(p, "x", "perm", "transposed")


TRANSPOSES = [
    # f(transpose(x)) -> transpose(f(x))
    Rule(
        "transpose behind a function",
        lambda p: p.any(*_functions(), operands=(one(p),)),
        keeps_integers,
        _behind_one,
        phrase=PHRASE,
    ),
    # transpose(x) + transpose(y) -> transpose(x + y)
    Rule(
        "transpose behind both operands",
        lambda p: _binary(p, one(p), transposed(p, "y", "other_perm", "other")),
        every(keeps_integers, _alike),
        _behind_two,
        phrase=PHRASE,
    ),
    # transpose(x) + c -> transpose(x + transposed c)
    *[
        Rule(
            "transpose behind a constant",
            form,
            every(keeps_integers, _plain_constant),
            _behind_constant,
            phrase=PHRASE,
        )
        for form in (
            lambda p: _binary(p, one(p), p.constant("c")),
            lambda p: _binary(p, p.constant("c"), one(p)),
        )
    ],
    # reverse(transpose(x), axes) -> transpose(reverse(x, their places before))
    Rule(
        "transpose behind a reversal",
        lambda p: p.reverse_v2(one(p), p.constant("axes")),
        keeps_integers,
        _behind_reversal,
        phrase=PHRASE,
    ),
    # pad(transpose(x), pads) -> transpose(pad(x, pads in their places before))
    *[
        Rule(
            "transpose behind a pad",
            form,
            keeps_integers,
            _behind_pad,
            phrase=PHRASE,
        )
        for form in (
            lambda p: p.any(Pad, MirrorPad, operands=(one(p), p.constant("pads"))),
            lambda p: p.padv2(one(p), p.constant("pads"), p.value("border")),
        )
    ],
    # mean(transpose(x), axes) -> mean(x, their places before)
    Rule(
        "transpose before a reduction",
        lambda p: p.any(
            *REDUCTIONS,
            operands=(
                p.transpose(p.value("x"), p.constant("perm"), name="transposed", shared=True),
                p.constant("axes"),
            ),
        ),
        every(keeps_integers, _kept_in_order),
        _reduce_before,
        tolerance=1e-6,
        phrase="transpose[s] taken into reductions",
    ),
]
