"""`tune`: how each operator of a model runs fastest on this machine, measured and kept.

Every way there is (`choices.alternatives`) is a plan of the whole graph, so that operators are
timed where they run, with what the others leave in the caches. Each plan runs against the planner's
own by turns (`trials.py`), which says for every group of operators whether it is clearly faster
there. The plan of all winners runs against the planner's own in turn, and what does not win again
there goes back. What is left replaces the plan in the cache, under the key by which interpreters
look for it: nothing else knows of tuning, and a model without a tuned plan runs as it always did.

Costs two plans' memory, and the time given; large models may take longer, for the fewest rounds
that can decide anything. Not found: two departures that only pay together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgewise.errors import InputError
from edgewise.ir.graph import Graph, Node
from edgewise.ir.model import Model, Signature
from edgewise.runtime.arrays import check_array, random_array
from edgewise.runtime.choices import Choice, alternatives
from edgewise.runtime.executor import DEFAULT_LIMITS, Unfit
from edgewise.runtime.library import host_isa
from edgewise.runtime.limits import demand_of
from edgewise.runtime.plan import Plan, Precision, Target
from edgewise.runtime.plannable import NotPlannable
from edgewise.runtime.planner import plan
from edgewise.runtime.source import CacheOption, Source
from edgewise.runtime.specialize import Stored, specialize
from edgewise.runtime.stored import is_storable
from edgewise.runtime.threads import Threads
from edgewise.runtime.trials import Comparison, Nodes, Trial, compare
from edgewise.values import dataclass

Shapes = Mapping[str, Sequence[int]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """A way to run a group of operators: the time it takes, as part of the planner's, and whether
    that was clear."""

    choice: Choice
    ratio: float
    is_faster: bool


@dataclass(frozen=True, slots=True)
class Tuned:
    """Operators that run as one: their numbers in the graph and names, the seconds they took as
    planned, the ways that differ from that, and the one that is kept (None: as planned)."""

    nodes: Nodes
    names: tuple[str, ...]
    seconds: float
    tried: tuple[Tried, ...]
    chosen: Choice | None

    @property
    def best(self) -> Tried:
        """What took least, clearly or not."""
        return min(self.tried, key=lambda t: t.ratio)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What `tune` found. `seconds`: of a whole inference as planned (0 where nothing can run in
    another way); `ratio`: the part of that which the plan that is kept takes (1: the same)."""

    target: Target
    operators: int
    groups: tuple[Tuned, ...]  # those that can run in several ways
    seconds: float
    ratio: float
    folder: str

    @property
    def changed(self) -> tuple[Tuned, ...]:
        """Groups that run another way now."""
        return tuple(group for group in self.groups if group.chosen is not None)

    def as_json(self) -> dict[str, Any]:
        """Plain data for `json.dump`."""
        return {
            "isa": self.target.isa.name.lower(),
            "threads": self.target.threads,
            "precision": self.target.precision.value,
            "seconds": self.seconds,
            "ratio": self.ratio,
            "folder": self.folder,
            "groups": [
                {
                    "operators": list(group.nodes),
                    "names": list(group.names),
                    "seconds": group.seconds,
                    "tried": {str(t.choice): t.ratio for t in group.tried},
                    "chosen": None if group.chosen is None else str(group.chosen),
                }
                for group in self.groups
            ],
        }


def tune(
    model: str | os.PathLike[str] | bytes,
    *,
    signature: str | None = None,
    shapes: Shapes | None = None,
    num_threads: int = 1,
    precision: str = Precision.FLOAT32.value,
    cache: CacheOption = True,
    seconds: float = 10.0,
    progress: Progress | None = None,
) -> Tuning:
    """Measure how the operators of a `.tflite` file run fastest here, and keep the plan for the
    next `Interpreter` of the same file with this number of threads, precision and cache, and inputs
    of these shapes. Results stay what they are, to the bit, floats included.

    Args:
        shapes: of inputs by name; unknown sizes of other inputs are taken as 1.
        seconds: that measuring takes, about.
        progress: called with (ways tried, ways in all).

    Raises:
        FormatError: the file is not a model.
        InputError: an argument is wrong, or plans of this model are not kept; it says why.
    """
    if isinstance(model, Model):
        raise InputError("a Model in memory has no cached plan to tune; save it, tune the file")
    if num_threads < 1:
        raise InputError(f"num_threads must be a positive integer; got {num_threads!r}")
    if not seconds >= 0:
        raise InputError(f"seconds must be a number, 0 or more; got {seconds!r}")
    source = Source(model, cache)
    chosen = source.model.signature(signature)
    stored = source.stored(chosen.graph)
    if stored is None:
        raise InputError(f"there is no plan cache to keep the plan in; got cache={cache!r}")
    threads = Threads(num_threads)
    target = Target(host_isa(), threads=threads.count, precision=Precision.of(precision))
    job = _Job(source.graph(chosen.graph), chosen, shapes or {}, target, threads, stored)
    try:
        return job.tune(seconds, progress or (lambda done, total: None))
    finally:
        threads.close()


