"""Colours of images as hue, saturation and value, and back.

Source: core/kernels/image/colorspace_op.h, TensorFlow 2.21.
"""

from __future__ import annotations

from edgewise.frontends.context import Context
from edgewise.frontends.decompose.functions import clip, plus, scaled
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def hsv_of(c: Context, x: Value) -> tuple[Value, Value, Value]:
    """Hue, saturation and value, each [..., 1], of [..., 3]."""
    r, g, b = channels(c, x)
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


def rgb_of(c: Context, h: Value, s: Value, v: Value) -> Value:
    """v (1 - s + s clip(a distance of hues)) for each of the colours: [..., 3]."""
    place = scaled(c, h, 6)

    def away(hue: float) -> Value:
        return c.b.abs(plus(c, place, -hue))

    two = c.scalar(2, h)
    shares = (plus(c, away(3), -1), c.b.sub(two, away(2)), c.b.sub(two, away(4)))
    rest = c.b.sub(c.scalar(1, s), s)
    return joined(
        c, *(c.b.mul(v, c.b.add(rest, c.b.mul(s, clip(c, share, 0, 1)))) for share in shares)
    )


def channels(c: Context, x: Value) -> tuple[Value, Value, Value]:
    """The three channels, each [..., 1]."""
    axis = c.ints([len(x.shape) - 1])
    first, second, third = c.b.node(operator("split")(num_splits=3), axis, x).outputs
    return first, second, third


def joined(c: Context, *parts: Value) -> Value:
    """Channels side by side."""
    return c.b.concatenation(*parts, axis=len(parts[0].shape) - 1)
