"""Cut a graph into what can be planned now, what a reference must run first, and the rest.

Where a result's shape depends on data (WHERE, UNIQUE, NON_MAX_SUPPRESSION, RANGE, a computed
RESHAPE), or where there are strings, the planner has to wait. With the shapes of its inputs known,
a graph falls into three:

    part   all shapes are known, nothing of the others is read: one plan
    hosts  operands are known, results are not (or are strings): references, in order
    rest   reads those: it is cut again when their shapes are known

Operators with an effect keep their order: the first that has to wait lets the later ones wait.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from edgewise.errors import EdgewiseError
from edgewise.ir.dim import Shape
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import infer_graph, macs_of
from edgewise.ir.nesting import names_resources
from edgewise.ops.control import While
from edgewise.ops.hashtable import Hashtable
from edgewise.ops.state import VarHandle
from edgewise.passes.runtime import settle_shapes
from edgewise.values import dataclass, field

Shapes = tuple[tuple[int, ...], ...]

# roughly the work, in multiply-accumulates and elements, that a reference does in the time in which
# it is planned: some ms
MUCH_WORK = 1 << 20


@dataclass(slots=True)
class Piece:
    """A graph cut out of another: `inputs` are the values of that other graph whose arrays are its
    inputs, `outputs` those that its outputs are; `numbers` those of its nodes in the model's graph.
    `origins` gives the model's value of each variable."""

    graph: Graph
    inputs: Sequence[Value]
    outputs: Sequence[Value]
    numbers: Sequence[int]
    origins: Mapping[Value, Value]
    folded: Sequence[tuple[int, str]] = ()  # nodes that were computed: number and name


@dataclass(slots=True)
class Cut:
    """The three pieces; None and [] where there is nothing."""

    part: Piece | None
    hosts: list[Node] = field(default_factory=list)
    rest: Piece | None = None


def cut(
    graph: Graph, numbers: Sequence[int], origins: Mapping[Value, Value], *, loops: bool = True
) -> Cut:
    """Cut a graph whose types are inferred from known shapes of its inputs.

    Args:
        numbers: of the graph's nodes in the model's graph.
        loops: a WHILE that may change the shape of a value goes into the part; the planner decides.
    """
    groups: dict[str, list[Node]] = {"part": [], "host": [], "rest": []}
    ready, made = set(graph.inputs), set[Value]()  # in the part; by a host
    is_waiting = False  # an operator with an effect has to wait
    for node in graph.nodes:
        if is_handle(node):
            continue  # every piece that reads it makes it
        effect = _has_effect(node)
        reads = [v for v in node.inputs if v is not None and not _is_given(v)]
        is_known = all(v in ready for v in reads)
        is_fit = is_known and _is_static(node) and (loops or not _may_change(node))
        if is_fit and not (effect and is_waiting):
            where = "part"
            ready.update(node.outputs)
        elif all(v in ready or v in made for v in reads) and not (effect and is_waiting):
            # a string of operators on strings needs no cut between them
            where = "host" if is_known or _has_strings(node) else "rest"
        else:
            where = "rest"
        if where == "host":
            made.update(node.outputs)
        is_waiting |= effect and where != "part"
        groups[where].append(node)
    number = dict(zip(graph.nodes, numbers, strict=True))
    part, rest = set(groups["part"]), set(groups["rest"])
    after = Cut(None, groups["host"])
    if rest:
        last = [v for v in graph.outputs if v.producer in rest]
        after.rest = _piece(graph, groups["rest"], last, number, origins)
    wanted = dict.fromkeys(v for node in after.hosts for v in node.inputs if v is not None)
    wanted |= dict.fromkeys((*graph.outputs, *(after.rest.inputs if after.rest else ())))
    if part:
        outputs = [v for v in wanted if v.producer in part]
        after.part = _piece(graph, groups["part"], outputs, number, origins)
    return after


def _piece(
    graph: Graph,
    nodes: Collection[Node],
    outputs: Sequence[Value],
    number: Mapping[Node, int],
    origins: Mapping[Value, Value],
) -> Piece:
    """The nodes as a graph of their own."""
    inside = {v for node in nodes for v in node.outputs}
    piece, copies = Graph(graph.name), dict[Value, Value]()
    known, numbers = dict[Value, Value](), list[int]()

    def copy(value: Value) -> Value:
        found = copies.get(value)
        if found is None:
            found = copies[value] = Value(
                value.type, value.name, value.data, is_variable=_is_variable(value)
            )
            if _is_variable(value):
                known[found] = origins.get(value, value)
            elif value.producer is not None and is_handle(value.producer):
                insert(value.producer)
            elif value not in inside and value.data is None:
                piece.inputs.append(found)
        return found

    def insert(node: Node) -> None:
        operands = [None if v is None else copy(v) for v in node.inputs]
        results = [copy(v) for v in node.outputs]
        piece.insert(node.op, operands, results, name=node.name, location=node.location)
        numbers.append(number[node])

    for node in nodes:
        insert(node)
    piece.set_outputs([copy(v) for v in outputs])
    back = {c: v for v, c in copies.items()}
    return Piece(piece, [back[v] for v in piece.inputs], outputs, numbers, known)


def typed(piece: Piece, shapes: Shapes) -> Piece | None:
    """The piece with these input shapes, its types inferred; None where that fails: the run says
    what is wrong."""
    graph = piece.graph.copy()
    values = dict(zip(piece.graph.values(), graph.values(), strict=True))
    number = dict(zip(graph.nodes, piece.numbers, strict=True))
    names = {node: str(node) for node in number}
    for value, shape in zip(graph.inputs, shapes, strict=True):
        value.type = value.type.with_shape(shape)
    try:
        infer_graph(graph)
        settle_shapes(graph)
    except EdgewiseError:
        return None
    origins = {values[copy]: origin for copy, origin in piece.origins.items() if copy in values}
    left = [number[node] for node in graph.nodes]
    folded = [(number[node], name) for node, name in names.items() if node.graph is None]
    return Piece(graph, graph.inputs, graph.outputs, left, origins, folded)


def work_of(graph: Graph) -> int:
    """Multiply-accumulates and elements, as far as shapes are known."""
    total = 0
    for node in graph.nodes:
        macs = macs_of(node)
        total += macs if isinstance(macs, int) else 0
        for value in node.outputs:
            if value.type.is_static:
                total += math.prod(static(value.shape))
    return total


def static(shape: Shape) -> tuple[int, ...]:
    """The numbers of a shape that is known."""
    return tuple([d for d in shape if isinstance(d, int)])


def is_handle(node: Node) -> bool:
    """It makes the number of a variable or table, which is no data."""
    return isinstance(node.op, VarHandle | Hashtable)


def _is_static(node: Node) -> bool:
    return not _has_strings(node) and all(v.type.is_static for v in _values(node))


def _has_strings(node: Node) -> bool:
    return any(v.dtype.bits == 0 for v in _values(node))


def _values(node: Node) -> Iterable[Value]:
    return [v for v in (*node.inputs, *node.outputs) if v is not None]


def _may_change(node: Node) -> bool:
    return isinstance(node.op, While) and not node.op.decides_shapes(node.inputs)


def _is_given(value: Value) -> bool:
    is_made = value.producer is not None and is_handle(value.producer)
    return value.data is not None or _is_variable(value) or is_made


def _is_variable(value: Value) -> bool:
    return value.is_variable and value.producer is None and value.data is None


def _has_effect(node: Node) -> bool:
    """It writes, or reads what others write."""
    reads = any(v is not None and _is_variable(v) for v in node.inputs)
    return bool(node.op.updates) or reads or names_resources(node)
