"""The shapes that a graph's inputs are given, from which all others are derived anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgewise.errors import EdgewiseError, ShapeError
from edgewise.ir.dim import Sym, substitute
from edgewise.ir.graph import Graph, Value
from edgewise.ir.infer import infer_graph
from edgewise.ir.types import TensorType


class Shapes:
    """Of one graph, whose values have the types of the last `give`.

    What an input declares to be unknown is bound, every time anew: the types of inputs and
    variables before the first time are kept.
    """

    def __init__(self) -> None:
        self._declared: dict[Value, TensorType] | None = None

    def are_given(self, graph: Graph, shapes: Sequence[Sequence[int]]) -> bool:
        """The inputs declare these shapes, and never had others: who made the graph has derived
        all."""
        ends = zip(graph.inputs, shapes, strict=True)
        return self._declared is None and all(v.type.shape == tuple(s) for v, s in ends)

    def give(
        self, graph: Graph, shapes: Sequence[Sequence[int]], accept: Callable[[], None]
    ) -> None:
        """Give the inputs these shapes. `accept` may refuse what follows from them.

        Raises:
            EdgewiseError: a node does not accept them, an input is a constant of another shape, or
                what `accept` raises; the graph keeps its old shapes.
        """
        if self._declared is None:
            variables = (value for value in graph.values() if value.is_variable)
            self._declared = {value: value.type for value in (*graph.inputs, *variables)}
        fixed = [
            f"input {value.name!r} is a constant of the model and keeps its shape"
            f" {list(self._declared[value].shape or ())}; got {list(shape)}"
            for value, shape in zip(graph.inputs, shapes, strict=True)
            if value.is_constant and tuple(shape) != self._declared[value].shape
        ]
        if fixed:
            raise ShapeError("; ".join(fixed))
        before = [(value, value.type) for value in graph.values()]
        sizes = {
            dim: size
            for value, shape in zip(graph.inputs, shapes, strict=True)
            for dim, size in zip(self._declared[value].shape or (), shape, strict=False)
            if isinstance(dim, Sym)
        }
        try:
            for value, declared in self._declared.items():
                dims = [substitute(dim, sizes) for dim in declared.shape or ()]
                value.type = declared.with_shape(None if declared.shape is None else dims)
            for value, shape in zip(graph.inputs, shapes, strict=True):
                value.type = value.type.with_shape(shape)
            infer_graph(graph)
            accept()
        except EdgewiseError:
            for value, type_ in before:
                value.type = type_
            raise
