"""Rounding weights so that a layer's results change least, instead of each weight.

In: weights w [G, O, K] of G groups of O outputs that share K inputs, their grid (`scale`, `low`,
`high`), and the second moments H [G, K, K] = mean of x x^T of what the layer reads. Out: integers
q.
The error of the layer's results is, for each output,

    E (x (w - q * scale))**2 = e H e^T     with e = w - q * scale

which nearest rounding minimises only where inputs are uncorrelated. Two methods, one after the
other: `gptq` goes through the inputs once and lets those not yet rounded make up for the error so
far; `descend` then moves single integers by one step while that lowers the error.

Cost: O(G * O * K**2) each; for a 1x1 convolution of 960 x 320, 0.3 G operations.

Sources: GPTQ (Frantar et al., 2023), algorithm 1, and OBQ (Frantar and Alistarh, 2022) before it;
the objective is that of AdaRound (Nagel et al., 2020), equation 13, which descends with gradients
on a relaxation where `descend` goes from integers to integers.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

_BLOCK = 64  # inputs whose corrections reach the others in one matrix product
_SWEEPS = 4  # of `descend`; the second changes a tenth of what the first does
_DAMPINGS = 6  # powers of ten that are tried
_DAMPING = 0.01  # added to the diagonal, relative to its mean, as in the paper
_RIDGE, _PART = 0.1, 0.5  # of `fitted`


def nearest(w: Array, scale: Array, low: int, high: int) -> Array:
    """w / scale to the nearest integers in [low, high], half to even; float64."""
    return np.clip(np.rint(w / scale), low, high)


def error(w: Array, q: Array, scale: Array, moments: Array) -> float:
    """The mean over groups and outputs of e H e^T."""
    e = w - q * scale
    return float(np.einsum("gok,gkl,gol->go", e, moments, e, optimize=True).mean())


def gptq(
    w: Array, moments: Array, scale: Array, low: int, high: int, *, damping: float = _DAMPING
) -> Array:
    """Integers [G, O, K], float64, by GPTQ; inputs in the order of their power.

    Args:
        w: [G, O, K], float64.
        moments: [G, K, K], symmetric, positive semi-definite.
        scale: broadcasts to w: one per output [G, O, 1], or per block of inputs [G, O, K].
        low, high: the smallest and largest integer.
    """
    scale = np.broadcast_to(scale, w.shape)
    q = np.empty_like(w)
    for g in range(len(w)):
        order = np.argsort(-np.diagonal(moments[g]), kind="stable")
        factor = _inverse_factor(moments[g][np.ix_(order, order)], damping)
        q[g][:, order] = _gptq(w[g][:, order], factor, scale[g][:, order], low, high)
    return q


def descend(
    w: Array, q: Array, moments: Array, scale: Array, low: int, high: int, *, sweeps: int = _SWEEPS
) -> Array:
    """q with single integers moved by one step where that lowers e H e^T, until none does or
    `sweeps` are done: each move lowers the error, so it never ends above where it began.

    A step d of q[o, k] changes the error by -2 d s (e H)[o, k] + (d s)**2 H[k, k].
    """
    q = q.copy()
    scale = np.broadcast_to(scale, w.shape)
    slope = np.matmul(w - q * scale, moments)  # (e H) [G, O, K]
    power = np.diagonal(moments, axis1=1, axis2=2)[:, None, :]  # H[k, k] [G, 1, K]
    for _ in range(sweeps):
        moved = False
        for k in range(w.shape[2]):
            s, h = scale[:, :, k], power[:, :, k]
            step = np.sign(slope[:, :, k])
            gain = 2 * s * np.abs(slope[:, :, k]) - s * s * h
            target = q[:, :, k] + step
            step = np.where(
                (gain > 1e-12 * s * s * h) & (target >= low) & (target <= high), step, 0
            )
            group, row = np.nonzero(step)
            if len(row):
                moved = True
                q[:, :, k] += step
                slope[group, row] -= (step * s)[group, row, None] * moments[group, k]
        if not moved:
            break
    return q


def shrunk(moments: Array, count: int) -> Array:
    """Moments [G, K, K] of `count` vectors with less of what is off the diagonal: `less` by the
    share that `chance` finds."""
    return less(moments, chance(moments, count))


def chance(moments: Array, count: int) -> Array:
    """The share [G] of what is off the diagonal of moments [G, K, K] that chance is expected to
    have put there: few vectors seem more correlated than they are, and what is fitted to those fits
    no others (a classifier of 1000 inputs sees one vector a sample).

    sum var(r) / sum r**2 over the correlations r between inputs, var(r) = (1 - r**2)**2 / count.
    **Source:** Schaefer and Strimmer (2005), target D.
    """
    k = moments.shape[1]
    diagonal = np.einsum("gkk->gk", moments)
    spread = np.sqrt(np.where(diagonal > 0, diagonal, np.inf))  # an input that is always 0: r = 0
    r = moments / (spread[:, :, None] * spread[:, None, :])
    r[:, np.arange(k), np.arange(k)] = 1.0
    variance = ((1 - r**2) ** 2).sum((1, 2)) / max(count, 1)
    known = np.maximum((r**2).sum((1, 2)) - k, 1e-12)
    return np.asarray(np.minimum(variance / known, 1.0))


def less(matrices: Array, share: Array) -> Array:
    """(1 - a) M + a diag(M) of matrices M [G, K, K] with shares a [G]."""
    result = matrices * (1 - share)[:, None, None]
    k = np.arange(matrices.shape[1])
    result[:, k, k] = matrices[:, k, k]
    return result


def fitted(w: Array, moments: Array, gaps: Array) -> Array:
    """Weights [G, O, K] that make up for part of what others did to x: half the step from w to
    those whose results on x are next to w t, t being what x was.

    w + (w D (H + a I)^-1) / 2 with H = mean x x^T, D = mean (t - x) x^T and a = `_RIDGE` of the
    mean diagonal. The whole step, and one with little of a ridge, fit the samples. KL with int8
    weights and float data, MobileNetV1 0.25 at 128 pixels, without it 2.1e-3: whole 1.7e-3, whole
    with a ridge of 0.1 1.4e-3, half with 0.01 1.2e-3 and with 0.1 1.1e-3.

    **Source:** least squares as in GPTAQ (Li et al., 2025), which takes the whole step.
    """
    ridge = _RIDGE * np.einsum("gkk->gk", moments).mean(1) + np.finfo(np.float32).tiny
    k = np.arange(moments.shape[1])
    regular = moments.copy()
    regular[:, k, k] += ridge[:, None]
    step = np.linalg.solve(regular, gaps.transpose(0, 2, 1)).transpose(0, 2, 1)
    return w + _PART * np.matmul(w, step)


def _inverse_factor(moments: Array, damping: float) -> Array:
    """U upper triangular with U^T U = (H + damping * mean diagonal)^-1."""
    h = moments.copy()
    diagonal = np.einsum("kk->k", h)
    h[diagonal == 0, diagonal == 0] = 1.0  # an input that is always 0 is rounded to the nearest
    mean = float(np.mean(np.diagonal(h)))
    for more in range(_DAMPINGS):
        # sums in float32 of what hardly varies may be indefinite: the next power of ten then
        try:
            inverse = np.linalg.inv(h + damping * 10**more * mean * np.eye(len(h)))
            return np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T)
        except np.linalg.LinAlgError:
            continue
    return np.eye(len(h))  # each input alone: rounding to the nearest


def _gptq(w: Array, factor: Array, scale: Array, low: int, high: int) -> Array:
    w, q = w.copy(), np.empty_like(w)
    for begin in range(0, w.shape[1], _BLOCK):
        end = min(begin + _BLOCK, w.shape[1])
        errors = np.empty((len(w), end - begin))
        for k in range(begin, end):
            q[:, k] = nearest(w[:, k], scale[:, k], low, high)
            errors[:, k - begin] = (w[:, k] - q[:, k] * scale[:, k]) / factor[k, k]
            w[:, k + 1 : end] -= errors[:, k - begin, None] * factor[k, k + 1 : end]
        w[:, end:] -= errors @ factor[begin:end, end:]
    return q
