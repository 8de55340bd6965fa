"""IF and WHILE in a plan: their graphs stand between marks, in the same memory as everything else.

Where kernels run every operator of the graphs. A carried value of a loop has one place, that of
the result of WHILE: the operand is copied there before the loop, test and body read it there, and
copies at the end of the body bring the new values. `storage.py` leaves out the copies that need not
be made. What the body hands on unchanged has no place of its own; it is the operand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgewise.errors import EdgewiseError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.infer import infer_graph
from edgewise.ir.nesting import depth_of
from edgewise.ops.control import If, While, specialized
from edgewise.passes.runtime import to_runtime
from edgewise.runtime.calls import NotNative, require
from edgewise.runtime.groups import Bound, Group, Mark
from edgewise.runtime.library import constant
from edgewise.runtime.plannable import NotPlannable, require_plannable
from edgewise.runtime.select.copy import copy, view

if TYPE_CHECKING:
    from edgewise.runtime.drafts import Drafts


def inline(drafts: Drafts, number: int, node: Node) -> None:
    """Append what the graphs of an IF or WHILE become.

    Raises:
        NotNative: something in them has no kernel; groups may have been appended.
    """
    depth = 1 + max(map(depth_of, node.op.graphs))
    most = constant("EW_MAX_DEPTH")
    require(depth <= most, f"{depth} graphs inside each other; the executor takes {most}")
    if isinstance(node.op, While):
        _Inliner(drafts, number).loop(node, node.op)
    else:
        assert isinstance(node.op, If)
        _Inliner(drafts, number).branches(node, node.op)


class _Inliner:
    """One node being put in place; its steps have the node's number."""

    def __init__(self, drafts: Drafts, number: int) -> None:
        self.drafts, self.number = drafts, number

    def loop(self, node: Node, op: While) -> None:
        x = _present(node)
        results, inputs = op.body.outputs, op.body.inputs
        stays = {i: x[i] for i, y in enumerate(results) if y is inputs[i]}
        test, body = (self.prepare(g, x, stays) for g in (op.cond, op.body))
        for i, (before, after) in enumerate(zip(x, body.outputs, strict=True)):
            require(
                i in stays or after.shape == before.shape,
                f"a carried value begins as {before.type} and becomes {after.type}",
            )
        for i, (value, place) in enumerate(zip(x, node.outputs, strict=True)):
            if i in stays and not self.is_variable(value):
                self.same(place, value)
            else:
                self.copy(value, place)
        moved = [i for i in range(len(x)) if i not in stays]
        places = [node.outputs[i] for i in moved]
        self.drafts.carried.update(places)
        self.enter(test, node.outputs)
        self.mark(Bound.BEGIN, is_loop=True, made=test.inputs)
        self.add(test)
        self.enter(body, node.outputs)
        self.mark(Bound.MIDDLE, is_loop=True, condition=test.outputs[0], made=body.inputs)
        self.add(body)
        self.move([body.outputs[i] for i in moved], places)
        self.mark(Bound.END, is_loop=True, made=node.outputs)

    def branches(self, node: Node, op: If) -> None:
        condition, *x = _present(node)
        require(not any(map(self.is_variable, x)), "an operand is a variable")
        then, other = (self.prepare(g, x, dict(enumerate(x))) for g in op.graphs)
        for first, second, result in zip(then.outputs, other.outputs, node.outputs, strict=True):
            is_same = first.shape == second.shape == result.shape
            require(is_same, f"one branch gives {first.type}, the other {second.type}")
        self.enter(then, x)
        self.mark(Bound.BEGIN, condition=condition, made=then.inputs)
        self.finish(then, node)
        self.enter(other, x)
        self.mark(Bound.MIDDLE, made=other.inputs)
        self.finish(other, node)
        self.mark(Bound.END, made=node.outputs)

    def finish(self, graph: Graph, node: Node) -> None:
        self.add(graph)
        for result, place in zip(graph.outputs, node.outputs, strict=True):
            self.copy(result, place)

    # -- parts --------------------------------------------------------------------------------

    def prepare(self, graph: Graph, x: Sequence[Value], stays: Mapping[int, Value]) -> Graph:
        """A copy of a graph for these operands, rewritten for the planner. Of those that stay what
        they are, it knows what is known."""
        try:
            made = specialized(graph, x)
        except EdgewiseError as error:
            raise NotNative(str(error)) from None
        for i, value in stays.items():
            array = self.drafts.known(value)
            if array is not None:
                given = made.inputs[i]
                made.replace_uses(given, Value(given.type, given.name, array))
        to_runtime(made)
        infer_graph(made)  # what a rule has made whole has a shape that is known
        try:
            require_plannable(made)
        except NotPlannable as error:
            raise NotNative(f"@{graph.name}: {error}") from None
        return made

    def add(self, graph: Graph) -> None:
        for node in graph.nodes:
            self.drafts.add(self.number, node)
            where = self.drafts.where[node]
            require(where.where != "host", f"@{graph.name}: {node}: {where.detail}")

    def enter(self, graph: Graph, values: Sequence[Value]) -> None:
        """The inputs of a graph are these values."""
        self.drafts.aliases.update(zip(graph.inputs, values, strict=True))

    def same(self, place: Value, value: Value) -> None:
        array = self.drafts.known(value)
        if array is None:
            self.drafts.share(place, value)
        else:
            self.drafts.folded[place] = array

    def move(self, values: Sequence[Value], places: Sequence[Value]) -> None:
        """All at once: a value that lies in the place of another is brought away first."""
        found = [self.drafts.root(value) for value in values]
        aside = []
        for value, root, place in zip(values, found, places, strict=True):
            if root in places and root is not place:
                spare = Value(value.type, value.name)
                self.copy(value, spare)
                value = spare
            aside.append(value)
        for value, root, place in zip(aside, found, places, strict=True):
            if root is not place:
                self.copy(value, place)

    def copy(self, value: Value, place: Value) -> None:
        array = self.drafts.known(value)
        if array is not None and value.data is None:
            value = Value(value.type, value.name, array)
        for call in copy(view(value), view(place)):
            self.drafts.append(Group([(self.number, call)]), [place])

    def mark(
        self,
        bound: Bound,
        *,
        is_loop: bool = False,
        condition: Value | None = None,
        made: Sequence[Value] = (),
    ) -> None:
        mark = Mark(bound, is_loop, condition)
        self.drafts.append(Group([(self.number, mark)]), made)

    def is_variable(self, value: Value) -> bool:
        root = self.drafts.root(value)
        return root.is_variable and root.producer is None


def _present(node: Node) -> list[Value]:
    values = [v for v in node.inputs if v is not None]
    require(len(values) == len(node.inputs), "an operand is absent")
    return values
