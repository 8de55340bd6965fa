"""Confusion, precision and recall, calibration: against numbers by hand and definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.errors import InputError
from edgewise.metrics import calibration, class_scores, confusion, macro_f1

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 0, 1])


def test_by_hand() -> None:
    matrix = confusion(LABELS, PREDICTED, 4)
    assert matrix.tolist() == [[2, 1, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    first, second, third, none = class_scores(matrix)
    assert (first.precision, first.recall, first.support) == (2 / 3, 0.5, 4)
    assert first.f1 == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))
    assert (second.precision, second.recall) == (1 / 3, 0.5)
    assert (third.precision, third.recall, third.f1) == (0.0, 0.0, 0.0)
    assert math.isnan(none.precision)
    assert math.isnan(none.f1)
    assert macro_f1(class_scores(matrix)) == pytest.approx((first.f1 + second.f1) / 3)
    assert math.isnan(macro_f1([none]))


def test_calibration_by_hand() -> None:
    """Two examples at 0.95 of which one is right, two at 0.5 of which both are."""
    confidence = np.array([0.95, 0.5, 0.95, 0.5])
    found = calibration(confidence, np.array([True, True, False, True]), bins=10)
    assert found.error == pytest.approx(0.5 * abs(0.95 - 0.5) + 0.5 * abs(0.5 - 1))
    low, high = found.bins
    assert (low.low, low.high, low.count, low.accuracy) == (0.4, 0.5, 2, 1.0)
    assert (high.count, high.accuracy) == (2, 0.5)
    assert high.confidence == pytest.approx(0.95)
    assert math.isnan(calibration(np.empty(0), np.empty(0, bool)).error)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_every_example_is_in_one_bin(examples: list[tuple[float, bool]]) -> None:
    confidence, correct = (np.array(column) for column in zip(*examples, strict=True))
    found = calibration(confidence, correct)
    assert sum(b.count for b in found.bins) == len(examples)
    assert all(b.low <= b.confidence + 1e-12 and b.confidence <= b.high + 1e-12 for b in found.bins)
    assert 0 <= found.error <= 1
    hits = sum(b.count * b.accuracy for b in found.bins)
    assert hits == pytest.approx(correct.sum())


def test_a_perfect_and_a_boastful_model() -> None:
    right = np.ones(10, bool)
    assert calibration(np.ones(10), right).error == 0
    assert calibration(np.ones(10), ~right).error == 1


@pytest.mark.parametrize(("labels", "predicted"), [([0, 4], [0, 1]), ([0], [0, 1]), ([-1], [0])])
def test_what_is_no_class(labels: list[int], predicted: list[int]) -> None:
    with pytest.raises(InputError, match=r"classes in \[0, 4\)"):
        confusion(np.array(labels), np.array(predicted), 4)
