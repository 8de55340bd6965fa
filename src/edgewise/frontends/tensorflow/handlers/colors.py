"""Colours of images: contrast, saturation, hue, and the space of hue, saturation and value.

Source: tensorflow/core/ops/image_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from edgewise.frontends.decompose.colors import channels, hsv_of, joined, rgb_of
from edgewise.frontends.decompose.functions import clip
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value


def _contrast(c: Context, node: TFNode, x: Value, factor: Value) -> Value:
    """(x - mean) * factor + mean, the mean of every channel of an image"""
    rank = len(x.shape)
    mean = c.b.mean(x, c.ints([rank - 3, rank - 2]), keep_dims=True)
    return c.b.add(c.b.mul(c.b.sub(x, mean), factor), mean)


def _to_hsv(c: Context, node: TFNode, x: Value) -> Value:
    """hue, saturation and value by comparisons with the largest of red, green and blue"""
    return joined(c, *hsv_of(c, x))


def _from_hsv(c: Context, node: TFNode, x: Value) -> Value:
    """v (1 - s + s clip(a distance of hues))"""
    return rgb_of(c, *channels(c, x))


def _saturation(c: Context, node: TFNode, x: Value, scale: Value) -> Value:
    """by RGBToHSV and HSVToRGB"""
    h, s, v = hsv_of(c, x)
    return rgb_of(c, h, clip(c, c.b.mul(s, scale), 0, 1), v)


def _hue(c: Context, node: TFNode, x: Value, delta: Value) -> Value:
    """by RGBToHSV and HSVToRGB"""
    h, s, v = hsv_of(c, x)
    return rgb_of(c, c.b.floor_mod(c.b.add(h, delta), c.scalar(1, x)), s, v)


HANDLERS: dict[str, Handler] = {
    "AdjustContrastv2": _contrast,
    "AdjustSaturation": _saturation,
    "AdjustHue": _hue,
    "RGBToHSV": _to_hsv,
    "HSVToRGB": _from_hsv,
}