class _Job:
    """One graph for one target and one set of shapes."""

    def __init__(
        self,
        graph: Graph,
        signature: Signature,
        shapes: Shapes,
        target: Target,
        threads: Threads,
        stored: Stored,
    ) -> None:
        self.inputs = _inputs(graph, signature, shapes)
        self.graph, originals = specialize(graph, self.inputs)
        order = {v: number for number, v in enumerate(graph.values())}
        self.numbers = {
            v: order[v if originals is None else originals[v]] for v in self.graph.values()
        }
        self.target, self.threads, self.stored = target, threads, stored
        self.nodes: Sequence[Node] = tuple(self.graph.nodes)
        self.demand = demand_of(self.graph)
        DEFAULT_LIMITS.check(self.demand)
        self.planned = self.plan({})

    def tune(self, seconds: float, progress: Progress) -> Tuning:
        """Try everything, keep what wins twice, store the plan."""
        ways = alternatives(self.target)
        # what won is measured once more, as a whole, for as long as three ways together
        share = seconds / (len(ways) + 3)
        tried: dict[Nodes, list[tuple[Choice, Trial]]] = {}
        seconds_whole: list[float] = []
        for done, choice in enumerate(ways):
            progress(done, len(ways) + 1)
            made = self.plan(dict.fromkeys(range(len(self.nodes)), choice))
            found = self.compare(made, share)
            seconds_whole += found.whole.before
            for trial in found.groups:
                tried.setdefault(trial.nodes, []).append((choice, trial))
        progress(len(ways), len(ways) + 1)
        chosen, made, whole = self.confirm(_winners(tried), 3 * share)
        self.keep(made)
        progress(len(ways) + 1, len(ways) + 1)
        if whole is None:
            before, ratio = float(np.median(seconds_whole or [0.0])), 1.0
        else:
            before, ratio = whole.seconds, whole.ratio
        groups = tuple(self.tuned(nodes, trials, chosen) for nodes, trials in sorted(tried.items()))
        folder = str(self.stored.cache.folder)
        return Tuning(self.target, len(self.nodes), groups, before, ratio, folder)

    def plan(self, choices: Mapping[int, Choice]) -> Plan:
        """The plan with these choices. Raises InputError where the cache keeps no such plans."""
        try:
            made = plan(self.graph, self.target, choices=choices)
        except NotPlannable as reason:
            raise InputError(f"plans of this model are not kept: {reason}") from None
        if not is_storable(made):
            hosts = [f"{p.node}: {p.detail}" for p in made.placement if p.where == "host"]
            raise InputError(
                f"plans of this model are not kept: {len(hosts)} operators run in Python: "
                + "; ".join(hosts)
                if hosts
                else "plans of this model are not kept: it calls kernels of a library"
            )
        return made

    def compare(self, made: Plan, seconds: float) -> Comparison:
        """The planner's own plan and another one, by turns."""
        try:
            return compare(self.planned, made, self.inputs, self.threads, seconds)
        except Unfit as reason:
            raise InputError(f"it cannot be timed: {reason}") from None

    def confirm(
        self, chosen: Mapping[Nodes, Choice], seconds: float
    ) -> tuple[Mapping[Nodes, Choice], Plan, Trial | None]:
        """Of the winners those that win again when all are in one plan, the plan, and whole
        inferences by it; the planner's own where nothing is left, or the whole is no faster."""
        unchanged: tuple[Mapping[Nodes, Choice], Plan, Trial | None] = {}, self.planned, None
        while chosen:
            choices = {node: choice for nodes, choice in chosen.items() for node in nodes}
            made = self.plan(choices)
            found = self.compare(made, seconds)
            won = [set(t.nodes) for t in found.groups if t.is_faster()]
            left = {
                nodes: choice
                for nodes, choice in chosen.items()
                if any(group.intersection(nodes) for group in won)
            }
            if left == chosen:
                return (chosen, made, found.whole) if found.whole.ratio < 1 else unchanged
            chosen = left
        return unchanged

    def keep(self, made: Plan) -> None:
        """Replace what interpreters find. Raises InputError where it cannot be written."""
        shapes = tuple(a.shape for a in self.inputs)
        numbers = {v: self.numbers[v] for v in made.variables}
        self.stored.put(shapes, made, numbers, self.demand)
        if self.stored.get(shapes, self.target, lambda: self.graph) is None:
            raise InputError(f"the plan cannot be kept in {self.stored.cache.folder}")

    def tuned(
        self,
        nodes: Nodes,
        trials: Sequence[tuple[Choice, Trial]],
        chosen: Mapping[Nodes, Choice],
    ) -> Tuned:
        """What is told of a group."""
        return Tuned(
            nodes,
            tuple(str(self.nodes[number]) for number in nodes),
            float(np.median([t.seconds for _, t in trials])),
            tuple(Tried(choice, t.ratio, t.is_faster()) for choice, t in trials),
            chosen.get(nodes),
        )


def _winners(tried: Mapping[Nodes, Sequence[tuple[Choice, Trial]]]) -> dict[Nodes, Choice]:
    """Of each group the way that saves most, clearly; of groups that overlap the one that does."""
    won = [
        (trial.saved, nodes, choice)
        for nodes, trials in tried.items()
        for choice, trial in trials
        if trial.is_faster()
    ]
    found: dict[Nodes, Choice] = {}
    taken: set[int] = set()
    for _, nodes, choice in sorted(won, key=lambda w: -w[0]):
        if taken.isdisjoint(nodes):
            found[nodes] = choice
            taken.update(nodes)
    return found


def _inputs(graph: Graph, signature: Signature, shapes: Shapes) -> tuple[np.ndarray, ...]:
    """Random arrays of these shapes. Raises InputError."""
    unknown = sorted(shapes.keys() - signature.inputs.keys())
    if unknown:
        names = ", ".join(signature.inputs)
        raise InputError(f"no input is named {', '.join(unknown)}; inputs are {names}")
    given = {
        place: tuple(shapes[name]) for name, place in signature.inputs.items() if name in shapes
    }
    rng = np.random.default_rng(0)
    found = []
    for index, value in enumerate(graph.inputs):
        type_ = value.type.with_shape(given[index]) if index in given else value.type
        array = random_array(type_, rng)
        check_array(value.name, value.type, array)
        found.append(array)
    return tuple(found)
