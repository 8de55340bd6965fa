"""Calibration: a model and samples in, the range of every float value out.

The model runs natively on one sample after the other; what is kept does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.graph import Value
from edgewise.ir.model import Model, Signature
from edgewise.optimize.prepared import prepare
from edgewise.optimize.ranges import Range, Ranges
from edgewise.runtime.session import Session
from edgewise.values import dataclass

Sample = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class MinMax:
    """The smallest and the largest number seen."""


def calibrate(
    model: Model,
    samples: Iterable[Sample],
    *,
    method: MinMax | None = None,
    signature: str | None = None,
    progress: Callable[[int], None] | None = None,
    threads: int | None = None,
) -> Ranges:
    """The ranges of the float values of `prepare(model)` while it runs on the samples.

    Args:
        samples: of each inference the arrays: one, a sequence in the order of the signature's
            inputs, or a dict by their names. They are read once, one after the other.
        method: how a range follows from the numbers.
        signature: the entry point to run; by default as `Model.signature`.
        progress: called with the number of samples done.
        threads: that run the model; 1 by default.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
        QuantizationError: values with numbers that are not finite; all are listed.
    """
    prepared = prepare(model)
    entry = prepared.signature(signature)
    graph = prepared.graphs[entry.graph]
    session = Session(graph, keep_all=True, stateless=True, num_threads=threads or 1)
    found: dict[Value, Range] = {}
    count = 0
    for sample in samples:
        arrays = _arrays(sample, entry, len(graph.inputs))
        session.resize([a.shape for a in arrays])
        session.run(arrays)
        for value, array in [*zip(graph.inputs, arrays, strict=True), *session.kept.items()]:
            if value.dtype is DType.FLOAT32 and array.size:
                seen = Range(float(array.min()), float(array.max()))
                found[value] = found[value].union(seen) if value in found else seen
        count += 1
        if progress is not None:
            progress(count)
    if not count:
        raise InputError("calibration needs at least one sample; got none")
    return Ranges({graph.name: {value.name: r for value, r in found.items()}})


def _arrays(sample: Sample, entry: Signature, count: int) -> list[np.ndarray]:
    """The arrays of a sample in the order of the graph's inputs. Raises InputError."""
    if isinstance(sample, Mapping):
        if set(sample) != set(entry.inputs):
            raise InputError(f"a sample needs {sorted(entry.inputs)}; got {sorted(sample)}")
        arrays = [np.asarray(sample[name]) for name in entry.inputs]
    else:
        arrays = [np.asarray(a) for a in ([sample] if isinstance(sample, np.ndarray) else sample)]
    if len(arrays) != len(entry.inputs) or len(arrays) != count:
        raise InputError(f"a sample needs {count} arrays, one per input; got {len(arrays)}")
    placed = dict(zip(entry.inputs.values(), arrays, strict=True))
    return [placed[index] for index in range(count)]
