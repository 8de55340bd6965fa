"""Moments of what linear layers read, over samples: what rounding weighs errors by.

In: vectors that weights meet (`readers.py`) in the float model, and where layers before are
rounded, sample by sample. Out: the means over these vectors [K]: K counts the taps and input
channels of one output, in the order of the weights, and G the groups (of a depthwise convolution:
its channels).

Memory: x x^T is K**2 numbers, 85 MB for a 3x3 convolution of 512 channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgewise.ir.graph import Node
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.values import dataclass

Array = np.ndarray

_TELLING = 16  # of one sample: its vectors are alike, and tell as much as so many others


def as_matrix(node: Node, w: Array) -> Array:
    """Weights of a node as [G, O, K], float64: a view where that is possible."""
    if isinstance(node.op, DepthwiseConv2D):
        channels = node.input.shape[-1]
        assert isinstance(channels, int)
        kh, kw, o = w.shape[1:]
        # output channel c * multiplier + m reads input channel c
        return w.reshape(kh * kw, channels, o // channels).transpose(1, 2, 0).astype(np.float64)
    groups = 1
    if isinstance(node.op, Conv2D):
        channels = node.input.shape[-1]
        assert isinstance(channels, int)
        groups = channels // w.shape[3]
    return w.reshape(groups, w.shape[0] // groups, -1).astype(np.float64)


def from_matrix(node: Node, matrix: Array, shape: Sequence[int]) -> Array:
    """The inverse of `as_matrix`, for weights of this shape."""
    if isinstance(node.op, DepthwiseConv2D):
        return matrix.transpose(2, 0, 1).reshape(shape)
    return matrix.reshape(shape)


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the vectors x that G groups of weights meet: mean x [G, K], mean x x^T [G, K, K], and how
    many they were, of each sample the first `_TELLING` counted; and of the gap t - x to what they
    are in the float model, mean (t - x) [G, K] and mean (t - x) x^T [G, K, K]."""

    mean: Array
    second: Array
    count: int
    gap: Array
    gaps: Array

    @property
    def covariance(self) -> Array:
        """What is left of `second` where a bias takes the mean away, [G, K, K]."""
        return self.second - self.mean[:, :, None] * self.mean[:, None, :]

    @property
    def varying_gaps(self) -> Array:
        """What is left of `gaps` then."""
        return self.gaps - self.gap[:, :, None] * self.mean[:, None, :]


def moments(met: Iterable[Iterable[tuple[Array, Array]]]) -> Moments | None:
    """The moments, float32, of vectors [G, N, K] in the float model and where it is rounded, by
    sample and run of the layer; None where it never runs."""
    vectors, telling = 0, 0
    sums: list[Array] = []
    for runs in met:
        before = vectors
        for t, x in runs:
            found = _sums(t, x)
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
            vectors += x.shape[1]
        telling += min(vectors - before, _TELLING)
    if not sums:
        return None
    mean, second, gap, gaps = (a / np.float32(vectors or 1) for a in sums)
    return Moments(mean, second, telling, gap, gaps)


def _sums(t: Array, x: Array) -> list[Array]:
    found = []
    with np.errstate(invalid="ignore", over="ignore"):  # the caller tells what is not finite
        for part in (x, t - x):
            found += [part.sum(1), np.matmul(part.transpose(0, 2, 1), x)]
    return found
