"""Numbers that say how good a model is, or how alike two are: pure functions of arrays."""

from edgewise.metrics.classes import (
    Bin,
    Calibration,
    ClassScore,
    calibration,
    class_scores,
    confusion,
    macro_f1,
)
from edgewise.metrics.intervals import Interval, bootstrap, mcnemar, paired_difference, wilson
from edgewise.metrics.scores import agreement, are_correct, divergence, probabilities, ranks
from edgewise.metrics.signals import Difference

__all__ = [
    "Bin",
    "Calibration",
    "ClassScore",
    "Difference",
    "Interval",
    "agreement",
    "are_correct",
    "bootstrap",
    "calibration",
    "class_scores",
    "confusion",
    "divergence",
    "macro_f1",
    "mcnemar",
    "paired_difference",
    "probabilities",
    "ranks",
    "wilson",
]
