"""Graph: the nodes and values of one function, mutable only inside a pass.

Nodes form an intrusive doubly linked list, so inserting, replacing and erasing are O(1) plus the
uses touched, and iterating while erasing the current node is safe. A value knows its producer and
its uses; a graph's outputs count as uses. Nothing here knows what an operator means.

Long because values, nodes and graphs keep each other's links: one mechanism, read in one place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InternalError, ShapeError
from edgewise.ir.dim import Shape
from edgewise.ir.types import Quant, TensorType
from edgewise.values import dataclass

if TYPE_CHECKING:
    from edgewise.ir.op import Op


_MOST_FUSED = 8  # layers that a location names besides its own


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value stood in the file it was read from."""

    subgraph: int
    tensor: int
    name: str


@dataclass(frozen=True, slots=True)
class Location:
    """Where a node comes from in its source model: layer path, file and line where known, and the
    layers whose operators became part of it."""

    layer: str
    file: str = ""
    line: int = 0
    fused: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f" ({self.file}:{self.line})" if self.file else ""
        return self.layer + place + (f" with {', '.join(self.fused)}" if self.fused else "")

    def named(self, operator: str) -> str:
        """How messages name an operator from here: `conv_2d 'block1/conv' (model.py:12)`."""
        place = f" ({self.file}:{self.line})" if self.file else ""
        return f"{operator} {self.layer!r}{place}"

    def taking(self, others: Iterable[Location | None]) -> Location:
        """This location of a node that took the operators of others in."""
        layers = [name for o in others if o is not None for name in (o.layer, *o.fused)]
        fused = [name for name in dict.fromkeys((*self.fused, *layers)) if name != self.layer]
        return Location(self.layer, self.file, self.line, tuple(fused[:_MOST_FUSED]))


class Value:
    """One tensor: an input of the graph, a constant (`data`), or an output of a node."""

    __slots__ = (
        "data",
        "extras",
        "index",
        "is_variable",
        "name",
        "producer",
        "source",
        "type",
        "uses",
    )

    def __init__(
        self,
        type: TensorType,
        name: str = "",
        data: np.ndarray | None = None,
        *,
        is_variable: bool = False,
        source: Source | None = None,
    ) -> None:
        self.type, self.name, self.data = type, name, data
        self.producer: Node | None = None
        self.index = 0
        self.uses: dict[tuple[Node | Graph, int], None] = {}
        self.is_variable = is_variable  # state that survives an inference
        self.source = source
        # what a file says of this tensor that the IR has no word for; kept for the round trip
        self.extras: dict[str, object] = {}

    @property
    def shape(self) -> Shape:
        """The shape; raises ShapeError where even the rank is unknown."""
        if self.type.shape is None:
            raise ShapeError(f"the rank of {self.name!r} is unknown until the model runs")
        return self.type.shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.type.dtype

    @property
    def quant(self) -> Quant | None:
        """The quantization parameters."""
        return self.type.quant

    @property
    def is_constant(self) -> bool:
        """The value is known when the graph is built."""
        return self.data is not None

    @property
    def consumers(self) -> list[Node]:
        """The nodes that read the value, in order of registration, each once."""
        return list(dict.fromkeys(user for user, _ in self.uses if isinstance(user, Node)))

    @property
    def is_output(self) -> bool:
        """The value is an output of its graph."""
        return any(isinstance(user, Graph) for user, _ in self.uses)

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Node:
    """An operator applied to values. Change it through its graph."""

    __slots__ = (
        "_inputs",
        "extras",
        "graph",
        "location",
        "name",
        "next",
        "op",
        "outputs",
        "prev",
    )

    def __init__(
        self, op: Op, inputs: Sequence[Value | None], outputs: Sequence[Value], name: str = ""
    ) -> None:
        self.op, self.name = op, name
        self._inputs = list(inputs)
        self.outputs = tuple(outputs)
        self.graph: Graph | None = None
        self.prev: Node | None = None
        self.next: Node | None = None
        self.location: Location | None = None
        # what a file says of this operator that the IR has no word for; kept for the round trip
        self.extras: dict[str, object] = {}

    @property
    def inputs(self) -> tuple[Value | None, ...]:
        """Operands; None for an optional operand that is absent."""
        return tuple(self._inputs)

    @property
    def input(self) -> Value:
        """The first operand."""
        return self.operand(0)

    @property
    def output(self) -> Value:
        """The first result."""
        return self.outputs[0]

    def operand(self, index: int) -> Value:
        """Operand `index`; raises InternalError where it is absent."""
        value = self._inputs[index] if index < len(self._inputs) else None
        if value is None:
            raise InternalError(f"{self} has no operand {index}")
        return value

    def optional(self, index: int) -> Value | None:
        """Operand `index`, or None where it is absent."""
        return self._inputs[index] if index < len(self._inputs) else None

    def __str__(self) -> str:
        """How messages name a node: `conv_2d 'block1/conv'`, `... (model.py:12)` where known."""
        if self.location is not None and self.location.layer:
            return self.location.named(self.op.name)
        label = self.name or (self.outputs[0].name if self.outputs else "")
        return f"{self.op.name} {label!r}"


