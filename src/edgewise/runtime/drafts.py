"""The first half of planning: for every node what runs it, as drafts that have no memory yet.

A node becomes kernel calls, an alias, a constant, or a Host step with the reason. An elementwise
kernel joins the group of the kernel that computes its operand, where that writes its result tile by
tile: both then run on each tile while it is in the cache (`Kernel.locked`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import field

import numpy as np

from edgewise.errors import EdgewiseError, InternalError
from edgewise.ir.evaluate import evaluate_node, updated
from edgewise.ir.graph import Node, Value
from edgewise.ir.report import macs_of
from edgewise.runtime.calls import Alias, Call, NotNative, Packed, Selection, Site, require
from edgewise.runtime.library import constant
from edgewise.runtime.plan import Target
from edgewise.runtime.select import select
from edgewise.values import dataclass


@dataclass(slots=True)
class Group:
    """Steps that run as one: a kernel call and those locked to it, or one Host operator. The
    number is that of the node that a step belongs to."""

    steps: list[tuple[int, Call | Node]]

    @property
    def head(self) -> Call | Node:
        """The step that the others follow."""
        return self.steps[0][1]


@dataclass(frozen=True, slots=True)
class Where:
    """What runs a node: see `plan.Placement`."""

    where: str
    detail: str
    into: int | None = None


@dataclass(slots=True)
class Drafts:
    """Groups in the order in which they run. `aliases` maps results to the operand whose bytes
    they are, `folded` results to what was computed while planning."""

    target: Target
    groups: list[Group] = field(default_factory=list)
    aliases: dict[Value, Value] = field(default_factory=dict)
    folded: dict[Value, np.ndarray] = field(default_factory=dict)
    where: dict[Node, Where] = field(default_factory=dict)
    macs: dict[int, int] = field(default_factory=dict)  # of the nodes with a number
    _made: dict[Value, int] = field(default_factory=dict)  # the group that writes a value last

    def known(self, value: Value) -> np.ndarray | None:
        """The array of a constant, or of what was computed from constants."""
        return value.data if value.data is not None else self.folded.get(value)

    def add(self, number: int, node: Node) -> None:
        """Decide what runs a node."""
        self.macs[number] = self.macs.get(number, 0) + (macs_of(node) or 0)
        if self._fold(node):
            self.where[node] = Where("constant", "computed while planning")
            return
        place = self._place_to_join(node)
        try:
            selection = self._select(node, place)
        except InternalError:
            raise
        except (NotNative, EdgewiseError, ArithmeticError, ValueError) as reason:
            self._append(Group([(number, node)]), (*node.outputs, *updated(node)))
            self.where[node] = Where("host", str(reason))
            return
        if isinstance(selection, Alias):
            x, y = node.operand(0), node.output
            self.aliases[y] = x
            if x in self._made:
                self._made[y] = self._made[x]
            self.where[node] = Where("alias", "the same bytes")
            return
        kernels = ", ".join(dict.fromkeys(call.kernel for call in selection))
        if place is not None and self._fits(place, selection):
            group = self.groups[place]
            group.steps.append((number, selection[0]))
            self._made[node.output] = place
            self.where[node] = Where("kernel", kernels, group.steps[0][0])
            return
        if place is not None:
            selection = self._select(node, None)
            assert not isinstance(selection, Alias)
        for call in selection:
            self._append(Group([(number, call)]), node.outputs)
        self.where[node] = Where("kernel", kernels)

    def _append(self, group: Group, results: Sequence[Value]) -> None:
        self._made.update(dict.fromkeys(results, len(self.groups)))
        self.groups.append(group)

    # -- one node -----------------------------------------------------------------------------

    def _fold(self, node: Node) -> bool:
        arrays = [None if v is None else self.known(v) for v in node.inputs]
        is_known = all(a is not None or v is None for a, v in zip(arrays, node.inputs, strict=True))
        if not is_known or not node.op.is_pure or node.op.updates or not node.inputs:
            return False
        try:
            results = evaluate_node(node, arrays)
        except (EdgewiseError, MemoryError):
            return False  # it fails again, and is reported, when the model runs
        if any(r.shape != v.shape for v, r in zip(node.outputs, results, strict=True)):
            return False
        self.folded.update(zip(node.outputs, results, strict=True))
        return True

    def _select(self, node: Node, place: int | None) -> Selection:
        tile = None
        if place is not None:
            head = self.groups[place].head
            assert isinstance(head, Call)
            tile = head.tile_elements
        selection = select(Site(node, self.target, self.known, tile))
        if isinstance(selection, Alias):
            # the variable may change before the result is read
            require(not is_variable(node.operand(0)), "it is a view of a variable")
        return selection

    # -- groups -------------------------------------------------------------------------------

    def _place_to_join(self, node: Node) -> int | None:
        """The group of the operand that is computed last, where a step may be locked to it.

        All other operands then exist when that group begins, or belong to it as well."""
        if any(v is not None and is_variable(v) for v in node.inputs) or len(node.outputs) != 1:
            return None
        places = [self._made[v] for v in node.inputs if v is not None and v in self._made]
        if not places:
            return None
        head = self.groups[max(places)].head
        is_whole = isinstance(head, Call) and head.tile_elements is not None
        has_room = len(self.groups[max(places)].steps) <= constant("EW_MAX_LOCKED")
        return max(places) if is_whole and has_room else None

    def _fits(self, place: int, selection: Sequence[Call]) -> bool:
        """The call runs on the tiles of the group, and reads only their elements of its values."""
        if len(selection) != 1:
            return False
        head, call = self.groups[place].head, selection[0]
        assert isinstance(head, Call)
        if not call.is_elementwise:
            return False
        if (call.tile_elements, call.n_tiles) != (head.tile_elements, head.n_tiles):
            return False
        count = elements(call.operands[-1])
        return all(
            elements(v) == count
            for v in call.operands[:-1]
            if isinstance(v, Value) and self._made.get(v) == place
        )


def elements(what: Value | np.ndarray | Packed) -> int:
    """Elements of a value whose shape is known."""
    if not isinstance(what, Value):
        return what.size
    return math.prod([d for d in what.shape if isinstance(d, int)])


def values_of(step: Call | Node) -> Iterator[Value]:
    """The values that a step reads or writes."""
    if isinstance(step, Node):
        yield from (v for v in (*step.inputs, *step.outputs) if v is not None)
    else:
        yield from (v for v in step.operands if isinstance(v, Value))


def is_variable(value: Value) -> bool:
    """State that survives an inference."""
    return value.is_variable and value.producer is None
