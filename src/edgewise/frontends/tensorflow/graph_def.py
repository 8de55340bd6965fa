"""GraphDef -> Program: one use of a graph, from the tensors that go in to those that come out.

A tensor is named as TensorFlow does: `node` or `node:position`. What is fed becomes an argument,
whatever node made it; nodes that the results do not need are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import ConversionError, listing
from edgewise.frontends.protobuf import decode
from edgewise.frontends.tensorflow.debug_info import Locations
from edgewise.frontends.tensorflow.functions import Library
from edgewise.frontends.tensorflow.messages import GraphDebugInfo, GraphDef, OpList
from edgewise.frontends.tensorflow.nodes import Scope, read_nodes
from edgewise.frontends.tensorflow.program import (
    Argument,
    Entry,
    Function,
    Program,
    Ref,
    Resource,
    TFShape,
)
from edgewise.frontends.tensorflow.tensors import Budget

# Nodes that nobody reads and that are no result: they act, or are left over.
_NO_RESULTS = frozenset({"Assert", "Const", "NoOp", "Placeholder", "PlaceholderWithDefault"})


def program_of_graph_def(
    data: bytes,
    *,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    bound: Mapping[str, Resource | np.ndarray] | None = None,
    key: str = "serving_default",
    file: str = "model",
) -> Program:
    """One signature of a serialized GraphDef, for example of a live concrete function.

    Args:
        data: the GraphDef.
        inputs: names of the signature to tensors of the graph, in order.
        outputs: likewise.
        bound: what nodes stand for: captured placeholders, and those that make resources.
        key: the signature's name.
        file: named in errors.

    Raises:
        FormatError: a damaged graph.
        ConversionError: tensors that there are not, placeholders that nobody feeds, recursion.
    """
    graph = Graph(decode(GraphDef, data, file=file), Budget(file))
    entry = entry_of(graph, key, inputs, outputs, bound or {})
    functions = graph.library.reached([entry.function])
    return Program((entry,), functions, file, graph.producer)


def entry_of(
    graph: Graph,
    key: str,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    bound: Mapping[str, Resource | np.ndarray],
) -> Entry:
    """The signature `key` of the graph; arguments as in `program_of_graph_def`."""
    fed = graph.tensors(inputs.values(), "inputs")
    given = graph.tensors(outputs.values(), "outputs")
    placeholders = {name for name in bound if graph.nodes[name].op == "Placeholder"}
    captured = [Ref(name) for name in placeholders if Ref(name) not in fed]
    function = graph.function(key or "main", [*fed, *captured], given)
    graph.check_fed(function, inputs)
    places = {argument.name: i for i, argument in enumerate(function.arguments)}
    used = {
        name: value for name, value in bound.items() if name in function.nodes or name in places
    }
    return Entry(
        key,
        function,
        {name: places[str(ref)] for name, ref in zip(inputs, fed, strict=True)},
        {name: i for i, name in enumerate(outputs)},
        used,
    )


class Graph:
    """A decoded GraphDef: its nodes by name, and its functions."""

    def __init__(
        self,
        graph: GraphDef,
        budget: Budget,
        debug_info: GraphDebugInfo | None = None,
        ops: OpList | None = None,
    ) -> None:
        locations = Locations(debug_info or graph.debug_info)
        self.budget = budget
        self.library = Library(graph.library, budget, locations, ops)
        self.scope = Scope("the graph", budget.file)
        self.nodes = read_nodes(
            graph.node, "", budget, locations, called=self.library.info, scope=self.scope
        )
        self.scope.check()
        self.producer = f"graph version {graph.versions.producer}" if graph.versions else ""

    def ref(self, tensor: str) -> Ref | str:
        """The tensor of this name, or a sentence why there is none."""
        return self.scope.ref(tensor)

    def placeholders(self) -> list[str]:
        """Nodes that have to be fed."""
        return [node.name for node in self.nodes.values() if node.op == "Placeholder"]

    def unread(self) -> list[str]:
        """Tensors of nodes that no node reads, in the order of the graph.

        Where placeholders reach some of them, the others are left over (from training, say).
        """
        readers: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for ref in node.inputs:
                readers.setdefault(ref.node, []).append(node.name)
        ends = [n for n in self.nodes.values() if n.name not in readers and n.op not in _NO_RESULTS]
        reached, stack = set(), self.placeholders()
        while stack:
            name = stack.pop()
            if name not in reached:
                reached.add(name)
                stack += readers.get(name, ())
        found = []
        for node in [node for node in ends if node.name in reached] or ends:
            info = self.library.info(node.op)
            places = info.places(node.attrs)
            count = 1
            if info.results is not None and not isinstance(places, str):
                count = max((place.stop for place in places.values()), default=0)
            found += [str(Ref(node.name, position)) for position in range(count)]
        return found

    def function(
        self, name: str, inputs: Iterable[Ref], outputs: Iterable[Ref], controls: Iterable[str] = ()
    ) -> Function:
        """The part of the graph between these tensors, as a function called `name`.

        An argument is called like its tensor. Nodes in `controls` are kept for their effects.
        """
        fed = {ref: Ref(str(ref)) for ref in inputs}
        results = tuple(outputs)
        controls = tuple(controls)
        kept = self._needed([*(ref.node for ref in results if ref not in fed), *controls], fed)
        nodes = {
            name: replace(node, inputs=tuple(fed.get(ref, ref) for ref in node.inputs))
            for name, node in self.nodes.items()
            if name in kept
        }
        return Function(
            name,
            tuple(self._argument(ref) for ref in fed),
            nodes,
            tuple(fed.get(ref, ref) for ref in results),
            controls,
        )

    def _needed(self, roots: list[str], fed: Mapping[Ref, Ref]) -> set[str]:
        needed, stack = set(roots), list(roots)
        while stack:
            node = self.nodes[stack.pop()]
            before = [*(ref.node for ref in node.inputs if ref not in fed), *node.controls]
            for name in before:
                if name not in needed:
                    needed.add(name)
                    stack.append(name)
        return needed

    def _argument(self, ref: Ref) -> Argument:
        node = self.nodes[ref.node]
        dtype = node.attrs.get("dtype", node.attrs.get("T"))
        shape = node.attrs.get("shape") if node.op.startswith("Placeholder") else None
        return Argument(
            str(ref),
            dtype if isinstance(dtype, DType) else None,
            shape if isinstance(shape, TFShape) else TFShape(None),
        )

    def tensors(self, names: Iterable[str], what: str) -> list[Ref]:
        """The tensors of these names. Raises ConversionError that lists those there are not."""
        refs = [(name, self.ref(name)) for name in names]
        problems = [f"'{name}': {ref}" for name, ref in refs if isinstance(ref, str)]
        if problems:
            raise ConversionError(
                f"{self.budget.file}: {what} must be tensors of the graph; "
                + listing(problems, "are not", most=20)
                + f"\nIt has {self._inventory()}."
            )
        return [ref for _, ref in refs if isinstance(ref, Ref)]

    def _inventory(self) -> str:
        placeholders = ", ".join(self.placeholders()[:10]) or "no"
        return f"the placeholders {placeholders}, and results {', '.join(self.unread()[-10:])}"

    def check_fed(self, function: Function, given: Iterable[str]) -> None:
        """Raise ConversionError for placeholders that the function needs and nobody feeds."""
        missing = [n.name for n in function.nodes.values() if n.op == "Placeholder"]
        if missing:
            raise ConversionError(
                f"{self.budget.file}: "
                + listing(missing, "placeholders are needed and are no inputs", most=20)
                + f"\nThe inputs are {', '.join(given) or 'none'}; name all that are needed."
            )
