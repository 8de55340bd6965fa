"""A plan whose every buffer lies alone, for running it where each byte outside is forbidden.

The planner packs constants and the arena; a kernel that reads past its operand there reads a
neighbour and nobody notices. Here every operand (or what overlaps it) becomes a buffer of exactly
its bytes, a region of its own in the arrays that C walks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.runtime.code import OPERAND
from edgewise.runtime.plan import Code, Operand, Plan, Region

POISON = 0xFF  # in floats NaN: who reads what nobody wrote is found out


@dataclass(frozen=True)
class Buffer:
    """Bytes at the start (None: nothing is there) and the place of their last byte but one."""

    nbytes: int
    initial: bytes | None
    is_constant: bool = False


@dataclass(frozen=True)
class Isolated:
    """Arrays for C that refer to `buffers` by number, counted from Region.IO. `outputs` say in
    which buffer, and where in it, each output of the graph is."""

    code: Code
    buffers: tuple[Buffer, ...]
    scratch_bytes: int
    outputs: tuple[tuple[int, Operand], ...]


def isolate(plan: Plan, inputs: Sequence[np.ndarray]) -> Isolated:
    """The plan with the arrays it is fed."""
    work = _Work(plan, inputs)
    operands = np.array([work.moved(o) for o in plan.code.operands], OPERAND)
    outputs = tuple(work.output(o) for o in plan.outputs)
    return Isolated(
        replace(plan.code, operands=operands), tuple(work.buffers), plan.scratch_bytes, outputs
    )


class _Work:
    """Buffers by the interval of the region that they are."""

    def __init__(self, plan: Plan, inputs: Sequence[np.ndarray]) -> None:
        self.plan = plan
        self.buffers = [
            Buffer(a.nbytes, a.tobytes(), is_constant=True)
            if index < plan.n_inputs
            else Buffer(o.nbytes, None)
            for index, (o, a) in enumerate(
                zip(plan.io, [*inputs, *plan.io[plan.n_inputs :]], strict=True)
            )
        ]
        self._starts: dict[int, list[tuple[int, int, int]]] = {
            region: self._add(region) for region in (Region.CONST, Region.ARENA, Region.STATE)
        }

    def moved(self, record: np.void) -> tuple[int, int, int]:
        """An operand record, in its buffer."""
        region, shape, offset = (int(n) for n in record)
        if region not in self._starts:
            return region, shape, offset  # of the graph's inputs and outputs; scratch; absent
        begin, number = self._find(region, offset, self._nbytes(record))
        return Region.IO + number, shape, offset - begin

    def output(self, place: Operand) -> tuple[int, Operand]:
        """An output's buffer, and its place there."""
        if place.region is Region.IO:
            return place.offset, replace(place, offset=0)
        begin, number = self._find(place.region, place.offset, place.nbytes)
        return number, replace(place, offset=place.offset - begin)

    def _add(self, region: int) -> list[tuple[int, int, int]]:
        """(begin, end, number) of the buffers of a region; operands that overlap share one."""
        spans = [
            (int(o["offset"]), int(o["offset"]) + self._nbytes(o))
            for o in self.plan.code.operands
            if o["region"] == region
        ]
        spans += [(o.offset, o.offset + o.nbytes) for o in self.plan.outputs if o.region == region]
        merged: list[list[int]] = []
        for begin, end in sorted(set(spans)):
            if merged and begin < merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([begin, end])
        found = []
        for begin, end in merged:
            found.append((begin, end, len(self.buffers)))
            self.buffers.append(self._buffer(region, begin, end))
        return found

    def _buffer(self, region: int, begin: int, end: int) -> Buffer:
        if region == Region.CONST:
            return Buffer(end - begin, self.plan.constants[begin:end].tobytes(), is_constant=True)
        if region == Region.ARENA:
            return Buffer(end - begin, None)
        held = np.zeros(self.plan.state_bytes, np.uint8)
        for value, place in self.plan.variables.items():
            first = 0 if value.quant is None else value.quant.zero_point.flat[0]
            held[place.offset : place.offset + place.nbytes] = (
                np.full(place.shape, first, place.dtype).reshape(-1).view(np.uint8)
            )
        return Buffer(end - begin, held[begin:end].tobytes())

    def _find(self, region: int, offset: int, nbytes: int) -> tuple[int, int]:
        for begin, end, number in self._starts[region]:
            if begin <= offset and offset + nbytes <= end:
                return begin, number
        raise AssertionError("an operand without a buffer")

    def _nbytes(self, record: np.void) -> int:
        shape, dtype = self.plan.code.shapes[int(record["shape"])]
        return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
