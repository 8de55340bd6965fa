"""What flows through a model while it runs on samples: every value, one sample after the other.

In: a prepared model (`prepared.py`) and samples. Out: for each sample the arrays of the values, by
Value. Nothing is kept from sample to sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import numpy as np

from edgewise.dtypes import DType
from edgewise.errors import InputError
from edgewise.ir.build import name_values
from edgewise.ir.graph import Graph, Value
from edgewise.ir.model import Model, Signature
from edgewise.optimize.bodies import Look, Rounds
from edgewise.runtime.session import Session

T = TypeVar("T", bound=Look)

# Of each inference the arrays: one, a sequence in the order of the signature's inputs, or a dict by
# their names.
Sample = np.ndarray | Sequence[np.ndarray] | Mapping[str, np.ndarray]


def observe(
    prepared: Model,
    samples: Iterable[Sample],
    *,
    signature: str | None = None,
    threads: int | None = None,
) -> Iterator[dict[Value, np.ndarray]]:
    """The inputs and computed values of the signature's graph, for each sample.

    Raises:
        InputError: no samples, or arrays that are not those of the inputs.
    """
    entry = prepared.signature(signature)
    graph = prepared.graphs[entry.graph]
    session = Session(graph, keep_all=True, stateless=True, num_threads=threads or 1)
    is_empty = True
    for sample in samples:
        arrays = arrays_of(sample, entry, len(graph.inputs))
        session.resize([a.shape for a in arrays])
        session.run(arrays)
        yield {**dict(zip(graph.inputs, arrays, strict=True)), **session.kept}
        is_empty = False
    if is_empty:
        raise InputError("calibration needs at least one sample; got none")


def channel_maxima(
    model: Model, samples: Iterable[Sample], *, threads: int | None = None
) -> dict[str, np.ndarray]:
    """By name of a float value of the main graph the largest |element| of every channel (the last
    axis), float32 [C], over the samples: what `activations` chooses units by.

    Raises:
        InputError: as `observe`.
    """
    named = model.copy()
    name_values(named.main)
    found: dict[str, np.ndarray] = {}
    for seen in observe(named, samples, threads=threads):
        for value, array in seen.items():
            if not array.ndim or not array.size or value.dtype is not DType.FLOAT32:
                continue
            largest = np.abs(array).max(tuple(range(array.ndim - 1)))
            known = found.get(value.name, largest)
            if known.shape == largest.shape:  # a last axis that varies has no channels
                found[value.name] = np.maximum(known, largest)
    return found


class Observers(Generic[T]):
    """Sessions of one graph, as many as threads ask for. For each sample `begin` makes what looks
    at the values, and the variables' before it: of the graph, and of each run of a graph inside
    (`bodies.Rounds`). Without `stateless` variables keep what the sample before left in them: one
    thread may ask then."""

    def __init__(self, graph: Graph, begin: Callable[[str], T], *, stateless: bool = True) -> None:
        self._graph, self._begin, self._stateless = graph, begin, stateless
        self._free: SimpleQueue[tuple[Session, Rounds]] = SimpleQueue()

    def __call__(self, name: str, arrays: Sequence[np.ndarray]) -> T:
        """Run a sample, given in the order of the graph's inputs, from any thread."""
        try:
            session, rounds = self._free.get_nowait()
        except Empty:
            session = Session(self._graph, keep_all=True, stateless=self._stateless)
            rounds = Rounds()
        try:
            known = {} if self._stateless else session.variables()
            before = {value: np.array(array) for value, array in known.items()}
            session.run(list(arrays))
            values = before | dict(zip(self._graph.inputs, arrays, strict=True)) | session.kept
            look = self._begin(name)
            look(self._graph, values)
            rounds.show(self._graph.nodes, values, look)
            return look
        finally:
            self._free.put((session, rounds))


def arrays_of(sample: Sample, entry: Signature, count: int) -> list[np.ndarray]:
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
