"""Graphs whose shapes depend on data: plans of what is known, one after the other.

A graph that cannot be planned as a whole is cut (cut.py). Its part runs as a plan, its hosts by
their references; then the shapes of what the rest reads are known, and the rest is treated like the
graph. Cuts and plans are kept for the shapes they were made for, the last few of each.

Planning costs as much as many runs of a small graph, and a count that depends on data is often
another one each time. So a rest is planned when shapes come a second time (of many that go round
only now and then), or at once where there is much to compute; until then the references run it. The
graphs that a host runs (a loop whose values change their shapes) are treated the same way.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from edgewise.errors import CancelledError, EdgewiseError, InternalError, LimitError
from edgewise.ir.evaluate import (
    BeforeNode,
    State,
    begin,
    evaluate,
    evaluate_node,
    updated,
    variable,
)
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.resources import Resources
from edgewise.runtime.counted import counted, kernel_of
from edgewise.runtime.cut import (
    MUCH_WORK,
    Cut,
    Piece,
    Shapes,
    cut,
    is_handle,
    static,
    typed,
    work_of,
)
from edgewise.runtime.executor import Executor, Unfit
from edgewise.runtime.limits import Limits, demand_of
from edgewise.runtime.plan import Placement, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.settled import Settled, is_settling, keep
from edgewise.runtime.threads import Threads
from edgewise.values import dataclass

MOST_RESTS = 8  # shapes of one rest that are kept ready
MOST_SEEN = 64  # shapes of one rest of which it is known that they occurred
MOST_STAGES = 32  # rests of rests
RUNS_PER_PLAN = 16  # of one rest, once more than MOST_RESTS were made: shapes that go round


@dataclass(slots=True)
class Run:
    """What all stages of one run have in common."""

    state: State
    resources: Resources
    serial: int
    check: BeforeNode  # raises where the run must stop
    is_cancelled: Callable[[], bool]
    before_iteration: Callable[[Node], None]
    before_step: Callable[[int], None] | None
    end: float  # of `time.monotonic`


class Staged:
    """A whole graph in stages; `cancel` from another thread."""

    def __init__(self, piece: Piece, planner: Planner) -> None:
        self._planner, self._stage = planner, Stage(piece, planner)

    def run(self, inputs: Sequence[np.ndarray], run: Run) -> list[np.ndarray]:
        """The outputs; they may be views of inputs, constants and variables."""
        return self._stage.run(inputs, run)

    def placement(self) -> tuple[Placement, ...]:
        """Where every operator ran last."""
        found = dict(self._stage.placements())  # a handle is in several pieces
        return tuple(found[number] for number in sorted(found))

    def cancel(self, serial: int) -> None:
        """Let the run with this number stop."""
        current = self._planner.current
        if current is not None:
            current.cancel(serial)


def staged(
    graph: Graph,
    originals: Mapping[Value, Value],
    target: Target,
    threads: Threads,
    limits: Limits,
) -> Staged:
    """A graph whose types are inferred from the shapes of its inputs, in stages; `originals` gives
    the model's value for each of its own.

    Raises:
        LimitError: what can be planned is too big.
    """
    origins = {v: originals.get(v, v) for v in graph.values() if v.is_variable}
    piece = Piece(graph, graph.inputs, graph.outputs, range(len(graph)), origins)
    known = typed(piece, tuple([static(v.shape) for v in graph.inputs]))
    return Staged(known or piece, Planner(target, threads, limits))


class Planner:
    """Makes the executors of parts; `current` is what runs now, for `cancel`."""

    def __init__(self, target: Target, threads: Threads, limits: Limits) -> None:
        self.target, self.threads, self.limits = target, threads, limits
        self.current: Executor | None = None
        self._bodies: dict[Graph, Rest] = {}

    def executor(self, piece: Piece) -> Executor:
        """Raises NotPlannable, and EdgewiseError where limits are broken."""
        self.limits.check(demand_of(piece.graph))
        made = plan(piece.graph, self.target)
        self.limits.check_plan(made)
        return Executor(made, piece.origins, threads=self.threads, limits=self.limits)

    def alone(self, graph: Graph) -> Executor:
        """As `executor`, of a graph without variables."""
        return self.executor(Piece(graph, graph.inputs, graph.outputs, [0] * len(graph), {}))

    def run(self, executor: Executor, inputs: Sequence[np.ndarray], run: Run) -> list[np.ndarray]:
        """Raises what Executor.run raises."""
        outer, self.current = self.current, executor
        try:
            # `cancel` notes that it was called before it asks what is current
            if run.is_cancelled():
                raise CancelledError("the run was cancelled between two operators")
            return executor.run(
                inputs,
                run.state,
                resources=run.resources,
                serial=run.serial,
                deadline_s=max(run.end - time.monotonic(), 0.0),
            )
        finally:
            self.current = outer

    def body(self, graph: Graph) -> Rest:
        """A graph that an operator runs."""
        found = self._bodies.get(graph)
        if found is None:
            copy = graph.copy()
            piece = Piece(copy, copy.inputs, copy.outputs, [0] * len(copy), {})
            found = self._bodies[graph] = Rest(piece, self, 1)
        return found


@dataclass(frozen=True, slots=True)
class _Runner:
    """Runs the graphs of an operator by plans, where their shapes come again."""

    node: Node
    planner: Planner
    run: Run

    @property
    def resources(self) -> Resources:
        """The variables and tables that operators name."""
        return self.run.resources

    def __call__(self, graph: Graph, inputs: Sequence[np.ndarray], /) -> list[np.ndarray]:
        return self.planner.body(graph).run(inputs, self.run)

    def begin_iteration(self) -> None:
        """A loop goes on; raises where it must not."""
        self.run.before_iteration(self.node)


class Rest:
    """A piece whose input shapes are known only when it runs: a stage for each set of them."""

    def __init__(self, piece: Piece, planner: Planner, depth: int) -> None:
        self.piece, self._planner, self._depth = piece, planner, depth
        self._ready: OrderedDict[Shapes, Stage | None] = OrderedDict()
        self._seen: OrderedDict[Shapes, None] = OrderedDict()
        self._runs, self._made = 0, 0

    def run(self, inputs: Sequence[np.ndarray], run: Run) -> list[np.ndarray]:
        """The outputs of the piece."""
        self._runs += 1
        stage = self.stage(tuple([a.shape for a in inputs]))
        if stage is not None:
            return stage.run(inputs, run)
        piece = self.piece
        state = {copy: run.state[v] for copy, v in piece.origins.items() if v in run.state}
        outputs = evaluate(
            piece.graph,
            inputs,
            state=state,
            resources=run.resources,
            before_node=run.check,
            before_iteration=run.before_iteration,
        )
        run.state.update((piece.origins[copy], array) for copy, array in state.items())
        return outputs

    def stage(self, shapes: Shapes) -> Stage | None:
        """What runs these shapes; None: the references, this time."""
        if shapes in self._ready:
            self._ready.move_to_end(shapes)
            return self._ready[shapes]
        is_new = shapes not in self._seen
        keep(self._seen, shapes, None, MOST_SEEN)
        if self._depth > MOST_STAGES:
            return None
        known = typed(self.piece, shapes)
        is_often = self._made >= MOST_RESTS and self._made * RUNS_PER_PLAN > self._runs
        if (is_new or is_often) and (known is None or work_of(known.graph) < MUCH_WORK):
            return None
        self._made += 1
        stage = None if known is None else Stage(known, self._planner, self._depth)
        keep(self._ready, shapes, stage, MOST_RESTS)
        return stage

    def last(self) -> Stage | None:
        """The stage that ran last, as far as one was made."""
        return next(reversed(self._ready.values()), None)


class Stage:
    """A piece of known input shapes: its part, its hosts and what comes after them."""

    def __init__(self, piece: Piece, planner: Planner, depth: int = 0) -> None:
        self.piece, self._planner = piece, planner
        self.cut, self._executor, self._why = self._plan()
        rest = self.cut.rest
        self.rest = None if rest is None else Rest(rest, planner, depth + 1)
        self._numbers = dict(zip(piece.graph.nodes, piece.numbers, strict=True))
        hosts = [n for n in self.cut.hosts if is_settling(n) and not kernel_of(n)]
        self._settled = {node: Settled(node, planner.alone) for node in hosts}

    def run(self, inputs: Sequence[np.ndarray], run: Run) -> list[np.ndarray]:
        """The outputs of the piece."""
        graph = self.piece.graph
        found = begin(graph, inputs, run.state, self.piece.origins)
        part = self.cut.part
        if part is not None:
            given = [found[v] for v in part.inputs]
            found.update(zip(part.outputs, self._run_part(part, given, run), strict=True))
        for node in self.cut.hosts:
            self._run_host(node, found, run)
        if self.rest is not None:
            rest = self.rest.piece
            outputs = self.rest.run([found[v] for v in rest.inputs], run)
            found.update(zip(rest.outputs, outputs, strict=True))
        return [self._read(v, found, run) for v in graph.outputs]

    def placements(self) -> Iterable[tuple[int, Placement]]:
        """Where each operator runs, with its number."""
        for number, name in self.piece.folded:
            yield number, Placement(name, "constant", "computed while planning")
        part = self.cut.part
        if part is not None and self._executor is not None:
            found = self._executor.plan.placement
            for number, p in zip(part.numbers, found, strict=True):
                into = None if p.into is None else part.numbers[p.into]
                yield number, Placement(p.node, p.where, p.detail, into)
        elif part is not None:
            for number, node in zip(part.numbers, part.graph.nodes, strict=True):
                yield number, Placement(str(node), "host", self._why)
        for node in self.cut.hosts:
            settled = self._settled.get(node)
            kernel = kernel_of(node) or (settled and settled.detail())
            where = ("kernel", kernel) if kernel else ("host", _why_host(node))
            yield self._numbers[node], Placement(str(node), *where)
        if self.rest is None:
            return
        last = self.rest.last()
        if last is not None:
            yield from last.placements()
            return
        why = "the references run shapes that depend on data when they are new"
        for number, node in zip(self.rest.piece.numbers, self.rest.piece.graph.nodes, strict=True):
            yield number, Placement(str(node), "host", why)

    def _plan(self) -> tuple[Cut, Executor | None, str]:
        """The cut, its part's executor, and why there is none."""
        piece, why = self.piece, ""
        for loops in (True, False):
            found = cut(piece.graph, piece.numbers, piece.origins, loops=loops)
            if found.part is None:
                return found, None, "nothing can be planned"
            try:
                return found, self._planner.executor(found.part), ""
            except (InternalError, LimitError):
                raise
            except (NotPlannable, EdgewiseError) as reason:
                why = str(reason)
        return found, None, why

    def _run_part(
        self, part: Piece, inputs: Sequence[np.ndarray], run: Run
    ) -> Sequence[np.ndarray]:
        if self._executor is not None:
            try:
                return self._planner.run(self._executor, inputs, run)
            except Unfit:
                pass  # a variable has another type than when this was planned
        return Rest(part, self._planner, MOST_STAGES + 1).run(inputs, run)

    def _run_host(self, node: Node, found: dict[Value, np.ndarray], run: Run) -> None:
        operands = [None if v is None else self._read(v, found, run) for v in node.inputs]
        run.check(node, operands)
        if run.before_step is not None:
            run.before_step(self._numbers[node])
        results = counted(node, operands) if kernel_of(node) else None
        settled = self._settled.get(node)
        executor = None if settled is None else settled.executor(operands)
        if settled is not None and executor is not None:
            results = self._planner.run(executor, settled.given(operands), run)
        if results is None:
            results = evaluate_node(node, operands, _Runner(node, self._planner, run))
        count = len(node.outputs)
        found.update(zip(node.outputs, results[:count], strict=True))
        for value, array in zip(updated(node), results[count:], strict=True):
            run.state[self.piece.origins.get(value, value)] = array

    def _read(self, value: Value, found: Mapping[Value, np.ndarray], run: Run) -> np.ndarray:
        if value.data is not None:
            return value.data
        if value in found:
            return found[value]
        if value.producer is not None:
            assert is_handle(value.producer)
            return evaluate_node(value.producer, (), _Runner(value.producer, self._planner, run))[0]
        origin = self.piece.origins.get(value, value)
        return variable(origin, static(value.shape), run.state)


def _why_host(node: Node) -> str:
    if any(v.dtype.bits == 0 for v in (*node.inputs, *node.outputs) if v is not None):
        return "it is about strings"
    return "the shape of its result depends on data"
