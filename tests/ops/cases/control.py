"""Cases of IF and WHILE."""

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Value
from edgewise.ops.control import If, While
from tests.ops.case import Case, arg, const

Kind = tuple[tuple[int, ...], str]
Write = Callable[..., Value | list[Value]]


def graph(name: str, kinds: list[Kind], write: Write) -> Graph:
    """A graph on inputs of these shapes and dtypes."""
    b = Builder(name)
    inputs = [
        b.input(f"{name}_{i}", shape, DType.of(dtype)) for i, (shape, dtype) in enumerate(kinds)
    ]
    made = write(b, *inputs)
    return b.finish(*(made if isinstance(made, list) else [made]))


NUMBER: Kind = ((), "int32")
ROW: Kind = ((1, 4), "float32")


def below(limit: int, kinds: list[Kind]) -> Graph:
    """first < limit."""
    return graph("cond", kinds, lambda b, i, *_: b.less(i, b.constant(limit)))


def loop(limit: int, kinds: list[Kind], write: Write) -> While:
    """While the first of these is below a limit; the body adds 1 to it."""

    def body(b: Builder, i: Value, *x: Value) -> list[Value]:
        made = write(b, i, *x)
        return [b.add(i, b.constant(1)), *(made if isinstance(made, list) else [made])]

    return While(cond=below(limit, kinds), body=graph("body", kinds, body))


def branch(then: Write, otherwise: Write, kinds: list[Kind]) -> If:
    return If(then=graph("then", kinds, then), otherwise=graph("otherwise", kinds, otherwise))


def doubled_or_halved(b: Builder, i: Value, x: Value) -> list[Value]:
    """An IF inside: even steps double, odd ones halve and pass on what is next."""
    two, zero = b.constant(2), b.constant(0)
    op = branch(
        lambda b, x: b.mul(x, b.constant(2.0)), lambda b, x: b.sub(x, b.constant(0.5)), [ROW]
    )
    return [b.node(op, b.equal(b.floor_mod(i, two), zero), x).output]


def nested(b: Builder, i: Value, x: Value) -> list[Value]:
    """A WHILE inside, which runs as often as the outer counter says."""
    kinds = [NUMBER, NUMBER, ROW]
    inner = While(
        cond=graph("inner_cond", kinds, lambda b, j, n, x: b.less(j, n)),
        body=graph(
            "inner_body",
            kinds,
            lambda b, j, n, x: [b.add(j, b.constant(1)), n, b.add(x, b.constant(1.0))],
        ),
    )
    return [b.node(inner, b.constant(0), i, x).outputs[2]]


def write_row(b: Builder, i: Value, rows: Value, row: Value) -> list[Value]:
    """rows[i] = row, as TensorFlow's converter writes it; the next row is the sum."""
    one = b.constant(np.array([1], np.int32))
    here, there = b.reshape(i, one), b.reshape(b.add(i, b.constant(1)), one)
    before = b.slice(rows, b.constant([0, 0]), b.concatenation(here, b.constant([-1])))
    after = b.slice(rows, b.concatenation(there, b.constant([0])), b.constant([-1, -1]))
    return [b.concatenation(before, row, after), b.add(row, b.constant(1.0))]


ZERO, X = const(0), arg((1, 4))
PAIR = [NUMBER, ROW, ROW]

CASES = [
    Case(loop(3, [NUMBER, ROW], lambda b, i, x: b.add(x, x)), (ZERO, X), "three"),
    Case(loop(0, [NUMBER, ROW], lambda b, i, x: b.add(x, x)), (ZERO, X), "none"),
    Case(
        loop(5, [NUMBER, ROW], lambda b, i, x: b.add(x, x)),
        (arg((), "int32", low=0, high=6), X),
        "from an operand",
    ),
    Case(loop(7, PAIR, lambda b, i, x, y: [y, b.add(x, y)]), (ZERO, X, X), "swap"),
    Case(
        loop(4, PAIR, lambda b, i, x, y: [y, x]),
        (ZERO, X, X),
        "exchange",
        no_litert="its WHILE copies one of the two over the other before it is read",
    ),
    Case(loop(4, PAIR, lambda b, i, x, y: [x, b.mul(x, y)]), (ZERO, X, X), "one stays"),
    Case(
        loop(2, PAIR, lambda b, i, x, y: [b.constant(np.ones((1, 4), np.float32)), x]),
        (ZERO, X, X),
        "a constant",
    ),
    Case(loop(4, [NUMBER, ROW], doubled_or_halved), (ZERO, X), "branches inside"),
    Case(loop(4, [NUMBER, ROW], nested), (ZERO, X), "loop inside"),
    Case(
        loop(5, [NUMBER, ((5, 4), "float32"), ROW], write_row),
        (ZERO, arg((5, 4)), X),
        "writes rows",
    ),
    Case(
        branch(lambda b, x: b.add(x, x), lambda b, x: b.mul(x, x), [ROW]),
        (arg((), "bool"), X),
        "either",
    ),
    Case(
        branch(lambda b, x: x, lambda b, x: b.tanh(x), [ROW]),
        (const(True), X),
        "passes on",
    ),
    Case(
        branch(lambda b, x: b.constant(1.0), lambda b, x: b.constant(2.0), [ROW]),
        (arg((1,), "bool"), X),
        "constants",
    ),
    Case(
        branch(lambda b, x: x, lambda b, x: x, [ROW]),
        (arg((2,), "bool"), X),
        error="the condition must be one bool; got [2]",
    ),
    Case(
        branch(lambda b, x: x, lambda b, x: b.cast(x, dtype=DType.INT32), [ROW]),
        (arg((), "bool"), X),
        error="results of the same dtypes; got (float32) and (int32)",
    ),
    Case(
        branch(lambda b, x: x, lambda b, x: x, [ROW]),
        (arg((), "bool"), arg((1, 4), "int32")),
        error="@then takes (float32); got (int32)",
    ),
    Case(
        While(cond=below(1, [NUMBER]), body=graph("body", [NUMBER], lambda b, i: [i, i])),
        (ZERO,),
        error="body returns (int32, int32); the loop carries (int32)",
    ),
    Case(
        While(
            cond=graph("cond", [NUMBER], lambda b, i: i),
            body=graph("body", [NUMBER], lambda b, i: i),
        ),
        (ZERO,),
        error="cond must return one bool; got int32[]",
    ),
]
