"""If and Case as IF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import (
    Context,
    Handler,
    Operand,
    Reserved,
    TensorList,
    Unsupported,
)
from edgewise.frontends.tensorflow.handlers.bodies import (
    entered_as,
    kind,
    stem,
    tensors,
    truth,
    with_tensor,
)
from edgewise.frontends.tensorflow.handlers.tensor_lists import allocated
from edgewise.frontends.tensorflow.program import FunctionName, TFNode
from edgewise.ir.graph import Value
from edgewise.ops.control import If

_Branch = Callable[[Context, Sequence[Operand]], list[Operand]]


def _if(c: Context, node: TFNode, condition: Operand, *xs: Operand) -> Sequence[Operand]:
    names = attrs.function(node, "then_branch"), attrs.function(node, "else_branch")
    return _chosen(c, truth(c, condition), (_calling(names[0]), _calling(names[1])), xs)


def _case(c: Context, node: TFNode, index: Value, *xs: Operand) -> Sequence[Operand]:
    """Branch `index`; the last one where there is no such branch."""
    branches = [_calling(name) for name in attrs.functions(node, "branches")]
    last = c.scalar(len(branches) - 1, index)
    inside = c.b.logical_and(
        c.b.greater_equal(index, c.scalar(0, index)), c.b.less_equal(index, last)
    )
    return _one_of(branches, 0, c, [c.b.select_v2(inside, index, last), *xs])


def _one_of(
    branches: Sequence[_Branch], first: int, c: Context, xs: Sequence[Operand]
) -> list[Operand]:
    """Branch xs[0] - first, found by halving."""
    if len(branches) == 1:
        return branches[0](c, xs[1:])
    index, middle = xs[0], len(branches) // 2
    assert isinstance(index, Value)
    halves = (
        partial(_one_of, branches[:middle], first),
        partial(_one_of, branches[middle:], first + middle),
    )
    return _chosen(c, c.b.less(index, c.scalar(first + middle, index)), halves, xs)


def _calling(name: FunctionName) -> _Branch:
    return lambda c, xs: c.call(name, xs)


def _chosen(
    c: Context, condition: Value, branches: tuple[_Branch, _Branch], xs: Sequence[Operand]
) -> list[Operand]:
    """The results of the first branch if the condition is true, else of the second."""
    known = c.known(condition)
    if known is not None:
        return branches[0 if bool(known.reshape(-1)[0]) else 1](c, xs)
    name = stem(c)
    graphs = [c.body(f"{name}_{side}") for side in ("then", "else")]
    values = [v for x in xs for v in tensors(x, constants=False)]
    results = []
    for inner, branch in zip(graphs, branches, strict=True):
        types = iter([v.type for v in values])
        entered = [entered_as(inner, x, types, constants=False) for x in xs]
        results.append(branch(inner, entered))
    joined = [_alike(graphs, a, b) for a, b in zip(*results, strict=True)]
    for place, inner in enumerate(graphs):
        inner.b.finish(*(v for pair in joined for v in tensors(pair[place], constants=True)))
    read = [i for i in range(len(values)) if any(_is_read(g.b.graph.inputs[i]) for g in graphs)]
    for inner in graphs:
        inner.b.graph.inputs = [inner.b.graph.inputs[i] for i in read]
    op = If(then=graphs[0].b.graph, otherwise=graphs[1].b.graph)
    made = iter(c.b.node(op, condition, *(values[i] for i in read)).outputs)
    c.reads.clear()  # a branch may have assigned variables
    return [with_tensor(a, next(made)) if tensors(a, constants=True) else a for a, _ in joined]


def _is_read(value: Value) -> bool:
    return bool(value.uses)


def _alike(graphs: Sequence[Context], a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """A result of both branches; a list that one of them did not write has the other's shape."""
    if isinstance(a, Reserved) and isinstance(b, TensorList):
        a = allocated(graphs[0], a, b.element)
    if isinstance(b, Reserved) and isinstance(a, TensorList):
        b = allocated(graphs[1], b, a.element)
    held = tensors(a, constants=True)
    if kind(a) != kind(b) or (not held and a != b):
        raise Unsupported(
            f"its branches return a {kind(a)} and a {kind(b)}; return the same kind in both"
        )
    return a, b


OBJECTS: dict[str, Handler] = {
    **dict.fromkeys(("If", "StatelessIf"), _if),
    **dict.fromkeys(("Case", "StatelessCase"), _case),
}
