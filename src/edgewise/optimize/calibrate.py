"""Calibration: a model and samples in, the range of every float value out.

The model runs natively, one sample a core. Of a value a histogram is kept and two averages: memory
does not grow with the number of samples, and but for the moving average their order is no matter.
Values inside of loops and branches are not looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as Members
from functools import partial

import numpy as np

from edgewise.data import Data
from edgewise.dtypes import DType
from edgewise.errors import InputError, QuantizationError, listing
from edgewise.ir.graph import Node, Value
from edgewise.ir.model import Model
from edgewise.optimize.histogram import Histogram
from edgewise.optimize.methods import Method, MinMax, MovingAverage
from edgewise.optimize.observe import Observers, Sample, arrays_of
from edgewise.optimize.prepared import prepare
from edgewise.optimize.ranges import Range, Ranges, inside_name
from edgewise.optimize.streamed import Streamed
from edgewise.runtime.workers import cores, ordered

_log = logging.getLogger("edgewise")

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
    recurrent = [node for node in graph.nodes if node.op.inside]
    observe = Observers(
        graph, partial(_look, recurrent, set(graph.inputs)), stateless=not keep_state
    )
    seen: dict[Value | str, Histogram] = {}
    averages: dict[Value | str, Range] = {}
    momentum = method.momentum if isinstance(method, MovingAverage) else 0.9
    broken: list[str] = []
    done = 0
    for found in ordered(lambda job: observe(*job), given, count):
        done += 1
        if progress is not None:
            progress(done, total)
        if isinstance(found, str):
            broken.append(found)
            continue
        for value, one in found.items():
            seen[value] = seen[value] + one if value in seen else one
            averages[value] = _average(averages.get(value), one, momentum)
    if broken:
        raise QuantizationError(
            listing(broken, "samples give numbers that are not finite", most=_MOST_SHOWN)
            + "\nCheck the samples' normalization, and the model: it has no range there"
        )
    if not done:
        raise InputError("calibration needs at least one sample; got none")
    _warn(done, seen)
    ranges = {
        v if isinstance(v, str) else v.name: _within(method(h, averages[v]), h)
        for v, h in seen.items()
    }
    return Ranges({graph.name: ranges})


def _average(before: Range | None, one: Histogram, momentum: float) -> Range:
    if before is None:
        return Range(one.low, one.high)
    rest = 1 - momentum
    return Range(momentum * before.low + rest * one.low, momentum * before.high + rest * one.high)


def _within(found: Range, seen: Histogram) -> Range:
    """What a method says, where rounding did not lead it out of what was seen."""
    low = min(max(found.low, seen.low), seen.high)
    return Range(low, max(min(found.high, seen.high), low))


def _look(
    recurrent: Sequence[Node], inputs: Members[Value], name: str, values: Mapping[Value, np.ndarray]
) -> dict[Value | str, Histogram] | str:
    """What the float values of one sample are; or where the first is that is not finite."""
    found: dict[Value | str, Histogram] = {}
    for value, array in values.items():
        is_state = value.is_variable and value not in inputs
        if value.dtype is not DType.FLOAT32 or not array.size or is_state:
            continue
        if not np.isfinite(array).all():
            kind = "NaN" if np.isnan(array).any() else "an infinity"
            return f"{name}: {kind} first in {_place(value)}"
        found[value] = Histogram.of(array)
    for node in recurrent:
        if node.output.dtype is DType.FLOAT32:
            operands = [_operand(v, values) for v in node.inputs]
            absent = [None] * (len(node.op.operands) - len(operands))
            inside = node.op.seen_inside([*operands, *absent])
            found |= {inside_name(node, key): Histogram.of(a) for key, a in inside.items()}
    return found


def _operand(value: Value | None, values: Mapping[Value, np.ndarray]) -> np.ndarray | None:
    """The array that a node read; a variable that nobody wrote before is zero."""
    if value is None or value.data is not None:
        return None if value is None else value.data
    if value.is_variable and value not in values:
        return np.zeros([d if isinstance(d, int) else 1 for d in value.shape], np.float32)
    return values[value]


def _place(value: Value) -> str:
    return f"input {value.name!r}" if value.producer is None else str(value.producer)


def _warn(count: int, seen: Mapping[Value | str, Histogram]) -> None:
    """Say what may spoil the ranges."""
    if count < FEW:
        _log.warning(
            "calibration with %d sample%s: ranges may be too small for others; 100 to 500 are "
            "usual",
            count,
            "s"[: count != 1],
        )
    values = [v for v in seen if isinstance(v, Value)]
    same = [v for v in values if seen[v].low == seen[v].high and seen[v].total > 1]
    if same and count > 1:
        shown = [f"{_place(v)} is always {seen[v].low:g}" for v in same]
        _log.warning(
            "%s\nA layer whose result never changes is dead, or the samples do not reach it",
            listing(shown, "values are constant over all samples", most=_MOST_SHOWN),
        )
