"""Calibration: a model and samples in, the range of every float value out.

The model runs natively on one sample after the other; what is kept does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ir.model import Model
from edgewise.optimize.observe import Sample, observe
from edgewise.optimize.prepared import prepare
from edgewise.optimize.ranges import Range, Ranges
from edgewise.values import dataclass


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
    found: dict[Value, Range] = {}
    for count, seen in enumerate(
        observe(prepared, samples, signature=signature, threads=threads), start=1
    ):
        for value, array in seen.items():
            if value.dtype is DType.FLOAT32 and array.size:
                range_ = Range(float(array.min()), float(array.max()))
                found[value] = found[value].union(range_) if value in found else range_
        if progress is not None:
            progress(count)
    return Ranges({entry.graph: {value.name: r for value, r in found.items()}})
