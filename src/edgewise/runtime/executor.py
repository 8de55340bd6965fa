"""Executor: runs a Plan. One foreign call walks the steps; it returns early where a step is
Python's (Host, Delegate) and goes on from there.

The arena belongs to the executor and is allocated once; the constants are the plan's. During an
inference nothing is allocated but the output arrays (and what references of Host steps make).

Long because everything that touches the state C walks with stands here: binding, running, stopping.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.errors import CancelledError, InputError, InternalError, LimitError, ShapeError
from edgewise.ir.evaluate import BodyRunner, State, evaluate_node
from edgewise.ir.graph import Node, Value
from edgewise.ir.nesting import names_resources
from edgewise.ir.resources import Resources
from edgewise.runtime.code import operands_of
from edgewise.runtime.forks import remember
from edgewise.runtime.functions import Function, again
from edgewise.runtime.library import constant, kernel_table, library, structures
from edgewise.runtime.limits import Limits, iteration_guard
from edgewise.runtime.memory import aligned, allocate
from edgewise.runtime.plan import Operand, Plan, Region
from edgewise.runtime.stops import refuse_operands, stopped
from edgewise.runtime.threads import Threads, platform

# called with the number of the operator (in the graph's order) that a step belongs to
BeforeStep = Callable[[int], None]
# reads the first arrays and writes the others: those of the step
RunDelegate = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], None]

_BRIEF_NS = 10_000  # to give Python's lock back and take it again are 60 of them
_TRIED_NS = 200_000  # runs of more work are shared among the threads: one alone is no faster

ONE_THREAD, DEFAULT_LIMITS = Threads(1), Limits()


def _entropy() -> int:
    return int.from_bytes(os.urandom(8), "little")


class Unfit(Exception):
    """The plan cannot run with what variables hold now; the message says why."""


class Executor:
    """A plan with its memory. Not for two threads at once.

    `originals` gives the caller's value for each value of the plan where the plan was made from a
    copy of the caller's graph: variables and kept values are known by it. `delegates` run the
    plan's Delegate steps, by number. `is_always_shared`: no run tries whether one thread is faster.

    Raises:
        InternalError: the plan breaks a rule of params.h.
    """

    def __init__(
        self,
        plan: Plan,
        originals: Mapping[Value, Value] | None = None,
        *,
        delegates: Sequence[RunDelegate] = (),
        threads: Threads = ONE_THREAD,
        limits: Limits = DEFAULT_LIMITS,
        is_always_shared: bool = False,
    ) -> None:
        self.plan = plan
        named = {} if originals is None else originals
        self._variables = {named.get(v, v): place for v, place in plan.variables.items()}
        self._kept = {named.get(v, v): place for v, place in plan.kept.items()}
        self._delegates, self._threads, self._limits = delegates, threads, limits
        self._memory = {
            Region.CONST: plan.constants,
            Region.ARENA: allocate(plan.arena_bytes),
            Region.STATE: allocate(plan.state_bytes),
            Region.SCRATCH: allocate(aligned(plan.scratch_bytes) * threads.count),
        }
        self._views = {v: self._view(place, ()) for v, place in self._variables.items()}
        self._named = [
            (name, named.is_assigned_first, self._view(named.place, ()))
            for name, named in plan.named.items()
        ]
        self._written = [(o.shape, o.dtype) for o in plan.io[plan.n_inputs :]]
        # outputs that steps write where the caller reads them: place in `outputs` to that in `io`
        fresh: dict[int, int] = {}
        for index, place in enumerate(plan.outputs):
            if place.region is Region.IO and place.offset >= plan.n_inputs:
                fresh.setdefault(place.offset, index)
        self._direct = {index: place for place, index in fresh.items()}
        self._are_direct = len(self._direct) == len(plan.outputs)
        # the run that `repeat` does again: the arrays whose addresses C has, and the outputs
        self.can_repeat = False
        self._io: Sequence[np.ndarray] = ()
        self._outputs: list[np.ndarray] = []
        self._state: State = {}
        self._resources = Resources()
        self._turn: np.ndarray | None = None
        self._first: Executor | None = None  # what runs for a CALL_ONCE
        self._bound: Resources | None = None  # whose variables are ours, as long as none changes
        self._changes = 0
        self.has_variables = bool(self._views)
        hosts = plan.code.hosts
        self.has_names = bool(self._named or plan.once) or any(map(names_resources, hosts))
        self._run = self._make_state()
        if threads.count > 1 and not is_always_shared and self._run.clock:
            first = constant("EW_TRIAL_RUNS") - constant("EW_FIRST_RUNS")
            self._run.trial = {"is_on": self._takes_less_than(_TRIED_NS), "place": first}
        remember(self)

    def run(
        self,
        inputs: Sequence[np.ndarray],
        state: State,
        before_step: BeforeStep | None = None,
        *,
        resources: Resources | None = None,
        into: Sequence[np.ndarray] | None = None,
        serial: int = 1,
        deadline_s: float = math.inf,
    ) -> list[np.ndarray]:
        """The outputs; `inputs` have the plan's shapes and dtypes. `state` is updated: its arrays
        of this plan's variables lie in the executor's memory. Host steps read and write
        `resources`. Where `can_repeat` is true afterwards, `repeat` does the same run again.

        Args:
            into: dense arrays of the outputs' shapes and dtypes that are filled and returned.
            serial: the number of this run, for `cancel`; not 0.
            deadline_s: seconds that are left, where that is less than the limits say.

        Raises:
            LimitError: a loop or the deadline. CancelledError: by `cancel`.
            Unfit: a variable has another type than the plan; nothing but CALL_ONCE has run.
        """
        self.can_repeat = False
        io, are_lasting = self._bind_arrays(inputs, into)
        if self._views:
            self._bind(state)
        self._state = state
        self._resources = resources = Resources() if resources is None else resources
        self._start(serial, deadline_s)
        if self.plan.once or self._named:
            self._bind_named(resources)
        self._walk(io, before_step)
        if self._kept:
            self._io = io
        outputs = self._results(io, into)
        if self._are_direct and are_lasting and not (self._kept or before_step):
            self.can_repeat, self._io, self._outputs = True, io, outputs
        return outputs

    def repeat(self, serial: int) -> list[np.ndarray]:
        """The last run with what is in its arrays and variables now; its very list of outputs.

        Raises: as `run`."""
        if self._views:
            self._bind(self._state)
        if self.has_names:
            self._bind_named(self._resources)
        self._start(serial)
        self._walk(self._io, None)
        return self._outputs

    def function(self, turn: np.ndarray) -> Function | None:
        """Takes an `ew_turn` and repeats the last run: what `functions.again` makes; `resume` goes
        on where C returned before the end. None where a run needs more than that. Not for variables
        that the plan names unless `holds` is true."""
        if self._views or self._clock is not None:
            return None
        self._turn = turn  # C has its address
        self._run.is_brief = self._is_brief()
        return again(self._run, turn)

    def _is_brief(self) -> bool:
        """Other threads wait for the whole run less than one waits for Python's lock."""
        are_known = (self.plan.code.steps["work"] > 1).all()  # ns; 1: not to be shared
        return bool(are_known) and self._takes_less_than(_BRIEF_NS)

    def _takes_less_than(self, ns: int) -> bool:
        """All steps are kernels, whose work the planner knows."""
        steps = self.plan.code.steps
        are_kernels = (steps["kind"] == constant("EW_STEP_kernel")).all()
        return bool(are_kernels and (steps["work"] > 0).all() and steps["work"].sum() < ns)

    def resume(self, status: int) -> None:
        """Go on with a run that C returned from. Raises: as `run`."""
        try:
            self._handle(status, self._io)
        except BaseException:
            self._begin_anew()
            raise
        self._walk(self._io, None)

    def _bind_arrays(
        self, inputs: Sequence[np.ndarray], into: Sequence[np.ndarray] | None
    ) -> tuple[list[np.ndarray], bool]:
        """Tell C where inputs and outputs are; all of them, and whether they will be there again:
        a tuple holds the same arrays for ever."""
        regions, from_buffer = self._regions, self._from_buffer
        io = list(inputs)
        are_lasting = isinstance(inputs, tuple) and isinstance(into, tuple)
        for index, array in enumerate(io):
            flags = array.flags
            if not (flags.c_contiguous and flags.aligned):
                io[index] = np.require(array, requirements=("C", "A"))
                are_lasting = False
        for shape, dtype in self._written:
            io.append(np.empty(shape, dtype))
        if into is not None:
            for index, place in self._direct.items():
                io[place] = into[index].reshape(self.plan.io[place].shape)
        for index, array in enumerate(io, Region.IO):
            try:
                regions[index] = from_buffer(array)
            except ValueError:  # a type that NumPy does not know
                regions[index] = from_buffer(array.view(np.uint8))
        return io, are_lasting

    def after_fork(self) -> None:
        """In the child, random numbers without a seed begin somewhere else."""
        self._run.entropy = _entropy()

    def cancel(self, serial: int) -> None:
        """Let the run with this number stop before its next step. From another thread."""
        self._cancelled[0] = serial
        if (first := self._first) is not None:
            first.cancel(serial)

    def kept(self) -> dict[Value, np.ndarray]:
        """Copies of the values that the plan keeps, after a run."""
        return {v: self._view(o, self._io).copy() for v, o in self._kept.items()}

    def _results(
        self, io: Sequence[np.ndarray], into: Sequence[np.ndarray] | None
    ) -> list[np.ndarray]:
        """The outputs in arrays of their own."""
        found = [self._view(o, io) for o in self.plan.outputs]
        for index, array in enumerate(found):
            is_ours = index not in self._direct
            if into is not None:
                if is_ours:
                    into[index][...] = array
                found[index] = into[index]
            elif is_ours:
                found[index] = array.copy()
        return found

    # -- the run ------------------------------------------------------------------------------

    def _start(self, serial: int, deadline_s: float = math.inf) -> None:
        """What C and Host steps need to know of this run."""
        run = self._run
        run.serial = serial
        if self._threads.count > 1:
            run.pool = self._threads.pool()
            run.spread = structures().NULL if run.pool is None else self._spread
        if self._clock is not None:
            now = int(self._clock.clock(self._clock.system))
            run.deadline = now + math.ceil(min(self._limits.deadline_s, deadline_s) * 1e9)

    def _walk(self, io: Sequence[np.ndarray], before_step: BeforeStep | None) -> None:
        """Run all steps; `before_step` is called before each."""
        run, ew_run = self._run, self._ew_run
        try:
            if before_step is not None:
                self._walk_slowly(io, before_step)
                return
            while status := ew_run(run):
                self._handle(status, io)
        except BaseException:
            self._begin_anew()
            raise

    def _begin_anew(self) -> None:
        """The next run does not go on where this one failed."""
        run = self._run
        run.next = run.depth = run.iterations = 0

    def _walk_slowly(self, io: Sequence[np.ndarray], before_step: BeforeStep) -> None:
        run, steps = self._run, self.plan.code.steps
        run.one_step = 1
        try:
            while True:
                if run.next < len(steps):
                    before_step(int(steps[run.next]["node"]))
                status = self._ew_run(run)
                if status == 0:
                    break
                self._handle(status, io)
        finally:
            run.one_step = 0
        if self.plan.placement:
            before_step(len(self.plan.placement) - 1)

    def _handle(self, status: int, io: Sequence[np.ndarray]) -> None:
        """Do what a run that is not over asks for."""
        place, lib = self._run.stopped, library()
        if status in (lib.EW_RUN_host, lib.EW_RUN_delegate):
            self._run_here(place, io)
        elif status == lib.EW_RUN_outside:
            places = [o for o in operands_of(self.plan.code, place) if o is not None]
            refuse_operands(self.plan, place, [self._view(o, io) for o in places])
        elif status != lib.EW_RUN_paused:
            raise stopped(self.plan, place, status, self._limits)

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
        self._before_node(node, reads)
        results = evaluate_node(node, reads, self._runner(node))
        for target, array in zip(writes, results, strict=True):
            if array.shape != target.shape:
                raise ShapeError(
                    f"{node} must give the shape {list(target.shape)} that the model declares; "
                    f"got {list(array.shape)}"
                )
            target[...] = array

    def _runner(self, node: Node) -> BodyRunner:
        guard = iteration_guard(self._limits)
        return BodyRunner(node, self._before_node, guard, self._resources)

    def _before_node(self, node: Node, operands: Sequence[np.ndarray | None]) -> None:
        """Before every Host step, and every node of the graphs that it runs."""
        self._limits.check_results(node, operands)
        run = self._run
        if self._cancelled[0] == run.serial:
            raise CancelledError(f"the run was cancelled at {node}")
        if self._clock is not None and self._clock.clock(self._clock.system) >= run.deadline:
            raise LimitError(f"deadline_s is {self._limits.deadline_s}; stopped at {node}")

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

    def holds(self, resources: Resources) -> bool:
        """The variables that the plan names are ours: nobody has assigned one since."""
        return resources is self._bound and resources.changes == self._changes

    def _bind_named(self, resources: Resources) -> None:
        """Run what runs once; let the variables that the plan names be ours. Nothing is to do where
        nobody has assigned one since. Raises Unfit."""
        if self.holds(resources):
            return
        for node in self.plan.once:
            self._begin(node)
        held = [resources.values.get(name) for name, _, _ in self._named]
        for (name, is_assigned_first, view), array in zip(self._named, held, strict=True):
            if array is None:
                if not is_assigned_first:
                    raise Unfit(f"the {name} has no value yet")
            elif array.shape != view.shape or array.dtype != view.dtype:
                raise Unfit(f"the {name} is {array.dtype}{list(array.shape)}")
        for (name, _, view), array in zip(self._named, held, strict=True):
            if array is view:
                continue
            if array is not None:
                view[...] = array
            resources.assign(name, view)
        self._bound, self._changes = resources, resources.changes

    def _begin(self, node: Node) -> None:
        """Run a CALL_ONCE."""
        from edgewise.runtime import once  # a plan of the cache needs no planner

        def run(made: Plan) -> None:
            self._first = first = Executor(made, threads=self._threads, limits=self._limits)
            try:
                first.run((), {}, resources=self._resources, serial=self._run.serial)
            finally:
                self._first = None

        once.begin(node, self.plan.target, self._runner(node), run)

    def _view(self, place: Operand, io: Sequence[np.ndarray]) -> np.ndarray:
        """The array at a place, not copied."""
        if place.region is Region.IO:
            array = io[place.offset]
            if not place.start and array.nbytes == place.nbytes:
                return array if array.shape == place.shape else array.reshape(place.shape)
            memory, start = array.reshape(-1).view(np.uint8), place.start
        else:
            memory, start = self._memory[place.region], place.offset
        flat = memory[start : start + place.nbytes]
        return flat.view(place.dtype).reshape(place.shape)

    # -- what C reads -------------------------------------------------------------------------

    def _make_state(self) -> Any:
        """The `ew_run_state`. Raises InternalError where the plan breaks a rule."""
        ffi, lib, plan = structures(), library(), self.plan
        code = plan.code
        self._ew_run, self._spread = lib.ew_run, lib.ew_pool_run
        self._from_buffer = from_buffer = ffi.from_buffer
        self._regions = ffi.new("void *[]", Region.IO + len(plan.io))
        for region, memory in self._memory.items():
            self._regions[region] = from_buffer(memory)
        self._cancelled = ffi.new("uint32_t *")
        self._kernels, more = kernel_table(plan.target.isa)
        # `new` takes addresses and keeps nothing alive: all that is here is the plan's or ours
        fields = {
            "steps": from_buffer("ew_step[]", code.steps),
            "operands": from_buffer("ew_operand[]", code.operands),
            "params": from_buffer("uint8_t[]", code.params),
            "kernels": self._kernels,
            "more_kernels": more,
            "regions": self._regions,
            "scratch": from_buffer("uint8_t[]", self._memory[Region.SCRATCH]),
            "scratch_stride": aligned(plan.scratch_bytes),
            "n_steps": len(code.steps),
            "cancelled": self._cancelled,
            "max_iterations": int(self._limits.max_loop_iterations),
            "entropy": _entropy(),
        }
        run = ffi.new("ew_run_state *", fields)
        self._clock = None
        has_deadline = math.isfinite(self._limits.deadline_s)
        system = platform() if has_deadline or self._threads.count > 1 else None
        if system is not None:
            run.clock, run.system = system.clock, system.system
        if has_deadline:
            self._clock = system
            if system is None:
                raise InputError("deadline_s needs a clock, and this system offers none")
        bad = lib.ew_check(run, len(code.operands), len(code.params), len(self._regions))
        if bad:
            raise InternalError(f"step {bad - 1} of the plan refers to what is not there")
        return run
