"""Scores to class names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise import metadata
from edgewise.data.classes import imagenet_labels
from edgewise.errors import FormatError, InputError
from edgewise.ir.model import Model
from edgewise.ir.types import Quant
from edgewise.log import log


@dataclass(frozen=True, slots=True)
class Guess:
    """One class with its score; `score` is a probability where the model ends in a softmax."""

    index: int
    label: str
    score: float


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Labels from a text file, one a line. Raises InputError where it cannot be read."""
    try:
        return Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of labels: {error}") from error


def labels_of(model: Model) -> list[str] | None:
    """The labels that travel with a model; None where there are none, or they cannot be read,
    which is logged."""
    try:
        return metadata.labels(model)
    except FormatError as problem:
        log().warning("labels are not taken from the model: %s", problem)
        return None


def default_labels(classes: int) -> list[str]:
    """ImageNet's labels for 1000 outputs, or 1001 (background first); else the indices."""
    if classes == 1000:
        return imagenet_labels()
    if classes == 1001:
        return ["background", *imagenet_labels()]
    return [f"class {i}" for i in range(classes)]


def top(
    scores: np.ndarray, count: int, labels: list[str] | None = None, quant: Quant | None = None
) -> list[Guess]:
    """The `count` best classes of scores [1, C] or [C], best first; ties by index.

    Raises:
        InputError: not one row of scores, or another number of labels than classes.
    """
    row = scores.reshape(-1)
    if row.size != scores.shape[-1]:
        raise InputError(f"classes need scores of one picture; got shape {list(scores.shape)}")
    labels = default_labels(row.size) if labels is None else labels
    if len(labels) != row.size:
        raise InputError(f"{row.size} classes need as many labels; got {len(labels)}")
    real = row.astype(np.float64) if quant is None else quant.dequantize(row)
    best = np.argsort(-real, kind="stable")[:count]
    return [Guess(int(i), labels[i], float(real[i])) for i in best]
