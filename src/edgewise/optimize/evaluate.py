"""How good a classifier is on a data set: a model and labelled examples in, an Evaluation out.

The model runs on all cores, one example a core, on the native runtime; what is kept of an example
are four numbers.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from edgewise.data import Data, Feeder, Pixels, pixels_for, samples
from edgewise.data.classes import Order, imagenet_labels, order_of
from edgewise.data.feed import Arrays
from edgewise.errors import FormatError, InputError
from edgewise.ir.model import Model
from edgewise.ir.types import TensorType
from edgewise.metadata import labels as labels_of
from edgewise.metrics import (
    Calibration,
    ClassScore,
    Interval,
    calibration,
    class_scores,
    confusion,
    macro_f1,
    mcnemar,
    paired_difference,
    probabilities,
    ranks,
    wilson,
)
from edgewise.runtime.interpreter import Interpreter
from edgewise.runtime.workers import cores, ordered
from edgewise.values import dataclass, replace

TOP = 5
_TIMED_S, _TIMED_RUNS = 1.0, 50  # latency is the median of what fits
_TELLING = 50  # examples


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each example, in order: arrays [N]. `place` is that in the data; `label` and
    `predicted` are outputs; `rank` counts the classes that scored above the label; `confidence` is
    the probability of the predicted class."""

    names: tuple[str, ...]
    place: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy with 95 % confidence intervals, size in bytes, seconds of one inference on one
    thread (median), what was assumed (`notes`), and examples that could not be read. `labels` are
    the names of the outputs, where they are known."""

    model: str
    data: str
    examples: int
    classes: int
    top1: Interval
    top5: Interval | None  # where there are more classes than that
    bytes: int | None
    seconds: float
    notes: tuple[str, ...]
    skipped: tuple[str, ...]
    outcomes: Outcomes
    labels: tuple[str, ...]

    def label(self, index: int) -> str:
        """The name of a class."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"

    @property
    def classes_seen(self) -> list[int]:
        """The classes that have examples."""
        return np.unique(self.outcomes.label).tolist()

    def confusion(self) -> tuple[np.ndarray, list[int]]:
        """(how often class i was called j, which class each row and column is), of the classes that
        have examples or were predicted."""
        both = np.concatenate([self.outcomes.label, self.outcomes.predicted])
        places, numbers = np.unique(both, return_inverse=True)
        labels, predicted = numbers.reshape(2, -1)
        return confusion(labels, predicted, len(places)), places.tolist()

    @property
    def class_scores(self) -> list[ClassScore]:
        """Precision, recall and F1 of the classes in `confusion`."""
        matrix, places = self.confusion()
        found = class_scores(matrix)
        return [replace(one, index=place) for one, place in zip(found, places, strict=True)]

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that have examples."""
        return macro_f1(self.class_scores)

    @property
    def calibration(self) -> Calibration:
        """How far confidence is from accuracy."""
        return calibration(self.outcomes.confidence, self.outcomes.rank < 1)

    def as_json(self) -> dict[str, object]:
        """Plain data for `json.dump`, without the single outcomes."""
        left_out = ("outcomes", "labels")
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in left_out}
        for name in ("top1", "top5"):
            plain[name] = plain[name] and asdict(plain[name])
        matrix, places = self.confusion()
        scores = [{"label": self.label(s.index), **asdict(s)} for s in self.class_scores]
        return {
            **plain,
            "macro_f1": self.macro_f1,
            "calibration": asdict(self.calibration),
            "class_scores": [{k: _known(v) for k, v in s.items()} for s in scores],
            "confusion": {"classes": places, "counts": matrix.tolist()},
        }


def _known(value: object) -> object:
    """JSON has no NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


@dataclass(frozen=True, slots=True)
class Versus:
    """A model against another one on the same examples: how many are right only in the first
    (`lost`), only in the second (`gained`); the difference of top-1; the p-value of chance."""

    lost: int
    gained: int
    difference: Interval
    p: float


