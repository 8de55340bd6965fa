"""Plans of one graph by the shapes of its inputs: made when first needed, the last few kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from edgewise.errors import EdgewiseError, InternalError, LimitError
from edgewise.ir.dim import substitute
from edgewise.ir.evaluate import bound_sizes
from edgewise.ir.graph import Graph, Value
from edgewise.ir.infer import infer_graph
from edgewise.ir.nesting import reachable
from edgewise.log import log
from edgewise.runtime.cache import Cache
from edgewise.runtime.collecting import nothing_collected
from edgewise.runtime.digest import Digest
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import MixedBuild, NotBuilt, host_isa
from edgewise.runtime.limits import Limits, demand_of
from edgewise.runtime.memory import keep_freed
from edgewise.runtime.plan import Placement, Plan, Precision, Target
from edgewise.runtime.stored import is_storable, read_plan, write_plan
from edgewise.runtime.threads import Threads
from edgewise.values import dataclass

if TYPE_CHECKING:
    from edgewise.runtime.staged import Staged

MOST_PLANS = 4  # shapes that are kept ready

Shapes = tuple[tuple[int, ...], ...]
Runnable: TypeAlias = "Executor | Staged"


@dataclass(frozen=True, slots=True)
class Stored:
    """Plans of one graph of one file in the cache."""

    cache: Cache
    digest: Digest  # of the file
    graph: str
    save: Callable[[], None]  # stores what was read of the file, once

    def get(
        self, shapes: Shapes, target: Target, graph: Callable[[], Graph]
    ) -> tuple[Plan, dict[str, int]] | None:
        """The plan and what its graph demands (`limits.demand_of`)."""
        if not self.digest.is_known:
            return None  # nothing of this file was there when it was read
        key = self._key(shapes, target)
        found = self.cache.get(key)
        if found is None:
            return None
        try:
            made = read_plan(*found, lambda: list(graph().values()), lambda n: _inner(graph(), n))
            return made, found[0]["demand"]
        except (LookupError, TypeError, ValueError) as problem:
            log().info("a cached plan cannot be read and is made anew: %s", problem)
            self.cache.forget(key)
            return None

    def put(
        self,
        shapes: Shapes,
        made: Plan,
        numbers: Mapping[Value, int],
        demand: Mapping[str, int],
        *,
        is_soon: bool = False,
    ) -> None:
        """Store a plan, at once or without waiting; `numbers` are those of its variables in the
        graph."""

        def write() -> None:
            self.save()
            fields, arrays = write_plan(made, numbers)
            key = self._key(shapes, made.target)
            self.cache.put(key, {**fields, "demand": dict(demand)}, arrays)

        if not is_soon:
            write()
        elif self.digest.is_known:
            self.cache.soon(self._key(shapes, made.target), write)
        else:  # the next interpreter asks for this first
            self.cache.soon(self.digest.mark, write)

    def _key(self, shapes: Shapes, target: Target) -> object:
        """Of a plan's entry; hashes the file where that is not done yet."""
        return ("plan", str(self.digest), self.graph, shapes, target)


