"""Layouts: layers on [N, C, ...] as operators on [N, ..., C]."""

from __future__ import annotations

from collections.abc import Callable

from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import is_channels_first
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.graph import Value


def spatial_rank(layer: KerasLayer) -> int:
    """The number in the class name: 2 for `Conv2D`."""
    return next(int(letter) for letter in layer.class_name if letter.isdigit())


def channels_last(c: Context, layer: KerasLayer, x: Value, body: Callable[[Value], Value]) -> Value:
    """`body`, which works on [N, ..., C], in the layout of the layer."""
    if not is_channels_first(layer):
        return body(x)
    rank = len(x.shape)
    y = body(c.transpose(x, [0, *range(2, rank), 1]))
    return c.transpose(y, [0, len(y.shape) - 1, *range(1, len(y.shape) - 1)])
