"""Conditions and loops: IF, WHILE, and short scans written out.

What is constant stands inside the graphs of IF and WHILE as it is; tensors are handed over.
Source: jax/_src/lax/control_flow/{conditionals,loops}.py, JAX 0.10.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.jax.context import (
    Context,
    Equation,
    Handler,
    Operand,
    Parts,
    Unsupported,
)
from edgewise.ir.dim import is_static
from edgewise.ir.graph import Value
from edgewise.ir.op import operator
from edgewise.ir.types import TensorType
from edgewise.ops.control import If, While

# Equations that a scan may be written out to. Few: the passes know recurrent layers in loops.
WRITTEN_OUT = 48


@dataclass(slots=True)
class _Handed:
    """Operands of a graph: `values` are the tensors among them."""

    operands: Sequence[Operand]
    values: list[Value] = field(default_factory=list)

    @classmethod
    def of(cls, c: Context, operands: Sequence[Operand]) -> _Handed:
        """Tensors are written out whole."""
        found = [x if isinstance(x, np.ndarray) else _tensor(c, x) for x in operands]
        known = [x.data if isinstance(x, Value) and x.data is not None else x for x in found]
        return cls(known, [x for x in known if isinstance(x, Value)])

    def enter(self, inputs: Iterator[Value]) -> list[Operand]:
        """The operands inside the graph, whose inputs stand for the tensors."""
        return [next(inputs) if isinstance(x, Value) else x for x in self.operands]


def _tensor(c: Context, x: Operand) -> Value:
    if isinstance(x, Parts):
        raise Unsupported("takes complex numbers into a loop or a condition; take both parts")
    return c.value(x)


def _inputs(inner: Context, values: Sequence[Value]) -> list[Value]:
    return [inner.b.graph.add_input(value.type, value.name) for value in values]


def _run(c: Context, closed: Any, operands: Sequence[Operand]) -> list[Operand]:
    return c.walk(c, closed.jaxpr, closed.consts, operands)


# -- conditions ---------------------------------------------------------------------------------


def _cond(c: Context, node: Equation, index: Operand, *operands: Operand) -> Sequence[Operand]:
    branches = node.params["branches"]
    if isinstance(index, np.ndarray):
        chosen = min(max(int(index), 0), len(branches) - 1)
        return _run(c, branches[chosen], operands)
    return _chosen(c, c.value(index), branches, operands)


def _chosen(
    c: Context, index: Value, branches: Sequence[Any], operands: Sequence[Operand]
) -> Sequence[Operand]:
    """The first branch where the index is below 1, else one of the others."""
    handed = _Handed.of(c, operands)
    first, others = c.body("branch"), c.body("branch")
    results = _run(first, branches[0], handed.enter(iter(_inputs(first, handed.values))))
    inside = iter(_inputs(others, handed.values))
    entered = handed.enter(inside)
    values = list(handed.values)
    if len(branches) == 2:
        rest: Sequence[Operand] = _run(others, branches[1], entered)
    else:
        values.append(index)
        _inputs(first, [index])
        (inner,) = _inputs(others, [index])
        less = others.b.sub(inner, others.scalar(1, inner))
        rest = _chosen(others, less, branches[1:], entered)
    for graph, found in ((first, results), (others, rest)):
        graph.b.finish(*(graph.value(result) for result in found))
    below = c.b.less(c.cast(index, DType.INT32), c.ints([1]))
    op = If(then=first.b.graph, otherwise=others.b.graph)
    return c.b.node(op, c.reshape(below, ()), *values).outputs


# -- loops --------------------------------------------------------------------------------------


def _while(c: Context, node: Equation, *operands: Operand) -> Sequence[Operand]:
    p = node.params
    tests, steps = p["cond_nconsts"], p["body_nconsts"]
    of_test = _Handed.of(c, operands[:tests])
    of_step = _Handed.of(c, operands[tests : tests + steps])
    carried = [_tensor(c, x) for x in operands[tests + steps :]]

    def test(inner: Context, inputs: Sequence[Value]) -> Operand:
        state, kept = inputs[: len(carried)], iter(inputs[len(carried) :])
        (answer,) = _run(inner, p["cond_jaxpr"], [*of_test.enter(kept), *state])
        return answer

    def step(inner: Context, inputs: Sequence[Value]) -> Sequence[Operand]:
        state, kept = inputs[: len(carried)], iter(inputs[len(carried) + len(of_test.values) :])
        return _run(inner, p["body_jaxpr"], [*of_step.enter(kept), *state])

    return _loop(c, carried, [*of_test.values, *of_step.values], test, step)


def _loop(c: Context, carried: list[Value], kept: list[Value], test: Any, step: Any) -> list[Value]:
    """WHILE over what is carried; `kept` stays as it is."""
    values = [*carried, *kept]
    cond, body = c.body("loop_cond"), c.body("loop_body")
    answer = cond.value(test(cond, _inputs(cond, values)))
    cond.b.finish(cond.reshape(answer, ()))
    inputs = _inputs(body, values)
    results = [body.value(y) for y in step(body, inputs)]
    outputs = [body.cast(y, v.dtype) for y, v in zip(results, carried, strict=True)]
    body.b.finish(*outputs, *inputs[len(carried) :])
    made = c.b.node(While(cond=cond.b.graph, body=body.b.graph), *values).outputs
    return list(made[: len(carried)])


# -- scans --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scan:
    """`body` takes constants, what is carried, a row of each of `rows`; it returns what is carried
    and a row of each result."""

    body: Any
    length: Any
    is_reversed: bool
    constants: Sequence[Operand]
    carried: Sequence[Operand]
    rows: Sequence[Operand]

    @property
    def is_short(self) -> bool:
        """Worth writing out."""
        return (
            isinstance(self.length, int) and self.length * equations(self.body.jaxpr) <= WRITTEN_OUT
        )


def equations(jaxpr: Any) -> int:
    """The equations of a jaxpr and of what it calls."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [p for p in equation.params.values() if hasattr(p, "eqns") or hasattr(p, "jaxpr")]
        total += 1 + sum(equations(getattr(p, "jaxpr", p)) for p in inner)
    return total


