"""Operators that run other graphs of the model: IF and WHILE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ShapeError
from edgewise.ir.dim import Dim, Shape, same_dim, unknown_dim
from edgewise.ir.evaluate import BodyRunner
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import infer_graph, macs_of
from edgewise.ir.op import In, NotQuantized, Op, Operand, Out, Runner, require
from edgewise.ir.types import TensorType
from edgewise.ops.axes import shown


class Control(Op, abstract=True):
    """What both have in common: results of any number, and no effect that is known."""

    results = (Out("y", variadic=True),)
    quantization = NotQuantized()
    is_pure = False  # a loop may never end, a body may have effects

    def reference(self, *operands: np.ndarray) -> tuple[np.ndarray, ...]:
        return self.run(operands, BodyRunner(Node(self, (), ())))

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        """Those of all graphs, each once."""
        return sum(macs_of(node) or 0 for graph in self.graphs for node in graph.nodes)


class If(Control, builtin="IF", options="IfOptions"):
    """y.. = then(x..) if condition, else otherwise(x..).

    Shapes: condition bool with one element, x any; y as the chosen graph gives it. A dimension in
    which the two graphs differ is unknown until the model runs.
    **Source:** TensorFlow Lite kernels/if.cc.
    """

    then: Graph
    otherwise: Graph

    operands = (In("condition", {DType.BOOL}), In("x", optional=True, variadic=True))
    graph_fields = {"then": "then_subgraph_index", "otherwise": "else_subgraph_index"}

    def infer(self, condition: Operand, *x: Operand | None) -> tuple[Shape | None, ...]:
        require(
            not any(isinstance(d, int) and d != 1 for d in condition.shape),
            f"the condition must be one bool; got {shown(condition.shape)}",
        )
        fed = [v for v in x if v is not None]
        then, other = (specialized(g, fed).outputs for g in self.graphs)
        require(
            [v.dtype for v in then] == [v.dtype for v in other],
            f"both branches must have results of the same dtypes; got {kinds(then)} "
            f"and {kinds(other)}",
        )
        return tuple(either(a.type.shape, b.type.shape) for a, b in zip(then, other, strict=True))

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        condition, *x = operands
        chosen = self.then if _truth(condition) else self.otherwise
        return tuple(runner(chosen, x))

    def result_count(self) -> int:
        return len(self.then.outputs)

    def result_dtype(self, index: int) -> DType | None:
        return self.then.outputs[index].dtype if index < self.result_count() else None


class While(Control, builtin="WHILE", options="WhileOptions"):
    """y.. = x..; while cond(y..): y.. = body(y..).

    Shapes: x any; cond gives one bool, body as many values as it takes, of the same dtypes. A
    carried value keeps its shape unless body is known to change it: a dimension that changes is
    unknown until the model runs. So is a number that may change, where body declares its dimension
    as unknown; otherwise what may change on paper is taken to stay, and `decides_shapes` says
    whether that was needed.
    **Source:** TensorFlow Lite kernels/while.cc.
    """

    cond: Graph
    body: Graph

    operands = (In("x", optional=True, variadic=True),)
    graph_fields = {"cond": "cond_subgraph_index", "body": "body_subgraph_index"}

    def infer(self, *x: Operand | None) -> tuple[Shape | None, ...]:
        carried = [_typed(v) for v in x if v is not None]
        dtypes = [v.dtype for v in carried]
        for name, values in (
            ("cond takes", self.cond.inputs),
            ("body takes", self.body.inputs),
            ("body returns", self.body.outputs),
        ):
            require(
                [v.dtype for v in values] == dtypes,
                f"{name} {kinds(values)}; the loop carries {kinds(carried)}",
            )
        # A dimension that changes makes others change: at most all of them, one after the other.
        for _ in range(1 + sum(len(v.shape) for v in carried if v.type.shape is not None)):
            results = specialized(self.body, carried).outputs
            shapes = [
                _kept(a.type.shape, b.type.shape, declared.type.shape)
                for a, b, declared in zip(carried, results, self.body.inputs, strict=True)
            ]
            if shapes == [v.type.shape for v in carried]:
                break
            carried = [_typed(v, shape) for v, shape in zip(carried, shapes, strict=True)]
        answer = specialized(self.cond, carried).outputs
        require(
            [v.dtype for v in answer] == [DType.BOOL]
            and not any(isinstance(d, int) and d != 1 for d in answer[0].type.shape or ()),
            f"cond must return one bool; got {', '.join(str(v.type) for v in answer)}",
        )
        return tuple(v.type.shape for v in carried)

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        values: list[np.ndarray] = list(operands)
        while _truth(runner(self.cond, values)[0]):
            runner.begin_iteration()
            values = runner(self.body, values)
        return tuple(values)

    def result_count(self) -> int:
        return len(self.body.outputs)

    def result_dtype(self, index: int) -> DType | None:
        return self.body.outputs[index].dtype if index < self.result_count() else None

    def decides_shapes(self, x: Sequence[Operand | None]) -> bool:
        """It is known that each carried value keeps the shape it comes with."""
        carried = [_typed(v) for v in x if v is not None]
        results = specialized(self.body, carried).outputs
        return all(
            _are_same(a.type.shape, b.type.shape) for a, b in zip(carried, results, strict=True)
        )


def specialized(graph: Graph, x: Sequence[Operand]) -> Graph:
    """A copy of the graph with the shapes that these operands give it.

    Raises:
        ShapeError: it takes other operands, or a node does not accept them.
    """
    require(
        [v.dtype for v in graph.inputs] == [v.dtype for v in x],
        f"@{graph.name} takes {kinds(graph.inputs)}; got {kinds(x)}",
    )
    copy = graph.copy()
    for value, operand in zip(copy.inputs, x, strict=True):
        value.type = value.type.with_shape(_typed(operand).type.shape)
    try:
        infer_graph(copy)
    except ShapeError as error:
        raise ShapeError(f"in @{graph.name}: {error}") from None
    return copy


def _typed(value: Operand, shape: Shape | None = None) -> Value:
    """A value of this dtype and (without `shape`) shape."""
    if shape is None:
        known = getattr(value, "type", None)
        shape = known.shape if isinstance(known, TensorType) else value.shape
    return Value(TensorType(shape, value.dtype, value.quant))


def kinds(values: Sequence[Operand]) -> str:
    """Their dtypes, for messages."""
    return f"({', '.join(v.dtype.text for v in values)})"


def _truth(array: np.ndarray) -> bool:
    require(array.size == 1, f"a condition must be one bool; got {list(array.shape)}")
    return bool(array.reshape(-1)[0])


def either(a: Shape | None, b: Shape | None) -> Shape | None:
    """What is known of a shape that is one or the other."""
    if a is None or b is None or len(a) != len(b):
        return None
    return tuple(m if same_dim(m, n) else unknown_dim() for m, n in zip(a, b, strict=True))


def _kept(a: Shape | None, b: Shape | None, declared: Shape | None) -> Shape | None:
    """What is known of a shape that begins as `a` and becomes `b`; see While."""
    if a is None or b is None or len(a) != len(b):
        return None
    if declared is None or len(declared) != len(a):
        declared = a
    return tuple(
        unknown_dim() if _may_change(m, n, d) else m for m, n, d in zip(a, b, declared, strict=True)
    )


def _may_change(before: Dim, after: Dim, declared: Dim) -> bool:
    same = same_dim(before, after)
    return same is False or (same is None and isinstance(before, int) and declared != before)


def _are_same(a: Shape | None, b: Shape | None) -> bool:
    if a is None or b is None or len(a) != len(b):
        return False
    return all(same_dim(m, n) is True for m, n in zip(a, b, strict=True))
