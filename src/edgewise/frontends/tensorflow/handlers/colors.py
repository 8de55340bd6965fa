"""Colours of images: contrast, saturation, hue, and the space of hue, saturation and value.

Source: tensorflow/core/ops/image_ops.cc, core/kernels/image/colorspace_op.h, TensorFlow 2.21.
"""

from __future__ import annotations

from edgewise.frontends.decompose.functions import clip, plus, scaled
from edgewise.frontends.tensorflow.context import Context, Handler
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def _contrast(c: Context, node: TFNode, x: Value, factor: Value) -> Value:
    """(x - mean) * factor + mean, the mean of every channel of an image"""
    rank = len(x.shape)
    mean = c.b.mean(x, c.ints([rank - 3, rank - 2]), keep_dims=True)
    return c.b.add(c.b.mul(c.b.sub(x, mean), factor), mean)


def _to_hsv(c: Context, node: TFNode, x: Value) -> Value:
    """hue, saturation and value by comparisons with the largest of red, green and blue"""
    return _joined(c, *_hsv_of(c, x))


def _from_hsv(c: Context, node: TFNode, x: Value) -> Value:
    """v (1 - s + s clip(a distance of hues))"""
    return _rgb_of(c, *_channels(c, x))


def _saturation(c: Context, node: TFNode, x: Value, scale: Value) -> Value:
    """by RGBToHSV and HSVToRGB"""
    h, s, v = _hsv_of(c, x)
    return _rgb_of(c, h, clip(c, c.b.mul(s, scale), 0, 1), v)


def _hue(c: Context, node: TFNode, x: Value, delta: Value) -> Value:
    """by RGBToHSV and HSVToRGB"""
    h, s, v = _hsv_of(c, x)
    return _rgb_of(c, c.b.floor_mod(c.b.add(h, delta), c.scalar(1, x)), s, v)


def _hsv_of(c: Context, x: Value) -> tuple[Value, Value, Value]:
    r, g, b = _channels(c, x)
    last = c.ints([len(x.shape) - 1])
    v = c.b.reduce_max(x, last, keep_dims=True)
    span = c.b.sub(v, c.b.reduce_min(x, last, keep_dims=True))
    zero = c.scalar(0, x)
    s = c.b.select_v2(c.b.greater(v, zero), c.b.div(span, v), zero)
    by_green = c.b.select_v2(
        c.b.equal(g, v), plus(c, c.b.div(c.b.sub(b, r), span), 2),
        plus(c, c.b.div(c.b.sub(r, g), span), 4),
    )  # fmt: skip
    h = c.b.select_v2(c.b.equal(r, v), c.b.div(c.b.sub(g, b), span), by_green)
    h = scaled(c, c.b.select_v2(c.b.greater(span, zero), h, zero), 1 / 6)
    return c.b.select_v2(c.b.less(h, zero), plus(c, h, 1), h), s, v


def _rgb_of(c: Context, h: Value, s: Value, v: Value) -> Value:
    place = scaled(c, h, 6)

    def away(hue: float) -> Value:
        return c.b.abs(plus(c, place, -hue))

    two = c.scalar(2, h)
    shares = (plus(c, away(3), -1), c.b.sub(two, away(2)), c.b.sub(two, away(4)))
    rest = c.b.sub(c.scalar(1, s), s)
    return _joined(
        c, *(c.b.mul(v, c.b.add(rest, c.b.mul(s, clip(c, share, 0, 1)))) for share in shares)
    )


def _channels(c: Context, x: Value) -> tuple[Value, Value, Value]:
    """The three channels, each [..., 1]."""
    axis = c.ints([len(x.shape) - 1])
    first, second, third = c.b.node(operator("split")(num_splits=3), axis, x).outputs
    return first, second, third


def _joined(c: Context, *channels: Value) -> Value:
    return c.b.concatenation(*channels, axis=len(channels[0].shape) - 1)


HANDLERS: dict[str, Handler] = {
    "AdjustContrastv2": _contrast,
    "AdjustSaturation": _saturation,
    "AdjustHue": _hue,
    "RGBToHSV": _to_hsv,
    "HSVToRGB": _from_hsv,
}
