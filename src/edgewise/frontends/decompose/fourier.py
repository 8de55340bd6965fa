"""Discrete Fourier transforms of any length of pairs of real tensors: real and imaginary parts.

Along one axis of n elements a transform is a product with matrices of cosines and sines, n**2
multiplications; of a power of two from FAST on, two RFFT2D of real rows, n log(n), whose other half
follows by symmetry. Measured on rows of normal numbers, of the largest element: off by 5e-7 by
matrices (1000 elements), 5e-8 by RFFT2D (1024).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewise.frontends.context import Context, Unsupported, bounded
from edgewise.ir.graph import Value

FAST = 128
MAX_MATRIX = 1 << 23  # elements


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """A complex tensor as two float32 tensors of its shape."""

    real: Value
    imag: Value


def conjugate(c: Context, x: Parts) -> Parts:
    """The complex conjugate."""
    return Parts(x.real, c.b.neg(x.imag))


def transformed(c: Context, x: Parts, axis: int, *, inverse: bool = False) -> Parts:
    """The transform along an axis; the inverse one is divided by the length."""
    x, perm = _to_last(c, x, axis)
    size = _length(x.real)
    if size >= FAST and size & size - 1 == 0:
        y = _fast(c, x, size, inverse)
    else:
        k = np.arange(bounded(size * size, "its matrix", MAX_MATRIX) // size)
        angles = 2 * np.pi / size * (np.outer(k, k) % size)
        cos, sin = np.cos(angles), np.sin(angles) * (-1 if inverse else 1)
        cos, sin = (wave / (size if inverse else 1) for wave in (cos, sin))
        # (a + ib)(cos - i sin)
        y = Parts(
            c.b.add(_times(c, x.real, cos), _times(c, x.imag, sin)),
            c.b.sub(_times(c, x.imag, cos), _times(c, x.real, sin)),
        )
    return Parts(c.transpose(y.real, perm), c.transpose(y.imag, perm))


def _to_last(c: Context, x: Parts, axis: int) -> tuple[Parts, list[int]]:
    """x with `axis` swapped to the end, and the permutation that does and undoes it."""
    perm = list(range(len(x.real.shape)))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return Parts(c.transpose(x.real, perm), c.transpose(x.imag, perm)), perm


def _length(x: Value) -> int:
    size = x.shape[-1]
    if not isinstance(size, int):
        raise Unsupported("a transform of unknown length; give the model a fixed input shape")
    if size < 1:
        raise Unsupported("a transform of nothing; give it one element or more")
    return size


def _times(c: Context, x: Value, matrix: np.ndarray) -> Value:
    """x @ matrix.T along the last axis."""
    return c.b.fully_connected(x, c.b.constant(matrix.astype(np.float32)), keep_num_dims=True)


def _fast(c: Context, x: Parts, size: int, inverse: bool) -> Parts:
    """F(a + ib) = F(a) + i F(b); the inverse of z is the conjugate of F(conjugate of z) / n."""
    if inverse:
        y = _fast(c, conjugate(c, x), size, False)
        part = c.scalar(1 / size)
        return Parts(c.b.mul(y.real, part), c.b.mul(y.imag, c.b.neg(part)))
    a, b = (_whole(c, spectrum(c, part, size), size) for part in (x.real, x.imag))
    return Parts(c.b.sub(a.real, b.imag), c.b.add(a.imag, b.real))


def spectrum(c: Context, x: Value, size: int) -> Parts:
    """The first size // 2 + 1 elements of the transform of real rows, cut or filled up to
    `size`."""
    _check(size)
    bins = size // 2 + 1
    if size & size - 1 == 0:
        rows = c.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
        y = c.reshape(c.b.rfft2d(rows, c.ints([1, size])), (*x.shape[:-1], bins))
        return Parts(c.b.real(y), c.b.imag(y))
    given = _length(x)
    bounded(bins * max(given, size), "its matrix", MAX_MATRIX)
    k, t = np.arange(bins), np.arange(given)
    angles = 2 * np.pi / size * (np.outer(k, t) % size)
    counts = t < size
    return Parts(_times(c, x, np.cos(angles) * counts), _times(c, x, -np.sin(angles) * counts))


def _check(size: int) -> None:
    if size < 1:
        raise Unsupported(f"a transform has at least one element; got {size}")


def _whole(c: Context, x: Parts, size: int) -> Parts:
    """All elements of the transform of real rows: y[n - k] is the conjugate of y[k]."""
    axis = len(x.real.shape) - 1
    begin = c.ints([*[0] * axis, 1])
    count = c.ints([*[-1] * axis, size - size // 2 - 1])

    def mirrored(v: Value) -> Value:
        return c.b.reverse_v2(c.b.slice(v, begin, count), c.ints([axis]))

    return Parts(
        c.b.concatenation(x.real, mirrored(x.real), axis=axis),
        c.b.concatenation(x.imag, c.b.neg(mirrored(x.imag)), axis=axis),
    )


def signal(c: Context, x: Parts, size: int) -> Value:
    """Real rows of `size` elements from the first half of their transform; of the first bin and,
    of an even size, the last one the real part counts."""
    _check(size)
    bins = _length(x.real)
    bounded(bins * size, "its matrix", MAX_MATRIX)
    waves = waves_of(bins, size)
    return c.b.add(_times(c, x.real, waves[:, :bins]), _times(c, x.imag, waves[:, bins:]))


def waves_of(bins: int, size: int) -> np.ndarray:
    """[size, 2 * bins]: what the real and the imaginary part of every bin give to each element of
    the real signal."""
    k, t = np.arange(bins), np.arange(size)
    # every bin but the first and, of an even length, the last stands for two
    share = np.where((k == 0) | (2 * k == size), 1.0, 2.0) * (k <= size // 2) / size
    angles = 2 * np.pi / size * (np.outer(t, k) % size)
    return np.concatenate([share * np.cos(angles), -share * np.sin(angles)], axis=1)