def _scan(c: Context, node: Equation, *operands: Operand) -> Sequence[Operand]:
    """written out where it is short, else WHILE that reads and writes rows"""
    p = node.params
    consts, carry = p["num_consts"], p["num_carry"]
    scan = _Scan(
        p["jaxpr"], p["length"], bool(p["reverse"]), operands[:consts],
        operands[consts : consts + carry], operands[consts + carry :],
    )  # fmt: skip
    return _written_out(c, node, scan) if scan.is_short else _looped(c, node, scan)


def _written_out(c: Context, node: Equation, scan: _Scan) -> Sequence[Operand]:
    rows = [_rows(c, x, scan.length) for x in scan.rows]
    carried = list(scan.carried)
    count = len(carried)
    found: list[list[Operand]] = []
    for place in reversed(range(scan.length)) if scan.is_reversed else range(scan.length):
        given = [x[place] for x in rows]
        results = _run(c, scan.body, [*scan.constants, *carried, *given])
        carried, ys = results[:count], results[count:]
        found.append(ys)
    if scan.is_reversed:
        found.reverse()
    if not found:
        raise Unsupported("repeats nothing; leave it out")
    stacked = [
        c.b.pack(*(c.value(y) for y in ys), values_count=len(ys), axis=0)
        for ys in zip(*found, strict=True)
    ]
    return [*carried, *stacked]


def _rows(c: Context, x: Operand, length: int) -> Sequence[Operand]:
    if isinstance(x, np.ndarray):
        return [np.ascontiguousarray(row) for row in x]
    return c.b.node(operator("unpack")(num=length, axis=0), _tensor(c, x)).outputs


def _looped(c: Context, node: Equation, scan: _Scan) -> Sequence[Operand]:
    count = len(scan.carried)
    carried = [_tensor(c, x) for x in scan.carried]
    types = node.results[count:]
    buffers = [_zeros(c, type_) for type_ in types]
    length = c.dim(c.sizes.dim(scan.length))
    constants, rows = _Handed.of(c, scan.constants), _Handed.of(c, scan.rows)
    state = [c.b.constant(np.array(0, np.int32)), *carried, *buffers]
    kept = [*constants.values, *rows.values, *([] if length.data is not None else [length])]

    def until(inner: Context, inputs: Sequence[Value]) -> Value:
        return inner.b.constant(length.data) if length.data is not None else inputs[-1]

    def test(inner: Context, inputs: Sequence[Value]) -> Operand:
        return inner.b.less(inputs[0], until(inner, inputs))

    def step(inner: Context, inputs: Sequence[Value]) -> Sequence[Operand]:
        i, now = inputs[0], inputs[1 : 1 + count]
        written, rest = inputs[1 + count : len(state)], iter(inputs[len(state) :])
        one = inner.b.constant(np.array(1, np.int32))
        place = i
        if scan.is_reversed:
            place = inner.b.sub(inner.b.sub(until(inner, inputs), one), i)
        entered = constants.enter(rest)
        given = [inner.b.gather(inner.value(x), place, axis=0) for x in rows.enter(rest)]
        results = _run(inner, scan.body, [*entered, *now, *given])
        ys = [
            _with_row(inner, buffer, inner.value(y), place)
            for buffer, y in zip(written, results[count:], strict=True)
        ]
        return [inner.b.add(i, one), *results[:count], *ys]

    return _loop(c, state, kept, test, step)[1:]


def _zeros(c: Context, type_: TensorType) -> Value:
    shape = type_.shape
    assert shape is not None
    zero = c.b.constant(np.zeros((), type_.dtype.numpy))
    if is_static(shape):
        return c.b.constant(np.zeros([d for d in shape if isinstance(d, int)], type_.dtype.numpy))
    return c.b.fill(c.shape(shape), zero)


def _with_row(c: Context, buffer: Value, row: Value, place: Value) -> Value:
    zeros = [c.b.constant(np.array(0, np.int32))] * (len(buffer.shape) - 1)
    begin = c.b.pack(c.reshape(place, ()), *zeros, values_count=len(zeros) + 1, axis=0)
    return c.b.dynamic_update_slice(buffer, c.reshape(row, (1, *row.shape)), begin)


OBJECTS: dict[str, Handler] = {"cond": _cond, "while": _while, "scan": _scan}
