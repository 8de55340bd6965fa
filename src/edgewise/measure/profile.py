"""Where the time of an inference goes: per operator, against what the machine could do.

The steps of the plan are timed one by one in whole inferences; an operator's time is the median
over the runs of what its steps took. Steps that run tile by tile with others count for the first
operator of their group. The peak of the machine (`peak.measure`) gives each operator the time below
which no kernel can be: its multiply-accumulates at full rate, or its bytes from cache, whichever is
longer.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgewise.format import load
from edgewise.ir.report import OpRow, describe
from edgewise.measure.peak import Peak, measure
from edgewise.measure.worker import random_input
from edgewise.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Row:
    """One operator. `share` is of the whole inference; `of_peak` is `least_seconds / seconds`."""

    index: int
    operator: str
    layer: str
    where: str  # as `runtime.plan.Placement`
    detail: str
    seconds: float
    share: float
    macs: int
    nbytes: int
    least_seconds: float

    @property
    def of_peak(self) -> float:
        """Share of the machine's peak; 0 where the operator took no time."""
        return min(1.0, self.least_seconds / self.seconds) if self.seconds else 0.0

    def cells(self) -> tuple[str, ...]:
        """ms, share, MMAC, GFLOP/s, GB/s, of peak, runs in."""
        rate = 2e-9 * self.macs / self.seconds if self.seconds else 0.0
        return (
            f"{self.seconds * 1e3:.3f}",
            f"{self.share:.1%}",
            f"{self.macs / 1e6:.2f}" if self.macs else "",
            f"{rate:.1f}" if self.macs else "",
            f"{1e-9 * self.nbytes / self.seconds:.1f}" if self.seconds else "",
            f"{self.of_peak:.0%}" if self.seconds else "",
            self.detail if self.where == "kernel" else f"{self.where}: {self.detail}",
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """All operators of a graph in order. `seconds` is the median of whole inferences, without the
    clock; shares are of the sum of the operators."""

    seconds: float
    runs: int
    threads: int
    peak: Peak
    rows: tuple[Row, ...]

    @property
    def watched_seconds(self) -> float:
        """Sum of the operators: longer than the whole by about a microsecond for each."""
        return sum(row.seconds for row in self.rows)

    def by_kind(self) -> list[tuple[str, int, float]]:
        """(operator, how many, seconds) of each kind, most time first."""
        kinds: dict[str, list[float]] = defaultdict(list)
        for row in self.rows:
            kinds[row.operator].append(row.seconds)
        found = [(kind, len(times), sum(times)) for kind, times in kinds.items()]
        return sorted(found, key=lambda k: -k[2])

    def facts(self) -> str:
        """One line about the run and the machine."""
        p = self.peak
        return (
            f"{self.seconds * 1e3:.3f} ms, median of {self.runs} runs on {self.threads} "
            f"thread{'s'[: self.threads != 1]}; peak of one core ({p.isa.name.lower()}): "
            f"{2e-9 * p.f32_macs:.0f} GFLOP/s float32, {2e-9 * p.s8_macs:.0f} GOP/s 8 bit, "
            f"{1e-9 * p.cache_bytes:.0f} GB/s from cache, {1e-9 * p.memory_bytes:.0f} from memory"
        )

    def as_json(self) -> dict[str, object]:
        """Plain data for `json.dump`."""
        return asdict(self) | {"peak": asdict(self.peak) | {"isa": self.peak.isa.name.lower()}}

    def as_trace(self, name: str) -> str:
        """The operators as slices of one inference, in the JSON that Perfetto and chrome://tracing
        open. Source: the Trace Event Format; times in microseconds."""
        events: list[dict[str, object]] = [
            {"ph": "M", "pid": 1, "tid": 1, "name": "process_name", "args": {"name": name}}
        ]
        at = 0.0
        for row in self.rows:
            if not row.seconds:
                continue
            events.append(
                {
                    "ph": "X",
                    "pid": 1,
                    "tid": 1,
                    "ts": at * 1e6,
                    "dur": row.seconds * 1e6,
                    "name": row.operator,
                    "cat": row.where,
                    "args": {
                        "index": row.index,
                        "layer": row.layer,
                        "kernel": row.detail,
                        "macs": row.macs,
                        "bytes": row.nbytes,
                        "share of peak": round(row.of_peak, 3),
                    },
                }
            )
            at += row.seconds
        return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"})


def profile(path: Path, *, runs: int = 30, threads: int = 1) -> Profile:
    """Profile the main graph of a `.tflite` file on random inputs; unknown dimensions are 1.

    Raises:
        FormatError: not a model. UnsupportedOp, ShapeError: it does not run.
    """
    graph = load(path).main
    shapes = [[d if isinstance(d, int) else 1 for d in v.shape] for v in graph.inputs]
    inputs = [random_input(s, v.dtype.numpy) for s, v in zip(shapes, graph.inputs, strict=True)]
    clock = _Clock(len(graph))
    session = Session(
        graph, progress=lambda done, _: clock.next(done), each_step=clock.next, num_threads=threads
    )
    session.run(inputs)  # plans
    timed = [clock.time(lambda: session.run(inputs)) for _ in range(runs)]
    times = [statistics.median(each) for each in zip(*timed, strict=True)]
    peak, total = measure(), sum(times)
    ops, placement = describe(graph).ops, session.placement()
    rows = []
    for op, seconds, place in zip(ops, times, placement, strict=True):
        macs, nbytes = op.macs or 0, _bytes(op)
        rows.append(
            Row(
                op.index,
                op.op,
                op.layer or (op.outputs[0].name if op.outputs else ""),
                place.where,
                place.detail,
                seconds,
                seconds / total if total else 0.0,
                macs,
                nbytes,
                peak.least_seconds(macs, _is_float(op), nbytes) if seconds else 0.0,
            )
        )
    whole = _whole(Session(graph, num_threads=threads), inputs, runs)
    return Profile(whole, runs, threads, peak, tuple(rows))


def _whole(session: Session, inputs: Sequence[np.ndarray], runs: int) -> float:
    """Median seconds of inferences that nobody watches."""
    session.run(inputs)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        session.run(inputs)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class _Clock:
    """How long each operator took, as the session tells what goes on: some run by turns."""

    def __init__(self, operators: int) -> None:
        self._took = [0.0] * operators
        self._number, self._since = 0, math.inf

    def next(self, number: int) -> None:
        """Something of this operator begins."""
        now = time.perf_counter()
        self._took[self._number] += max(now - self._since, 0.0)
        self._number, self._since = number, now

    def time(self, run: Callable[[], object]) -> list[float]:
        """Seconds of each operator of one run. The session calls `next` once more when all is done:
        what it does with the results is no operator's time."""
        self._took, self._since = [0.0] * len(self._took), math.inf
        run()
        return self._took


def _bytes(op: OpRow) -> int:
    """Everything read and written once."""
    return sum(row.bytes or 0 for row in (*op.inputs, *op.outputs))


def _is_float(op: OpRow) -> bool:
    return any(row.dtype.startswith("float") for row in op.outputs)