class Graph:
    """Inputs, a list of nodes in topological order, and outputs."""

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self.inputs: list[Value] = []
        # values in the order of the file's tensor indices, unread ones included; empty elsewhere
        self.tensors: list[Value] = []
        self._outputs: list[Value] = []
        self._first: Node | None = None
        self._last: Node | None = None
        self._length = 0

    def __repr__(self) -> str:
        return f"@{self.name}"

    # -- reading ----------------------------------------------------------------------------

    @property
    def outputs(self) -> tuple[Value, ...]:
        """The values the graph returns."""
        return tuple(self._outputs)

    @property
    def nodes(self) -> Iterator[Node]:
        """Nodes in order. The current node may be erased or replaced while iterating."""
        node = self._first
        while node is not None:
            yield node
            node = node.next  # an erased node keeps its link, so erased neighbours are skipped
            while node is not None and node.graph is None:
                node = node.next

    def __len__(self) -> int:
        return self._length

    def values(self) -> Iterator[Value]:
        """Every value once: inputs, then operands and results in order, then outputs."""
        found: dict[Value | None, None] = dict.fromkeys(self.inputs)
        for node in self.nodes:
            for value in node._inputs:
                found[value] = None
            for value in node.outputs:
                found[value] = None
        found.update(dict.fromkeys(self._outputs))
        found.pop(None, None)
        return iter(cast("dict[Value, None]", found))

    def constants(self) -> Iterator[Value]:
        """Every constant that something reads."""
        return (value for value in self.values() if value.is_constant)

    # -- building ---------------------------------------------------------------------------

    def add_input(self, type: TensorType, name: str) -> Value:
        """Append a graph input."""
        value = Value(type, name)
        self.inputs.append(value)
        return value

    def set_outputs(self, outputs: Iterable[Value]) -> None:
        """Make these values the graph's outputs."""
        for index, value in enumerate(self._outputs):
            del value.uses[self, index]
        self._outputs = list(outputs)
        for index, value in enumerate(self._outputs):
            value.uses[self, index] = None

    def insert(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        outputs: Sequence[Value],
        *,
        before: Node | None = None,
        name: str = "",
        location: Location | None = None,
    ) -> Node:
        """Insert a node before `before` (None: at the end), taking ownership of `outputs`."""
        node = Node(op, inputs, outputs, name)
        node.graph, node.location = self, location
        for result in outputs:
            if result.producer is not None or result.data is not None:
                raise InternalError(f"{result!r} is produced twice; the second time by {node}")
        for index, value in enumerate(node._inputs):
            if value is not None:
                value.uses[node, index] = None
        for index, value in enumerate(outputs):
            value.producer, value.index = node, index
        self._link(node, before)
        return node

    # -- changing ---------------------------------------------------------------------------

    def set_input(self, node: Node, index: int, value: Value | None) -> None:
        """Make operand `index` of `node` read `value`; extends the operands where needed."""
        while len(node._inputs) <= index:
            node._inputs.append(None)
        old = node._inputs[index]
        if old is not None:
            del old.uses[node, index]
        node._inputs[index] = value
        if value is not None:
            value.uses[node, index] = None

    def replace_uses(self, old: Value, new: Value) -> None:
        """Every reader of `old` reads `new` instead (graph outputs included)."""
        if old is new:
            return
        for user, index in list(old.uses):
            if isinstance(user, Node):
                self.set_input(user, index, new)
            else:
                del old.uses[user, index]
                user._outputs[index] = new
                new.uses[user, index] = None

    def replace(self, node: Node, values: Sequence[Value]) -> None:
        """Readers of the results of `node` read `values`; the node is erased."""
        if len(values) != len(node.outputs):
            raise InternalError(f"{node} has {len(node.outputs)} results; got {len(values)}")
        for old, new in zip(node.outputs, values, strict=True):
            self.replace_uses(old, new)
        self.erase(node)

    def erase(self, node: Node) -> None:
        """Remove a node whose results nobody reads."""
        if any(value.uses for value in node.outputs):
            raise InternalError(f"{node} is erased while its results are read")
        for index, value in enumerate(node._inputs):
            if value is not None:
                del value.uses[node, index]
        before, after = node.prev, node.next
        if before is None:
            self._first = after
        else:
            before.next = after
        if after is None:
            self._last = before
        else:
            after.prev = before
        for value in node.outputs:
            value.producer = None
        node.graph = None
        self._length -= 1

    def copy(self) -> Graph:
        """A structural copy that shares constant arrays and operators with the original."""
        memo: dict[int, Value] = {}
        graph = Graph(self.name)
        graph.inputs = [_copy_value(value, memo) for value in self.inputs]
        for node in self.nodes:
            copied = graph.insert(
                node.op,
                [None if v is None else _copy_value(v, memo) for v in node._inputs],
                [_copy_value(v, memo) for v in node.outputs],
                name=node.name,
                location=node.location,
            )
            copied.extras = _copy_extras(node.extras, memo)
        graph.set_outputs(_copy_value(v, memo) for v in self._outputs)
        graph.tensors = [_copy_value(v, memo) for v in self.tensors]
        return graph

    def _link(self, node: Node, before: Node | None) -> None:
        after = before.prev if before is not None else self._last
        node.prev, node.next = after, before
        if after is None:
            self._first = node
        else:
            after.next = node
        if before is None:
            self._last = node
        else:
            before.prev = node
        self._length += 1


def _copy_value(value: Value, memo: dict[int, Value]) -> Value:
    copy = memo.get(id(value))
    if copy is None:
        copy = memo[id(value)] = Value(
            value.type,
            value.name,
            value.data,
            is_variable=value.is_variable,
            source=value.source,
        )
        copy.extras = _copy_extras(value.extras, memo)
    return copy


def _copy_extras(extras: dict[str, object], memo: dict[int, Value]) -> dict[str, object]:
    """A copy of what a file says; values in it (in tuples) are those of the copied graph."""
    return {
        key: tuple(_copy_value(v, memo) if isinstance(v, Value) else v for v in item)
        if isinstance(item, tuple)
        else item
        for key, item in extras.items()
    }
