"""Which classes are mistaken for which, and whether a model is as sure as it is right."""

from __future__ import annotations

import math

import numpy as np

from edgewise.errors import InputError
from edgewise.values import dataclass

BINS = 15  # of confidence; as Guo et al.


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Of one class: the share of what is called so that is (precision), the share of what is that
    is called so (recall), their harmonic mean; NaN of nothing. `support` counts its examples."""

    index: int
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Examples whose confidence is in (low, high]: how many, their mean confidence, and the share
    that is right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`error` is the expected calibration error: the mean distance of confidence and accuracy,
    weighted by the examples in each bin."""

    error: float
    bins: tuple[Bin, ...]


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 [classes, classes]: how often class i [row] was called j [column]; of class numbers
    [N].

    Raises:
        InputError: rows of different lengths, or a number that is no class.
    """
    both = np.stack([labels, predicted]) if labels.shape == predicted.shape else None
    if both is None or (both.size and not 0 <= both.min() <= both.max() < classes):
        raise InputError(f"labels and predictions are two rows of classes in [0, {classes})")
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def class_scores(matrix: np.ndarray) -> list[ClassScore]:
    """Precision, recall and F1 of every class of a confusion matrix."""
    hits, called, real = np.diag(matrix), matrix.sum(0), matrix.sum(1)
    return [
        ClassScore(
            i,
            _share(hits[i], called[i]),
            _share(hits[i], real[i]),
            _share(2 * hits[i], called[i] + real[i]),
            int(real[i]),
        )
        for i in range(len(matrix))
    ]


def macro_f1(scores: list[ClassScore]) -> float:
    """The mean F1 of the classes that have examples; NaN of none."""
    found = [score.f1 for score in scores if score.support]
    return sum(found) / len(found) if found else math.nan


def calibration(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Calibration:
    """Confidence [N] of the predicted class against whether it was right, bool [N], in bins of
    equal width. Bins without examples are left out.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks"
    (2017), equation 3.
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    found, error = [], 0.0
    for i in range(bins):
        own = place == i
        count = int(own.sum())
        if count:
            sure, right = float(confidence[own].mean()), float(correct[own].mean())
            found.append(Bin(i / bins, (i + 1) / bins, count, sure, right))
            error += count / confidence.size * abs(sure - right)
    return Calibration(error if confidence.size else math.nan, tuple(found))


def _share(count: int, total: int) -> float:
    return float(count / total) if total else math.nan
