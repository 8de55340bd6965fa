"""`keras.ops` nodes that run functions: loops, maps, scans and branches.

A function becomes a graph of the model, traced as the code of any live layer is. What it takes is
handed over as its arguments; weights and numbers may stand in it as they are.
Source: keras/src/ops/core.py and backend/tensorflow/core.py, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported, known_sizes
from edgewise.frontends.keras.description import KerasLayer, LiveFunction
from edgewise.frontends.keras.handlers.config import flag, integer
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.operands import Operand, axis_in, tensor
from edgewise.ir.build import Builder
from edgewise.ir.graph import Value
from edgewise.ops.control import If, While
from edgewise.ops.over_steps import over_steps

Body = Callable[[Context, list[Value]], list[Value]]
_MAX_STEPS = 1 << 12  # of a scan of an associative function, whose elements must be counted


def _results(c: Context, function: object, *args: Structure) -> Structure:
    """What a function gives for arguments. Raises Unsupported: there is only its name."""
    if not isinstance(function, LiveFunction) or c.expand is None:
        raise Unsupported("runs Python code, which no file holds; convert the live model")
    name = getattr(function.function, "__name__", "function")
    cells = getattr(function.function, "__closure__", None) or ()
    if any(type(cell.cell_contents).__name__ == "KerasTensor" for cell in cells):
        raise Unsupported(
            f"its function '{name}' uses a tensor from around it; hand it over as an argument"
            " (loop_vars, operands), or use where() in place of cond()"
        )
    made = KerasLayer("function", name, {}, live=function)
    with c.inside(name):
        return c.expand(c, made, list(args), {})


def _listed(c: Context, given: object) -> list[Value]:
    """A tensor, or the tensors of a list."""
    items = given if isinstance(given, list | tuple) else [given]
    return [tensor(c, item) for item in items]  # type: ignore[arg-type]


def _as(values: Sequence[Value], like: object) -> Structure:
    """The values as a list where `like` is one, else the only one."""
    return list(values) if isinstance(like, list | tuple) else values[0]


def _looped(c: Context, values: Sequence[Value], test: Body, body: Body) -> list[Value]:
    """WHILE; what the body gives has the dtypes that the values begin with."""
    name, graphs = "/".join(c.path), []
    for kind, function in (("body", body), ("cond", test)):
        inner = Builder(f"{name}_{kind}")
        inner.location = c.b.location
        given = [inner.graph.add_input(v.type, f"x{i}") for i, v in enumerate(values)]
        with c.inside_graph(inner):
            results = function(c, given)
            if kind == "body":
                results = [c.cast(r, v.dtype) for r, v in zip(results, values, strict=True)]
        inner.finish(*results)
        graphs.append(inner.graph)
    return list(c.b.node(While(cond=graphs[1], body=graphs[0]), *values).outputs)


def _while(c: Context, layer: KerasLayer, loop_vars: Operand) -> Structure:
    """while cond(*vars): vars = body(*vars), at most `maximum_iterations` times."""
    values, limit = _listed(c, loop_vars), layer.config.get("maximum_iterations")
    if limit is not None:
        values.append(c.dim(0))
    count = len(values) - (limit is not None)

    def test(c: Context, xs: list[Value]) -> list[Value]:
        (holds,) = _listed(c, _results(c, layer.config.get("cond"), *xs[:count]))
        holds = c.reshape(c.cast(holds, DType.BOOL), ())
        if limit is None:
            return [holds]
        below = c.b.less(xs[count], c.dim(integer(layer, "maximum_iterations")))
        return [c.b.logical_and(holds, below)]

    def body(c: Context, xs: list[Value]) -> list[Value]:
        made = _listed(c, _results(c, layer.config.get("body"), *xs[:count]))
        return made + [c.b.add(x, c.dim(1)) for x in xs[count:]]

    return _as(_looped(c, values, test, body)[:count], loop_vars)


def _for(c: Context, layer: KerasLayer, init_val: Operand) -> Structure:
    """val = body_fun(i, val) for i from `lower` up to below `upper`."""
    ends = [
        c.cast(tensor(c, layer.config[key]), DType.INT32)  # type: ignore[arg-type]
        for key in ("lower", "upper")
    ]
    values = [c.reshape(end, ()) for end in ends] + _listed(c, init_val)

    def body(c: Context, xs: list[Value]) -> list[Value]:
        made = _results(c, layer.config.get("body_fun"), xs[0], _as(xs[2:], init_val))
        return [c.b.add(xs[0], c.dim(1)), xs[1], *_listed(c, made)]

    made = _looped(c, values, lambda c, xs: [c.b.less(xs[0], xs[1])], body)
    return _as(made[2:], init_val)


def _map(c: Context, layer: KerasLayer, *args: object) -> Structure:
    """f of every row: `map(f, xs)`, or `vectorized_map` with its function in the config."""
    *given, xs = args
    function = given[0] if given else layer.config.get("function")

    def step(c: Context, rows: list[Value], _: list[Value]) -> tuple[Value, list[Value]]:
        (y,) = _listed(c, _results(c, function, _as(rows, xs)))
        return y, []

    return _over_rows(c, _listed(c, xs), [], step)[0]


_Step = Callable[[Context, list[Value], list[Value]], tuple[Value, list[Value]]]


def _over_rows(
    c: Context, xs: Sequence[Value], states: Sequence[Value], step: _Step
) -> list[Value]:
    """A WHILE over the rows of xs: the results of all steps, and the last states.

    The loop goes over axis 1 of tensors and writes float32; rows stand behind an axis of one."""
    kinds: list[DType] = []

    def inner(b: Builder, taken: list[Value], given: list[Value]) -> tuple[Value, list[Value]]:
        with c.inside_graph(b):
            rows = [c.reshape(x, x.shape[1:]) for x in taken]
            y, news = step(c, rows, given)
            kinds.append(y.dtype)
            news = [c.cast(new, old.dtype) for new, old in zip(news, given, strict=True)]
            return c.b.expand_dims(c.real(y), c.ints([0])), news

    sequences = [c.b.expand_dims(x, c.ints([0])) for x in xs]
    steps = c.dim(xs[0].shape[0])
    made = over_steps(c.b, "/".join(c.path), steps, sequences, states, inner, c.zeros)
    return [c.cast(c.reshape(made[0], made[0].shape[1:]), kinds[0]), *made[1:]]


def _scan(
    c: Context, layer: KerasLayer, f: object, init: Operand, xs: Operand | None = None
) -> Structure:
    """carry, y = f(carry, x) for every row x: the last carry, and all y."""
    if xs is None:
        rows = [c.b.range(c.dim(0), c.dim(integer(layer, "length")), c.dim(1))]
    else:
        rows = _listed(c, xs)
    is_reverse = flag(layer, "reverse")
    rows = [c.b.reverse_v2(x, c.ints([0])) for x in rows] if is_reverse else rows

    def step(c: Context, taken: list[Value], given: list[Value]) -> tuple[Value, list[Value]]:
        x = None if xs is None else _as(taken, xs)
        made = _results(c, f, _as(given, init), x)  # type: ignore[arg-type]
        if not isinstance(made, list | tuple) or len(made) != 2:
            raise Unsupported("its function must return the carry and one result")
        (y,) = _listed(c, made[1])
        return y, _listed(c, made[0])

    ys, *last = _over_rows(c, rows, _listed(c, init), step)
    ys = c.b.reverse_v2(ys, c.ints([0])) if is_reverse else ys
    return [_as(last, init), ys]


def _associative_scan(c: Context, layer: KerasLayer, f: object, elems: Operand) -> Structure:
    """y[i] = f(... f(f(x[0], x[1]), x[2]) ..., x[i]), in log2(n) steps: after that of distance d
    every element holds the combination of the 2 d elements that end at it (Hillis, Steele 1986)."""
    values = _listed(c, elems)
    axis = axis_in(layer, layer.config.get("axis", 0), len(values[0].shape))
    (size,) = known_sizes([values[0].shape[axis]], "a scan of an associative function")
    if size > _MAX_STEPS:
        raise Unsupported(f"a scan of {size} elements; at most {_MAX_STEPS}, or use scan()")
    is_reverse = flag(layer, "reverse")
    along = c.ints([axis])
    values = [c.b.reverse_v2(v, along) for v in values] if is_reverse else values
    distance = 1
    while distance < size:
        before = [_part(c, v, axis, 0, size - distance) for v in values]
        behind = [_part(c, v, axis, distance, size - distance) for v in values]
        made = _listed(c, _results(c, f, _as(before, elems), _as(behind, elems)))
        values = [
            c.b.concatenation(_part(c, v, axis, 0, distance), c.cast(y, v.dtype), axis=axis)
            for v, y in zip(values, made, strict=True)
        ]
        distance *= 2
    return _as([c.b.reverse_v2(v, along) for v in values] if is_reverse else values, elems)


def _part(c: Context, x: Value, axis: int, begin: int, count: int) -> Value:
    starts, sizes = [0] * len(x.shape), [-1] * len(x.shape)
    starts[axis], sizes[axis] = begin, count
    return c.b.slice(x, c.ints(starts), c.ints(sizes))


def _chosen(
    c: Context,
    condition: Value,
    functions: Sequence[Callable[[Context, list[Value]], Structure]],
    xs: Sequence[Value],
) -> Structure:
    """IF: the results of the first function where the condition holds, else of the second."""
    name, graphs, like = "/".join(c.path), [], None
    for kind, function in zip(("then", "else"), functions, strict=True):
        inner = Builder(f"{name}_{kind}")
        inner.location = c.b.location
        given = [inner.graph.add_input(v.type, f"x{i}") for i, v in enumerate(xs)]
        with c.inside_graph(inner):
            like = function(c, given)
            inner.finish(*_listed(c, like))
        graphs.append(inner.graph)
    op = If(then=graphs[0], otherwise=graphs[1])
    return _as(list(c.b.node(op, c.reshape(condition, ()), *xs).outputs), like)


def _cond(
    c: Context, layer: KerasLayer, pred: Operand, true_fn: object, false_fn: object
) -> Structure:
    branches = [lambda c, xs, f=f: _results(c, f) for f in (true_fn, false_fn)]
    return _chosen(c, c.cast(tensor(c, pred), DType.BOOL), branches, [])


def _switch(
    c: Context, layer: KerasLayer, index: Operand, branches: Sequence[object], *operands: Operand
) -> Structure:
    """branches[index](*operands); the nearest branch where there is none of that number."""
    place, xs = c.cast(tensor(c, index), DType.INT32), [tensor(c, x) for x in operands]

    def among(first: int, last: int) -> Callable[[Context, list[Value]], Structure]:
        if last - first == 1:
            return lambda c, xs: _results(c, branches[first], *xs[1:])
        middle = (first + last) // 2

        def halves(c: Context, xs: list[Value]) -> Structure:
            below = c.b.less(xs[0], c.b.constant(np.array(middle, np.int32)))
            return _chosen(c, below, (among(first, middle), among(middle, last)), xs)

        return halves

    return among(0, len(branches))(c, [c.reshape(place, ()), *xs])


OPERATIONS: dict[str, Handler] = {
    "WhileLoop": _while,
    "ForiLoop": _for,
    "Map": _map,
    "VectorizedMap": _map,
    "Scan": _scan,
    "AssociativeScan": _associative_scan,
    "Cond": _cond,
    "Switch": _switch,
}
