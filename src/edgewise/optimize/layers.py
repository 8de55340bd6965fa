"""Layer by layer, where two models of one network differ, and who is to blame.

Of each matched layer the second model's result is compared with the first's twice: as it is in a
whole run, with all errors of the layers before, and with the layer alone, fed with the first
model's true inputs in the second one's types, against the first model's layer on the very same
numbers: what the rounding of inputs costs is not this layer's doing. The second is the error that
the layer introduces; what the first has more is inherited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import Empty, SimpleQueue

import numpy as np

from edgewise.data.image import to_type
from edgewise.errors import EdgewiseError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.types import TensorType
from edgewise.metrics import Difference
from edgewise.optimize.match import Match, counterparts
from edgewise.runtime.session import Session
from edgewise.runtime.workers import ordered
from edgewise.values import dataclass

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one layer over samples; they add up.

    `own` is the error of the layer alone (None: it cannot run alone). Where the second model's
    result is quantized, `clipped` counts the first's numbers that its type cannot represent, and
    `lowest` and `highest` are the integers that occurred.
    """

    whole: Difference
    own: Difference | None
    clipped: int = 0
    lowest: int = 0
    highest: int = 0

    def __add__(self, other: Seen) -> Seen:
        own = None if self.own is None or other.own is None else self.own + other.own
        return Seen(
            self.whole + other.whole,
            own,
            self.clipped + other.clipped,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
        )


def look(
    first: Graph,
    second: Graph,
    matches: Sequence[Match],
    feeds: Iterable[tuple[Arrays, Arrays]],
    *,
    workers: int,
    progress: Callable[[int], None] | None = None,
) -> list[Seen]:
    """One Seen for each match; `feeds` are the arrays of both graphs' inputs for each sample."""
    free: SimpleQueue[_Bench] = SimpleQueue()

    def observe(feed: tuple[Arrays, Arrays]) -> list[Seen]:
        try:
            bench = free.get_nowait()
        except Empty:
            bench = _Bench(first, second, matches)
        try:
            return bench.observe(*feed)
        finally:
            free.put(bench)

    total: list[Seen] | None = None
    for done, seen in enumerate(ordered(observe, feeds, workers), 1):
        total = seen if total is None else [a + b for a, b in zip(total, seen, strict=True)]
        if progress is not None:
            progress(done)
    return total or []


class _Bench:
    """Both graphs and every layer of the second one, ready to run, for one thread."""

    def __init__(self, first: Graph, second: Graph, matches: Sequence[Match]) -> None:
        self._graphs, self._matches = (first, second), matches
        self._sessions = [Session(g, keep_all=True, stateless=True) for g in self._graphs]
        self._true = counterparts(first, second, list(matches))
        self._alone = [_Alone.of(m.second, self._true) for m in matches]
        itself = {v: v for v in self._true.values()}
        self._exact = [_Alone.of(m.first, itself) for m in matches]

    def observe(self, x: Arrays, y: Arrays) -> list[Seen]:
        """What is seen of each match in one sample."""
        kept = []
        for session, graph, arrays in zip(self._sessions, self._graphs, (x, y), strict=True):
            session.run(list(arrays))
            kept.append({**dict(zip(graph.inputs, arrays, strict=True)), **session.kept})
        return [
            self._seen(m, alone, exact, *kept)
            for m, alone, exact in zip(self._matches, self._alone, self._exact, strict=True)
        ]

    def _seen(
        self,
        m: Match,
        alone: _Alone | None,
        exact: _Alone | None,
        ours: Mapping[Value, np.ndarray],
        theirs: Mapping[Value, np.ndarray],
    ) -> Seen:
        type_ = m.second.output.type
        true = _real(ours[m.first.output], m.first.output.type)
        stored = theirs[m.second.output]
        whole = Difference.of(true, _real(stored, type_))
        own = None
        if alone is not None and (feed := alone.feed(self._true, ours)) is not None:
            result = alone.run(feed)
            meant = None if exact is None else exact.run(alone.numbers(self._true, feed))
            if result is not None:
                kind = m.first.output.type
                aim = true if meant is None else _real(meant, kind)
                own = Difference.of(aim, _real(result, type_))
        if not type_.is_quantized or type_.quant is None:
            return Seen(whole, own)
        low, high = type_.quant.dequantize(np.array(type_.dtype.range))
        half = float(type_.quant.scale.max()) / 2
        clipped = int(((true < low - half) | (true > high + half)).sum())
        return Seen(whole, own, clipped, int(stored.min()), int(stored.max()))


class _Alone:
    """One node as a graph of its own."""

    def __init__(self, node: Node, variable: Sequence[Value]) -> None:
        graph = Graph("layer")
        copies: dict[Value, Value] = {v: graph.add_input(v.type, v.name) for v in variable}
        for value in node.inputs:
            if value is not None and value not in copies:
                copies[value] = Value(value.type, value.name, value.data)
        operands = [None if v is None else copies[v] for v in node.inputs]
        made = graph.insert(node.op, operands, [Value(v.type, v.name) for v in node.outputs])
        graph.set_outputs(made.outputs)
        self._variable = variable
        self._session: Session | None = Session(graph)

    @classmethod
    def of(cls, node: Node, true: Mapping[Value, Value]) -> _Alone | None:
        """None where an input has no counterpart, or state decides the result."""
        variable = list(dict.fromkeys(v for v in node.inputs if v is not None and v.data is None))
        if node.op.graph_fields or node.op.is_stateful or any(v.is_variable for v in variable):
            return None
        return cls(node, variable) if all(v in true for v in variable) else None

    def feed(
        self, true: Mapping[Value, Value], ours: Mapping[Value, np.ndarray]
    ) -> dict[Value, np.ndarray] | None:
        """What the node reads of the first model's numbers; None where they are not known."""
        found = {}
        for value in self._variable:
            source = true[value]
            array = ours.get(source, source.data)
            if array is None:
                return None
            found[value] = _converted(array, source.type, value.type)
        return found

    def numbers(
        self, true: Mapping[Value, Value], feed: Mapping[Value, np.ndarray]
    ) -> dict[Value, np.ndarray]:
        """The same as the first model's node reads it."""
        return {true[v]: _converted(a, v.type, true[v].type) for v, a in feed.items()}

    def run(self, feed: Mapping[Value, np.ndarray]) -> np.ndarray | None:
        """The first result; None where it cannot run, or lacks a number."""
        if self._session is None or not all(v in feed for v in self._variable):
            return None
        try:
            return self._session.run([feed[v] for v in self._variable])[0]
        except EdgewiseError:  # an operator without a kernel or reference on these types
            self._session = None
            return None


def _real(array: np.ndarray, type_: TensorType) -> np.ndarray:
    """The numbers that stored ones stand for."""
    if type_.is_quantized and type_.quant is not None:
        return type_.quant.dequantize(array)
    return array


def _converted(array: np.ndarray, source: TensorType, target: TensorType) -> np.ndarray:
    """The same numbers in another type: the second model's view of the first's."""
    if source.dtype is target.dtype and source.quant == target.quant:
        return array
    return to_type(_real(array, source), target)
