"""Scaled dot-product attention and the masks that go with it.

Source: keras/src/layers/attention and `dot_product_attention` in backend/tensorflow/nn.py,
Keras 3.15.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Unsupported
from edgewise.frontends.decompose.activations import softmax
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value

# `_get_large_negative` of backend/tensorflow/nn.py for float32
MASKED_SCORE = -0.7 * float(np.finfo(np.float32).max)


def attend(
    c: Context, q: Value, k: Value, v: Value, mask: Value | None, masked: float = MASKED_SCORE
) -> tuple[Value, Value]:
    """softmax(q k^T) v per head, and the weights.

    q [B, N, T, H], k and v [B, N, S, H]; the mask (True: attend) broadcasts to [B, N, T, S],
    scores that it leaves out become `masked`.
    """
    scores = c.b.batch_matmul(q, k, adj_y=True)
    if mask is not None:
        scores = c.b.select_v2(mask, scores, c.scalar(masked))
    weights = softmax(c, scores)
    return c.b.batch_matmul(weights, v), weights


def all_of(c: Context, masks: list[Value | None]) -> Value | None:
    """True where every mask is; None where there is none."""
    known = [c.cast(mask, DType.BOOL) for mask in masks if mask is not None]
    return reduce(c.b.logical_and, known) if known else None


def causal(c: Context, steps: object, keys: object, window: int | None = None) -> Value:
    """[1, T, S]: position i attends to positions j <= i. `window` instead: |i - j| < window.

    Raises:
        Unsupported: the numbers of steps are unknown.
    """
    if not isinstance(steps, int) or not isinstance(keys, int):
        raise Unsupported("its mask needs a known number of steps; give the model a fixed shape")
    i, j = np.arange(steps)[:, None], np.arange(keys)[None]
    kept = j <= i if window is None else abs(i - j) < window
    return c.b.constant(kept[None])


def expanded(c: Context, mask: Value | None, axis: int) -> Value | None:
    """The mask with an axis of 1 more."""
    return None if mask is None else c.b.expand_dims(mask, c.ints([axis]))
