"""Two models of one network on the same data: what the second one loses, and in which layers.

The task's figures (accuracy, agreement, divergence) come from all examples; layers are looked at
on a few of them, evenly apart, because every tensor of both models is kept for that.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from edgewise.data import Data, Feeder, samples
from edgewise.data.classes import order_of
from edgewise.data.feed import Arrays
from edgewise.errors import InputError
from edgewise.ir.graph import Node
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.metrics import (
    Difference,
    Interval,
    agreement,
    are_correct,
    bootstrap,
    divergence,
    mcnemar,
    paired_difference,
    wilson,
)
from edgewise.optimize.evaluate import TOP, Crew, doubts, pixels_of, said_labels
from edgewise.optimize.layers import Seen, look
from edgewise.optimize.match import Match, is_layer, layer_name, match
from edgewise.optimize.prepared import prepare
from edgewise.runtime.workers import cores, ordered
from edgewise.values import dataclass, replace

LAYER_EXAMPLES = 32


@dataclass(frozen=True, slots=True)
class Layer:
    """One matched layer, in dB, shares, and bytes of constants. `own_snr` is of the layer alone on
    true inputs as the second model stores them (NaN: it cannot run alone), `snr` of a whole run.
    `clipped` is the share of true numbers that the second model's type cannot hold, `range_use` the
    share of its integers between the smallest and the largest that occur (NaN: not quantized)."""

    index: int  # in the second model's order of layers
    operator: str
    name: str
    dtype: str
    snr: float
    own_snr: float
    cosine: float
    clipped: float
    range_use: float
    bytes: tuple[int, int]

    @property
    def damage(self) -> float:
        """Noise that the layer adds, as a share of its signal's power; 0 where nobody knows."""
        return 0.0 if math.isnan(self.own_snr) else 10 ** (-self.own_snr / 10)

    @property
    def inherited(self) -> float:
        """Share of the noise in a whole run that came with the inputs."""
        noise = 10 ** (-self.snr / 10)
        if math.isnan(self.own_snr) or not noise:
            return math.nan
        return max(0.0, 1 - self.damage / noise)


@dataclass(frozen=True, slots=True)
class Task:
    """Figures of the whole task; accuracies only of labelled data. `top1` and `top5` are of both
    models, `difference` is the second one's top-1 minus the first one's on the same examples, `p`
    of McNemar's test. `divergence` is the mean Kullback-Leibler divergence of the classes'
    probabilities in nats, `snr` of the scores in dB."""

    examples: int
    agreement: Interval
    divergence: Interval
    snr: float
    top1: tuple[Interval, Interval] | None = None
    top5: tuple[Interval, Interval] | None = None
    difference: Interval | None = None
    gained: int = 0
    lost: int = 0
    p: float = 1.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `compare` found. `layers` are sorted by damage, the worst first."""

    models: tuple[str, str]
    data: str
    task: Task | None  # None: the outputs are no scores of classes
    layers: tuple[Layer, ...]
    layer_examples: int
    unmatched: tuple[str, ...]
    bytes: tuple[int | None, int | None]
    seconds: tuple[float, float]
    notes: tuple[str, ...]
    skipped: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Plain data for `json.dump`; numbers that are not finite are None."""
        plain = asdict(self)
        for layer, shown in zip(self.layers, plain["layers"], strict=True):
            shown["inherited"] = layer.inherited
        return _finite(plain)  # type: ignore[return-value]  # a dict stays one


