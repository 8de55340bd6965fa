"""Moments of what linear layers read, over samples: what rounding weighs errors by.

In: a linear node, and what it reads in the float model and where layers before it are rounded,
sample by sample. Out: the means over the vectors [K] that its weights meet: K counts the taps and
input channels of one output, in the order of the weights, and G the groups (of a depthwise
convolution: its channels).

Memory: x x^T is K**2 numbers, 85 MB for a 3x3 convolution of 512 channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from edgewise.ir.graph import Node
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.window import windows
from edgewise.passes.linear import layout
from edgewise.values import dataclass

Array = np.ndarray

_VECTORS = 256  # of one sample; neighbouring pixels tell little that is new
_TELLING = 16  # of one sample: its vectors are alike, and tell as much as so many others
ROUNDED = (Conv2D, DepthwiseConv2D, FullyConnected)  # operators whose weights can be rounded


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


def moments(node: Node, read: Iterable[tuple[Array, Array]]) -> Moments:
    """The moments, float32, of a node of `ROUNDED` operators.

    Args:
        read: per sample what the node reads in the float model, and where it is rounded.
    """
    vectors, telling = 0, 0
    sums: list[Array] = []
    for pair in read:
        t, x = (_vectors(node, array) for array in pair)
        found = []
        with np.errstate(invalid="ignore", over="ignore"):  # the caller tells what is not finite
            for part in (x, t - x):
                found += [part.sum(1), np.matmul(part.transpose(0, 2, 1), x)]
        sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
        vectors += x.shape[1]
        telling += min(x.shape[1], _TELLING)
    mean, second, gap, gaps = (a / np.float32(vectors or 1) for a in sums)
    return Moments(mean, second, telling, gap, gaps)


def _vectors(node: Node, x: Array) -> Array:
    """Vectors that the weights of a node meet, float32 [G, N, K]; of more than `_VECTORS` pixels
    every n-th one."""
    w = node.operand(layout(node).w).data
    assert w is not None
    x = x.astype(np.float32, copy=False)
    if isinstance(node.op, FullyConnected):
        rows = x.reshape(-1, w.shape[1])
        return rows[:: _every(len(rows))][None]
    assert isinstance(node.op, Conv2D | DepthwiseConv2D)
    view = windows(x, *node.op.axes(w.shape), node.op.padding)
    n, oh, ow, kh, kw, c = view.shape
    picked = np.arange(n * oh * ow)[:: _every(n * oh * ow)]
    taps = view[picked // (oh * ow), picked // ow % oh, picked % ow]  # [N, KH, KW, C]
    if isinstance(node.op, DepthwiseConv2D):
        return np.ascontiguousarray(taps.reshape(len(picked), kh * kw, c).transpose(2, 0, 1))
    per_group = w.shape[3]
    parts = taps.reshape(len(picked), kh, kw, c // per_group, per_group)
    return np.ascontiguousarray(
        parts.transpose(3, 0, 1, 2, 4).reshape(c // per_group, len(picked), -1)
    )


def _every(vectors: int) -> int:
    """A step that leaves about `_VECTORS`; odd, so that columns of pixels are not picked alone."""
    return max(vectors // _VECTORS, 1) | 1
