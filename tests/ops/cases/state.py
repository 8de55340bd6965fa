"""Cases of the operators on variables, each among those that it needs."""

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir import Builder, Graph, Op, TensorType, Value
from edgewise.ops.control import If, While
from edgewise.ops.state import AssignVariable, CallOnce, ReadVariable, VarHandle
from tests.ops.case import Case, arg, const
from tests.ops.cases.control import graph


def handle(b: Builder, name: str = "v", container: str = "") -> Value:
    return b.node(VarHandle(shared_name=name, container=container)).output


def read(b: Builder, variable: Value, like: Value) -> Value:
    return b.node(ReadVariable(), variable, results=[like.type]).output


def kept(b: Builder, value: Value) -> Value:
    """The value after an operator: what LiteRT's delegate reads it for itself."""
    return b.reshape(value, b.constant(np.array([-1], np.int32)))


def read_back(b: Builder, op: Op, x: Value) -> Sequence[Value]:
    """What was assigned; the operator is any of the three."""
    variable = handle(b)
    b.node(AssignVariable(), variable, x)
    return [read(b, variable, x)]


def read_before_and_after(b: Builder, op: Op, x: Value, y: Value) -> Sequence[Value]:
    """A value that was read stays what it was when the variable changes."""
    variable = handle(b)
    b.node(AssignVariable(), variable, x)
    before = read(b, variable, x)
    b.node(AssignVariable(), variable, y)
    return [b.add(before, x), b.add(read(b, variable, x), y)]


def two(b: Builder, op: Op, x: Value) -> Sequence[Value]:
    """Variables of other names, of other containers, and one by two handles."""
    names = [("a", ""), ("b", ""), ("a", "other")]
    for factor, (name, container) in enumerate(names, 2):
        b.node(AssignVariable(), handle(b, name, container), b.mul(x, b.constant(float(factor))))
    return [kept(b, read(b, handle(b, *name), x)) for name in names]


def first(values: np.ndarray, name: str = "v") -> Graph:
    """A graph that gives the variable its first value."""
    b = Builder("init")
    b.node(AssignVariable(), handle(b, name), b.constant(values))
    return b.finish()


def counted(b: Builder, op: Op, x: Value) -> Sequence[Value]:
    """The variable after one more x."""
    b.node(op)
    variable = handle(b)
    y = b.add(read(b, variable, x), x)
    b.node(AssignVariable(), variable, y)
    return [y]


def once_more(b: Builder, op: Op, x: Value) -> Sequence[Value]:
    """The second CALL_ONCE of one graph does nothing."""
    (y,) = counted(b, op, x)
    return [b.add(y, x), *counted(b, op, x)]


ROW = ((1, 4), "float32")


def assigning(b: Builder, x: Value) -> list[Value]:
    """A branch that adds to the variable."""
    variable = handle(b)
    y = b.add(read(b, variable, x), x)
    b.node(AssignVariable(), variable, y)
    return [y]


def in_a_branch(b: Builder, op: Op, condition: Value, x: Value) -> Sequence[Value]:
    b.node(AssignVariable(), handle(b), x)
    then, other = (graph(n, [ROW], assigning) for n in ("then", "otherwise"))
    y = b.node(If(then=then, otherwise=other), condition, x).output
    return [y, kept(b, read(b, handle(b), x))]


def in_a_loop(b: Builder, op: Op, count: Value, x: Value) -> Sequence[Value]:
    b.node(AssignVariable(), handle(b), x)
    kinds = [((), "int32"), ROW]
    loop = While(
        cond=graph("cond", kinds, lambda b, i, x: b.less(i, b.constant(3))),
        body=graph("body", kinds, lambda b, i, x: [b.add(i, b.constant(1)), *assigning(b, x)]),
    )
    return [b.node(loop, count, x).outputs[1], kept(b, read(b, handle(b), x))]


X = arg((1, 4))
NOT_CONTAINED = Builder("init")
NOT_CONTAINED_GRAPH = NOT_CONTAINED.finish(NOT_CONTAINED.input("x", (1,)))

CASES = [
    Case(VarHandle(shared_name="v"), (X,), write=read_back),
    Case(VarHandle(shared_name="b"), (X,), "other names", write=two),
    Case(VarHandle(shared_name="a", container="other"), (X,), "other containers", write=two),
    *(
        Case(ReadVariable(), (arg((2, 3), dtype, low=0, high=9),), write=read_back)
        for dtype in ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
    ),
    *(
        Case(AssignVariable(), (arg((2, 3), dtype, low=0, high=9),), write=read_back)
        for dtype in ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
    ),
    Case(ReadVariable(), (X, X), "before and after", write=read_before_and_after),
    Case(AssignVariable(), (X, X), "twice", write=read_before_and_after),
    Case(AssignVariable(), (arg((), "bool"), X), "in a branch", write=in_a_branch),
    Case(AssignVariable(), (const(0), X), "in a loop", write=in_a_loop),
    Case(CallOnce(init=first(np.full((1, 4), 7, np.float32))), (X,), write=counted),
    Case(CallOnce(init=first(np.full((1, 4), 7, np.float32))), (X,), "twice", write=once_more),
    Case(
        CallOnce(init=NOT_CONTAINED_GRAPH),
        (),
        error="@init must take and return nothing; it takes 1 and returns 1",
    ),
    Case(
        ReadVariable(),
        (arg((2,), "resource"),),
        results=(TensorType((1,), DType.FLOAT32),),
        error="the handle must be one number; got [2]",
    ),
    Case(
        AssignVariable(),
        (arg((), "int32"), X),
        error="operand 'variable' must be one of resource; got int32",
    ),
]
