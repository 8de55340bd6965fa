"""What values of a graph are on samples, one after the other while layers change.

In: a graph and the arrays of its inputs. Out: by value, in the order of the graph, its arrays. Each
run begins at what the last one kept, so constants of what lies behind may no longer change, and
those of what comes may. All values that are read later are kept where they take at most 256 MB;
else, and where operators have state or graphs of their own, runs begin where they did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgewise.ir.graph import Graph, Value
from edgewise.optimize.observe import Sample
from edgewise.runtime.session import Session
from edgewise.runtime.workers import cores

Array = np.ndarray

BUDGET = 256 << 20  # bytes of values that are kept


def evenly(samples: Iterable[Sample], enough: int) -> list[Sample]:
    """`enough` samples at the least, if there are as many, and fewer than twice that."""
    kept: list[Sample] = []
    every = 1
    for index, sample in enumerate(samples):
        if index % every == 0:
            kept.append(sample)
        if len(kept) == 2 * enough:
            kept, every = kept[::2], 2 * every
    return kept


class Walk:
    """A graph on its way. `arrays`: of each sample those of the inputs, in their order."""

    def __init__(
        self, graph: Graph, arrays: Sequence[Sequence[Array]], *, threads: int | None = None
    ) -> None:
        self._graph, self._threads, self._count = graph, threads or cores(), len(arrays)
        self._kept = {v: [sample[i] for sample in arrays] for i, v in enumerate(graph.inputs)}
        self._places = {node: place for place, node in enumerate(graph.nodes)}
        is_plain = not any(n.op.is_stateful or n.op.graph_fields for n in graph.nodes)
        self._may_keep = is_plain and not any(v.is_variable for v in graph.values())

    def look(self, value: Value) -> Iterator[Array]:
        """The arrays of a value, sample by sample."""
        if value in self._kept:
            yield from self._kept[value]
        else:
            yield from (array for [array] in self._run([value]))

    def go(self, value: Value) -> None:
        """Run up to a value: what computes it, and all before it, lies behind then, unless it takes
        too much memory. The order is that of the nodes that read the values."""
        if value in self._kept or value.is_constant or not self._may_keep:
            return
        assert value.producer is not None
        last = self._places[value.producer]
        computed = [v for n, place in self._places.items() if place <= last for v in n.outputs]
        live = {v for v in (*self._kept, *computed) if self._is_read_behind(v, last)} | {value}
        kept = {v: arrays for v, arrays in self._kept.items() if v in live}
        size = sum(array.nbytes for arrays in kept.values() for array in arrays)
        ends = [v for v in computed if v in live and v not in kept]
        kept |= {end: [] for end in ends}
        for arrays in self._run(ends):
            size += sum(array.nbytes for array in arrays)
            if size > BUDGET:
                return
            for end, array in zip(ends, arrays, strict=True):
                kept[end].append(array)
        self._kept = kept

    def _is_read_behind(self, value: Value, place: int) -> bool:
        return any(self._places[node] > place for node in value.consumers)

    def _run(self, ends: Sequence[Value]) -> Iterator[list[Array]]:
        """The arrays of values, sample by sample, from what is kept on."""
        part, starts = self._part(ends)
        session = Session(part, stateless=True, num_threads=self._threads)
        for index in range(self._count):
            given = [self._kept[start][index] for start in starts]
            session.resize([array.shape for array in given])
            yield session.run(given)

    def _part(self, ends: Sequence[Value]) -> tuple[Graph, list[Value]]:
        """A copy of what computes values of those that are kept, and which of these it reads."""
        part = self._graph.copy()
        copies = dict(zip(self._graph.inputs, part.inputs, strict=True))
        for node, copy in zip(self._graph.nodes, part.nodes, strict=True):
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
