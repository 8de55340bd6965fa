"""What looks at a run between two operators: progress, cancelling, the deadline, limits."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np

from edgewise.errors import CancelledError, LimitError
from edgewise.ir.evaluate import BeforeNode
from edgewise.ir.graph import Graph, Node
from edgewise.runtime.limits import Limits

Progress = Callable[[int, int], None]  # (operators done, operators in all)


class Watch:
    """Looks at one run of `graph`, which begins now and has until `end` (`time.monotonic`).

    `progress` is called before each operator of the graph; `is_cancelled` says whether the run
    must stop.
    """

    def __init__(
        self,
        graph: Graph,
        limits: Limits,
        progress: Progress | None,
        is_cancelled: Callable[[], bool],
    ) -> None:
        self.is_cancelled = is_cancelled
        self.end = time.monotonic() + limits.deadline_s
        self._graph, self._limits, self._progress = graph, limits, progress

    def before_step(self) -> Callable[[int], None] | None:
        """Counts operators where steps are executed: one may be several steps, or none."""
        count = self._counter()
        if count is None:
            return None
        nodes, known = iter(list(self._graph.nodes)), itertools.count()
        done = -1

        def before_step(number: int) -> None:
            nonlocal done
            while done < number:
                done = next(known)
                count(next(nodes))

        return before_step

    def before_node(self) -> BeforeNode:
        """Counts operators of a run on the references, and stops it where it must."""
        count = self._counter()

        def before_node(node: Node, operands: Sequence[np.ndarray | None]) -> None:
            if self.is_cancelled():
                raise CancelledError(f"the run was cancelled at {node}")
            if time.monotonic() >= self.end:
                limit = self._limits.deadline_s
                raise LimitError(f"deadline_s is {limit}; stopped at {node}")
            self._limits.check_results(node, operands)
            if count is not None and node.graph is self._graph:
                count(node)

        return before_node

    def _counter(self) -> Callable[[Node], None] | None:
        if self._progress is None:
            return None
        progress, total, done = self._progress, len(self._graph), itertools.count()
        return lambda _: progress(next(done), total)