def versus(first: Evaluation, second: Evaluation) -> Versus:
    """Two evaluations of the same examples. Raises InputError: of others."""
    if first.outcomes.names != second.outcomes.names:
        raise InputError(
            f"{second.model} was evaluated on other examples than {first.model}; use the same data"
        )
    before, after = first.outcomes.rank < 1, second.outcomes.rank < 1
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    return Versus(lost, gained, paired_difference(before, after), mcnemar(gained, lost))


def evaluate(
    model: Model | str | os.PathLike[str],
    data: Data,
    *,
    normalize: str | None = None,
    crop: float | None = None,
    labels: Sequence[str] | None = None,
    first_class: int | None = None,
    signature: str | None = None,
    limit: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Run a classifier on labelled examples.

    Args:
        model: a Model or the path of a `.tflite` file.
        data: see `edgewise.data.open_data`.
        normalize: what pixels become (a name in `data.image.NORMALIZATIONS`); by default as the
            model says, or guessed.
        crop: how much of a picture's shorter side is seen; by default 7/8.
        labels: the classes in the order of the outputs; by default those the model has.
        first_class: the output of class 0; by default 1 of 1001 outputs, else 0.
        signature: the entry point; by default as `Interpreter`.
        limit: at most so many examples.
        workers: examples at a time; by default one a core.
        progress: called with (examples done, in all; 0 where nobody knows).

    Raises:
        InputError: examples without labels or that do not fit, or outputs that are no scores.
    """
    crew = Crew(model, signature)
    pixels = pixels_of([crew], normalize, crop)
    known = labels if labels is not None else said_labels(crew.model)
    skipped: list[str] = []
    order: Order | None = None
    rows: list[tuple[str, int, int, int, int, float]] = []
    last: Arrays = ()
    are_met = False
    count = cores() if workers is None else workers
    given = samples(
        data, [Feeder(crew.inputs, pixels)], limit=limit, skipped=skipped, workers=count
    )
    jobs = ((sample, sample.feeds[0]) for sample in given)
    for sample, scores in ordered(lambda job: (job[0], crew.scores(job[1])), jobs, count):
        if sample.label is None:
            raise InputError(
                f"{data.name}: {sample.name} has no label, which evaluating needs. Give a folder "
                "for each class, or a CSV of labels"
            )
        if order is None:
            order = order_of(data.classes, scores.size, known, first=first_class)
        label = np.array([order(sample.label)])
        try:
            rank = int(ranks(scores[None], label)[0])
        except InputError as error:
            raise InputError(f"{sample.name}: {error}") from None
        best = int(scores.argmax())
        sure = float(probabilities(scores[None])[0, best])
        rows.append((sample.name, sample.place, int(label[0]), best, rank, sure))
        last, are_met = sample.feeds[0], are_met or sample.are_pixels
        if progress is not None:
            progress(len(rows) + len(skipped), data.count(limit) or 0)
    assert order is not None
    names, *columns = zip(*rows, strict=True)
    outcomes = Outcomes(names, *map(np.array, columns))
    hits = outcomes.rank
    notes = (pixels.told(are_met=are_met), *crew.notes, order.said)
    if not any(len(t.shape or ()) in (3, 4) for t in crew.inputs.values()):
        notes = notes[1:]  # nothing is a picture
    return Evaluation(
        model=crew.name,
        data=data.name,
        examples=len(rows),
        classes=crew.classes,
        top1=wilson(int((hits < 1).sum()), len(rows)),
        top5=wilson(int((hits < TOP).sum()), len(rows)) if crew.classes > TOP else None,
        bytes=crew.size,
        seconds=crew.seconds(last),
        notes=(*notes, *doubts(wilson(int((hits < 1).sum()), len(rows)), crew.classes, len(rows))),
        skipped=tuple(skipped),
        outcomes=outcomes,
        labels=_names(crew.classes, known, data.classes, order),
    )


def doubts(top1: Interval, classes: int, examples: int) -> tuple[str, ...]:
    """A sentence about a model that is no better than chance, which has one reason as a rule."""
    if examples < _TELLING or top1.low > 1 / classes:
        return ()
    sentence = f"top-1 is no better than chance among {classes} classes"
    return (f"{sentence}: do --normalize and the order of the classes fit the model?",)


def _names(
    count: int, known: Sequence[str] | None, classes: Sequence[str] | None, order: Order
) -> tuple[str, ...]:
    """Names of outputs: of the model, of the data, of ImageNet where there are as many."""
    if known is not None and len(known) == count:
        return tuple(known)
    if classes is not None and order.first == 0 and not order.said.endswith("ImageNet's order"):
        by_output = {order(i): name for i, name in enumerate(classes)}
        return tuple(by_output.get(i, f"class {i}") for i in range(count))
    if count in (1000, 1001):
        return (*["background"][: count - 1000], *imagenet_labels())
    return ()


class Crew:
    """One model in as many interpreters as run at a time; each is made when it is needed.

    Raises:
        InputError: no output that could be scores of classes.
    """

    def __init__(self, model: Model | str | os.PathLike[str], signature: str | None) -> None:
        self._given, self._signature = model, signature
        self._free: SimpleQueue[Interpreter] = SimpleQueue()
        first = Interpreter(model)
        self.inputs = first.inputs(signature)
        self.model = first.model
        self.name = self.model.file or "model"
        self.output, self.type = scores_of(first.outputs(signature), self.name)
        self.classes = 0
        self.size = None if isinstance(model, Model) else Path(model).stat().st_size
        outputs = first.outputs(signature)
        self.notes = (f"scores are {self.output!r}",) if len(outputs) > 1 else ()
        self._free.put(first)

    def run(self, arrays: Arrays) -> dict[str, np.ndarray]:
        """The outputs; state of former examples is forgotten. From any thread."""
        try:
            own = self._free.get_nowait()
        except Empty:
            own = Interpreter(self._given)
        try:
            own.reset_variables()
            return own(*arrays, signature=self._signature)
        finally:
            self._free.put(own)

    def scores(self, arrays: Arrays) -> np.ndarray:
        """float32 [C], dequantized. Raises InputError: scores of more than one example."""
        found = self.run(arrays)[self.output]
        if found.size != found.shape[-1]:
            shape = list(found.shape)
            raise InputError(f"{self.name}: scores of one example are [C] or [1, C]; got {shape}")
        self.classes = found.size
        row = found.reshape(-1)
        quant = self.type.quant
        return row.astype(np.float32) if quant is None else quant.dequantize(row)

    def seconds(self, arrays: Arrays) -> float:
        """Median time of one inference on one thread."""
        times: list[float] = []
        end = time.perf_counter() + _TIMED_S
        own = self._free.get_nowait()
        while len(times) < _TIMED_RUNS and (not times or time.perf_counter() < end):
            start = time.perf_counter()
            own(*arrays, signature=self._signature)
            times.append(time.perf_counter() - start)
        self._free.put(own)
        return statistics.median(times)


def pixels_of(crews: Sequence[Crew], normalize: str | None, crop: float | None) -> Pixels:
    """How pictures become inputs of all of these models. Raises InputError."""
    types = [next(iter(crew.inputs.values())) for crew in crews if crew.inputs]
    options = {} if crop is None else {"crop": crop}
    return pixels_for([crew.model for crew in crews], types, normalize=normalize, **options)


def said_labels(model: Model) -> list[str] | None:
    """The labels that a model has; None where there are none or they cannot be read."""
    try:
        return labels_of(model)
    except FormatError:
        return None


def scores_of(outputs: dict[str, TensorType], model: str) -> tuple[str, TensorType]:
    """The output that holds scores of classes: the only one, or the first that looks like it."""
    for name, type_ in outputs.items():
        shape = type_.shape
        is_row = shape is None or (bool(shape) and all(d == 1 for d in shape[1:-1]))
        if is_row and (shape is None or shape[-1] != 1) and type_.dtype.bits > 0:
            return name, type_
    shown = ", ".join(f"{name} {type_}" for name, type_ in outputs.items())
    raise InputError(f"{model}: a classifier has an output [1, classes]; this one has {shown}")
