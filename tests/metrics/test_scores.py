"""Scores of classes against values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.errors import InputError
from edgewise.metrics import Difference, agreement, are_correct, divergence, probabilities

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4]])


def test_the_label_is_among_the_best() -> None:
    labels = np.array([1, 1, 0])
    assert are_correct(SCORES, labels).tolist() == [True, False, False]
    assert are_correct(SCORES, labels, 2).tolist() == [True, True, True]
    # of the equal scores of classes 0 and 1 the first is before
    assert are_correct(SCORES, np.array([1, 1, 1]), 2).tolist() == [True, True, False]
    assert are_correct(SCORES, labels, 3).all()


def test_the_order_is_that_of_a_stable_sort() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, (300, 20)).astype(np.uint8)
    labels = rng.integers(0, 20, 300)
    for k in (1, 5, 20):
        best = np.argsort(-scores.astype(int), axis=1, kind="stable")[:, :k]
        assert are_correct(scores, labels, k).tolist() == (best == labels[:, None]).any(1).tolist()


def test_labels_that_are_no_classes() -> None:
    with pytest.raises(InputError, match=r"labels are in \[0, 3\); got 1 to 3"):
        are_correct(SCORES, np.array([1, 3, 2]))
    with pytest.raises(InputError, match="as many labels"):
        are_correct(SCORES, np.array([1]))


def test_agreement() -> None:
    assert agreement(SCORES, SCORES[:, ::-1]).tolist() == [True, False, False]


def test_probabilities_or_logits() -> None:
    assert probabilities(SCORES) == pytest.approx(SCORES)
    assert probabilities(np.array([[0.0, math.log(3)]])) == pytest.approx(np.array([[0.25, 0.75]]))
    assert probabilities(np.array([[1000.0, 0.0]])).tolist() == [[1, 0]]
    quantized = np.array([[250, 3, 1]]) / 256
    assert probabilities(quantized) == pytest.approx(quantized / (254 / 256))
    # what is missing belongs to the classes that were too small to be written
    tail = np.array([[0.5, 0.25, 0, 0, 0, 0, 0]])
    assert probabilities(tail) == pytest.approx(np.array([[0.5, 0.25] + [0.05] * 5]))
    mixed = probabilities(np.array([[0.5, 0.5], [3.0, 3.0]]))
    assert mixed.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_divergence_of_coins() -> None:
    half, biased = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert divergence(half, biased)[0] == pytest.approx(expected, rel=1e-5)
    assert divergence(half, half)[0] == 0
    # never infinite: a zero counts as the floor
    sure = np.array([[1.0, 0.0]])
    assert divergence(half, sure, floor=1 / 512)[0] == pytest.approx(
        0.5 * math.log(0.5 * 513 / 512) + 0.5 * math.log(0.5 * 513), rel=1e-6
    )


def test_differences_add_up() -> None:
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    y = x + np.float32(0.01)
    whole = Difference.of(x, y)
    halves = Difference.of(x[:300], y[:300]) + Difference.of(x[300:], y[300:])
    assert (
        whole.snr
        == pytest.approx(halves.snr)
        == pytest.approx(10 * math.log10(float((x.astype(float) ** 2).mean()) / 1e-4), abs=1e-3)
    )
    assert whole.rms == pytest.approx(0.01, rel=1e-5)
    assert whole.most == pytest.approx(0.01, rel=1e-4)
    assert whole.cosine == pytest.approx(halves.cosine)
    assert whole.cosine == pytest.approx(x @ y / np.sqrt(x @ x * (y @ y)), rel=1e-6)


def test_differences_of_special_signals() -> None:
    zero, one = np.zeros(4, np.int8), np.ones(4, np.int8)
    assert Difference.of(one, one).snr == math.inf
    assert Difference.of(zero, one).snr == -math.inf
    assert (Difference.of(zero, zero).cosine, Difference.of(zero, one).cosine) == (1, 0)
    assert math.isnan(Difference().snr)
    assert math.isnan(Difference.of(np.array([math.nan]), np.ones(1)).snr)
