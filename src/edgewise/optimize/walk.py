"""What values of a graph are on samples, one after the other while layers change.

In: a graph and the arrays of its inputs. Out: by value, in the order of the graph, its arrays; of
the graphs that it runs through IF and WHILE those of each run. Each look begins at what the last
one kept, so constants of what lies behind may no longer change, and those of what comes may. All
values of the graph that are read later are kept where they take at most 256 MB; else, and where
operators have state, looks begin where they did. Cost: a look into a loop runs the loop twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np

from edgewise.errors import InputError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.nesting import reachable
from edgewise.optimize.bodies import Rounds
from edgewise.optimize.observe import Sample
from edgewise.runtime.session import Session
from edgewise.runtime.workers import cores

Array = np.ndarray
Runs = list[list[Array]]  # of each run of a graph the arrays of some values

BUDGET = 256 << 20  # bytes of values that are kept


def evenly(samples: Iterable[Sample], enough: int) -> list[Sample]:
    """`enough` samples at the least, if there are as many, and fewer than twice that. Raises
    InputError where there are none."""
    kept: list[Sample] = []
    every = 1
    for index, sample in enumerate(samples):
        if index % every == 0:
            kept.append(sample)
        if len(kept) == 2 * enough:
            kept, every = kept[::2], 2 * every
    if not kept:
        raise InputError("calibration needs at least one sample; got none")
    return kept


def in_order(graph: Graph, known: set[Graph] | None = None) -> Iterator[Node]:
    """Nodes of a graph and of all that it runs, each once, in the order in which they run first."""
    known = set() if known is None else known
    for node in graph.nodes:
        for inner in node.op.graphs:
            if inner not in known:
                known.add(inner)
                yield from in_order(inner, known)
        yield node


class Walk:
    """A graph on its way. `arrays`: of each sample those of the inputs, in their order."""

    def __init__(
        self, graph: Graph, arrays: Sequence[Sequence[Array]], *, threads: int | None = None
    ) -> None:
        self.graph, self._threads, self._count = graph, threads or cores(), len(arrays)
        self._kept = {v: [sample[i] for sample in arrays] for i, v in enumerate(graph.inputs)}
        self._places = {node: place for place, node in enumerate(graph.nodes)}
        self._doors: dict[Graph, list[Node]] = {}  # by an inner graph, what leads there
        for node in graph.nodes:
            for inner in {g for own in node.op.graphs for g in reachable(own)}:
                self._doors.setdefault(inner, []).append(node)
        self._may_keep = not any(
            any(n.op.is_stateful for n in g.nodes) or any(v.is_variable for v in g.values())
            for g in (graph, *self._doors)
        )

    def look(self, node: Node, values: Sequence[Value]) -> Iterator[Runs]:
        """The arrays of values of the node's graph, in each of its runs, sample by sample."""
        graph = node.graph
        if graph is self.graph:
            for found in self._run(values):
                yield [[found[v] for v in values]]
            return
        assert graph is not None
        doors = self._doors[graph]
        read = [v for door in doors for v in door.inputs if v is not None and not v.is_constant]
        rounds = Rounds()
        for given in self._run(read):
            runs: Runs = []

            def keep(shown: Graph, seen: Mapping[Value, Array], runs: Runs = runs) -> None:
                if shown is graph:
                    runs.append([seen[v] for v in values])

            rounds.show(doors, given, keep)
            yield runs

    def go(self, node: Node) -> None:
        """Run up to a node, or to the first that leads to its graph: what computes its operands,
        and all before that, lies behind then, unless it takes too much memory. The order is that
        of the nodes gone to."""
        if node.graph is not self.graph:
            assert node.graph is not None
            node = self._doors[node.graph][0]
        made = {v for v in node.inputs if v is not None and not v.is_constant}
        if made <= self._kept.keys() or not self._may_keep:
            return
        last = max(self._places[v.producer] for v in made if v.producer is not None)
        computed = [v for n, place in self._places.items() if place <= last for v in n.outputs]
        live = {v for v in (*self._kept, *computed) if self._is_read_behind(v, last)}
        kept = {v: arrays for v, arrays in self._kept.items() if v in live}
        size = sum(array.nbytes for arrays in kept.values() for array in arrays)
        ends = [v for v in computed if v in live and v not in kept]
        kept |= {end: [] for end in ends}
        for found in self._run(ends):
            size += sum(array.nbytes for array in found.values())
            if size > BUDGET:
                return
            for end, array in found.items():
                kept[end].append(array)
        self._kept = kept

    def _is_read_behind(self, value: Value, place: int) -> bool:
        return any(self._places[node] > place for node in value.consumers)

    def _run(self, values: Sequence[Value]) -> Iterator[dict[Value, Array]]:
        """The arrays of values, sample by sample, from what is kept on."""
        ends = [v for v in dict.fromkeys(values) if v not in self._kept]
        computed = self._compute(ends) if ends else repeat({}, self._count)
        for index, found in enumerate(computed):
            yield {v: self._kept[v][index] for v in values if v in self._kept} | found

    def _compute(self, ends: Sequence[Value]) -> Iterator[dict[Value, Array]]:
        part, starts = self._part(ends)
        session = Session(part, stateless=True, num_threads=self._threads)
        for index in range(self._count):
            given = [self._kept[start][index] for start in starts]
            session.resize([array.shape for array in given])
            yield dict(zip(ends, session.run(given), strict=True))

    def _part(self, ends: Sequence[Value]) -> tuple[Graph, list[Value]]:
        """A copy of what computes values of those that are kept, and which of these it reads."""
        part = self.graph.copy()
        copies = dict(zip(self.graph.inputs, part.inputs, strict=True))
        for node, copy in zip(self.graph.nodes, part.nodes, strict=True):
            copies.update(zip(node.outputs, copy.outputs, strict=True))
        part.set_outputs([copies[end] for end in ends])
        part.inputs, part.tensors = [], []
        read = {}
        for start in self._kept:
            old = copies[start]
            read[start] = Value(old.type, old.name)
            part.replace_uses(old, read[start])
        for node in reversed(list(part.nodes)):
            if not any(v.uses or v.is_output for v in node.outputs):
                part.erase(node)
        starts = [start for start, copy in read.items() if copy.uses]
        part.inputs = [read[start] for start in starts]
        return part, starts
