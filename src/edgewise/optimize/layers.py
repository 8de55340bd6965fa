"""Layer by layer, where two models of one network differ, and who is to blame.

Of each matched layer the second model's result is compared with the first's twice: as it is in a
whole run, with all errors of the layers before, and with the layer alone, fed with the first
model's true inputs in the second one's types, against the first model's layer on the very same
numbers: what the rounding of inputs costs is not this layer's doing. The second is the error that
the layer introduces; what the first has more is inherited. Where the second model has channels in
other units (`aligned.py`), its numbers are taken for what they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue

import numpy as np

from edgewise.data.image import to_type
from edgewise.errors import EdgewiseError
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.types import TensorType
from edgewise.metrics import Difference
from edgewise.optimize.aligned import Units, aligned
from edgewise.optimize.match import CONVERSIONS, Match, counterparts
from edgewise.runtime.session import Session
from edgewise.runtime.workers import ordered
from edgewise.values import dataclass

Arrays = Sequence[np.ndarray]
Numbers = Mapping[Value, np.ndarray]

_UNITS_FROM = 3  # samples, of which all numbers are kept
_LESS = 0.9  # of a reader's noise that units have to leave: less than chance takes


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
    feeds: Sequence[tuple[Arrays, Arrays]],
    *,
    workers: int,
    progress: Callable[[int], None] | None = None,
) -> list[Seen]:
    """One Seen for each match; `feeds` are the arrays of both graphs' inputs for each sample."""
    free: SimpleQueue[_Bench] = SimpleQueue()
    bench = _Bench(first, second, matches)
    units = bench.units(feeds[:_UNITS_FROM])
    free.put(bench)

    def observe(feed: tuple[Arrays, Arrays]) -> list[Seen]:
        try:
            bench = free.get_nowait()
        except Empty:
            bench = _Bench(first, second, matches)
        try:
            return bench.observe(*feed, units)
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

    def units(self, feeds: Sequence[tuple[Arrays, Arrays]]) -> dict[Value, Units]:
        """Those of the second graph's values that are not the first one's, and which what reads
        them undoes: else they are errors."""
        runs = [self._run(*feed) for feed in feeds]
        found = {}
        for value, true in self._true.items():
            pairs = [(a[true], b[value]) for a, b in runs if true in a and value in b]
            if pairs:
                ours = [_real(x, true.type) for x, _ in pairs]
                theirs = [_real(y, value.type) for _, y in pairs]
                units = aligned(ours, theirs, value.type)
                if units is not None:
                    found[value] = units
        return self._undone(found, [ours for ours, _ in runs]) if found else {}

    def _undone(self, found: Mapping[Value, Units], runs: list[Numbers]) -> dict[Value, Units]:
        """Units with which what reads a value has less noise than without them; readers come
        first, for these may have other units themselves."""
        places = {m.second: i for i, m in enumerate(self._matches)}
        noise: dict[Value, list[float]] = {v: [0.0, 0.0] for v in found}  # with them, without
        kept: dict[Value, Units] = {}
        for node in reversed(list(self._graphs[1].nodes)):
            for value in node.outputs:
                if value in found and noise[value][0] < _LESS * noise[value][1]:
                    kept[value] = found[value]
            asked = {v: found[v] for v in node.inputs if v is not None and v in found}
            if not asked:
                continue
            with_, without = 1.0, 0.0  # nobody knows
            if isinstance(node.op, CONVERSIONS) and node.output in kept:
                with_, without = 0.0, 1.0
            elif node in places:
                with_ = sum(self._noise(places[node], ours, asked | kept) for ours in runs)
                without = sum(self._noise(places[node], ours, kept) for ours in runs)
            for value in asked:
                noise[value][0] += with_
                noise[value][1] += without
        return kept

    def _noise(self, place: int, ours: Numbers, units: Mapping[Value, Units]) -> float:
        """Of a layer alone, as a share of its signal."""
        own = self._own(place, ours, units)
        return math.inf if own is None or not own.xx else own.noise / own.xx

    def _run(self, x: Arrays, y: Arrays) -> tuple[Numbers, Numbers]:
        kept = []
        for session, graph, arrays in zip(self._sessions, self._graphs, (x, y), strict=True):
            session.run(list(arrays))
            kept.append({**dict(zip(graph.inputs, arrays, strict=True)), **session.kept})
        return kept[0], kept[1]

    def observe(self, x: Arrays, y: Arrays, units: Mapping[Value, Units]) -> list[Seen]:
        """What is seen of each match in one sample."""
        ours, theirs = self._run(x, y)
        return [self._seen(place, ours, theirs, units) for place in range(len(self._matches))]

    def _seen(
        self, place: int, ours: Numbers, theirs: Numbers, units: Mapping[Value, Units]
    ) -> Seen:
        m = self._matches[place]
        type_, unit = m.second.output.type, units.get(m.second.output)
        true = _real(ours[m.first.output], m.first.output.type)
        stored = theirs[m.second.output]
        whole = Difference.of(true, _real(stored, type_, unit))
        own = self._own(place, ours, units)
        if not type_.is_quantized or type_.quant is None:
            return Seen(whole, own)
        low, high = type_.quant.dequantize(np.array(type_.dtype.range))
        half = float(type_.quant.scale.max()) / 2
        asked = true if unit is None else unit.theirs(true)
        clipped = int(((asked < low - half) | (asked > high + half)).sum())
        return Seen(whole, own, clipped, int(stored.min()), int(stored.max()))

    def _own(self, place: int, ours: Numbers, units: Mapping[Value, Units]) -> Difference | None:
        """What a layer alone makes of true inputs against what is right; None: it cannot run."""
        m, alone, exact = self._matches[place], self._alone[place], self._exact[place]
        feed = None if alone is None else alone.feed(self._true, ours, units)
        if alone is None or feed is None or (result := alone.run(feed)) is None:
            return None
        meant = None if exact is None else exact.run(alone.numbers(self._true, feed, units))
        aim = _real(ours[m.first.output] if meant is None else meant, m.first.output.type)
        return Difference.of(aim, _real(result, m.second.output.type, units.get(m.second.output)))


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
        self, true: Mapping[Value, Value], ours: Numbers, units: Mapping[Value, Units]
    ) -> dict[Value, np.ndarray] | None:
        """What the node reads of the first model's numbers; None where they are not known."""
        found = {}
        for value in self._variable:
            source = true[value]
            array = ours.get(source, source.data)
            if array is None:
                return None
            unit = units.get(value)
            turn = None if unit is None else unit.theirs
            found[value] = _converted(array, source.type, value.type, turn)
        return found

    def numbers(
        self, true: Mapping[Value, Value], feed: Numbers, units: Mapping[Value, Units]
    ) -> dict[Value, np.ndarray]:
        """The same as the first model's node reads it."""
        found = {}
        for value, array in feed.items():
            unit = units.get(value)
            turn = None if unit is None else unit.ours
            found[true[value]] = _converted(array, value.type, true[value].type, turn)
        return found

    def run(self, feed: Numbers) -> np.ndarray | None:
        """The first result; None where it cannot run, or lacks a number."""
        if self._session is None or not all(v in feed for v in self._variable):
            return None
        try:
            return self._session.run([feed[v] for v in self._variable])[0]
        except EdgewiseError:  # an operator without a kernel or reference on these types
            self._session = None
            return None


def _real(array: np.ndarray, type_: TensorType, units: Units | None = None) -> np.ndarray:
    """The numbers that stored ones stand for."""
    if type_.is_quantized and type_.quant is not None:
        array = type_.quant.dequantize(array)
    return array if units is None else units.ours(array)


def _converted(
    array: np.ndarray,
    source: TensorType,
    target: TensorType,
    turn: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """The same numbers in another type, and other units: a model's view of the other one's."""
    if turn is None and source.dtype is target.dtype and source.quant == target.quant:
        return array
    real = _real(array, source)
    return to_type(real if turn is None else turn(real), target)
