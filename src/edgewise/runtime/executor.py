"""Executor: runs a Plan. One foreign call per run of kernel steps; Host steps in between.

The arena belongs to the executor and is allocated once; the constants are the plan's. During an
inference nothing is allocated but the output arrays (and what references of Host steps make).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from edgewise.errors import InternalError
from edgewise.ir.evaluate import State, evaluate_node, variable
from edgewise.ir.graph import Value
from edgewise.runtime.library import kernel_index, library, structures
from edgewise.runtime.memory import allocate
from edgewise.runtime.plan import Host, Kernel, Operand, Plan, Region, Step

# called with the number of the operator (in the graph's order) that a step belongs to
BeforeStep = Callable[[int], None]


class Executor:
    """A plan with its memory. Not for two threads at once.

    `originals` gives the caller's value for each value of the plan where the plan was made from a
    copy of the caller's graph: variables and kept values are known by it.
    """

    def __init__(self, plan: Plan, originals: Mapping[Value, Value] | None = None) -> None:
        self.plan = plan
        named = {} if originals is None else originals
        self._variables = [named.get(v, v) for v in plan.variables]
        self._kept = {named.get(v, v): place for v, place in plan.kept.items()}
        self._constants = plan.constants
        self._arena = allocate(plan.arena_bytes)
        self._scratch = allocate(plan.scratch_bytes)
        groups = groupby(plan.steps, lambda step: isinstance(step, Kernel))
        self._segments = [s for _, group in groups for s in _segments(list(group))]
        base = [_address(self._constants), _address(self._arena), structures().NULL]
        self._regions = structures().new("void *[]", base + [structures().NULL] * len(plan.io))
        self._scratch_address = _address(self._scratch)
        self._must_copy = [
            o.region is not Region.IO or o.offset < plan.n_inputs or o in plan.outputs[:index]
            for index, o in enumerate(plan.outputs)
        ]

    def run(
        self, inputs: Sequence[np.ndarray], state: State, before_step: BeforeStep | None
    ) -> list[np.ndarray]:
        """The outputs; `inputs` have the plan's shapes and dtypes. `state` is updated."""
        plan = self.plan
        io = [_whole(a) for a in inputs]
        io += [np.empty(o.shape, o.dtype) for o in plan.io[plan.n_inputs :]]
        for index, array in enumerate(io, Region.IO):
            self._regions[index] = _address(array)
        for segment in self._segments:
            if isinstance(segment, Host):
                if before_step is not None:
                    before_step(segment.node)
                self._run_host(segment, io, state)
            else:
                segment.run(plan, self._regions, self._scratch_address, before_step)
        if before_step is not None and plan.placement:
            before_step(len(plan.placement) - 1)
        if self._kept:
            self._io = io
        found = [self._view(o, io, state) for o in plan.outputs]
        return [a.copy() if c else a for a, c in zip(found, self._must_copy, strict=True)]

    def kept(self, state: State) -> dict[Value, np.ndarray]:
        """Copies of the values that the plan keeps, after a run."""
        return {v: self._view(o, self._io, state).copy() for v, o in self._kept.items()}

    def _run_host(self, step: Host, io: Sequence[np.ndarray], state: State) -> None:
        node = step.op
        operands = [None if o is None else self._view(o, io, state) for o in step.operands]
        results = evaluate_node(node, operands)
        for place, array in zip(step.results, results, strict=True):
            if place.region is Region.STATE:
                state[self._variables[place.offset]] = array
                continue
            if array.shape != place.shape:
                raise InternalError(f"{node}: planned {place.shape}, computed {array.shape}")
            self._view(place, io, state)[...] = array

    def _view(self, place: Operand, io: Sequence[np.ndarray], state: State) -> np.ndarray:
        """The array at a place, not copied."""
        if place.region is Region.STATE:
            return variable(self._variables[place.offset], place.shape, state)
        if place.region is Region.IO:
            array = io[place.offset]
            return array if array.shape == place.shape else array.reshape(place.shape)
        memory = self._constants if place.region is Region.CONST else self._arena
        flat = memory[place.offset : place.offset + place.nbytes]
        return flat.view(place.dtype).reshape(place.shape)


class _Native:
    """Neighbouring kernel steps as the C executor reads them."""

    def __init__(self, steps: Sequence[Kernel]) -> None:
        ffi = structures()
        self.steps = steps
        operands = [o for step in steps for o in step.operands]
        self._operands = ffi.new("ew_operand[]", [_operand(o) for o in operands])
        rows, params, first = [], b"", 0
        for step in steps:
            rows.append(
                {
                    "kernel": kernel_index()[step.name],
                    "n_tiles": step.n_tiles,
                    "first_operand": first,
                    "n_operands": len(step.operands),
                    "params": len(params),
                }
            )
            first += len(step.operands)
            params += step.params + bytes(-len(step.params) % 8)
        self._steps = ffi.new("ew_step[]", rows)
        self._params = ffi.new("uint8_t[]", params or b"\0")

    def run(self, plan: Plan, regions: Any, scratch: Any, before_step: BeforeStep | None) -> None:
        """All steps in one call, or one call each where somebody wants to know."""
        if before_step is None:
            self._call(plan, 0, len(self.steps), regions, scratch)
            return
        for index, step in enumerate(self.steps):
            before_step(step.node)
            self._call(plan, index, 1, regions, scratch)

    def _call(self, plan: Plan, first: int, count: int, regions: Any, scratch: Any) -> None:
        isa = int(plan.target.isa)
        failed = library().ew_run(
            isa, self._steps + first, count, self._operands, self._params, regions, scratch
        )
        if failed:
            raise InternalError(f"the executor refused step {first + failed - 1}")


def _segments(steps: list[Step]) -> Sequence[Host | _Native]:
    kernels = [s for s in steps if isinstance(s, Kernel)]
    return [_Native(kernels)] if kernels else [s for s in steps if isinstance(s, Host)]


def _operand(place: Operand) -> dict[str, int]:
    if place.region is Region.IO:
        return {"region": Region.IO + place.offset, "reserved": 0, "offset": 0}
    return {"region": int(place.region), "reserved": 0, "offset": place.offset}


def _address(array: np.ndarray) -> Any:
    # a fifth of the time of array.ctypes
    return structures().cast("void *", array.__array_interface__["data"][0])


def _whole(array: np.ndarray) -> np.ndarray:
    """The array, or a copy where its elements are not dense and aligned."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, requirements=("C", "A"))
