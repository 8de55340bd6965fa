"""Image preprocessing at inference: rescale, centre crop, resize.

Source: keras/src/layers/preprocessing, utils/image_utils.py (`smart_resize`) and
backend/tensorflow/image.py of Keras 3.15: half-pixel centres, no antialiasing.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, number, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last
from edgewise.ir.graph import Value


def rescaling(c: Context, layer: KerasLayer, x: Value) -> Value:
    """x * scale + offset, each a number or one per channel."""
    scale, offset = (
        np.asarray(layer.config.get(key, default), np.float32)
        for key, default in (("scale", 1.0), ("offset", 0.0))
    )
    y = c.real(x)
    y = y if np.all(scale == 1) else c.b.mul(y, c.constant(layer, "scale", scale))
    return y if np.all(offset == 0) else c.b.add(y, c.constant(layer, "offset", offset))


def center_crop(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The middle of the image; an image that is too small is cropped to the ratio and resized."""
    target = integer(layer, "height"), integer(layer, "width")

    def body(x: Value) -> Value:
        size = _size(x)
        if size[0] >= target[0] and size[1] >= target[1]:
            return _cut(c, x, target)
        return _resize(c, _cut(c, x, _ratio(size, target)), target, "bilinear")

    return channels_last(c, layer, c.real(x), body)


def random_crop(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Without training: Keras 2 crops to the ratio and resizes (tf_keras `smart_resize`); Keras 3
    declares that shape, but gives the images back as they are."""
    if c.is_keras_3:
        return x
    target = integer(layer, "height"), integer(layer, "width")
    x = c.real(x)
    return _resize(c, _cut(c, x, _ratio(_size(x), target)), target, "bilinear")


def resizing(c: Context, layer: KerasLayer, x: Value) -> Value:
    """To (height, width), cropped or padded to that ratio before where the layer says so."""
    target = integer(layer, "height"), integer(layer, "width")
    name = text(layer, "interpolation", "bilinear")
    if flag(layer, "antialias"):
        raise Unsupported("antialias=True; resize without it")

    def body(x: Value) -> Value:
        if flag(layer, "crop_to_aspect_ratio"):
            x = _cut(c, x, _ratio(_size(x), target))
        elif flag(layer, "pad_to_aspect_ratio"):
            x = _grown(c, x, target, number(layer, "fill_value", 0.0))
        return _resize(c, x, target, name)

    y = channels_last(c, layer, c.real(x), body)
    return y if x.dtype is DType.FLOAT32 else c.cast(c.b.round(y), x.dtype)


def pipeline(c: Context, layer: KerasLayer, x: Value) -> Structure:
    """Its layers, one after the other."""
    y: Structure = x
    for child in layer.sublayers.values():
        y = c.apply(child, y)
    return y


def _resize(c: Context, x: Value, target: tuple[int, int], name: str) -> Value:
    if name not in ("bilinear", "nearest"):
        raise Unsupported(f"interpolation '{name}'; use 'nearest' or 'bilinear'")
    if x.shape[1:3] == target:
        return x
    operator = c.b.resize_bilinear if name == "bilinear" else c.b.resize_nearest_neighbor
    return operator(x, c.ints(target), half_pixel_centers=True)


def _size(x: Value) -> tuple[int, int]:
    if len(x.shape) != 4:
        raise Unsupported(f"images must be a batch of rank 4; found rank {len(x.shape)}")
    height, width = x.shape[1:3]
    if not isinstance(height, int) or not isinstance(width, int):
        raise Unsupported("the size of the images must be known; give the model a fixed shape")
    return height, width


def _ratio(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The largest part of an image with the target's ratio."""
    height = max(min(size[0], int(size[1] * target[0] / target[1])), 1)
    width = max(min(size[1], int(size[0] * target[1] / target[0])), 1)
    return height, width


def _cut(c: Context, x: Value, part: tuple[int, int]) -> Value:
    """The middle `part` of the images."""
    height, width = _size(x)
    if (height, width) == part:
        return x
    begin = [0, (height - part[0]) // 2, (width - part[1]) // 2, 0]
    return c.b.slice(x, c.ints(begin), c.ints([-1, *part, -1]))


def _grown(c: Context, x: Value, target: tuple[int, int], fill: float) -> Value:
    """The images in the middle of the smallest ones around them with the target's ratio."""
    height, width = _size(x)
    pads = [
        (max(height, int(width * target[0] / target[1])) - height) // 2,
        (max(width, int(height * target[1] / target[0])) - width) // 2,
    ]
    margins = np.array([(0, 0), *((pad, pad) for pad in pads), (0, 0)], np.int32)
    return c.b.padv2(x, c.b.constant(margins), c.scalar(fill)) if any(pads) else x


HANDLERS: dict[str, Handler] = {
    "Rescaling": rescaling,
    "CenterCrop": center_crop,
    "RandomCrop": random_crop,
    "Resizing": resizing,
    "Pipeline": pipeline,
}
