"""Scores of classes [N, C]: who is right, who agrees, how far distributions are apart."""

from __future__ import annotations

import numpy as np

from edgewise.errors import InputError

_SUM = 0.05  # how far from 1 rows of probabilities may sum to: 8-bit ones of 1000 classes do


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
    """float64 [N, C] whose rows sum to 1: the scores, scaled, where they are probabilities
    already (in 8 bits they sum to 1 only nearly), else their softmax."""
    real = scores.astype(np.float64)
    total = real.sum(1, keepdims=True)
    if real.size and real.min() >= 0 and np.all(np.abs(total - 1) <= _SUM):
        return real / total
    raised = np.exp(real - real.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def divergence(first: np.ndarray, second: np.ndarray, floor: float = 1e-7) -> np.ndarray:
    """float64 [N], in nats: how much the distribution of `second` loses against that of `first`,
    `sum p * log(p / q)` (Kullback-Leibler).

    A quantized softmax says 0 where it means "less than half a step": probabilities of both are
    raised to `floor` and scaled, which keeps the divergence finite. Give half the step of a
    quantized output.

    Source: S. Kullback, R. A. Leibler, Annals of Mathematical Statistics 22 (1951), 79-86.
    """
    p, q = (np.maximum(probabilities(s), floor) for s in (first, second))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    return np.maximum(0.0, (p * np.log(p / q)).sum(1))
