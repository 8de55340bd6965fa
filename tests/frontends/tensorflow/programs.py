"""Programs of the tests, in few words: `node("y", "AddV2", "x", "one")`, `function(...)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.tensorflow.program import (
    Argument,
    Attr,
    Entry,
    Function,
    FunctionName,
    Program,
    Ref,
    Resource,
    TFNode,
    TFShape,
)
from edgewise.ir.evaluate import evaluate
from edgewise.ir.model import Model

Shape = Sequence["int | None"] | None


def node(name: str, op: str, *inputs: str, **attributes: Attr) -> TFNode:
    """A node; an input `^x` is a control edge, `x:1` the second output of x."""
    return TFNode(
        name,
        op,
        tuple(_ref(i) for i in inputs if not i.startswith("^")),
        tuple(i[1:] for i in inputs if i.startswith("^")),
        attributes,
    )


def constant(name: str, value: object, dtype: type = np.float32) -> TFNode:
    return node(name, "Const", value=np.array(value, dtype))


def argument(name: str, shape: Shape = (), dtype: DType | None = DType.FLOAT32) -> Argument:
    return Argument(name, dtype, TFShape(None if shape is None else tuple(shape)))


def function(
    name: str,
    arguments: Sequence[Argument | str],
    nodes: Sequence[TFNode],
    results: Sequence[str],
    controls: Sequence[str] = (),
) -> Function:
    """A function; an argument that is a name alone is a float32 scalar."""
    given = tuple(a if isinstance(a, Argument) else argument(a) for a in arguments)
    by_name = {n.name: n for n in nodes}
    return Function(name, given, by_name, tuple(_ref(r) for r in results), tuple(controls))


def entry(
    body: Function, bound: Mapping[str, Resource | np.ndarray] | None = None, key: str = ""
) -> Entry:
    bound = bound or {}
    names = [a.name for a in body.arguments]
    return Entry(
        key or body.name,
        body,
        {name: i for i, name in enumerate(names) if name not in bound},
        {f"output_{i}": i for i in range(len(body.results))},
        bound,
    )


def program(
    main: Function | Sequence[Entry],
    *library: Function,
    bound: Mapping[str, Resource | np.ndarray] | None = None,
) -> Program:
    entries = (entry(main, bound),) if isinstance(main, Function) else tuple(main)
    return Program(entries, {f.name: f for f in library}, "model.pb")


def called(name: str) -> FunctionName:
    return FunctionName(name)


def run(model: Model, *inputs: object) -> list[np.ndarray]:
    arrays = [
        np.asarray(x, value.dtype.numpy) for x, value in zip(inputs, model.main.inputs, strict=True)
    ]
    return evaluate(model.main, arrays)


def operators(model: Model) -> list[str]:
    return [n.op.name for n in model.main.nodes]


def _ref(text: str) -> Ref:
    name, _, output = text.partition(":")
    return Ref(name, int(output or 0))
