"""Rules that move transposes behind joins, splits and slices, on the way down to a transpose that
undoes them.

A graph that counts channels first has a transpose before and behind every convolution; most of
what stands between two convolutions is of the kinds of `passes/transposing*.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Node, Value
from edgewise.ops.join import Concatenation, Pack, Split, SplitV, Unpack
from edgewise.ops.reshape import Transpose
from edgewise.passes.conditions import same_bits
from edgewise.passes.joins import axis_of
from edgewise.passes.pattern import Match, PatternBuilder, Result
from edgewise.passes.rewrite import Rule, Usual, Verdict
from edgewise.passes.slices import index_of, take
from edgewise.passes.transposing import keeps_integers, one, permutation

PHRASE = "transpose[s] moved behind joins and slices"


def _perm(b: Builder, order: Sequence[int]) -> Value:
    return b.constant(np.array(order, np.int32))


# -- joins --------------------------------------------------------------------------------------


def _turned(value: Value | None) -> Node | None:
    """The transpose by a constant that computes an operand for one reader alone."""
    node = None if value is None else value.producer
    if node is None or value is None or not isinstance(node.op, Transpose):
        return None
    alone = len(value.uses) == 1 and not value.is_output
    return node if alone and node.operand(1).data is not None else None


def _order_of(node: Node) -> list[int]:
    perm = node.operand(1).data
    assert perm is not None
    return [int(axis) % perm.size for axis in perm.reshape(-1)]


def _all_turned(match: Match) -> Verdict:
    """Every operand is transposed the same way, for the root alone."""
    nodes = [_turned(value) for value in match.root.inputs]
    found = [node for node in nodes if node is not None]
    if len(found) < len(nodes) or not found:
        return Usual("not all it joins is transposed, or something else reads that as well")
    orders = {tuple(_order_of(node)) for node in found}
    if len(orders) > 1:
        return f"what it joins is transposed in different ways, {sorted(orders)}"
    for node in found:
        verdict = same_bits(node.operand(0), node.output)
        if verdict is not True:
            return verdict
    return True


def _straight(match: Match) -> tuple[list[int], list[Value]]:
    nodes = [_turned(value) for value in match.root.inputs]
    found = [node for node in nodes if node is not None]
    return _order_of(found[0]), [node.operand(0) for node in found]


def _behind_join(b: Builder, match: Match) -> Value:
    root = match.root
    order, values = _straight(match)
    at = axis_of(root)
    assert at is not None
    op = root.op.replace(axis=order[at])
    result = root.output.type.with_shape(None)
    y = b.node(op, *values, results=[result]).output
    return b.node(Transpose(), y, _perm(b, order), results=[root.output.type]).output


def _behind_pack(b: Builder, match: Match) -> Value:
    # The new axis keeps its place where the transpose works behind it alone; else it comes last.
    root = match.root
    order, values = _straight(match)
    at = axis_of(root)
    assert at is not None
    new = at if sorted(order[:at]) == list(range(at)) else len(order)
    whole = [axis + (axis >= new) for axis in order]
    whole.insert(at, new)
    y = b.node(root.op.replace(axis=new), *values, results=[root.output.type.with_shape(None)])
    return b.node(Transpose(), y.output, _perm(b, whole), results=[root.output.type]).output


# -- splits -------------------------------------------------------------------------------------


def _split_one(p: PatternBuilder, kind: type) -> Result:
    if kind is Split:
        return p.any(Split, operands=(p.constant("axis"), one(p)))
    return p.any(SplitV, operands=(one(p), p.value("sizes"), p.constant("axis")))


def _meets_transposes(match: Match) -> Verdict:
    """Every part goes into transposes, which take this one in."""
    readers = [node for value in match.root.outputs for node in value.consumers]
    known = any(value.is_output for value in match.root.outputs)
    if known or not readers or any(not isinstance(node.op, Transpose) for node in readers):
        return Usual("not all of its parts are transposed again")
    return keeps_integers(match)


def _behind_split(b: Builder, match: Match) -> Sequence[Value]:
    root, order = match.root, permutation(match)
    at = axis_of(root)
    assert at is not None
    axis = b.constant(np.array(order[at], match.array("axis").dtype).reshape(match["axis"].shape))
    sizes = match.values.get("sizes")
    operands = (axis, match["x"]) if sizes is None else (match["x"], sizes, axis)
    types = [value.type.with_shape(None) for value in root.outputs]
    parts = b.node(root.op, *operands, results=types).outputs
    return [
        b.node(Transpose(), part, match["perm"], results=[old.type]).output
        for part, old in zip(parts, root.outputs, strict=True)
    ]


def _unpacks_to_transposes(match: Match) -> Verdict:
    order = permutation(match)
    at = axis_of(match.root)
    left = [axis for place, axis in enumerate(order) if place != at]
    if left == sorted(left):
        return keeps_integers(match)
    return _meets_transposes(match)


def _behind_unpack(b: Builder, match: Match) -> Sequence[Value]:
    root, order = match.root, permutation(match)
    at = axis_of(root)
    assert at is not None
    left = [axis for place, axis in enumerate(order) if place != at]
    types = [value.type.with_shape(None) for value in root.outputs]
    parts = b.node(root.op.replace(axis=order[at]), match["x"], results=types).outputs
    if left == sorted(left):
        return parts
    perm = _perm(b, np.argsort(np.argsort(left)).tolist())
    return [
        b.node(Transpose(), part, perm, results=[old.type]).output
        for part, old in zip(parts, root.outputs, strict=True)
    ]


# -- slices -------------------------------------------------------------------------------------


def _known_slice(match: Match) -> Verdict:
    index = index_of(match.root)
    return index if isinstance(index, str) else keeps_integers(match)


def _behind_slice(b: Builder, match: Match) -> Value:
    root, order = match.root, permutation(match)
    index = index_of(root)
    assert not isinstance(index, str)
    parts = [index[order.index(axis)] for axis in range(len(order))]
    y = take(b, match["x"], tuple(parts), root, root.output.type.with_shape(None))
    left = [axis for axis, part in zip(order, index, strict=True) if not isinstance(part, int)]
    perm = _perm(b, np.argsort(np.argsort(left)).tolist())
    return b.node(Transpose(), y, perm, results=[root.output.type]).output


TRANSPOSED_PARTS = [
    # concatenation(transpose(x), transpose(y)) -> transpose(concatenation(x, y))
    Rule(
        "transpose behind a join",
        lambda p: p.any(Concatenation),
        _all_turned,
        _behind_join,
        is_quiet=True,
        phrase=PHRASE,
    ),
    # pack(transpose(x), transpose(y)) -> transpose(pack(x, y))
    Rule(
        "transpose behind a pack",
        lambda p: p.any(Pack),
        _all_turned,
        _behind_pack,
        is_quiet=True,
        phrase=PHRASE,
    ),
    # split(transpose(x)) -> transpose(split(x)), where they meet transposes
    *[
        Rule(
            "transpose behind a split",
            lambda p, kind=kind: _split_one(p, kind),  # type: ignore[misc]
            _meets_transposes,
            _behind_split,
            phrase=PHRASE,
        )
        for kind in (Split, SplitV)
    ],
    # unpack(transpose(x)) -> unpack(x) along the axis before
    Rule(
        "transpose behind an unpack",
        lambda p: p.any(Unpack, operands=(one(p),)),
        _unpacks_to_transposes,
        _behind_unpack,
        phrase=PHRASE,
    ),
    # slice(transpose(x)) -> transpose(slice(x))
    *[
        Rule("transpose behind a slice", form, _known_slice, _behind_slice, phrase=PHRASE)
        for form in (
            lambda p: p.slice(one(p), p.constant(), p.constant()),
            lambda p: p.strided_slice(one(p), p.constant(), p.constant(), p.constant()),
        )
    ],
]
