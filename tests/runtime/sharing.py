"""Checks that values which share memory do not destroy each other: a run on labels, not numbers.

Memory is intervals of labels: which byte of which value was written there last. Before a step reads
a value, its bytes must carry that value's label. Copies of a run of bytes hand labels on, so that a
view of a value and a part of a whole are what they were copied from. Loops run twice, so that what
one iteration destroys is missed in the next; of branches, all first or all second ones are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edgewise.ir.evaluate import updated
from edgewise.ir.graph import Node, Value
from edgewise.runtime.calls import Call
from edgewise.runtime.groups import Bound, Draft, Group, Mark, is_variable
from edgewise.runtime.memory import overlaps
from edgewise.runtime.places import Places
from edgewise.runtime.plan import Operand, Region

Run = tuple[int, int, Value, int]  # begin, end, value, its first byte there


@dataclass
class Memory:
    """What was written where, by region (inputs and outputs: one each)."""

    runs: dict[tuple[int, int], list[Run]] = field(default_factory=dict)

    def write(self, place: Operand, labels: list[Run]) -> None:
        """`labels` count from the operand's first byte."""
        key, begin = _space(place)
        end = begin + place.nbytes
        left: list[Run] = []
        for a, b, value, start in self.runs.get(key, []):
            if a < begin:
                left.append((a, min(b, begin), value, start))
            if b > end:
                left.append((max(a, end), b, value, start + max(a, end) - a))
        left += [(begin + a, begin + b, value, start) for a, b, value, start in labels]
        self.runs[key] = left

    def name(self, place: Operand, labels: list[Run]) -> None:
        """The operand's bytes are another value, too: a copy onto itself."""
        key, begin = _space(place)
        self.runs[key] += [(begin + a, begin + b, value, start) for a, b, value, start in labels]

    def holds(self, place: Operand, labels: list[Run]) -> bool:
        """The operand's bytes carry these labels."""
        key, begin = _space(place)
        runs = sorted(self.runs.get(key, []), key=lambda run: run[0])
        return all(
            _covers(runs, begin + a, begin + b, value, start - a - begin)
            for a, b, value, start in labels
            if a < b
        )


def _covers(runs: list[Run], begin: int, end: int, value: Value, shift: int) -> bool:
    """The runs of this value with this shift leave nothing between begin and end out."""
    at = begin
    for c, d, other, first in runs:
        if other is value and first - c == shift and c <= at < d:
            at = d
    return at >= end


def check_sharing(places: Places) -> None:
    """Raise AssertionError where a value is overwritten before it is read for the last time."""
    assert overlaps(places.buffers, places.offsets) == []
    for choice in (False, True):
        _check_path(places, list(_path(iter(places.drafts.groups), choice)))


def _path(groups: Iterator[Group], choice: bool) -> Iterator[Group]:
    """The groups in the order in which they run, to the end of a range."""
    for group in groups:
        head = group.head
        if not isinstance(head, Mark):
            yield group
            continue
        if head.bound is not Bound.BEGIN:
            yield group
            return
        first, second = list(_path(groups, choice)), list(_path(groups, choice))
        yield group
        if head.is_loop:
            yield from (*first, *second) * 2
            yield from first
        else:
            yield from second if choice else first


def _check_path(places: Places, groups: list[Group]) -> None:
    drafts, storage = places.drafts, places.storage
    labels = _labels(drafts.groups, drafts.aliases)
    memory = Memory()
    left = {id(group) for group in storage.groups}
    for value in storage.inputs:
        memory.write(places.at(value), labels(value))
    for group in groups:
        if id(group) not in left:
            _check_dropped(group, places)
            for value in _reads(group.head):
                if drafts.known(value) is None and not is_variable(storage.root(value)[0]):
                    assert memory.holds(places.at(value), labels(value)), f"{value.name} is gone"
            for value in _writes(group.head):
                # of several copies into one value, each gives it its name
                if group.head.moves == (0, 0, _nbytes(value)):
                    memory.name(places.at(value), labels(value))
            continue
        _check_tiles(group, places)
        for _, step in group.steps:
            for value in _reads(step):
                if drafts.known(value) is None and not is_variable(storage.root(value)[0]):
                    assert memory.holds(places.at(value), labels(value)), f"{value.name} is gone"
            for value in _writes(step):
                memory.write(places.at(value), labels(value))
    for value in storage.outputs:
        if drafts.known(value) is None and not is_variable(storage.root(value)[0]):
            assert memory.holds(places.at(value), labels(value)), f"output {value.name} is gone"


