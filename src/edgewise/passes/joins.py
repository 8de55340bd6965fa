"""Rules of joining and splitting: what is split and joined again, or joined twice, is not."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.build import Builder
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.join import Concatenation, Pack, Split, SplitV, Unpack
from edgewise.ops.reshape import Reshape
from edgewise.ops.slice import Slice, StridedSlice
from edgewise.passes.conditions import same_bits, same_type
from edgewise.passes.pattern import Match
from edgewise.passes.reshaping import reshape, shape_is_known
from edgewise.passes.rewrite import Rule, Usual, Verdict
from edgewise.passes.slices import index_of

NONE = Activation.NONE
PHRASE = "join[s] and split[s] put together or removed"


def axis_of(node: Node) -> int | None:
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
    if axis_of(parts) != axis_of(root):
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
    if axis_of(packed) != axis_of(match.root):
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
        if node.op.fused_activation_function is not NONE or axis_of(node) != axis_of(root):
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


def _follow_each_other(match: Match) -> Value | str:
    """The value, all of which the operands are slices of, in order along the joined axis."""
    axis, at, whole = axis_of(match.root), 0, None
    for value in match.root.inputs:
        node = None if value is None else value.producer
        if node is None or not isinstance(node.op, Slice | StridedSlice):
            return "not all it joins are slices"
        index = index_of(node)
        if isinstance(index, str):
            return index
        if whole is not None and node.operand(0) is not whole:
            return "it joins slices of different values"
        whole = node.operand(0)
        part = index[axis] if axis is not None and axis < len(index) else None
        others = [p for i, p in enumerate(index) if i != axis]
        if not isinstance(part, range) or part.step != 1 or any(p is not None for p in others):
            return f"{node} takes more or less than a run along axis {axis}"
        if part.start != at:
            return f"{node} does not begin where the slice before it ends"
        at = part.stop
    if whole is None or axis is None or whole.shape[axis] != at:
        return "the slices end before what they are slices of"
    return whole


def _all_of_it(match: Match) -> Verdict:
    whole = _follow_each_other(match)
    return whole if isinstance(whole, str) else same_type(whole, match.root.output)


def _all(b: Builder, match: Match) -> Value:
    whole = _follow_each_other(match)
    assert isinstance(whole, Value)
    return whole


# -- reshapes that are joined ---------------------------------------------------------------------


def _kept_dims(before: Shape, after: Shape) -> list[int] | None:
    """For each dimension of `after` its place in `before`, -1 for a 1 that is new; None where the
    reshape does more than drop and add dimensions of 1."""
    places, at = [], 0
    for dim in after:
        while at < len(before) and before[at] == 1 and same_dim(before[at], dim) is not True:
            at += 1
        if at < len(before) and same_dim(before[at], dim) is True:
            places.append(at)
            at += 1
        elif dim == 1:
            places.append(-1)
        else:
            return None
    return places if all(dim == 1 for dim in before[at:]) else None


def _reshapes(match: Match) -> tuple[list[Value], int] | str:
    """What the operands are reshapes of, and the axis along which to join that."""
    root, values, places = match.root, [], None
    for value in root.inputs:
        node = None if value is None else value.producer
        if node is None or value is None or not isinstance(node.op, Reshape):
            return Usual("not all it joins is reshaped")
        if len(value.uses) > 1 or value.is_output or same_bits(node.operand(0), value) is not True:
            return f"{node} is needed elsewhere, or changes more than the shape"
        kept = _kept_dims(node.operand(0).shape, value.shape)
        if kept is None or places not in (None, kept):
            return "the reshapes do more than drop or add dimensions of 1, or not the same ones"
        places = kept
        values.append(node.operand(0))
    at = axis_of(root)
    if places is None or at is None or len(values) < 2:
        return Usual("it joins one")
    if isinstance(root.op, Pack):
        if at == len(places):
            return values, len(values[0].shape)
        at = places[at] if places[at] >= 0 else -1
    elif len({len(value.shape) for value in values}) == 1:
        at = places[at]
    same = at >= 0 and len({len(value.shape) for value in values}) == 1
    return (values, at) if same else "they join along a dimension that is new"


def _meets_known_shape(match: Match) -> Verdict:
    found = _reshapes(match)
    if isinstance(found, str):
        return found
    return shape_is_known(match)


def _reshaped_once(b: Builder, match: Match) -> Value:
    found, root = _reshapes(match), match.root
    assert not isinstance(found, str)
    values, axis = found
    result = root.output.type.with_shape(None)
    y = b.node(root.op.replace(axis=axis), *values, results=[result]).output
    return reshape(b, y, root.output)


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
    return shape_is_known(match)


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
    # concatenation(x[:n], x[n:]) -> x
    Rule(
        "join of all slices",
        lambda p: p.any(Concatenation, fused_activation_function=NONE),
        _all_of_it,
        _all,
        is_quiet=True,
        phrase=PHRASE,
    ),
    # pack(reshape(x), reshape(y)) -> reshape(pack(x, y)), and the same of a concatenation
    Rule(
        "reshapes behind a join",
        lambda p: p.any(Concatenation, Pack),
        _meets_known_shape,
        _reshaped_once,
        is_quiet=True,
        phrase="reshape[s] and transpose[s] put together or removed",
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
