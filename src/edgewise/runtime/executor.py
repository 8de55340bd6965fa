"""Executor: runs a Plan. One foreign call walks the steps; it returns early where a step is
Python's (Host, Delegate) and goes on from there.

The arena belongs to the executor and is allocated once; the constants are the plan's. During an
inference nothing is allocated but the output arrays (and what references of Host steps make).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.errors import InternalError
from edgewise.ir.evaluate import State, evaluate_node
from edgewise.ir.graph import Value
from edgewise.runtime.code import operands_of
from edgewise.runtime.library import constant, library, structures
from edgewise.runtime.memory import allocate
from edgewise.runtime.plan import Operand, Plan, Region

# called with the number of the operator (in the graph's order) that a step belongs to
BeforeStep = Callable[[int], None]
# reads the first arrays and writes the others: those of the step
RunDelegate = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], None]


class Executor:
    """A plan with its memory. Not for two threads at once.

    `originals` gives the caller's value for each value of the plan where the plan was made from a
    copy of the caller's graph: variables and kept values are known by it. `delegates` run the
    plan's Delegate steps, by number.
    """

    def __init__(
        self,
        plan: Plan,
        originals: Mapping[Value, Value] | None = None,
        delegates: Sequence[RunDelegate] = (),
    ) -> None:
        self.plan = plan
        named = {} if originals is None else originals
        self._variables = {named.get(v, v): place for v, place in plan.variables.items()}
        self._kept = {named.get(v, v): place for v, place in plan.kept.items()}
        self._delegates = delegates
        self._memory = {
            Region.CONST: plan.constants,
            Region.ARENA: allocate(plan.arena_bytes),
            Region.STATE: allocate(plan.state_bytes),
        }
        self._scratch = allocate(plan.scratch_bytes)
        self._views = {v: self._view(place, ()) for v, place in self._variables.items()}
        self._must_copy = [
            o.region is not Region.IO or o.offset < plan.n_inputs or o in plan.outputs[:index]
            for index, o in enumerate(plan.outputs)
        ]
        self._state = self._make_state()

    def run(
        self, inputs: Sequence[np.ndarray], state: State, before_step: BeforeStep | None
    ) -> list[np.ndarray]:
        """The outputs; `inputs` have the plan's shapes and dtypes. `state` is updated: its arrays
        of this plan's variables lie in the executor's memory."""
        plan = self.plan
        io = [_whole(a) for a in inputs]
        io += [np.empty(o.shape, o.dtype) for o in plan.io[plan.n_inputs :]]
        for index, array in enumerate(io, Region.IO):
            self._regions[index] = _address(array)
        if self._views:
            self._bind(state)
        self._walk(io, before_step)
        if self._kept:
            self._io = io
        found = [self._view(o, io) for o in plan.outputs]
        return [a.copy() if c else a for a, c in zip(found, self._must_copy, strict=True)]

    def kept(self) -> dict[Value, np.ndarray]:
        """Copies of the values that the plan keeps, after a run."""
        return {v: self._view(o, self._io).copy() for v, o in self._kept.items()}

    # -- the run ------------------------------------------------------------------------------

    def _walk(self, io: Sequence[np.ndarray], before_step: BeforeStep | None) -> None:
        """Run all steps; `before_step` is called before each."""
        run, lib, steps = self._state, library(), self.plan.code.steps
        run.next = run.depth = run.iterations = 0
        run.one_step = before_step is not None
        while True:
            if before_step is not None and run.next < len(steps):
                before_step(int(steps[run.next]["node"]))
            status = lib.ew_run(run)
            if status == lib.EW_RUN_done:
                break
            if status in (lib.EW_RUN_host, lib.EW_RUN_delegate):
                self._run_here(run.stopped, io)
            elif status != lib.EW_RUN_paused:
                raise InternalError(f"the executor returned {status} at step {run.stopped}")
        if before_step is not None and self.plan.placement:
            before_step(len(self.plan.placement) - 1)

    def _run_here(self, place: int, io: Sequence[np.ndarray]) -> None:
        """A Host or Delegate step."""
        code = self.plan.code
        step = code.steps[place]
        operands = operands_of(code, place)
        reads = [None if o is None else self._view(o, io) for o in operands[: step["first"]]]
        writes = [self._view(o, io) for o in operands[step["first"] :] if o is not None]
        if step["kind"] == constant("EW_STEP_delegate"):
            self._delegates[step["index"]]([a for a in reads if a is not None], writes)
            return
        node = code.hosts[step["index"]]
        for target, array in zip(writes, evaluate_node(node, reads), strict=True):
            if array.shape != target.shape:
                raise InternalError(f"{node}: planned {target.shape}, computed {array.shape}")
            target[...] = array

    def _bind(self, state: State) -> None:
        """Let the variables in `state` be ours: what somebody else put there is copied; what is
        missing, or of another shape, starts at zero (or its zero point)."""
        for value, view in self._views.items():
            array = state.get(value)
            if array is view:
                continue
            if array is not None and array.shape == view.shape:
                view[...] = array
            else:
                view[...] = 0 if value.quant is None else value.quant.zero_point.flat[0]
            state[value] = view

    def _view(self, place: Operand, io: Sequence[np.ndarray]) -> np.ndarray:
        """The array at a place, not copied."""
        if place.region is Region.IO:
            array = io[place.offset]
            return array if array.shape == place.shape else array.reshape(place.shape)
        flat = self._memory[place.region][place.offset : place.offset + place.nbytes]
        return flat.view(place.dtype).reshape(place.shape)

    # -- what C reads -------------------------------------------------------------------------

    def _make_state(self) -> Any:
        """The `ew_run_state`. Raises InternalError where the plan breaks a rule."""
        ffi, lib, plan = structures(), library(), self.plan
        code = plan.code
        bases = [0] * (Region.IO + len(plan.io))
        for region, memory in self._memory.items():
            bases[region] = _address(memory)
        self._regions = ffi.new("uintptr_t[]", bases)
        self._cancelled = ffi.new("uint32_t *")
        # `new` takes addresses but keeps nothing alive: these three are the plan's
        arrays = {
            "steps": ffi.from_buffer("ew_step[]", code.steps),
            "operands": ffi.from_buffer("ew_operand[]", code.operands),
            "params": ffi.from_buffer("uint8_t[]", code.params),
        }
        fields = {
            **arrays,
            "kernels": lib.ew_table(int(plan.target.isa)),
            "regions": self._regions,
            "scratch": ffi.from_buffer("uint8_t[]", self._scratch),
            "scratch_stride": len(self._scratch),
            "n_steps": len(code.steps),
            "cancelled": self._cancelled,
            "serial": 1,
            "max_iterations": 2**63,
        }
        run = ffi.new("ew_run_state *", fields)
        bad = lib.ew_check(run, len(code.operands), len(code.params), len(bases))
        if bad:
            raise InternalError(f"step {bad - 1} of the plan refers to what is not there")
        return run


def _address(array: np.ndarray) -> int:
    # a fifth of the time of array.ctypes
    return int(array.__array_interface__["data"][0])


def _whole(array: np.ndarray) -> np.ndarray:
    """The array, or a copy where its elements are not dense and aligned."""
    flags = array.flags
    if flags.c_contiguous and flags.aligned:
        return array
    return np.require(array, requirements=("C", "A"))
