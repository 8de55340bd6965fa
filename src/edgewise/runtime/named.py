"""Variables that operators name, in a plan: places in the block of state, which copies read and
write.

A plan holds them where it can tell which variable every operator means and what its type is, and
where nothing but kernels touches them (`NotSettled` says why not; Host steps do the work then).
CALL_ONCE runs before such a plan, not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.nesting import reachable
from edgewise.ir.resources import Variable
from edgewise.ir.types import TensorType
from edgewise.runtime.calls import Call
from edgewise.runtime.groups import Bound, Group, Mark
from edgewise.runtime.select.copy import copy, view
from edgewise.values import dataclass, field

if TYPE_CHECKING:
    from edgewise.ops.state import VarHandle

# By name: few models have variables.
_TOUCHING = ("read_variable", "assign_variable", "call_once")
_NAMED = (*_TOUCHING, "var_handle")


class NotSettled(Exception):
    """The variables cannot be places of the plan; the message says why."""


@dataclass(slots=True)
class Names:
    """The variables of one plan, as values; `once` are the CALL_ONCE that run before it."""

    graph: Graph
    values: dict[Variable, Value] = field(default_factory=dict)
    once: list[Node] = field(default_factory=list)
    has_handles: bool = False  # there are operators that give one

    def calls(self, node: Node, root: Callable[[Value], Value]) -> Sequence[Call]:
        """The copies that an operator on variables becomes; none of VAR_HANDLE and CALL_ONCE.
        `root` gives the value whose bytes another one is.

        Raises:
            NotSettled: nobody knows which variable, or not what type.
        """
        from edgewise.ops.state import CallOnce, ReadVariable, VarHandle

        if isinstance(node.op, CallOnce):
            self._call_first(node, node.op.init)
            return ()
        if isinstance(node.op, VarHandle):
            self.has_handles = True
            return ()
        producer = root(node.operand(0)).producer
        if producer is None or not isinstance(producer.op, VarHandle):
            raise NotSettled(f"{node} may mean any variable")
        if isinstance(node.op, ReadVariable):
            return copy(view(self._value(producer.op, node, node.output.type)), view(node.output))
        x = node.operand(1)
        return copy(view(x), view(self._value(producer.op, node, x.type)))

    def found(self, groups: Sequence[Group]) -> Mapping[Variable, tuple[Value, bool]]:
        """The variables, and whether each is assigned before anything reads it."""
        if not self.values:
            return {}
        names = {value: name for name, value in self.values.items()}
        is_assigned: dict[Variable, bool] = {}
        depth = 0
        for step in (step for group in groups for _, step in group.steps):
            if isinstance(step, Mark):
                depth += (step.bound is Bound.BEGIN) - (step.bound is Bound.END)
            if not isinstance(step, Call):
                continue
            for place, what in enumerate(step.operands):
                if isinstance(what, Value) and what in names:
                    is_written = place == len(step.operands) - 1
                    is_assigned.setdefault(names[what], is_written and not depth)
        return {name: (v, is_assigned[name]) for v, name in names.items() if name in is_assigned}

    def _call_first(self, node: Node, init: Graph) -> None:
        """Run a graph before the plan, which is the same unless something has used its variables
        by then. Raises NotSettled."""
        if any(init is other.op.graphs[0] for other in self.once):
            return
        from edgewise.ops.state import VarHandle

        inside = [n.op for graph in reachable(init) for n in graph.nodes]
        used = [op.variable for op in inside if isinstance(op, VarHandle)]
        if node.graph is not self.graph or not self.values.keys().isdisjoint(used):
            raise NotSettled(f"{node} does not come before what uses its variables")
        self.once.append(node)

    def _value(self, op: VarHandle, node: Node, type_: TensorType) -> Value:
        plain = TensorType(type_.shape, type_.dtype)
        value = self.values.get(op.variable)
        if value is None:
            value = Value(plain, str(op.variable), is_variable=True)
            self.values[op.variable] = value
        elif value.type != plain:
            raise NotSettled(f"{node} makes {value.type} of the {op.variable} {plain}")
        return value


def require_unread(names: Names, groups: Sequence[Group], outputs: Sequence[Value]) -> None:
    """Raise NotSettled where a handle is read as the number that only a run gives it. `outputs` are
    the values whose bytes those of the graph are."""
    if not names.has_handles:
        return
    calls = [step for group in groups for _, step in group.steps if isinstance(step, Call)]
    read = [what for call in calls for what in call.operands if isinstance(what, Value)]
    for value in (*outputs, *read):
        if value.producer is not None and value.producer.op.name == "var_handle":
            raise NotSettled(f"the number of {value.producer} is read")


def has_names(graph: Graph) -> bool:
    """Operators of the graph, or of those that it runs, read or write variables."""
    return any(_touches(node) for inner in reachable(graph) for node in inner.nodes)


def require_untouched(node: Node) -> None:
    """Raise NotSettled where a Host step would read or write variables."""
    if _touches(node) or any(map(has_names, node.op.graphs)):
        raise NotSettled(f"{node} runs in Python")


def is_named(node: Node) -> bool:
    """The operator is about a variable, or is CALL_ONCE."""
    return node.op.name in _NAMED


def _touches(node: Node) -> bool:
    return node.op.name in _TOUCHING
