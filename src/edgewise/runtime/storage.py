"""Which values share memory: views, results in place of operands, parts inside a joined whole.

Every value lies somewhere inside its root. Three things let values share bytes:

- an alias, or a copy of one run of bytes: the result is a view of the operand (SPLIT, SLICE), or
  the operand lies in the result from the start (CONCATENATION), and the copy is not made;
- an elementwise kernel whose operand nobody reads afterwards writes its result in its place.

A root is never written to where one of its views is still read, but by that rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call
from edgewise.runtime.drafts import Drafts
from edgewise.runtime.groups import Bound, Draft, Group, Mark, elements, is_variable, values_of
from edgewise.values import dataclass, field

Place = tuple[int, int]  # a group, and a step in it
_END = (1 << 62, 0)


@dataclass
class Storage:
    """Roots of all values, and the groups that are left when copies have become views."""

    drafts: Drafts
    inputs: Collection[Value]
    outputs: Collection[Value]
    groups: list[Group] = field(default_factory=list)
    _base: dict[Value, tuple[Value, int]] = field(default_factory=dict)
    _last: dict[Value, Place] = field(default_factory=dict)  # of roots: when one is read last
    _first: dict[Value, Place] = field(default_factory=dict)  # of values: when one is made

    def root(self, value: Value) -> tuple[Value, int]:
        """The value in whose memory this one lies, and the byte at which it begins there."""
        offset = 0
        while value in self._base:
            value, more = self._base[value]
            offset += more
        return value, offset

    @classmethod
    def of(
        cls,
        drafts: Drafts,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        *,
        keep: bool,
    ) -> Storage:
        """Decide for all drafts. `keep`: no value is written over."""
        self = cls(drafts, frozenset(inputs), frozenset(outputs))
        self._base.update({y: (x, 0) for y, x in drafts.aliases.items()})
        copies = [group for group in drafts.groups if _moves(group) is not None]
        dropped = {id(group) for group in self._join(copies)}
        writes = Counter(
            value
            for group in drafts.groups
            for _, step in group.steps
            if isinstance(step, Call)
            for value in step.written
            if isinstance(value, Value)
        )
        for group in copies:
            is_only = writes[_result(group)] == 1
            if id(group) not in dropped and is_only and self._look_inside(group):
                dropped.add(id(group))
        self.groups = [group for group in drafts.groups if id(group) not in dropped]
        if not keep:
            self._find_uses()
            for place, group in enumerate(self.groups):
                self._settle(place, group)
            moved = {id(g) for place, g in enumerate(self.groups) if self._reuse(place, g)}
            self.groups = [
                group
                for group in self.groups
                if id(group) not in moved and not self._is_in_place(group)
            ]
        return self

    # -- copies that need not be made ---------------------------------------------------------

    def _join(self, copies: Sequence[Group]) -> Iterator[Group]:
        """Operands that may lie in the result of nothing but copies which fill it."""
        joins: dict[Value, list[Group]] = {}
        for group in copies:
            joins.setdefault(_result(group), []).append(group)
        for whole, parts in joins.items():
            filled = sum(move[2] for move in map(_moves, parts) if move is not None)
            if len(parts) < 2 or filled != _bytes(whole):
                continue
            for group in parts:
                part, move = _operand(group), _moves(group)
                assert move is not None
                if self._may_lie_in(part, whole, move):
                    self._base[self.root(part)[0]] = (whole, move[1])
                    yield group

    def _may_lie_in(self, part: Value, whole: Value, move: tuple[int, int, int]) -> bool:
        root, offset = self.root(part)
        is_all = move[0] == offset == 0 and move[2] == _bytes(part) == _bytes(root)
        return is_all and root is not self.root(whole)[0] and self._is_free(root)

    def _look_inside(self, group: Group) -> bool:
        """The result is a view of the operand."""
        whole, view, move = _operand(group), _result(group), _moves(group)
        assert move is not None
        is_all = move[1] == 0 and move[2] == _bytes(view)
        root = self.root(whole)[0]
        if self.drafts.known(root) is not None:  # exported constants have names, not addresses
            return False
        if not is_all or view in self._base or self._is_read_outside(view) or is_variable(root):
            return False
        if self._is_carried(root) or self._is_carried(view):  # written over while it is read
            return False
        if is_variable(view):
            return False
        self._base[view] = (whole, move[0])
        return True

    def _is_read_outside(self, root: Value) -> bool:
        """It is an output of the graph, or one is a view of it."""
        return any(self.root(value)[0] is root for value in self.outputs)

    def _is_free(self, root: Value) -> bool:
        """Memory of this value is the planner's to choose."""
        is_given = root in self.inputs or is_variable(root) or self.drafts.known(root) is not None
        return not (is_given or self._is_read_outside(root) or self._is_carried(root))

    def _is_carried(self, root: Value) -> bool:
        """A loop writes it over in every iteration."""
        return any(self.root(value)[0] is root for value in self.drafts.carried)

    # -- in place -----------------------------------------------------------------------------

    def _find_uses(self) -> None:
        begin: dict[Value, int] = {}
        for place, group in enumerate(self.groups):
            for index, (_, step) in enumerate(group.steps):
                for value in values_of(step):
                    root = self.root(value)[0]
                    self._first.setdefault(value, (place, index))
                    begin.setdefault(root, place)
                    self._last[root] = (place, index)
        for start, end in loops(self.groups):
            for root, first in begin.items():
                if first < start < self._last[root][0] < end:
                    self._last[root] = (end, 0)
        for value in self.outputs:
            self._last[self.root(value)[0]] = _END

    def _reuse(self, place: int, group: Group) -> bool:
        """Let the results of a group's kernels take the place of operands. True where the group
        is a copy of everything, which is then done."""
        for index, (_, step) in enumerate(group.steps):
            if not isinstance(step, Call):
                continue
            if step.moves is not None and step.moves == (0, 0, _bytes(_result(group))):
                return self._take(step, 0, group, (place, index))
            for k in step.in_place:
                if self._take(step, k, group, (place, index)):
                    break
        return False

    def _take(self, call: Call, k: int, group: Group, place: Place) -> bool:
        x, y = call.operands[k], call.operands[-1]
        assert isinstance(y, Value)
        if not isinstance(x, Value):
            return False
        old, offset = self.root(x)
        if is_variable(self.root(y)[0]):  # a run that is stopped leaves variables whole
            return False
        if offset or _bytes(old) != _bytes(y) or old is self.root(y)[0]:
            return False
        if not self._is_owned(old) or self._first[y] != place:
            return False
        if y not in self.drafts.carried and self._is_carried(self.root(y)[0]):
            return False
        if self._last[old] != place:
            return False
        # the head reads its operands beyond the tile
        head = group.head
        if place[1] and isinstance(head, Call):
            read = (v for v in head.read if isinstance(v, Value))
            if any(self.root(v)[0] is old for v in read):
                return False
        self._base[old] = (y, 0)
        return True

    def _settle(self, place: int, group: Group) -> None:
        """Let the new value of what a loop carries be computed where the old one lies: from its
        first step on, nobody reads that any more, but a step that may work in place."""
        if _moves(group) is None or _result(group) not in self.drafts.carried:
            return
        y = _result(group)
        (old, offset), (whole, _) = self.root(_operand(group)), self.root(y)
        starts = [at for v, at in self._first.items() if self.root(v)[0] is old]
        if self._first[y] == (place, 0) or old is whole or not starts:
            return
        is_all = not offset and _bytes(old) == _bytes(y)
        start = min(starts)
        if not is_all or not self._is_free(old) or start < self._first[y]:
            return
        for number in range(start[0], place):
            for index, (_, step) in enumerate(self.groups[number].steps):
                if not any(self.root(v)[0] is whole for v in values_of(step)):
                    continue
                if (number, index) == start and self._may_replace(step, whole):
                    continue
                return
        self._base[old] = (y, 0)

    def _may_replace(self, step: Draft, whole: Value) -> bool:
        """The step's result may lie where it reads `whole`."""
        if not isinstance(step, Call):
            return False
        read = [
            k for k, v in enumerate(step.read) if isinstance(v, Value) and self.root(v)[0] is whole
        ]
        is_copy = step.moves is not None and step.moves[:2] == (0, 0)
        return all(
            (k in step.in_place or is_copy) and self.root(step.operands[k])[1] == 0  # type: ignore[arg-type]  # a Value
            for k in read
        )

    def _is_in_place(self, group: Group) -> bool:
        """A copy of what lies there already."""
        move = _moves(group)
        if move is None:
            return False
        (x, x_at), (y, y_at) = self.root(_operand(group)), self.root(_result(group))
        return x is y and x_at + move[0] == y_at + move[1]

    def _is_owned(self, root: Value) -> bool:
        """Nobody but the plan sees the value, and it may be written over."""
        return not (root in self.inputs or is_variable(root) or self.drafts.known(root) is not None)


def _moves(group: Group) -> tuple[int, int, int] | None:
    """What a group's only step copies, where that is one run of bytes and nothing else."""
    head = group.head
    if len(group.steps) > 1 or not isinstance(head, Call) or head.moves is None:
        return None
    return head.moves if isinstance(head.operands[0], Value) else None


def loops(groups: Sequence[Group]) -> list[tuple[int, int]]:
    """Places of the marks where loops begin and end, inner ones first."""
    found, open_ = [], []
    for place, group in enumerate(groups):
        head = group.head
        if isinstance(head, Mark) and head.is_loop and head.bound is Bound.BEGIN:
            open_.append(place)
        elif isinstance(head, Mark) and head.is_loop and head.bound is Bound.END:
            found.append((open_.pop(), place))
    return found


def _operand(group: Group) -> Value:
    head = group.head
    assert isinstance(head, Call)
    value = head.operands[0]
    assert isinstance(value, Value)
    return value


def _result(group: Group) -> Value:
    head = group.head
    assert isinstance(head, Call)
    value = head.operands[-1]
    assert isinstance(value, Value)
    return value


def _bytes(value: Value) -> int:
    return elements(value) * value.dtype.numpy.itemsize