class Executors:
    """Executors of a graph for the shapes it is run with, stages where shapes depend on data, and
    why where there is neither.

    `graph` gives it when it is needed: not for a plan that is in `stored`. `keep` plans so that
    every value survives a run.

    Raises (by `of`):
        UnsupportedOp: operators that cannot run; all are listed. LimitError: too big a graph.
    """

    def __init__(
        self,
        graph: Callable[[], Graph],
        keep: bool,
        threads: Threads,
        limits: Limits,
        stored: Stored | None,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        self._graph, self._keep, self._precision = graph, keep, precision
        self._threads, self._limits = threads, limits
        self._stored = None if keep else stored
        self._ready: OrderedDict[Shapes, Runnable | str] = OrderedDict()
        self._last: tuple[Shapes | None, Runnable | str] = (None, "")
        self._unsaved: list[tuple[Shapes, Plan, Mapping[Value, int], Mapping[str, int]]] = []

    def of(self, inputs: Sequence[np.ndarray]) -> Runnable | str:
        """What runs these arrays, or the reason why the references run the graph."""
        shapes = tuple([a.shape for a in inputs])
        if shapes != self._last[0]:
            self._last = (shapes, self._of(shapes, inputs))
        return self._last[1]

    def _of(self, shapes: Shapes, inputs: Sequence[np.ndarray]) -> Runnable | str:
        if shapes in self._ready:
            self._ready.move_to_end(shapes)
            return self._ready[shapes]
        found = self._load(shapes) or self._make(shapes, inputs)
        if isinstance(found, str):
            log().info("graph %r runs on the references: %s", self._graph().name, found)
        self._ready[shapes] = found
        while len(self._ready) > MOST_PLANS:
            self._ready.popitem(last=False)
        return found

    def save(self) -> None:
        """Store the plans made since the last time: after a run, whose result waits for nothing
        that only the next start needs."""
        while self._unsaved and self._stored is not None:
            self._stored.put(*self._unsaved.pop(), is_soon=True)

    def clear(self) -> None:
        """Forget all plans: the graph has changed."""
        self._ready.clear()
        self._last = (None, "")

    def placement(self) -> tuple[Placement, ...]:
        """Where every operator of the last plan runs; of none, the references, and why."""
        last = next(reversed(self._ready.values()), "nothing has run yet")
        if isinstance(last, Executor):
            return last.plan.placement
        if not isinstance(last, str):
            return last.placement()
        return tuple(Placement(str(node), "host", last) for node in self._graph().nodes)

    def _target(self) -> Target:
        """What plans are made for here. Raises NotBuilt."""
        return Target(host_isa(), threads=self._threads.count, precision=self._precision)

    def _load(self, shapes: Shapes) -> Executor | None:
        """The executor of a stored plan."""
        if self._stored is None:
            return None
        try:
            target = self._target()
        except NotBuilt:
            return None
        found = self._stored.get(shapes, target, self._graph)
        if found is None:
            return None
        made, demand = found
        self._limits.check(demand)
        self._limits.check_plan(made)
        return Executor(made, threads=self._threads, limits=self._limits)

    @nothing_collected()
    def _make(self, shapes: Shapes, inputs: Sequence[np.ndarray]) -> Runnable | str:
        # what plans is imported where something is planned: a warm start needs none of it
        from edgewise.ops.opaque import require_supported
        from edgewise.runtime.plannable import NotPlannable
        from edgewise.runtime.planner import plan

        require_supported([self._graph()])
        keep_freed()
        try:
            target = self._target()
            graph, originals = specialize(self._graph(), inputs)
            demand = demand_of(graph)
            self._limits.check(demand)
            # by the reader of a file, or here
            is_inferred = self._stored is not None or originals is not None
            try:
                made = plan(graph, target, keep=self._keep, is_inferred=is_inferred)
            except NotPlannable:
                if self._keep:
                    raise
                from edgewise.runtime.staged import staged

                return staged(graph, originals or {}, target, self._threads, self._limits)
            self._limits.check_plan(made)
        except NotBuilt as error:
            log().warning("inference is slow: %s", error)
            return str(error)
        except (InternalError, LimitError, MixedBuild):
            raise
        except (NotPlannable, EdgewiseError) as error:
            return str(error)
        if self._stored is not None and is_storable(made):
            numbers: Mapping[Value, int] = {}
            if made.variables:
                order = {v: number for number, v in enumerate(self._graph().values())}
                numbers = {v: order[originals[v] if originals else v] for v in made.variables}
            self._unsaved.append((shapes, made, numbers, demand))
        return Executor(made, originals, threads=self._threads, limits=self._limits)


def _inner(graph: Graph, name: str) -> Graph:
    """The graph of this name that the graph runs. Raises LookupError."""
    return {inner.name: inner for inner in reachable(graph)}[name]


def specialize(
    graph: Graph, inputs: Sequence[np.ndarray]
) -> tuple[Graph, Mapping[Value, Value] | None]:
    """A copy of the graph with the shapes that these arrays give it, and the original of each of
    its values; the graph itself and None where its shapes are known and equal.

    Raises:
        ShapeError: a node that does not accept them.
    """
    declared = [v.type.shape for v in graph.inputs]
    if [a.shape for a in inputs] == declared and all(v.type.is_static for v in graph.values()):
        return graph, None
    copy = graph.copy()
    sizes = bound_sizes(graph.inputs, inputs)
    originals = dict(zip(copy.values(), graph.values(), strict=True))
    for value in originals:
        if value.is_variable and value.producer is None:
            value.type = value.type.with_shape([substitute(d, sizes) for d in value.shape])
    for value, array in zip(copy.inputs, inputs, strict=True):
        value.type = value.type.with_shape(array.shape)
    infer_graph(copy)
    return copy, originals
