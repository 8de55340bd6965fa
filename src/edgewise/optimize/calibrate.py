"""Calibration: a model and samples in, the range of every float value out.

The model runs natively, one sample a core. Of a value a histogram is kept and two averages: memory
does not grow with the number of samples, and but for the moving average their order is no matter.
Inside of loops and branches the values of all rounds count; a graph that no sample enters has no
ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from edgewise.data import Data
from edgewise.dtypes import DType
from edgewise.errors import InputError, QuantizationError, listing
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model
from edgewise.log import log
from edgewise.optimize.histogram import Histogram
from edgewise.optimize.methods import Method, MinMax, MovingAverage
from edgewise.optimize.observe import Observers, Sample, arrays_of
from edgewise.optimize.prepared import prepare
from edgewise.optimize.ranges import Range, Ranges, inside_name
from edgewise.optimize.streamed import Streamed
from edgewise.runtime.workers import cores, ordered

Key = tuple[Graph, Value | str]  # a value, or one inside of an operator by its `inside_name`
FEW = 10  # samples; 100 to 500 are usual
_MOST_SHOWN = 10


def calibrate(
    model: Model,
    samples: Iterable[Sample] | Data,
    *,
    method: Method | None = None,
    signature: str | None = None,
    normalize: str | None = None,
    crop: float | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
    keep_state: bool = False,
) -> Ranges:
    """The ranges of the float values of `prepare(model)` while it runs on the samples, and of what
    recurrent layers compute inside (`Op.inside`).

    Args:
        samples: of each inference the arrays: one, a sequence in the order of the signature's
            inputs, or a dict by their names. They are read once. Or a `Data`, whose pictures
            become inputs as `normalize` and `crop` say (see `evaluate`).
        method: how a range follows from the numbers (`optimize.methods`); by default MinMax.
        signature: the entry point to run; by default as `Model.signature`.
        limit: at most so many samples of a `Data`.
        progress: called with (samples done, in all; 0 where nobody knows).
        threads: samples that run at a time; by default one a core.
        keep_state: samples are steps of one sequence: what the model remembers is kept from one to
            the next, and one runs at a time. By default each begins anew.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
        QuantizationError: values with numbers that are not finite; samples and layers are named.
    """
    method = MinMax() if method is None else method
    prepared = prepare(model)
    entry = prepared.signature(signature)
    graph = prepared.graphs[entry.graph]
    count = 1 if keep_state else cores() if threads is None else threads
    total = 0
    if isinstance(samples, Data):
        total = samples.count(limit) or 0
        options = (signature, normalize, crop, limit, count)
        numbered: Iterable[tuple[str, Sample]] = Streamed(prepared, samples, *options).named()
    else:
        numbered = ((f"sample {i}", s) for i, s in enumerate(samples))
    given = ((name, arrays_of(s, entry, len(graph.inputs))) for name, s in numbered)
    observe = Observers(graph, _Seen, stateless=not keep_state)
    seen: dict[Key, Histogram] = {}
    averages: dict[Key, Range] = {}
    momentum = method.momentum if isinstance(method, MovingAverage) else 0.9
    broken: list[str] = []
    done = 0
    for found in ordered(lambda job: observe(*job), given, count):
        done += 1
        if progress is not None:
            progress(done, total)
        if found.broken:
            broken.append(found.broken)
            continue
        for key, one in found.seen.items():
            seen[key] = seen[key] + one if key in seen else one
            averages[key] = _average(averages.get(key), one, momentum)
    if broken:
        raise QuantizationError(
            listing(broken, "samples give numbers that are not finite", most=_MOST_SHOWN)
            + "\nCheck the samples' normalization, and the model: it has no range there"
        )
    if not done:
        raise InputError("calibration needs at least one sample; got none")
    _warn(done, seen)
    ranges: dict[str, dict[str, Range]] = {graph.name: {}}
    for (where, what), histogram in seen.items():
        name = what if isinstance(what, str) else what.name
        found_range = _within(method(histogram, averages[where, what]), histogram)
        ranges.setdefault(where.name, {})[name] = found_range
    return Ranges(ranges)


def _average(before: Range | None, one: Histogram, momentum: float) -> Range:
    if before is None:
        return Range(one.low, one.high)
    rest = 1 - momentum
    return Range(momentum * before.low + rest * one.low, momentum * before.high + rest * one.high)


def _within(found: Range, seen: Histogram) -> Range:
    """What a method says, where rounding did not lead it out of what was seen."""
    low = min(max(found.low, seen.low), seen.high)
    return Range(low, max(min(found.high, seen.high), low))


class _Seen:
    """What the float values of one sample are, all runs of a graph together; and `broken`: where
    the first is that is not finite."""

    def __init__(self, name: str) -> None:
        self.seen: dict[Key, Histogram] = {}
        self.broken = ""
        self._name = name

    def __call__(self, graph: Graph, values: Mapping[Value, np.ndarray]) -> None:
        """Look at a run of a graph."""
        for value, array in values.items():
            is_state = value.is_variable and value not in graph.inputs
            if value.dtype is not DType.FLOAT32 or not array.size or is_state:
                continue
            if not np.isfinite(array).all():
                kind = "NaN" if np.isnan(array).any() else "an infinity"
                self.broken = self.broken or f"{self._name}: {kind} first in {_place(value)}"
                return
            self._add((graph, value), array)
        for node in graph.nodes:
            if node.op.inside and node.output.dtype is DType.FLOAT32:
                operands = [_operand(v, values) for v in node.inputs]
                absent = [None] * (len(node.op.operands) - len(operands))
                for key, array in node.op.seen_inside([*operands, *absent]).items():
                    self._add((graph, inside_name(node, key)), array)

    def _add(self, key: Key, array: np.ndarray) -> None:
        one = Histogram.of(array)
        self.seen[key] = self.seen[key] + one if key in self.seen else one


def _operand(value: Value | None, values: Mapping[Value, np.ndarray]) -> np.ndarray | None:
    """The array that a node read; a variable that nobody wrote before is zero."""
    if value is None or value.data is not None:
        return None if value is None else value.data
    if value.is_variable and value not in values:
        return np.zeros([d if isinstance(d, int) else 1 for d in value.shape], np.float32)
    return values[value]


def _place(value: Value) -> str:
    return f"input {value.name!r}" if value.producer is None else str(value.producer)


def _warn(count: int, seen: Mapping[Key, Histogram]) -> None:
    """Say what may spoil the ranges."""
    if count < FEW:
        log().warning(
            "calibration with %d sample%s: ranges may be too small for others; 100 to 500 are "
            "usual",
            count,
            "s"[: count != 1],
        )
    same = [
        (value, h.low)
        for (_, value), h in seen.items()
        if isinstance(value, Value) and h.low == h.high and h.total > 1
    ]
    if same and count > 1:
        shown = [f"{_place(value)} is always {number:g}" for value, number in same]
        log().warning(
            "%s\nA layer whose result never changes is dead, or the samples do not reach it",
            listing(shown, "values are constant over all samples", most=_MOST_SHOWN),
        )
