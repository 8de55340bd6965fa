"""The second half of planning: where every value of the drafts lies.

Inputs and outputs are the caller's arrays, variables have a block of their own, constants are
gathered in one array; all other roots (see storage.py) share the arena by their lifetimes.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.evaluate import updated
from edgewise.ir.graph import Graph, Node, Value
from edgewise.runtime.calls import Packed
from edgewise.runtime.drafts import Drafts
from edgewise.runtime.groups import Draft, is_variable, values_of
from edgewise.runtime.memory import Buffer, aligned, allocate, arrange, lower_bound
from edgewise.runtime.plan import Operand, Region
from edgewise.runtime.storage import Storage, loops
from edgewise.values import dataclass, field

# A 3x3 depthwise convolution of 14x14x512 takes 31 us where x and y begin at one place of a page,
# 41 where y begins 64 bytes on, 27.5 elsewhere (Zen 4); all layers of mobilenet_v1 begin so.
_LARGE, _PART, _APART = 16 * 1024, 1024, 832


@dataclass
class Places:
    """Operands by value; `buffers` and `offsets` are those of the arena."""

    drafts: Drafts
    storage: Storage
    io: list[Operand] = field(default_factory=list)
    variables: dict[Value, Operand] = field(default_factory=dict)
    state_bytes: int = 0
    arena_bytes: int = 0
    arena_lower_bound: int = 0
    constant_bytes: int = 0
    buffers: list[Buffer] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    _roots: dict[Value, Operand] = field(default_factory=dict)
    _operands: dict[Value, Operand] = field(default_factory=dict)
    _arrays: dict[int, tuple[np.ndarray | Packed, Operand]] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, drafts: Drafts, storage: Storage, *, keep: bool) -> Places:
        """Arrange everything; with `keep`, every value stays until the end."""
        self = cls(drafts, storage)
        for value in graph.inputs:
            self._add_io(value)
        for value in graph.outputs:
            root = storage.root(value)[0]
            if root not in self._roots and drafts.known(root) is None and not is_variable(root):
                self._add_io(root)
        self._arrange(keep)
        return self

    def at(self, what: Value | np.ndarray | Packed) -> Operand:
        """The place of a value or packed array."""
        if not isinstance(what, Value):
            return self._constant(what)
        found = self._operands.get(what)
        if found is None:
            found = self._operands[what] = self._find(what)
        return found

    def constants(self) -> np.ndarray:
        """All constants in one array of bytes, as their operands say."""
        buffer = allocate(self.constant_bytes)
        for array, place in self._arrays.values():
            part = buffer[place.offset : place.offset + array.nbytes]
            part = part.view(array.dtype).reshape(array.shape)
            if isinstance(array, Packed):
                array.fill(part)
            else:
                part[...] = array
        return buffer

    def _find(self, value: Value) -> Operand:
        array = self.drafts.known(value)
        if array is not None:
            return self._constant(array)
        root, offset = self.storage.root(value)
        array = self.drafts.known(root)
        if array is not None:
            place = self._constant(array)
        elif root in self._roots:
            place = self._roots[root]
        else:
            place = _operand(root, Region.STATE, self.state_bytes)
            self.state_bytes += aligned(place.nbytes)
            self._roots[root] = self.variables[root] = place
        if place.region is Region.IO:
            return _operand(value, Region.IO, place.offset, offset)
        return _operand(value, place.region, place.offset + offset)

    def _add_io(self, value: Value) -> None:
        place = _operand(value, Region.IO, len(self.io))
        self._roots[value] = place
        self.io.append(place)

    def _constant(self, array: np.ndarray | Packed) -> Operand:
        found = self._arrays.get(id(array))
        if found is None:
            place = Operand(Region.CONST, self.constant_bytes, array.shape, array.dtype)
            found = self._arrays[id(array)] = (array, place)
            self.constant_bytes += aligned(array.nbytes)
        return found[1]

    def _arrange(self, keep: bool) -> None:
        """Lifetimes of the roots that lie in the arena."""
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}
        given = self._roots
        for place, group in enumerate(self.storage.groups):
            for _, step in group.steps:
                for value in _touched(step):
                    root = self.storage.root(value)[0]
                    if root in given or root.data is not None:
                        continue
                    first.setdefault(root, place)
                    last[root] = place
        for start, stop in loops(self.storage.groups):
            for root, begin in first.items():
                if begin < start < last[root] < stop:
                    last[root] = stop  # the next iteration reads it again
        end = len(self.storage.groups)
        roots = [r for r in first if self.drafts.known(r) is None and not is_variable(r)]
        self.buffers = [Buffer(self._room(r), first[r], end if keep else last[r]) for r in roots]
        self.offsets, self.arena_bytes = arrange(self.buffers)
        self.arena_lower_bound = lower_bound(self.buffers)
        for root, offset in zip(roots, self.offsets, strict=True):
            self._roots[root] = _operand(root, Region.ARENA, offset)

    def _room(self, root: Value) -> int:
        """Bytes of the arena. What is read waits for what is written at the same place of a page;
        so what follows a value of whole parts of a page does not begin at the place where it
        did."""
        nbytes = _operand(root, Region.ARENA, 0).nbytes
        is_apart = nbytes >= _LARGE and nbytes % _PART == 0
        return nbytes + (_APART if is_apart and self.drafts.target.isa.lanes > 1 else 0)


def _touched(step: Draft) -> list[Value]:
    more = updated(step) if isinstance(step, Node) else ()
    return [*values_of(step), *more]


def _operand(value: Value, region: Region, offset: int, start: int = 0) -> Operand:
    shape = tuple([d for d in value.shape if isinstance(d, int)])
    return Operand(region, offset, shape, value.dtype.numpy, start)
