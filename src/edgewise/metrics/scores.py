"""Scores of classes [N, C]: who is right, who agrees, how far distributions are apart."""

from __future__ import annotations

import numpy as np

from edgewise.errors import InputError

# What rows of probabilities sum to; of 1000 classes in 8 bits most may be too small to be written.
_LEAST_SUM, _MOST_SUM = 0.2, 1.05


def ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """int [N]: how many classes come before `labels[n]` in `scores[n]`; of equal scores the class
    with the lower index comes first, as in `tasks.classify.top`.

    Raises:
        InputError: a label that is no class.
    """
    n, classes = scores.shape
    if labels.shape != (n,):
        raise InputError(f"{n} rows of scores need as many labels; got {labels.shape}")
    if n and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"labels are in [0, {classes}); got {labels.min()} to {labels.max()}. "
            "Check the order of the classes"
        )
    own = scores[np.arange(n), labels][:, None]
    before = np.arange(classes) < labels[:, None]
    return (scores > own).sum(1) + ((scores == own) & before).sum(1)


def are_correct(scores: np.ndarray, labels: np.ndarray, k: int = 1) -> np.ndarray:
    """bool [N]: the class `labels[n]` is among the k best of `scores[n]`. Raises: as `ranks`."""
    return ranks(scores, labels) < k


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """bool [N]: both scores [N, C] have the same best class."""
    return first.argmax(1) == second.argmax(1)


def probabilities(scores: np.ndarray) -> np.ndarray:
    """float64 [N, C] whose rows sum to 1: a row of probabilities as it is, scaled, any other row's
    softmax.

    Quantized probabilities sum to less than 1 where many classes have less than half a step each;
    what is missing is shared by the classes that are 0.
    """
    real = scores.astype(np.float64)
    total = real.sum(1, keepdims=True)
    are_given = (real.min(1, keepdims=True) >= 0) & (total >= _LEAST_SUM) & (total <= _MOST_SUM)
    raised = np.exp(real - real.max(1, keepdims=True))
    rest = np.maximum(0.0, 1 - total) / np.maximum(1, (real == 0).sum(1, keepdims=True))
    found = np.where(are_given, np.where(real == 0, rest, real), raised)
    return found / found.sum(1, keepdims=True)


def divergence(first: np.ndarray, second: np.ndarray, floor: float = 1e-7) -> np.ndarray:
    """float64 [N], in nats: how much the distribution of `second` loses against that of `first`,
    `sum p * log(p / q)` (Kullback-Leibler).

    A quantized softmax says 0 where it means "less than half a step": probabilities of both are
    raised to `floor` and scaled, which keeps the divergence finite. Of a quantized output give
    half its step, divided by the number of classes.

    Source: S. Kullback, R. A. Leibler, Annals of Mathematical Statistics 22 (1951), 79-86.
    """
    p, q = (np.maximum(probabilities(s), floor) for s in (first, second))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    return np.maximum(0.0, (p * np.log(p / q)).sum(1))
