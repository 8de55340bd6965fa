"""Units of channels: what of one model's numbers is in another one's, found in the numbers.

In: a value of both models over some samples, [..., C] each. Out: for every channel of the second
model's the first one's that it carries, and `y = scale * x + offset`; None where all are as they
were.
`quantize` chooses units of channels in which less is rounded (`techniques.py`): channels are
stretched and moved, and idle ones carry copies of others. Readers undo that, so it is no error, and
who compares layers has to undo it, too.

A channel may be in another unit where least squares say so (scale off by more than 3 %, or moved by
a tenth of a deviation) and explain nine tenths of it or more; whether readers undo it, `layers.py`
asks them. One that is rounded to a few steps is not looked at: these would pass for a unit.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.types import TensorType
from edgewise.values import dataclass

Array = np.ndarray

_LEAST_ROWS = 64  # numbers of a channel, with fewer nothing is known
_MOST_ROWS = 4096
_LEAST_STEPS = 32  # that a channel reaches over
_EXPLAINED = 0.9  # of the variance
_STRETCHED, _MOVED = 0.03, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Channel j of the second model's is `scale[j] * x[source[j]] + offset[j]`; -1: of no one."""

    source: Array
    scale: Array
    offset: Array

    def theirs(self, x: Array) -> Array:
        """The first model's numbers as the second one has them."""
        y = x[..., self.source] * self.scale + self.offset
        y[..., self.source < 0] = 0
        return y.astype(x.dtype)

    def ours(self, y: Array) -> Array:
        """The second model's numbers as the first one has them: of copies the mean, 0 where an idle
        channel has carried another one."""
        known = np.flatnonzero(self.source >= 0)
        share = np.zeros((len(self.source), len(self.source)))
        share[known, self.source[known]] = 1
        share /= np.maximum(share.sum(0), 1)
        return np.asarray((((y - self.offset) / self.scale) @ share).astype(y.dtype))


def aligned(ours: list[Array], theirs: list[Array], type_: TensorType) -> Units | None:
    """The units of a value whose real numbers these are, an array a sample; `type_` is the second
    model's."""
    if ours[0].ndim < 2 or any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
        return None
    x, y = (_rows(arrays) for arrays in (ours, theirs))
    if len(x) < _LEAST_ROWS or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    step = 0.0 if type_.quant is None else float(type_.quant.scale.max())
    is_seen = np.ptp(y, axis=0) >= max(_LEAST_STEPS * step, np.finfo(np.float32).tiny)
    x_mean, y_mean = x.mean(0), y.mean(0)
    x_off, y_off = x - x_mean, y - y_mean
    power, found = (x_off**2).mean(0), (y_off**2).mean(0)
    channels = np.arange(x.shape[1])
    source, both = channels.copy(), (x_off * y_off).mean(0)
    is_idle = ~x.any(0) & y.any(0)
    source[is_idle] = -1
    for j in np.flatnonzero(is_idle & is_seen):  # whose copy?
        shared = y_off[:, j] @ x_off / len(x)
        i = int(np.argmax(_share(shared, power, found[j])))
        source[j], both[j] = i, shared[i]
    power, x_mean = power[source], x_mean[source]
    scale = both / np.where(power > 0, power, 1)
    offset = y_mean - scale * x_mean
    is_other = is_seen & (scale > 0) & (_share(both, power, found) >= _EXPLAINED)
    moved = np.abs(offset) > _MOVED * np.sqrt(found)
    is_other &= (np.abs(scale - 1) > _STRETCHED) | moved | is_idle
    source[is_idle & ~is_other] = -1
    if not is_other.any() and not (source < 0).any():
        return None
    return Units(source, np.where(is_other, scale, 1.0), np.where(is_other, offset, 0.0))


def _share(both: Array, first: Array, second: Array) -> Array:
    """Squares of correlations, from covariances and variances."""
    product = first * second
    return np.asarray(both**2 / np.where(product > 0, product, np.inf))


def _rows(arrays: list[Array]) -> Array:
    """[N, C], no more than `_MOST_ROWS`, evenly apart."""
    rows = np.concatenate([a.reshape(-1, a.shape[-1]) for a in arrays])
    return rows[:: -(-len(rows) // _MOST_ROWS)].astype(np.float64)
