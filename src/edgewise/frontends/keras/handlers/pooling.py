"""Pooling over windows of one, two and three axes, and over all of them.

One axis is written as two; three as two poolings one after the other, which is the same because
maxima and sums (and the counts that divide them) are separable.
Source: keras/src/layers/pooling, Keras 3.15.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edgewise.frontends.context import Handler
from edgewise.frontends.decompose.adaptive import adaptive
from edgewise.frontends.decompose.windows import pooled
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, is_channels_first, sizes, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last, spatial_rank
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value


def _pool(operator: str, c: Context, layer: KerasLayer, x: Value) -> Value:
    rank = spatial_rank(layer)
    size = sizes(layer, "pool_size", rank, 2)
    strides = size if layer.config.get("strides") is None else sizes(layer, "strides", rank)
    padding = Padding.SAME if text(layer, "padding", "valid").lower() == "same" else Padding.VALID
    return channels_last(c, layer, x, lambda x: pooled(operator, c, x, size, strides, padding))


def _adaptive(operator: str, c: Context, layer: KerasLayer, x: Value) -> Value:
    """To `output_size`: output i of m is that of inputs floor(i n / m) to ceil((i + 1) n / m)."""
    wanted = sizes(layer, "output_size", spatial_rank(layer))

    return channels_last(c, layer, x, lambda x: adaptive(operator, c, x, wanted))


def _global(reduce: Callable[[Context], Handler], c: Context, layer: KerasLayer, x: Value) -> Value:
    keep = flag(layer, "keepdims")
    first = 2 if is_channels_first(layer) else 1
    axes = c.ints(range(first, first + spatial_rank(layer)))
    y = reduce(c)(x, axes, keep_dims=keep)
    assert isinstance(y, Value)
    return y


def global_average_1d(c: Context, layer: KerasLayer, x: Value, mask: Value | None = None) -> Value:
    """The mean over the steps; only over those that count where there is a mask."""
    mask = c.mask(x) if mask is None else mask
    if mask is None:
        return _global(lambda c: c.b.mean, c, layer, x)
    first = is_channels_first(layer)
    steps = c.ints([2 if first else 1])
    weights = c.b.expand_dims(c.real(mask), c.ints([1 if first else 2]))
    keep = flag(layer, "keepdims")
    total = c.b.sum(c.b.mul(x, weights), steps, keep_dims=keep)
    return c.b.div(total, c.b.sum(weights, steps, keep_dims=keep))


HANDLERS: dict[str, Handler] = {
    **{f"MaxPooling{n}D": partial(_pool, "max_pool_2d") for n in (1, 2, 3)},
    **{f"AveragePooling{n}D": partial(_pool, "average_pool_2d") for n in (1, 2, 3)},
    **{f"GlobalAveragePooling{n}D": partial(_global, lambda c: c.b.mean) for n in (2, 3)},
    **{f"GlobalMaxPooling{n}D": partial(_global, lambda c: c.b.reduce_max) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPooling{n}D": partial(_adaptive, "max_pool_2d") for n in (1, 2, 3)},
    **{f"AdaptiveAveragePooling{n}D": partial(_adaptive, "average_pool_2d") for n in (1, 2, 3)},
    "GlobalAveragePooling1D": global_average_1d,
}
