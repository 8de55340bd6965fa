"""Examples in three parts, drawn by a seed: for scales, for choices, and for the proof."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.data import Data, Feeder, samples
from edgewise.data.classes import order_of
from edgewise.errors import InputError
from edgewise.optimize.bench import PARTS, Examples
from edgewise.optimize.evaluate import Crew, pixels_of, said_labels

_CALIBRATION = 100  # of more than five times as many
_LEAST = 15


def parted(
    crew: Crew,
    data: Data,
    *,
    normalize: str | None,
    crop: float | None,
    labels: Sequence[str] | None,
    first_class: int | None,
    limit: int | None,
    seed: int,
    skipped: list[str],
) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """The examples by part, and what was assumed: a fifth, at most 100, calibrates, and the rest is
    halved.

    Raises:
        InputError: too few examples, or of several shapes.
    """
    pixels = pixels_of([crew], normalize, crop)
    found = list(samples(data, [Feeder(crew.inputs, pixels)], limit=limit, skipped=skipped))
    if len(found) < _LEAST:
        raise InputError(
            f"{data.name}: optimizing takes {_LEAST} examples at the least, hundreds to tell a "
            f"point of accuracy; got {len(found)}"
        )
    columns = list(zip(*(sample.feeds[0] for sample in found), strict=True))
    if any(len({array.shape for array in column}) > 1 for column in columns):
        raise InputError(f"{data.name}: optimizing takes examples of one shape")
    crew.scores(found[0].feeds[0])  # the number of classes is known then
    notes = [pixels.told(are_met=any(sample.are_pixels for sample in found))]
    numbers = np.full(len(found), -1, np.int64)
    if all(sample.label is not None for sample in found):
        known = labels if labels is not None else said_labels(crew.model)
        order = order_of(data.classes, crew.classes, known, first=first_class)
        numbers = np.array([order(s.label) for s in found if s.label is not None], np.int64)
        notes.append(order.said)
    drawn = np.random.default_rng(seed).permutation(len(found))
    first = min(_CALIBRATION, len(found) // 5)
    second = first + (len(found) - first) // 2
    places = (drawn[:first], drawn[first:second], drawn[second:])
    parts = {
        part: Examples(tuple(np.stack([c[i] for i in chosen]) for c in columns), numbers[chosen])
        for part, chosen in zip(PARTS, places, strict=True)
    }
    return parts, tuple(notes)
