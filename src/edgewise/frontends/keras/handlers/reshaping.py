"""Layers that move elements: reshape, crop, pad, repeat, mask, apply per step.

Source: keras/src/layers/reshaping, core/masking.py and rnn/time_distributed.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import Handler, Structure, Unsupported, only_value
from edgewise.frontends.decompose.index import repeat
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import images
from edgewise.frontends.keras.handlers.config import (
    integer,
    is_channels_first,
    margins,
    number,
    numbers,
    sizes,
    text,
)
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last, spatial_rank
from edgewise.ir.dim import Dim, elements, exact_quotient
from edgewise.ir.graph import Value

# Layers that work on the last axis alone: every step at once is the same as step by step.
_ALL_STEPS = ("Dense", "Activation", "Dropout")


def flatten(c: Context, layer: KerasLayer, x: Value) -> Value:
    """[N, all the rest], channels last."""
    if is_channels_first(layer) and len(x.shape) > 1:
        x = c.transpose(x, [0, *range(2, len(x.shape)), 1])
    return c.reshape(x, (x.shape[0], elements(x.shape[1:])))


def reshape(c: Context, layer: KerasLayer, x: Value) -> Value:
    """`target_shape` behind the batch; one of its sizes may be -1."""
    wanted: list[Dim] = list(numbers(layer, "target_shape"))
    if -1 in wanted:
        hole = wanted.index(-1)
        rest = elements(d for i, d in enumerate(wanted) if i != hole)
        size = exact_quotient(elements(x.shape[1:]), rest)
        if size is None:
            raise Unsupported("its -1 depends on an unknown size; give the model a fixed shape")
        wanted[hole] = size
    return c.reshape(x, (x.shape[0], *wanted))


def permute(c: Context, layer: KerasLayer, x: Value) -> Value:
    """`dims` counts from 1 behind the batch."""
    return c.transpose(x, [0, *numbers(layer, "dims")])


def repeat_vector(c: Context, layer: KerasLayer, x: Value) -> Value:
    """[N, F] as [N, n, F]."""
    return c.b.tile(c.b.expand_dims(x, c.ints([1])), c.ints([1, integer(layer, "n"), 1]))


def cropping(c: Context, layer: KerasLayer, x: Value) -> Value:
    """(before, after) elements cut off each spatial axis."""
    cuts = _on_axes(layer, x, margins(layer, "cropping", spatial_rank(layer)))
    if all(isinstance(d, int) for d in x.shape[1:]):
        begin = [before for before, _ in cuts]
        size = [d - a - b for d, (a, b) in zip(x.shape, cuts, strict=True) if isinstance(d, int)]
        keep = [-1] * (len(cuts) - len(size))
        return c.b.slice(x, c.ints(begin), c.ints(keep + size))
    to_end = sum(1 << i for i, (_, after) in enumerate(cuts) if after == 0)
    return c.b.strided_slice(
        x,
        c.ints([before for before, _ in cuts]),
        c.ints([-after for _, after in cuts]),
        c.ints([1] * len(cuts)),
        end_mask=to_end,
    )


def zero_padding(c: Context, layer: KerasLayer, x: Value) -> Value:
    """(before, after) zeros along each spatial axis."""
    pads = _on_axes(layer, x, margins(layer, "padding", spatial_rank(layer)))
    return c.b.pad(x, c.b.constant(np.array(pads, np.int32)))


def _on_axes(layer: KerasLayer, x: Value, spatial: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs for every axis of x: nothing for the batch and the channels."""
    rest = len(x.shape) - 1 - len(spatial)
    if is_channels_first(layer):
        return [(0, 0)] * (1 + rest) + spatial
    return [(0, 0), *spatial] + [(0, 0)] * rest


def up_sampling(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Every element `size` times along each spatial axis, or interpolated (two axes)."""
    rank = spatial_rank(layer)
    factors = sizes(layer, "size", rank, 2)
    name = text(layer, "interpolation", "nearest")

    def body(x: Value) -> Value:
        if rank != 2:
            for axis, factor in enumerate(factors, 1):
                x = repeat(c, x, axis, factor)
            return x
        size = c.shape([d * f for d, f in zip(x.shape[1:3], factors, strict=True)])
        if name == "bilinear":
            return c.b.resize_bilinear(x, size, half_pixel_centers=True)
        if name == "nearest":
            return c.b.resize_nearest_neighbor(x, size)
        height, width = images.size_of(x)
        return images.resized_to(c, x, (height * factors[0], width * factors[1]), name)

    return channels_last(c, layer, x, body)


def masking(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Steps whose every feature is `mask_value` become 0 and do not count."""
    last = c.ints([-1])
    differs = c.b.not_equal(x, c.scalar(number(layer, "mask_value", 0.0), x))
    y = c.b.select_v2(c.b.reduce_any(differs, last, keep_dims=True), x, c.scalar(0, x))
    c.set_mask(y, c.b.reduce_any(differs, last))
    return y


def time_distributed(
    c: Context, layer: KerasLayer, x: Value, mask: Value | None = None
) -> Structure:
    """The wrapped layer on every step of [N, T, ...], the steps being part of the batch."""
    child = layer.sublayers["layer"]
    if child.class_name in _ALL_STEPS:
        return c.apply(child, x)
    n, t, *rest = x.shape
    y = only_value(c.apply(child, c.reshape(x, (n * t, *rest))))
    return c.reshape(y, (n, t, *y.shape[1:]))


HANDLERS: dict[str, Handler] = {
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
    **{f"Cropping{n}D": cropping for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": zero_padding for n in (1, 2, 3)},
    **{f"UpSampling{n}D": up_sampling for n in (1, 2, 3)},
    "Masking": masking,
    "TimeDistributed": time_distributed,
}
