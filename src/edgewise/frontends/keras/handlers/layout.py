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
    return c.on_channels_last(x, body) if is_channels_first(layer) else body(x)
