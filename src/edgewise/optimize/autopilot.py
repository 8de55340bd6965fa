"""The smallest or fastest model that loses no more than it may: a float model and examples in.

Examples are parted by a seed: scales are calibrated on the first part, everything is chosen by the
second, and whether the budget is met is measured on the third, which took no part in any choice.

1. Units of channels (`techniques.CHOICES`): as they are, or with finer steps, equalized, or both,
   whichever loses least where weights and biases are compensated. Compared plain they are told
   apart by what that takes away: of MobileNetV1 0.25 at 128 pixels `activations` seemed best (KL
   0.11, `finer_steps` 0.14, nothing 0.13), with all 0.026, where finer steps leave 0.008.
2. Every scheme for the whole model, plain, compensated, and as `quantize` makes it by itself. What
   is for int8 data (`techniques.suited`) is done where there is some.
3. Sensitivity: every layer alone in every scheme, the rest float.
4. Paths of mixed recipes (`search.py`), one through all schemes and one through static ones: the
   cheapest recipe within the budget is closed in on, and others on the way are seen.
5. The cheapest within the budget by the second part is measured on the third; where it loses too
   much there, the next one is that diverges less.

Limits: what layers do to each other is only seen where whole recipes are measured, and a path is
not all recipes. Cost: schemes x layers trials of 32 examples and some fifty of all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from edgewise import format
from edgewise.data import Data
from edgewise.errors import InputError
from edgewise.files import as_bytes
from edgewise.ir.model import Model
from edgewise.log import log
from edgewise.optimize.bench import METRICS, Problem
from edgewise.optimize.evaluate import Crew
from edgewise.optimize.journal import Journal, fingerprint
from edgewise.optimize.optimized import Optimized, within_chance
from edgewise.optimize.parted import parted
from edgewise.optimize.pilot import Pilot
from edgewise.optimize.prepared import LITERT, prepare
from edgewise.optimize.recipe import Scheme
from edgewise.optimize.search import FLOAT
from edgewise.optimize.stations import cluster, processes
from edgewise.optimize.units import units_of
from edgewise.runtime.workers import cores

LIMIT = 600  # examples that are used
SCHEMES = {
    "size": (
        *("static_wi4_ai8", "static_wi8_ai8", "static_wi8_ai16"),
        *("dynamic_wi4_afp32", "dynamic_wi8_afp32", "float16"),
    ),
    # narrower weights do not compute faster
    "latency": ("static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32"),
}


def autopilot(
    model: Model,
    data: Data,
    *,
    max_drop: float = 1.0,
    metric: str | None = None,
    goal: str = "size",
    schemes: Sequence[str] | None = None,
    target: str | None = LITERT,
    normalize: str | None = None,
    crop: float | None = None,
    labels: Sequence[str] | None = None,
    first_class: int | None = None,
    signature: str | None = None,
    limit: int | None = LIMIT,
    seed: int = 0,
    state: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    address: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Optimized:
    """The smallest or fastest model of a classifier within a budget, and why it is what it is.

    Args:
        model: floats.
        data: as `evaluate` takes it; a part calibrates, a part decides, a part proves.
        max_drop: points (1 of 100 examples) that the metric may fall by.
        metric: `top1`, `top5`, or `agreement` with the float model, which needs no labels; by
            default top1 where there are labels.
        goal: `size` (the file's bytes) or `latency` (one inference on one thread, here).
        schemes: what layers may become, besides staying float32; by default SCHEMES of the goal.
        target: the release that has to run the model, as in `quantize`.
        normalize, crop, labels, first_class, signature: as in `evaluate`.
        limit: at most so many examples, of all parts.
        seed: of how examples are parted. The same model, data and seed give the same result; by
            `latency` as far as the same times are measured.
        state: a file of what was measured: a run that is interrupted and repeated goes on there,
            and another budget or goal begins with what is known.
        workers: models that are measured at a time; by default one a core.
        address: of a Ray cluster that measures (extra `cluster`), `local` for one on this machine.
        progress: called with (trials done, trials so far known to come).

    Raises:
        InputError: no classifier, too few examples, or names that are not known.
    """
    asked = _checked(goal, schemes, max_drop)
    crew = Crew(model, signature)
    skipped: list[str] = []
    examples, notes = parted(
        crew,
        data,
        normalize=normalize,
        crop=crop,
        labels=labels,
        first_class=first_class,
        limit=limit,
        seed=seed,
        skipped=skipped,
    )
    is_labelled = bool((examples["proof"].labels >= 0).all())
    chosen = metric or ("top1" if is_labelled else "agreement")
    if chosen not in METRICS or (chosen != "agreement" and not is_labelled):
        raise InputError(
            f"metric is one of {', '.join(METRICS)}, of which all but agreement need labels; "
            f"got {chosen!r} and examples {'with' if is_labelled else 'without'} labels"
        )
    if chance := within_chance(len(examples["proof"]), max_drop):
        log().warning("%s: %s", data.name, chance)
    prepared = prepare(model, target)
    data_bytes = b"".join(bytes(as_bytes(c)) for c in format.write(prepare(model)))
    problem = Problem(data_bytes, examples, chosen, target, signature)
    entry = prepared.signature(signature)
    units = {unit.key: unit for unit in units_of(prepared.graphs[entry.graph])}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgewise-")))
        problem.save(folder)
        station = processes(folder) if address is None else cluster(folder, address)
        stack.enter_context(station)
        journal = Journal(None if state is None else Path(state), fingerprint(problem))
        pilot = Pilot(units, asked, goal, max_drop, problem, station, journal)
        pilot.workers, pilot.progress = cores() if workers is None else workers, progress
        return pilot.run((*notes, *crew.notes), tuple(skipped))


def _checked(goal: str, schemes: Sequence[str] | None, max_drop: float) -> tuple[str, ...]:
    """The schemes to try. Raises InputError, QuantizationError."""
    if goal not in SCHEMES:
        raise InputError(f"a model is optimized for {' or '.join(SCHEMES)}; got {goal!r}")
    if not 0 <= max_drop <= 100:
        raise InputError(f"max_drop is in points, 0 to 100; got {max_drop}")
    found = [Scheme.parse(name).name for name in schemes or SCHEMES[goal]]
    return tuple(name for name in dict.fromkeys(found) if name != FLOAT)
