"""Loops over the steps of a sequence: what they count, how often they run, where they write."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.ir.contents import dims
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value


class Differs(Exception):
    """The loop is not what is looked for."""


def require(rule: bool) -> None:
    """Raise Differs where the rule does not hold."""
    if not rule:
        raise Differs


def node_of(value: Value | None, *names: str) -> Node:
    """The producer, which must be one of these operators, without a fused activation."""
    producer = None if value is None else value.producer
    if producer is None or producer.op.name not in names:
        raise Differs
    require(producer.op.activation is Activation.NONE)
    return producer


def is_op(value: Value | None, name: str) -> bool:
    """The value is a result of this operator."""
    return value is not None and value.producer is not None and value.producer.op.name == name


def holds(value: Value | None, number: int) -> bool:
    """A constant, all of whose elements are this number."""
    return value is not None and value.data is not None and bool((value.data == number).all())


def is_counted(result: Value, carried: Value) -> bool:
    """result = carried + 1."""
    if not is_op(result, "add") or not carried.dtype.is_integer:
        return False
    a, b = node_of(result, "add").inputs
    step = b if a is carried else a
    return carried in (a, b) and step is not None and holds(step, 1)


def steps_of(node: Node, cond: Graph, counters: Sequence[int]) -> Dim:
    """How often the loop runs: while the counters, which begin at 0, are below limits. These are
    constants, or all one dimension that is known by name."""
    require(all(holds(node.operand(i), 0) for i in counters) and len(cond.outputs) == 1)
    limits: dict[int, Dim] = {}
    answer: Value | None = cond.outputs[0]
    while is_op(answer, "reshape"):  # to a scalar
        answer = node_of(answer, "reshape").operand(0)
    terms = node_of(answer, "logical_and").inputs if is_op(answer, "logical_and") else (answer,)
    for term in terms:
        count, limit = node_of(term, "less").inputs
        if count not in cond.inputs or limit is None:
            raise Differs
        if limit in cond.inputs:
            limit = node.operand(cond.inputs.index(limit))
        known = dims(limit)
        if known is None or len(known) != 1:
            raise Differs
        limits[cond.inputs.index(count)] = known[0]
    require(set(limits) == set(counters))
    numbers = [d for d in limits.values() if isinstance(d, int)]
    if len(numbers) == len(limits):
        return max(min(numbers), 0)
    require(len(set(limits.values())) == 1)
    return next(iter(limits.values()))


def is_written(
    results: Sequence[Value], carried: Sequence[Value], at: int, h: Value, time: Value, axis: int
) -> bool:
    """Whether every step writes h at its own place; False where the last h alone stays."""
    if is_op(results[at], "reshape"):
        require(node_of(results[at], "reshape").operand(0) is h)
        return False
    if is_op(results[at], "dynamic_update_slice"):
        update = node_of(results[at], "dynamic_update_slice")
        row = node_of(update.operand(1), "reshape", "expand_dims").operand(0)
        require(update.operand(0) is carried[at] and row is h)
        require(update.operand(1).shape[axis] == 1)
        require(_place(update.operand(2), axis) is time)
        return True
    require(axis == 0)
    join = node_of(results[at], "concatenation")
    require(getattr(join.op, "axis", None) == 0 and len(join.inputs) == 3)
    before, here, after = join.inputs
    require(node_of(here, "reshape").operand(0) is h)
    first, last = node_of(before, "slice"), node_of(after, "slice")
    require(first.operand(0) is carried[at] and last.operand(0) is carried[at])
    # acc[:time] and acc[time + 1:], whole along the other dimensions
    require(holds(first.operand(1), 0) and holds(last.operand(2), -1))
    require(_leads(first.operand(2), -1) is time)
    following = _leads(last.operand(1), 0)
    require(following is results[list(carried).index(time)])
    return True


def _place(start: Value, axis: int) -> Value:
    """v of the start [0, ..., v, ..., 0] with v at `axis`."""
    if axis == 0 and is_op(start, "concatenation"):
        return _leads(start, 0)
    parts = node_of(start, "pack").inputs
    require(all(holds(part, 0) for i, part in enumerate(parts) if i != axis))
    value = parts[axis]
    if value is None:
        raise Differs
    return value


def _leads(value: Value, rest: int) -> Value:
    """v of the vector [v, rest, rest, ...]."""
    number, constant = node_of(value, "concatenation").inputs
    require(holds(constant, rest))
    return node_of(number, "reshape").operand(0)
