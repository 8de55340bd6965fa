"""Plans of one graph by the shapes of its inputs: made when first needed, the last few kept."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.errors import EdgewiseError, InternalError, LimitError
from edgewise.ir.dim import substitute
from edgewise.ir.evaluate import bound_sizes
from edgewise.ir.graph import Graph, Value
from edgewise.ir.infer import infer_graph
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import NotBuilt, host_isa
from edgewise.runtime.limits import Limits
from edgewise.runtime.plan import Placement, Target
from edgewise.runtime.planner import NotPlannable, plan
from edgewise.runtime.threads import Threads

MOST_PLANS = 4  # shapes that are kept ready

Shapes = tuple[tuple[int, ...], ...]

_log = logging.getLogger("edgewise")


class Executors:
    """Executors of a graph for the shapes it is run with, and why where there is none.

    `keep` plans so that every value survives a run.
    """

    def __init__(self, graph: Graph, keep: bool, threads: Threads, limits: Limits) -> None:
        self._graph, self._keep = graph, keep
        self._threads, self._limits = threads, limits
        self._ready: OrderedDict[Shapes, Executor | str] = OrderedDict()
        self._last: tuple[Shapes | None, Executor | str] = (None, "")
        self._last_inputs: tuple[np.ndarray, ...] | None = None

    def of(self, inputs: Sequence[np.ndarray]) -> Executor | str:
        """The executor for these arrays, or the reason why the references run the graph."""
        if inputs is self._last_inputs:
            return self._last[1]
        shapes = tuple([a.shape for a in inputs])
        if shapes != self._last[0]:
            self._last = (shapes, self._of(shapes, inputs))
        # the same tuple has the same shapes
        self._last_inputs = inputs if isinstance(inputs, tuple) else None
        return self._last[1]

    def _of(self, shapes: Shapes, inputs: Sequence[np.ndarray]) -> Executor | str:
        if shapes in self._ready:
            self._ready.move_to_end(shapes)
            return self._ready[shapes]
        found = self._make(inputs)
        if isinstance(found, str):
            _log.info("graph %r runs on the references: %s", self._graph.name, found)
        self._ready[shapes] = found
        while len(self._ready) > MOST_PLANS:
            self._ready.popitem(last=False)
        return found

    def clear(self) -> None:
        """Forget all plans: the graph has changed."""
        self._ready.clear()
        self._last, self._last_inputs = (None, ""), None

    def placement(self) -> tuple[Placement, ...]:
        """Where every operator of the last plan runs; of none, the references, and why."""
        last = next(reversed(self._ready.values()), "nothing has run yet")
        if isinstance(last, Executor):
            return last.plan.placement
        return tuple(Placement(str(node), "host", last) for node in self._graph.nodes)

    def _make(self, inputs: Sequence[np.ndarray]) -> Executor | str:
        try:
            target = Target(host_isa(), threads=self._threads.count)
            graph, originals = specialize(self._graph, inputs)
            self._limits.check_graph(graph)
            made = plan(graph, target, keep=self._keep)
            self._limits.check_plan(made)
            return Executor(made, originals, threads=self._threads, limits=self._limits)
        except NotBuilt as error:
            _log.warning("inference is slow: %s", error)
            return str(error)
        except (InternalError, LimitError):
            raise
        except (NotPlannable, EdgewiseError) as error:
            return str(error)


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
