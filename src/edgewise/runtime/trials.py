"""Two plans of one graph by turns: the groups of operators that they run differently, timed.

In every round each plan runs a few times, watched and unwatched; what a group takes in a round is
the least of the watched runs. Rounds are pairs: what disturbs the machine for longer than a round
disturbs both plans of it, and which plan begins alternates. A group is faster under the second plan
where the median of the pairs' ratios says so by more than `LEAST_GAIN`, and so many of the pairs do
that chance would bring it about once in 200 times (a sign test: no assumption about the noise).

One thread is timed by the time that the system gave it, so that other processes do not count;
several by the clock. Watching costs each step about a microsecond, alike in both plans, so ratios
of small steps are closer to 1 than they should be.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from edgewise.ir.evaluate import State
from edgewise.ir.resources import Resources
from edgewise.runtime.executor import Executor
from edgewise.runtime.library import constant
from edgewise.runtime.plan import If, Kernel, Plan, Step, While
from edgewise.runtime.threads import Threads
from edgewise.values import dataclass

LEAST_GAIN = 0.03  # of the time; less is not worth another plan
_LEAST_ROUNDS, _MOST_ROUNDS = 9, 41
_CHANCE = 0.005
_RUNS = 2  # of each kind in a turn

Nodes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """Operators by number, and the seconds that they took in each round, by the one plan and by the
    other."""

    nodes: Nodes
    before: Sequence[float]
    after: Sequence[float]

    @property
    def ratio(self) -> float:
        """The time of the second plan, as part of that of the first: the median of the pairs. 1
        where nothing ran: a branch that was not taken."""
        pairs = zip(self.before, self.after, strict=True)
        return statistics.median([b / a for a, b in pairs if a > 0] or [1.0])

    @property
    def seconds(self) -> float:
        """Of the first plan."""
        return statistics.median(self.before)

    @property
    def saved(self) -> float:
        """Seconds."""
        return self.seconds * (1 - self.ratio)

    def is_faster(self) -> bool:
        """The second plan is clearly faster."""
        pairs = list(zip(self.before, self.after, strict=True))
        return self.ratio < 1 - LEAST_GAIN and sum(b < a for a, b in pairs) >= _clear(len(pairs))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whole inferences, which nobody watches, and every group that runs differently."""

    whole: Trial
    groups: Sequence[Trial]


@cache
def _clear(pairs: int) -> int:
    """How many of so many pairs must agree: by chance, with probability `_CHANCE`, as many do."""
    ways = 0
    for needed in range(pairs, -1, -1):
        ways += math.comb(pairs, needed)
        if ways > _CHANCE * 2**pairs:
            return needed + 1
    return 0


def differing(before: Plan, after: Plan) -> list[Nodes]:
    """Groups of operators that one of the plans runs otherwise than the other: the fewest such that
    no step of either plan belongs to two of them."""
    groups: dict[int, set[int]] = {}
    said: list[dict[int, list[object]]] = []
    for made in (before, after):
        by_node: dict[int, list[object]] = {}
        for group in _kernels(made.steps):
            whole: set[int] = set()
            for step in group:
                whole |= groups.get(step.node, {step.node})
            groups.update(dict.fromkeys(whole, whole))
            by_node.setdefault(group[0].node, []).append(_said(made, group))
        said.append(by_node)
    ones = {id(group): group for group in groups.values()}.values()
    found = [
        tuple(sorted(group))
        for group in ones
        if any(said[0].get(node) != said[1].get(node) for node in group)
    ]
    return sorted(found)


def _kernels(steps: Iterable[Step]) -> Iterator[list[Kernel]]:
    """Every kernel step with those locked to it."""
    left = iter(steps)
    for step in left:
        if isinstance(step, Kernel):
            locked = [next(left) for _ in range(step.locked)]
            yield [step, *(s for s in locked if isinstance(s, Kernel))]
        elif isinstance(step, If):
            yield from _kernels((*step.then, *step.otherwise))
        elif isinstance(step, While):
            yield from _kernels((*step.test, *step.body))


def _said(made: Plan, group: Sequence[Kernel]) -> object:
    """All of a group that its time depends on: wherever its operands lie, it does the same."""
    work = sum(step.work for step in group)
    is_shared = made.target.threads > 1 and work >= constant("EW_SMALL_WORK")
    return [(s.name, s.params, s.n_tiles, is_shared and s.n_tiles > 1) for s in group]


def compare(
    before: Plan, after: Plan, inputs: Sequence[np.ndarray], threads: Threads, seconds: float
) -> Comparison:
    """Run two plans by turns, for about so long; less where nothing is faster anyway. Where they do
    the same nothing runs."""
    groups = differing(before, after)
    runners = [_Runner(made, inputs, threads, groups) for made in (before, after)]
    end = time.perf_counter() + seconds
    rounds = 0
    while groups and rounds < _MOST_ROUNDS:
        for runner in runners if rounds % 2 else reversed(runners):
            runner.turn()
        rounds += 1
        if rounds < _LEAST_ROUNDS:
            continue
        is_open = any(t.ratio < 1 - LEAST_GAIN / 2 for t in _trials(runners, groups))
        if not is_open or time.perf_counter() > end:
            break
    return Comparison(Trial((), *(r.whole for r in runners)), _trials(runners, groups))


def _trials(runners: Sequence[_Runner], groups: Sequence[Nodes]) -> list[Trial]:
    return [Trial(nodes, *(r.parts[index] for r in runners)) for index, nodes in enumerate(groups)]


class _Runner:
    """A plan, and what it took in each round: as a whole, and each of the groups."""

    def __init__(
        self, made: Plan, inputs: Sequence[np.ndarray], threads: Threads, groups: Sequence[Nodes]
    ) -> None:
        self.whole: list[float] = []
        self.parts: list[list[float]] = [[] for _ in groups]
        self._executor = Executor(made, threads=threads, is_always_shared=True)
        self._inputs = inputs
        self._clock: Callable[[], float]
        self._clock = time.thread_time if threads.count == 1 else time.perf_counter
        self._place = {node: i for i, nodes in enumerate(groups) for node in nodes}
        self._state: State = {}
        self._resources = Resources()

    def turn(self) -> None:
        """One round's part. The first run brings back what the other plan drove from the caches."""
        self._run(None)
        self.whole.append(min(self._time() for _ in range(_RUNS)))
        least = [min(times) for times in zip(*(self._watch() for _ in range(_RUNS)), strict=True)]
        for part, seconds in zip(self.parts, least, strict=True):
            part.append(seconds)

    def _run(self, before_step: Callable[[int], None] | None) -> None:
        self._executor.run(self._inputs, self._state, before_step, resources=self._resources)

    def _time(self) -> float:
        start = self._clock()
        self._run(None)
        return self._clock() - start

    def _watch(self) -> list[float]:
        """Seconds of each group in one run."""
        marks: list[tuple[int, float]] = []
        clock, note = self._clock, marks.append
        self._run(lambda node: note((node, clock())))
        note((-1, clock()))
        found = [0.0] * len(self.parts)
        for (node, start), (_, end) in pairwise(marks):
            if node in self._place:
                found[self._place[node]] += end - start
        return found