def _finite(data: object) -> object:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def compare(
    first: Model | str | os.PathLike[str],
    second: Model | str | os.PathLike[str],
    data: Data,
    *,
    normalize: str | None = None,
    crop: float | None = None,
    labels: Sequence[str] | None = None,
    first_class: int | None = None,
    signature: str | None = None,
    limit: int | None = None,
    layer_examples: int = LAYER_EXAMPLES,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """What the second model loses against the first one; arguments as `evaluate`.

    Args:
        first: the model that is right, as a rule the float one.
        second: another model of the same network.
        layer_examples: examples that layers are looked at on.

    Raises:
        InputError: the models take different inputs, or data that does not fit.
    """
    crews = (Crew(first, signature), Crew(second, signature))
    _check_inputs(crews)
    pixels = pixels_of(crews, normalize, crop)
    feeders = [Feeder(crew.inputs, pixels) for crew in crews]
    count = cores() if workers is None else workers
    known = labels if labels is not None else said_labels(crews[0].model)
    skipped: list[str] = []
    total = data.count(limit) or 0
    numbers: list[int | None] = []
    scores: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    given = samples(data, feeders, limit=limit, skipped=skipped, workers=count)
    jobs = ((sample, sample.feeds) for sample in given)
    last: tuple[Arrays, ...] = ()
    are_met = False
    for (sample, feeds), rows in ordered(
        lambda job: (job, [crew.scores(f) for crew, f in zip(crews, job[1], strict=True)]),
        jobs,
        count,
    ):
        numbers.append(sample.label)
        are_met = are_met or sample.are_pixels
        for own, row in zip(scores, rows, strict=True):
            own.append(row.astype(np.float32))
        last = feeds
        if progress is not None:
            progress(len(numbers), total + layer_examples)
    seconds = (crews[0].seconds(last[0]), crews[1].seconds(last[1]))
    floor = least_probability(crews[1].type, crews[1].classes)
    task = _task(np.stack(scores[0]), np.stack(scores[1]), numbers, data, known, first_class, floor)
    few = [
        (list(s.feeds[0]), list(s.feeds[1]))
        for s in samples(data, feeders, limit=min(layer_examples, len(numbers)), skipped=[])
    ]
    told = None if progress is None else (lambda n: progress(total + n, total + len(few)))
    layers, unmatched = _layers(crews, signature, few, count, told)
    return Comparison(
        (crews[0].name, crews[1].name),
        data.name,
        task,
        layers,
        len(few),
        unmatched,
        (crews[0].size, crews[1].size),
        seconds,
        (pixels.told(are_met=are_met), *_doubts(task, crews[0].classes)),
        tuple(skipped),
    )


def _doubts(task: Task | None, classes: int) -> tuple[str, ...]:
    known = None if task is None else task.top1
    return () if task is None or known is None else doubts(known[0], classes, task.examples)


def _check_inputs(crews: tuple[Crew, Crew]) -> None:
    shapes = [[t.shape and t.shape[1:] for t in crew.inputs.values()] for crew in crews]
    if shapes[0] != shapes[1]:
        shown = [", ".join(f"{n} {t}" for n, t in crew.inputs.items()) for crew in crews]
        raise InputError(
            f"models that are compared take the same inputs; got {' and '.join(shown)}"
        )


def least_probability(type_: TensorType, classes: int) -> float:
    """The least that a probability counts: a quantized output says 0 of what is less than half a
    step; all such classes together count as half a step."""
    return 1e-7 if type_.quant is None else float(type_.quant.scale.max()) / 2 / classes


def _task(
    ours: np.ndarray,
    theirs: np.ndarray,
    numbers: Sequence[int | None],
    data: Data,
    labels: Sequence[str] | None,
    first_class: int | None,
    floor: float,
) -> Task:
    n, classes = ours.shape
    if theirs.shape != ours.shape:
        raise InputError(f"models have as many classes; got {classes} and {theirs.shape[1]}")
    same = int(agreement(ours, theirs).sum())
    found = Task(
        n,
        wilson(same, n),
        bootstrap(divergence(ours, theirs, floor)),
        Difference.of(ours, theirs).snr,
    )
    if any(number is None for number in numbers):
        return found
    order = order_of(data.classes, classes, labels, first=first_class)
    known = np.array([order(number) for number in numbers if number is not None])
    right = [are_correct(s, known) for s in (ours, theirs)]
    among = [are_correct(s, known, TOP) for s in (ours, theirs)]
    gained, lost = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    return replace(
        found,
        top1=(wilson(int(right[0].sum()), n), wilson(int(right[1].sum()), n)),
        top5=(wilson(int(among[0].sum()), n), wilson(int(among[1].sum()), n))
        if classes > TOP
        else None,
        difference=paired_difference(right[0], right[1]),
        gained=gained,
        lost=lost,
        p=mcnemar(gained, lost),
    )


def _layers(
    crews: tuple[Crew, Crew],
    signature: str | None,
    feeds: list[tuple[list[np.ndarray], list[np.ndarray]]],
    workers: int,
    progress: Callable[[int], None] | None,
) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
    """Layers by damage, and the second model's that are no layer of the first."""
    graphs, placed = [], []
    for side, crew in enumerate(crews):
        prepared = prepare(crew.model)
        entry = prepared.signature(signature)
        graphs.append(prepared.graphs[entry.graph])
        order = sorted(range(len(entry.inputs)), key=list(entry.inputs.values()).__getitem__)
        placed.append([[feed[side][i] for i in order] for feed in feeds])
    matches = match(graphs[0], graphs[1])
    pairs = list(zip(*placed, strict=True))
    seen = look(graphs[0], graphs[1], matches, pairs, workers=workers, progress=progress)
    rows = [_layer(i, m, s) for i, (m, s) in enumerate(zip(matches, seen, strict=True))]
    known = {m.second for m in matches}
    rest = [str(n) for n in graphs[1].nodes if n not in known and is_layer(n)]
    return tuple(sorted(rows, key=lambda r: -r.damage)), tuple(rest)


def _layer(index: int, m: Match, seen: Seen) -> Layer:
    type_ = m.second.output.type
    use = math.nan
    if type_.is_quantized:
        low, high = type_.dtype.range
        use = (seen.highest - seen.lowest) / (high - low)
    return Layer(
        index,
        m.second.op.name,
        layer_name(m.first),
        type_.dtype.text,
        seen.whole.snr,
        math.nan if seen.own is None else seen.own.snr,
        seen.whole.cosine,
        seen.clipped / max(1, seen.whole.count) if type_.is_quantized else math.nan,
        use,
        (_constant_bytes(m.first), _constant_bytes(m.second)),
    )


def _constant_bytes(node: Node) -> int:
    """Weights and biases, four-bit ones in half a byte."""
    found = [v for v in node.inputs if v is not None and v.data is not None]
    return sum(math.ceil(v.data.size * v.dtype.bits / 8) for v in found if v.data is not None)