def _check_dropped(group: Group, places: Places) -> None:
    """A copy that is not made is one onto itself."""
    call = group.head
    assert isinstance(call, Call)
    assert call.moves is not None
    source, target, count = call.moves
    x, y = (places.at(v) for v in (call.operands[0], call.operands[-1]))
    assert count == 0 or (_space(x)[0], _space(x)[1] + source) == (
        _space(y)[0],
        _space(y)[1] + target,
    )


def _check_tiles(group: Group, places: Places) -> None:
    """A locked step writes nothing that the head reads, nor others at another place."""
    for index, (_, step) in enumerate(group.steps[1:], 1):
        [written] = _writes(step)
        mine = places.at(written)
        for before, (_, other) in enumerate(group.steps[: index + 1]):
            for value in _reads(other):
                place = places.at(value)
                if before and _space(place) == _space(mine) and place.nbytes == mine.nbytes:
                    continue
                assert not _overlap(place, mine), f"{written.name} destroys {value.name}"


def _labels(groups, aliases):
    """What the bytes of a value are labelled with: itself, or what it was copied from."""
    writers: dict[Value, list[Call]] = {}
    for group in groups:
        for _, step in group.steps:
            for value in _writes(step):
                writers.setdefault(value, []).append(step)
    known: dict[Value, list[Run]] = {}

    def of(value: Value) -> list[Run]:
        if value in known:
            return known[value]
        calls = writers.get(value, [])
        count = _nbytes(value)
        found: list[Run] = [(0, count, value, 0)]
        if value in aliases:
            found = of(aliases[value])
        elif calls and all(isinstance(c, Call) and c.moves is not None for c in calls):
            spans = [c.moves[1:] for c in calls]
            fills = sum(n for _, n in spans) == count and not is_variable(value)
            if fills and all(_is_lasting(c.operands[0]) for c in calls):
                found = [run for c in calls for run in _moved(of(c.operands[0]), c.moves)]
        known[value] = found
        return found

    return of


def _is_lasting(what: object) -> bool:
    """A value; a variable has others in the course of a run."""
    return isinstance(what, Value) and not is_variable(what)


def _moved(runs: list[Run], move: tuple[int, int, int]) -> Iterator[Run]:
    source, target, count = move
    for a, b, value, start in runs:
        first, last = max(a, source), min(b, source + count)
        if first < last:
            by = target - source
            yield first + by, last + by, value, start + first - a


def _reads(step: Draft) -> list[Value]:
    if isinstance(step, Mark):
        return [] if step.condition is None else [step.condition]
    if isinstance(step, Node):
        return [v for v in step.inputs if v is not None]
    return [v for v in step.read if isinstance(v, Value)]


def _writes(step: Draft) -> list[Value]:
    if isinstance(step, Mark):
        return []
    if isinstance(step, Node):
        return [*step.outputs, *updated(step)]
    return [v for v in step.written if isinstance(v, Value)]


def _space(place: Operand) -> tuple[tuple[int, int], int]:
    """An address space, and the place in it."""
    if place.region is Region.IO:
        return (place.region, place.offset), place.start
    return (place.region, 0), place.offset


def _overlap(a: Operand, b: Operand) -> bool:
    (space, begin), (other, start) = _space(a), _space(b)
    return space == other and begin < start + b.nbytes and start < begin + a.nbytes


def _nbytes(value: Value) -> int:
    count = value.dtype.numpy.itemsize
    for dim in value.shape:
        assert isinstance(dim, int)
        count *= dim
    return count
