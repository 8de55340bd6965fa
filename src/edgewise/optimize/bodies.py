"""Graphs that a model runs through IF and WHILE: what flows through them, and which decide.

`Rounds` shows the values of every run of such a graph, after the graph around it has run on the
native runtime: `Op.run` says which graph runs when and on what, and each runs once more, with all
its values kept. Cost: the loops and branches of a model run twice.

`repeated` finds those in loops, `deciding` what must not be rounded: a loop that ends when a
carried float is small enough may never end on integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ir.nesting import names_resources, reachable
from edgewise.ir.resources import Resources
from edgewise.ir.types import TensorType
from edgewise.ops.control import Control, While, specialized
from edgewise.optimize.rules import is_float
from edgewise.runtime.session import Session

Array = np.ndarray
Look = Callable[[Graph, Mapping[Value, Array]], None]  # a graph, and its values in one run


class Rounds:
    """Runs of the graphs that operators of one graph run; for one thread. It is the `Runner` that
    `Op.run` asks for.

    Not shown are those whose variables or tables live longer than a run: they would be written a
    second time."""

    def __init__(self) -> None:
        self.resources = Resources()
        self._ready: dict[Graph, _Ready] = {}
        self._look: Look | None = None

    def show(self, nodes: Iterable[Node], values: Mapping[Value, Array], look: Look) -> None:
        """Call `look` for each run of each graph inside of nodes of one that had these values."""
        self._look = look
        self._enter(nodes, values)

    def run(self, graph: Graph, inputs: Sequence[Array]) -> tuple[list[Array], dict[Value, Array]]:
        """The outputs of a graph, and all its values, in a run of its own."""
        shapes = [x.shape for x in inputs]
        ready = self._ready.get(graph)
        if ready is None or ready.shapes != shapes:
            ready = self._ready[graph] = _Ready(graph, inputs)
        return ready.run(inputs)

    def __call__(self, graph: Graph, inputs: Sequence[Array], /) -> list[Array]:
        outputs, values = self.run(graph, inputs)
        assert self._look is not None
        self._look(graph, values)
        self._enter(graph.nodes, values)
        return outputs

    def begin_iteration(self) -> None:
        """The run before has kept to the limits."""

    def _enter(self, nodes: Iterable[Node], values: Mapping[Value, Array]) -> None:
        for node in nodes:
            if isinstance(node.op, Control) and not _remembers(node):
                node.op.run([v if v is None else values.get(v, v.data) for v in node.inputs], self)


class _Ready:
    """A graph made ready to run on arrays of these shapes."""

    def __init__(self, graph: Graph, inputs: Sequence[Array]) -> None:
        self.shapes = [x.shape for x in inputs]
        made = specialized(graph, [Value(TensorType.of(x)) for x in inputs])
        self._inputs = graph.inputs
        self._session = Session(made, keep_all=True, stateless=True)
        nodes = zip(graph.nodes, made.nodes, strict=True)
        self._originals = {
            copy: value
            for node, twin in nodes
            for value, copy in zip(node.outputs, twin.outputs, strict=True)
        }

    def run(self, inputs: Sequence[Array]) -> tuple[list[Array], dict[Value, Array]]:
        """The outputs, and all values of the graph."""
        outputs = self._session.run(inputs)
        kept = {self._originals[copy]: array for copy, array in self._session.kept.items()}
        return outputs, dict(zip(self._inputs, inputs, strict=True)) | kept


def _remembers(node: Node) -> bool:
    inner = (graph for own in node.op.graphs for graph in reachable(own))
    return names_resources(node) or any(v.is_variable for graph in inner for v in graph.values())


def deciding(model: Model) -> set[Node]:
    """Operators whose floats decide how often a loop runs: those of its condition, and in its body
    what computes the floats that the condition reads, all rounds through."""
    found: set[Node] = set()
    for graph in model.graphs.values():
        for node in graph.nodes:
            if isinstance(node.op, While):
                found |= _steering(node.op)
    return found


def repeated(graph: Graph) -> set[Graph]:
    """Graphs that a graph runs in loops."""
    loops = (n.op for g in reachable(graph) for n in g.nodes if isinstance(n.op, While))
    return {inner for op in loops for own in op.graphs for inner in reachable(own)}


def _steering(op: While) -> set[Node]:
    found = _all_nodes([op.cond])
    asked = {i for i, v in enumerate(op.cond.inputs) if is_float(v) and (v.uses or v.is_output)}
    done: set[int] = set()
    while asked - done:
        done |= asked
        values = [op.body.outputs[i] for i in asked]
        for value in values:  # the loop goes on with what it appends
            node = value.producer
            if node is not None and node not in found:
                found |= {node} | _all_nodes(node.op.graphs)
                values += [v for v in node.inputs if v is not None and is_float(v)]
        asked = {i for i, v in enumerate(op.body.inputs) if is_float(v) and v in values}
    return found


def _all_nodes(graphs: Iterable[Graph]) -> set[Node]:
    return {node for own in graphs for graph in reachable(own) for node in graph.nodes}
