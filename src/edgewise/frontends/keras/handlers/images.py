"""Image preprocessing at inference: rescale, centre crop, resize, contrast.

Source: keras/src/layers/preprocessing, utils/image_utils.py (`smart_resize`) and
backend/tensorflow/image.py of Keras 3.15: half-pixel centres.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Handler, Structure, Unsupported
from edgewise.frontends.decompose import resize
from edgewise.frontends.decompose.functions import plus, scaled
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
        size = size_of(x)
        if size[0] >= target[0] and size[1] >= target[1]:
            return _cut(c, x, target)
        return resized_to(c, _cut(c, x, _ratio(size, target)), target, "bilinear")

    return channels_last(c, layer, c.real(x), body)


def auto_contrast(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Every channel stretched to the whole range; one without contrast stays."""
    given = layer.config.get("value_range", (0, 255))
    least, most = (float(end) for end in given)  # type: ignore[attr-defined]
    x = c.real(x)
    low, high = (f(x, c.ints([1, 2]), keep_dims=True) for f in (c.b.reduce_min, c.b.reduce_max))
    unit = c.b.div(c.b.sub(x, low), c.b.sub(high, low))
    y = plus(c, scaled(c, unit, most - least), least)
    return c.b.select_v2(c.b.equal(high, low), x, y)


def random_crop(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Without training: Keras 2 crops to the ratio and resizes (tf_keras `smart_resize`); Keras 3
    declares that shape, but gives the images back as they are."""
    if c.is_keras_3:
        return x
    target = integer(layer, "height"), integer(layer, "width")
    x = c.real(x)
    return resized_to(c, _cut(c, x, _ratio(size_of(x), target)), target, "bilinear")


def resizing(c: Context, layer: KerasLayer, x: Value) -> Value:
    """To (height, width), cropped or padded to that ratio before where the layer says so."""
    target = integer(layer, "height"), integer(layer, "width")
    name = text(layer, "interpolation", "bilinear")
    smooth = flag(layer, "antialias")

    def body(x: Value) -> Value:
        if flag(layer, "crop_to_aspect_ratio"):
            x = _cut(c, x, _ratio(size_of(x), target))
        elif flag(layer, "pad_to_aspect_ratio"):
            x = _grown(c, x, target, number(layer, "fill_value", 0.0))
        return resized_to(c, x, target, name, smooth)

    y = channels_last(c, layer, c.real(x), body)
    return y if x.dtype is DType.FLOAT32 else c.cast(c.b.round(y), x.dtype)


def pipeline(c: Context, layer: KerasLayer, x: Value) -> Structure:
    """Its layers, one after the other."""
    y: Structure = x
    for child in layer.sublayers.values():
        y = c.apply(child, y)
    return y


# tf.image.resize with `antialias` samples with these kernels; some methods always do
_SMOOTH = {"bilinear": "triangle", "bicubic": "keyscubic"}
_SAMPLED = ("lanczos3", "lanczos5", "gaussian", "mitchellcubic")


def resized_to(
    c: Context, x: Value, target: tuple[int, int], name: str, antialias: bool = False
) -> Value:
    """Images in another size, by any method of tf.image.resize.

    Raises:
        Unsupported: another method, or images whose size the method needs and nobody knows.
    """
    if x.shape[1:3] == target:
        return x
    if name == "nearest" or (name == "bilinear" and not antialias):
        operator = c.b.resize_bilinear if name == "bilinear" else c.b.resize_nearest_neighbor
        return operator(x, c.ints(target), half_pixel_centers=True)
    rows, columns = (
        _matrix(n, m, name, antialias) for n, m in zip(size_of(x), target, strict=True)
    )
    return resize.resized(c, x, rows, columns)


def _matrix(size: int, wanted: int, name: str, antialias: bool) -> np.ndarray:
    """One axis of a resize, [wanted, size]."""
    if name == "area":
        return resize.area_matrix(size, wanted, align_corners=False)
    if name == "bicubic" and not antialias:
        return resize.bicubic_matrix(size, wanted, align_corners=False, half_pixel_centers=True)
    kernel = name if name in _SAMPLED else _SMOOTH.get(name)
    if kernel is None:
        known = ", ".join(("nearest", "bilinear", "bicubic", "area", *_SAMPLED))
        raise Unsupported(f"interpolation '{name}'; use one of {known}")
    return resize.sampled_matrix(size, wanted, wanted / size, 0.0, kernel, antialias)


def size_of(x: Value) -> tuple[int, int]:
    """Height and width of images. Raises Unsupported where they are not known."""
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
    height, width = size_of(x)
    if (height, width) == part:
        return x
    begin = [0, (height - part[0]) // 2, (width - part[1]) // 2, 0]
    return c.b.slice(x, c.ints(begin), c.ints([-1, *part, -1]))


def _grown(c: Context, x: Value, target: tuple[int, int], fill: float) -> Value:
    """The images in the middle of the smallest ones around them with the target's ratio."""
    height, width = size_of(x)
    pads = [
        (max(height, int(width * target[0] / target[1])) - height) // 2,
        (max(width, int(height * target[1] / target[0])) - width) // 2,
    ]
    margins = np.array([(0, 0), *((pad, pad) for pad in pads), (0, 0)], np.int32)
    return c.b.padv2(x, c.b.constant(margins), c.scalar(fill)) if any(pads) else x


HANDLERS: dict[str, Handler] = {
    "Rescaling": rescaling,
    "AutoContrast": auto_contrast,
    "CenterCrop": center_crop,
    "RandomCrop": random_crop,
    "Resizing": resizing,
    "Pipeline": pipeline,
}
