"""The first half of planning: for every node what runs it, as drafts that have no memory yet.

A node becomes kernel calls, an alias, a constant, or a Host step with the reason; IF and WHILE
become marks with what their graphs become between them (control.py). An elementwise
kernel joins the group of the kernel that computes its operand, where that writes its result tile by
tile: both then run on each tile while it is in the cache (`Kernel.locked`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.errors import EdgewiseError, InternalError
from edgewise.ir.evaluate import evaluate_node, require_scales, updated
from edgewise.ir.graph import Node, Value
from edgewise.ir.infer import macs_of
from edgewise.runtime.calls import Alias, Call, NotNative, Selection, Site
from edgewise.runtime.choices import AS_PLANNED, Choices
from edgewise.runtime.groups import Group, elements, is_variable
from edgewise.runtime.library import constant
from edgewise.runtime.named import Names, is_named, require_untouched
from edgewise.runtime.plan import Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.select import select
from edgewise.runtime.work import is_worth_sharing, work_of
from edgewise.values import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Where:
    """What runs a node: see `plan.Placement`."""

    where: str
    detail: str
    into: int | None = None


_NAMED = {
    "var_handle": Where("removed", "its readers know the variable"),
    "call_once": Where("removed", "its graph runs once, before the first run"),
}


@dataclass(slots=True)
class Drafts:
    """Groups in the order in which they run. `aliases` maps results to the operand whose bytes
    they are, `folded` results to what was computed while planning."""

    target: Target
    names: Names | None = None  # variables that operators name; None where Host steps have them
    unsettled: str = ""  # why
    choices: Choices = field(default_factory=dict)
    inputs: Sequence[Value] = ()  # of the graph
    outputs: Sequence[Value] = ()
    groups: list[Group] = field(default_factory=list)
    aliases: dict[Value, Value] = field(default_factory=dict)
    folded: dict[Value, np.ndarray] = field(default_factory=dict)
    where: dict[Node, Where] = field(default_factory=dict)
    macs: dict[int, int] = field(default_factory=dict)  # of the nodes with a number
    carried: set[Value] = field(default_factory=set)  # values that loops write over
    strips: dict[Node, int] = field(default_factory=dict)  # in how many a node runs (strips.py)
    _made: dict[Value, int] = field(default_factory=dict)  # the group that writes a value last
    _was_shared: bool = False  # the last kernel, among the threads

    def known(self, value: Value) -> np.ndarray | None:
        """The array of a constant, or of what was computed from constants."""
        return value.data if value.data is not None else self.folded.get(value)

    def add(self, number: int, node: Node) -> None:
        """Decide what runs a node."""
        self.macs[number] = self.macs.get(number, 0) + (macs_of(node) or 0)
        if self._fold(node):
            self.where[node] = Where("constant", "computed while planning")
            return
        if node.op.name in ("if", "while"):
            self._add_control(number, node)
            return
        if is_named(node):
            self._add_named(number, node)
            return
        choice = self.choices.get(number, AS_PLANNED)
        target = choice.target(self.target)
        is_shared = target.threads == 1 or is_worth_sharing(
            choice.work(self._work(number, node)), target.isa, self._was_shared
        )
        if not is_shared:
            target = replace(target, threads=1)
        place = self._place_to_join(node) if choice.is_joined else None
        tile = None if place is None else self._tile_of(place)
        try:
            selection = self._select(node, target, tile)
        except InternalError:
            raise
        except (NotNative, EdgewiseError, ArithmeticError, ValueError) as reason:
            if not self._add_widened(number, node):
                self._add_host(number, node, str(reason))
            return
        if isinstance(selection, Alias):
            self.share(node.output, node.operand(0))
            self.where[node] = Where("alias", "the same bytes")
            return
        kernels = ", ".join(dict.fromkeys(_said_of(call) for call in selection))
        if choice is not AS_PLANNED:
            kernels = f"{kernels}; tuned: {choice}"
        if place is not None and self._fits(place, selection):
            group = self.groups[place]
            group.steps.append((number, selection[0]))
            self._made[node.output] = place
            self.where[node] = Where("kernel", kernels, group.steps[0][0])
            return
        if tile is not None and any(call.tile_elements == tile for call in selection):
            selection = self._select(node, target, None)  # it has the group's tiles for nothing
            assert not isinstance(selection, Alias)
        for call in selection:
            self.append(Group([(number, call)], is_shared), node.outputs)
        self._was_shared = is_shared and any(call.n_tiles > 1 for call in selection)
        self.where[node] = Where("kernel", kernels)

    def _add_named(self, number: int, node: Node) -> None:
        """An operator on a variable."""
        if self.names is None:
            self._add_host(number, node, self.unsettled)
            return
        for call in self.names.calls(node, self.root):
            self.append(Group([(number, call)]), node.outputs)
        self.where[node] = _NAMED.get(node.op.name, Where("kernel", "copy"))

    def _add_widened(self, number: int, node: Node) -> bool:
        """An operator on 16-bit floats that has no kernel, as one on float32; whether it is so."""
        from edgewise.runtime.halves import widened

        found = None if node.op.updates else widened(node)
        if found is None:
            return False
        casts, wide, back = found
        before = len(self.groups)
        for part in casts:
            self.add(number, part)
        try:
            self._select(wide, self.target, None)
        except InternalError:
            raise
        except (NotNative, EdgewiseError, ArithmeticError, ValueError):
            del self.groups[before:]
            return False
        for part in (wide, *back):
            self.add(number, part)
        self.where[node] = Where("kernel", f"{self.where[wide].detail} between casts")
        return True

    def _add_host(self, number: int, node: Node, reason: str) -> None:
        if self.names is not None:
            require_untouched(node)
        self.append(Group([(number, node)]), (*node.outputs, *updated(node)))
        self.where[node] = Where("host", reason)

    def _add_control(self, number: int, node: Node) -> None:
        """IF or WHILE: their graphs in place, where kernels run all of those."""
        from edgewise.ops.control import While
        from edgewise.runtime.control import inline  # which few models need

        before = len(self.groups)
        try:
            inline(self, number, node)
        except NotNative as reason:
            del self.groups[before:]
            if isinstance(node.op, While) and not node.op.decides_shapes(node.inputs):
                raise NotPlannable(f"{node}: it may change the shape of a value") from None
            self._add_host(number, node, str(reason))
            return
        kernels = sum(
            isinstance(step, Call) for group in self.groups[before:] for _, step in group.steps
        )
        self.macs[number] = 0  # the steps inside count by the bytes that they move
        self.where[node] = Where("kernel", f"its graphs run in {kernels} kernels")

    def root(self, value: Value) -> Value:
        """The value whose bytes this one is."""
        while value in self.aliases:
            value = self.aliases[value]
        return value

    def share(self, value: Value, other: Value) -> None:
        """`value` is the bytes of the other."""
        self.aliases[value] = other
        if other in self._made:
            self._made[value] = self._made[other]

    def append(self, group: Group, results: Sequence[Value]) -> None:
        """A group that runs next, and the values that exist after it."""
        self._made.update(dict.fromkeys(results, len(self.groups)))
        self.groups.append(group)

    # -- one node -----------------------------------------------------------------------------

    def _work(self, number: int, node: Node) -> int:
        values = [v for v in (*node.inputs, *node.outputs) if v is not None]
        sizes = [(v.dtype.numpy, elements(v) * v.dtype.numpy.itemsize) for v in values]
        return work_of(self.macs[number], self.target, sizes)

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

    def _tile_of(self, place: int) -> int | None:
        head = self.groups[place].head
        assert isinstance(head, Call)
        return head.tile_elements

    def _select(self, node: Node, target: Target, tile: int | None) -> Selection:
        require_scales(node)
        selection = select(Site(node, target, self.known, tile))
        if isinstance(selection, Alias) and self._is_apart(node):
            from edgewise.runtime.select.move import as_copy  # which found the alias

            return as_copy(node)
        return selection

    def _is_apart(self, node: Node) -> bool:
        """A variable may change before the result is read; a caller does not get what it gave."""
        x = self.root(node.operand(0))
        return is_variable(x) or (x in self.inputs and node.output in self.outputs)

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
            for v in call.read
            if isinstance(v, Value) and self._made.get(v) == place
        )


def _said_of(call: Call) -> str:
    """What the placement report says of a call."""
    return f"{call.kernel} ({call.why})" if call.why else call.kernel
