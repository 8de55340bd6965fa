"""STABLEHLO_REDUCE_WINDOW and REDUCE_WINDOW: one number of every window of an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.contents import integers
from edgewise.ir.dim import Dim, Shape, unknown_dim
from edgewise.ir.enums import ReduceWindowFunction
from edgewise.ir.graph import Graph
from edgewise.ir.op import In, NotQuantized, Op, Operand, Role, Runner, require
from edgewise.ops.axes import shown
from edgewise.ops.binary import INTEGERS
from edgewise.ops.interior import spread
from edgewise.values import dataclass

VALUES = FLOATS | QUANTIZED | INTEGERS | {DType.UINT16, DType.BOOL}
_MOST_RANK = 6

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Function:
    """A combination of two numbers, and the same of places of an array one after the other."""

    of: Callable[[Array, Array], Array]
    scatter: Callable[[Array, Array, Array], None]


def _greatest(y: Array, places: Array, values: Array) -> None:
    is_number = y[places] == y[places]  # a NaN that is there stays
    np.fmax.at(y, places[is_number], values[is_number])


def _least(y: Array, places: Array, values: Array) -> None:
    is_number = y[places] == y[places]
    np.fmin.at(y, places[is_number], values[is_number])


def _all(a: Array, b: Array) -> Array:
    return ((a != 0) & (b != 0)).astype(a.dtype)


def _any(a: Array, b: Array) -> Array:
    return ((a != 0) | (b != 0)).astype(a.dtype)


def _one_by_one(of: Callable[[Array, Array], Array]) -> Callable[[Array, Array, Array], None]:
    def scatter(y: Array, places: Array, values: Array) -> None:
        for place, value in zip(places, values, strict=True):
            y[place] = of(y[place], value)

    return scatter


FUNCTIONS = {
    ReduceWindowFunction.ADD: Function(np.add, np.add.at),
    ReduceWindowFunction.MUL: Function(np.multiply, np.multiply.at),
    ReduceWindowFunction.MINIMUM: Function(lambda a, b: np.where(a <= b, a, b), _least),
    ReduceWindowFunction.MAXIMUM: Function(lambda a, b: np.where(a >= b, a, b), _greatest),
    ReduceWindowFunction.ALL: Function(_all, _one_by_one(_all)),
    ReduceWindowFunction.ANY: Function(_any, _one_by_one(_any)),
}
# the operator of a graph of one, as LiteRT goes by it
_OF_OPERATOR = {
    "ADD": ReduceWindowFunction.ADD,
    "MUL": ReduceWindowFunction.MUL,
    "STABLEHLO_MULTIPLY": ReduceWindowFunction.MUL,
    "MINIMUM": ReduceWindowFunction.MINIMUM,
    "MAXIMUM": ReduceWindowFunction.MAXIMUM,
    "LOGICAL_AND": ReduceWindowFunction.ALL,
    "STABLEHLO_AND": ReduceWindowFunction.ALL,
    "LOGICAL_OR": ReduceWindowFunction.ANY,
}


def function_named(graph: Graph, may_replace: bool = False) -> ReduceWindowFunction | None:
    """What a graph of one operator on two scalars computes; None (`may_replace`): the second.

    Raises:
        ShapeError: it is another graph.
    """
    nodes = list(graph.nodes)
    rule = f"@{graph.name} must be one operator on its two inputs"
    require(len(graph.inputs) == 2 and len(graph.outputs) == 1, rule)
    if not nodes and may_replace:
        require(graph.outputs[0] is graph.inputs[1], f"{rule}, or give the second one")
        return None
    codes = [node.op.builtin for node in nodes]
    require(len(nodes) == 1, f"{rule}; it has {len(nodes)}: {', '.join(codes[:5])}")
    known = _OF_OPERATOR.get(codes[0]) or _OF_OPERATOR.get(codes[0].removeprefix("STABLEHLO_"))
    require(
        known is not None and set(nodes[0].inputs) == set(graph.inputs),
        f"{rule}, of {', '.join(_OF_OPERATOR)}; got {codes[0]}",
    )
    return known


def function_of(graph: Graph, may_replace: bool = False) -> Function | None:
    """`function_named` as functions of arrays."""
    known = function_named(graph, may_replace)
    return None if known is None else FUNCTIONS[known]


class StablehloReduceWindow(
    Op, builtin="STABLEHLO_REDUCE_WINDOW", options="StablehloReduceWindowOptions"
):
    """y[i] = f over the window at i * stride of x spread by `base_dilations` and padded, both with
    init, from which f starts. A window takes every `window_dilations`-th element.

    Shapes: x [D..] of rank 1 to 6, init [], y as a pooling without padding gives it; `padding` is
    low and high of each axis, one after the other, and cuts off where negative. `body` combines two
    scalars by one operator: ADD, MUL, MAXIMUM, MINIMUM, LOGICAL_AND, LOGICAL_OR or those of
    StableHLO. The window is gone through in order.
    **Source:** TensorFlow Lite kernels/stablehlo_reduce_window.cc.
    """

    body: Graph
    window_dimensions: tuple[int, ...] = ()
    window_strides: tuple[int, ...] = ()
    base_dilations: tuple[int, ...] = ()
    window_dilations: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()

    operands = (In("x", VALUES), In("init", VALUES))
    quantization = NotQuantized()
    tolerance = 1e-6
    graph_fields = {"body": "body_subgraph_index"}

    def infer(self, x: Operand, init: Operand) -> Shape:
        _check(x, init)
        function_of(self.body)
        rank = len(x.shape)
        for name in ("window_dimensions", "window_strides", "base_dilations", "window_dilations"):
            given = self._ones(name, rank)
            require(
                len(given) == rank and all(n >= 1 for n in given),
                f"{name} must be {rank} numbers of 1 or more; got {list(given)}",
            )
        low, high = self._padding(rank)
        require(
            len(low) == rank and len(high) == rank,
            f"padding must be {2 * rank} numbers; got {len(self.padding)}",
        )
        spread_out = [
            (d - 1) * n + 1 + before + after
            for d, n, before, after in zip(
                x.shape, self._ones("base_dilations", rank), low, high, strict=True
            )
        ]
        require(
            all(not isinstance(d, int) or 0 <= d < 1 << 31 for d in spread_out)
            and 0 not in x.shape,
            f"x and its padding must leave elements; got {shown(x.shape)}, then "
            f"{shown(spread_out)}",
        )
        return _result(spread_out, *self._window(rank))

    def run(self, operands: Sequence[Any], runner: Runner) -> tuple[np.ndarray, ...]:
        return (self.reference(*operands),)

    def reference(self, x: Array, init: Array) -> Array:
        low, high = self._padding(x.ndim)
        whole = spread(x, init, self._ones("base_dilations", x.ndim), low, high)
        function = function_of(self.body)
        assert function is not None
        return _reduce(whole, init, function, *self._window(x.ndim))

    def _ones(self, name: str, rank: int) -> tuple[int, ...]:
        given: tuple[int, ...] = getattr(self, name)
        return given or (1,) * rank

    def _padding(self, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        given = self.padding or (0,) * (2 * rank)
        return given[::2], given[1::2]

    def _window(self, rank: int) -> tuple[tuple[int, ...], ...]:
        names = ("window_dimensions", "window_strides", "window_dilations")
        return tuple(self._ones(name, rank) for name in names)


class ReduceWindow(Op, builtin="REDUCE_WINDOW", options="ReduceWindowOptions"):
    """STABLEHLO_REDUCE_WINDOW without padding and base dilations, the function by its number.

    Shapes: x [D..] of rank 1 to 6, init [], window, strides and dilations [rank] int64 constants.
    **Source:** TensorFlow Lite kernels/stablehlo_reduce_window.cc.
    """

    reduce_function: ReduceWindowFunction = ReduceWindowFunction.UNSUPPORTED

    operands = (
        In("x", VALUES),
        In("init", VALUES),
        *(In(n, {DType.INT64}, Role.PARAMETER) for n in ("window", "strides", "dilations")),
    )
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(
        self, x: Operand, init: Operand, window: Operand, strides: Operand, dilations: Operand
    ) -> Shape:
        _check(x, init)
        require(
            self.reduce_function in FUNCTIONS,
            f"reduce_function must be one of {', '.join(f.name for f in FUNCTIONS)}; "
            f"got {self.reduce_function.name}",
        )
        operands = {"window": window, "strides": strides, "dilations": dilations}
        given = [integers(v) for v in operands.values()]
        rank = len(x.shape)
        for (name, operand), numbers in zip(operands.items(), given, strict=True):
            ok = numbers is None or (len(numbers) == rank and all(n >= 1 for n in numbers))
            require(
                ok and len(operand.shape) == 1,
                f"{name} must be {rank} numbers of 1 or more; "
                f"got {numbers if len(operand.shape) == 1 else shown(operand.shape)}",
            )
        known = [numbers for numbers in given if numbers is not None]
        if len(known) < len(given):
            return tuple(unknown_dim() for _ in x.shape)
        return _result(x.shape, *known)

    def reference(
        self, x: Array, init: Array, window: Array, strides: Array, dilations: Array
    ) -> Array:
        given = [[int(n) for n in v] for v in (window, strides, dilations)]
        ok = all(len(v) == x.ndim and min(v) >= 1 for v in given)
        require(ok, f"window, strides and dilations must be {x.ndim} numbers of 1 or more")
        return _reduce(x, init, FUNCTIONS[self.reduce_function], *given)


def _check(x: Operand, init: Operand) -> None:
    require(
        init.dtype is x.dtype and init.shape in ((), (1,)) and 1 <= len(x.shape) <= _MOST_RANK,
        f"init must be one {x.dtype.text} and x of rank 1 to {_MOST_RANK}; "
        f"got {init.dtype.text}{shown(init.shape)} and {shown(x.shape)}",
    )


def _result(
    shape: Sequence[Dim],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Shape:
    sizes: list[Dim] = []
    for size, n, stride, dilation in zip(shape, window, strides, dilations, strict=True):
        reach = (n - 1) * dilation + 1
        if isinstance(size, int):
            sizes.append((size - reach) // stride + 1 if size >= reach else 0)
        else:
            sizes.append(size if reach == stride == 1 else unknown_dim())
    return tuple(sizes)


def _reduce(
    x: Array,
    init: Array,
    function: Function,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Array:
    shape = tuple(
        int(d) for d in _result(x.shape, window, strides, dilations) if isinstance(d, int)
    )
    y = np.full(shape, init.reshape(-1)[0], x.dtype)
    if y.size == 0:
        return y
    with np.errstate(all="ignore"):
        for place in np.ndindex(*window):
            parts = [
                slice(p * d, p * d + (n - 1) * s + 1, s)
                for p, d, n, s in zip(place, dilations, shape, strides, strict=True)
            ]
            y = function.of(y, x[tuple(parts)])
    return y
