"""Graphs within the graph: those that always run are written out in place, others IF and WHILE.

What is constant, and sizes, stand inside as they are; tensors are handed over.
Source: torch/_higher_order_ops/{wrap,cond,while_loop}.py, PyTorch 2.13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewise.dtypes import DType
from edgewise.frontends.torch.context import Context, Handler, Operand, Result, Unsupported
from edgewise.frontends.torch.program import Body
from edgewise.ir.graph import Value
from edgewise.ops.control import If, While


def _inlined(c: Context, *args: Result | Body) -> Result:
    """A body among the arguments, on those that follow it: `torch.no_grad`, autocast."""
    at = next(i for i, arg in enumerate(args) if isinstance(arg, Body))
    body = args[at]
    assert isinstance(body, Body)
    return c.run(c, body, args[at + 1 :])  # type: ignore[arg-type]


def _is_handed(x: Result) -> bool:
    return isinstance(x, Value) and x.data is None


def _inside(
    c: Context,
    name: str,
    body: Callable[[Context, list[Result]], list[Value]],
    operands: Sequence[Result],
) -> Context:
    """A graph of what `body` gives for the operands, the tensors among which are its inputs."""
    inner = c.body(name)
    entered: list[Result] = [
        inner.b.graph.add_input(x.type, x.name) if isinstance(x, Value) and x.data is None
        else inner.b.constant(x.data, name=x.name) if isinstance(x, Value) and x.data is not None
        else x
        for x in operands
    ]  # fmt: skip
    inner.b.finish(*body(inner, entered))
    return inner


def _tensors(c: Context, results: Sequence[Result]) -> list[Value]:
    found = []
    for x in results:
        if not isinstance(x, Value | int | float):
            raise Unsupported("its graph returns what is no tensor; return tensors only")
        dtype = x.dtype if isinstance(x, Value) else DType.INT64
        found.append(c.operand(x, dtype))
    return found


def _cond(
    c: Context, pred: Operand, true_graph: Body, false_graph: Body, operands: Sequence[Result]
) -> Result:
    """IF; the branch alone where it is known which."""
    if isinstance(pred, Value) and pred.data is not None:
        pred = bool(pred.data)
    if not isinstance(pred, Value):
        return c.run(c, true_graph if pred else false_graph, operands)
    then, otherwise = (
        _inside(
            c,
            name,
            lambda inner, given, body=body: _tensors(inner, c.run(inner, body, given)),  # type: ignore[misc]
            operands,
        )
        for name, body in (("then", true_graph), ("otherwise", false_graph))
    )
    handed = [x for x in operands if isinstance(x, Value) and x.data is None]
    op = If(then=then.b.graph, otherwise=otherwise.b.graph)
    answer = c.reshape(c.converted(pred, DType.BOOL), ())
    return list(c.b.node(op, answer, *handed).outputs)


def _while_loop(
    c: Context,
    cond_graph: Body,
    body_graph: Body,
    carried: Sequence[Result],
    additional: Sequence[Result] = (),
) -> Result:
    """WHILE over what is carried; `additional` stays as it is."""
    begin = _tensors(c, carried)
    kept = [x for x in additional if _is_handed(x)]
    values = [*begin, *(x for x in kept if isinstance(x, Value))]

    def given(xs: Sequence[Result]) -> list[Result]:
        rest = iter(xs[len(begin) :])
        return [*xs[: len(begin)], *(next(rest) if _is_handed(x) else x for x in additional)]

    def test(inner: Context, xs: list[Result]) -> list[Value]:
        (answer,) = _tensors(inner, c.run(inner, cond_graph, given(xs)))
        return [inner.reshape(inner.converted(answer, DType.BOOL), ())]

    def step(inner: Context, xs: list[Result]) -> list[Value]:
        made = _tensors(inner, c.run(inner, body_graph, given(xs)))
        news = [inner.converted(y, x.dtype) for y, x in zip(made, begin, strict=True)]
        return [*news, *(x for x in xs[len(begin) :] if isinstance(x, Value))]

    # what is carried changes: no constant inside
    entered = [Value(x.type, x.name) for x in values]
    cond, body = (_inside(c, name, f, entered) for name, f in (("cond", test), ("body", step)))
    op = While(cond=cond.b.graph, body=body.b.graph)
    return list(c.b.node(op, *values).outputs[: len(begin)])


HANDLERS: dict[str, Handler] = {
    "wrap_with_set_grad_enabled": _inlined,
    "wrap_with_autocast": _inlined,
    "wrap_activation_checkpoint": _inlined,
    "tag_activation_checkpoint": _inlined,
    "wrap": _inlined,
    "cond": _cond,
    "while_loop": _while_loop,
    "_set_grad_enabled": lambda c, enabled: None,
}
