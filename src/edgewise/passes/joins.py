"""Rules of joining and splitting: what is split and joined again, or joined twice, is not."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.join import Concatenation, Pack, Split, SplitV, Unpack
from edgewise.passes.conditions import same_bits, same_type
from edgewise.passes.pattern import Match
from edgewise.passes.reshaping import reshape, shape_vector
from edgewise.passes.rewrite import Rule, Verdict

NONE = Activation.NONE
PHRASE = "join[s] and split[s] put together or removed"


def _axis(node: Node) -> int | None:
    """The axis that is joined or split, from the front; None where it is not known."""
    op = node.op
    if isinstance(op, Concatenation | Pack):
        return op.axis % len(node.output.shape)
    if isinstance(op, Unpack):
        return op.axis % len(node.operand(0).shape)
    assert isinstance(op, Split | SplitV)
    at = node.operand(0 if isinstance(op, Split) else 2).data
    return None if at is None else int(at.reshape(-1)[0]) % len(node.output.shape)


def _taken_apart(node: Node) -> Value:
    """What a splitting node splits."""
    return node.operand(1 if isinstance(node.op, Split) else 0)


def _put_together_again(match: Match, *kinds: type) -> Value | str:
    """The value, all parts of which the root joins in order along the same axis."""
    root = match.root
    first = root.inputs[0]
    parts = None if first is None else first.producer
    if parts is None or not isinstance(parts.op, kinds):
        return "its operands are not the parts of one value"
    if list(parts.outputs) != list(root.inputs):
        return f"it does not join all results of {parts} in order"
    if _axis(parts) != _axis(root):
        return f"it joins along another axis than {parts} splits"
    return _taken_apart(parts)


def _undoes_split(match: Match) -> Verdict:
    whole = _put_together_again(match, Split, SplitV)
    return whole if isinstance(whole, str) else same_type(whole, match.root.output)


def _undoes_unpack(match: Match) -> Verdict:
    whole = _put_together_again(match, Unpack)
    return whole if isinstance(whole, str) else same_type(whole, match.root.output)


def _whole(b: Builder, match: Match) -> Value:
    whole = _put_together_again(match, Split, SplitV, Unpack)
    assert isinstance(whole, Value)
    return whole


def _same_axis(match: Match) -> Verdict:
    packed = match.node("packed")
    if _axis(packed) != _axis(match.root):
        return f"it unpacks another axis than {packed} packs"
    for old, new in zip(match.root.outputs, packed.inputs, strict=True):
        assert new is not None
        verdict = same_type(new, old)
        if verdict is not True:
            return verdict
    return True


def _packed(b: Builder, match: Match) -> Sequence[Value]:
    return [value for value in match.node("packed").inputs if value is not None]


def _inner_joins(match: Match) -> list[Node]:
    """The operands' concatenations that the root can join itself."""
    root = match.root
    found = []
    for value in dict.fromkeys(root.inputs):
        node = None if value is None else value.producer
        if node is None or value is None or not isinstance(node.op, Concatenation):
            continue
        if node.op.fused_activation_function is not NONE or _axis(node) != _axis(root):
            continue
        is_plain = all(v is not None and same_bits(v, value) is True for v in node.inputs)
        # one that something else reads as well would be joined twice
        if is_plain and set(value.consumers) == {root} and not value.is_output:
            found.append(node)
    return found


def _joins_joined(match: Match) -> Verdict:
    return bool(_inner_joins(match)) or "no operand is a concatenation that it alone reads"


def _joined_once(b: Builder, match: Match) -> Value:
    inner = _inner_joins(match)
    operands: list[Value | None] = []
    for value in match.root.inputs:
        node = None if value is None else value.producer
        operands += node.inputs if node is not None and node in inner else (value,)
    return b.node(match.root.op, *operands, results=[match.root.output.type]).output


def _single(match: Match) -> Verdict:
    """One operand, or one result."""
    root = match.root
    count = len(root.outputs) if isinstance(root.op, Split | SplitV | Unpack) else len(root.inputs)
    if count != 1:
        return f"it has {count} parts"
    x = _taken_apart(match.root)
    verdict = same_bits(x, root.output)
    if verdict is not True:
        return verdict
    vector = shape_vector(root.output.type.shape)
    return vector if isinstance(vector, str) else True


def _reshaped(b: Builder, match: Match) -> Value:
    return reshape(b, _taken_apart(match.root), match.root.output)


JOINS = [
    # concatenation(split(x)) -> x
    Rule(
        "join of a split",
        lambda p: p.any(Concatenation, fused_activation_function=NONE),
        _undoes_split,
        _whole,
        is_quiet=True,
        phrase=PHRASE,
    ),
    # pack(unpack(x)) -> x
    Rule(
        "pack of what is unpacked",
        lambda p: p.any(Pack),
        _undoes_unpack,
        _whole,
        is_quiet=True,
        phrase=PHRASE,
    ),
    # unpack(pack(x, y)) -> x, y
    Rule(
        "unpack of what is packed",
        lambda p: p.any(Unpack, operands=(p.any(Pack, name="packed", shared=True),)),
        _same_axis,
        _packed,
        phrase=PHRASE,
    ),
    # concatenation(concatenation(x, y), z) -> concatenation(x, y, z)
    Rule(
        "join of joined parts",
        lambda p: p.any(Concatenation),
        _joins_joined,
        _joined_once,
        is_quiet=True,
        phrase=PHRASE,
    ),
    # pack(x), unpack(x) and split(x) into one -> reshape(x)
    Rule(
        "pack or unpack as reshape",
        lambda p: p.any(Pack, Unpack, Split, SplitV),
        _single,
        _reshaped,
        is_quiet=True,
        phrase=PHRASE,
    ),
]
