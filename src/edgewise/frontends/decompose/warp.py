"""Images sampled at computed places.

Source: core/kernels/image/image_ops.h (ProjectiveGenerator), TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Context, Unsupported, known_sizes
from edgewise.frontends.decompose.functions import clip, plus, scaled
from edgewise.ir.graph import Value


def projected(
    c: Context, x: Value, transforms: Value, *, bilinear: bool, fill_mode: str, fill: float
) -> Value:
    """Images [N, H, W, C]; output (x, y) shows what is at (a0 x + a1 y + a2, b0 x + b1 y + b2) /
    (c0 x + c1 y + 1); transforms [N or 1, 8] hold a0, a1, a2, b0, b1, b2, c0, c1."""
    height, width = known_sizes(x.shape[1:3], "images")
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    # [pixels, 3] of x, y, 1 for each of the three sums
    points = np.stack([columns, rows, np.ones_like(rows)], -1).reshape(-1, 3)
    count = transforms.shape[0]
    ones = c.b.fill(c.shape([count, 1]), c.scalar(1))
    matrix = c.reshape(c.b.concatenation(transforms, ones, axis=1), [count, 3, 3])
    found = c.b.batch_matmul(matrix, c.b.constant(points[None]), adj_y=True)
    parts = [
        c.b.slice(found, c.ints([0, i, 0]), c.ints([-1, 1, -1])) for i in range(3)
    ]  # [N or 1, 1, pixels] each
    places = [
        c.reshape(c.b.div(part, parts[2]), (count, height * width)) for part in (parts[1], parts[0])
    ]
    moved = [
        MODES[fill_mode](c, place, size)
        for place, size in zip(places, (height, width), strict=True)
    ]
    if bilinear:
        return c.reshape(between(c, x, moved, fill), x.shape)
    nearest = [_nearest(c, place) for place in moved]
    return c.reshape(read(c, x, nearest, fill), x.shape)


def _reflected(c: Context, x: Value, size: int) -> Value:
    """... 1 0 0 1 2 2 1 ..."""
    t = c.b.floor_mod(x, c.scalar(2 * size))
    back = c.b.sub(c.scalar(2 * size - 1), t)
    return clip(c, c.b.select_v2(c.b.less(t, c.scalar(size)), t, back), 0, size - 1)


def _wrapped(c: Context, x: Value, size: int) -> Value:
    """... 1 2 0 1 2 0 ..., as TensorFlow counts: a period is `size`, told by parts of size - 1."""
    step = max(size - 1, 1)

    def periods(x: Value) -> Value:
        return scaled(c, c.b.floor(scaled(c, x, 1 / step)), size)

    before = c.b.add(x, plus(c, periods(c.b.neg(x)), size))
    behind = c.b.sub(x, periods(x))
    inside = c.b.select_v2(c.b.greater(x, c.scalar(size - 1)), behind, x)
    return clip(c, c.b.select_v2(c.b.less(x, c.scalar(0)), before, inside), 0, size - 1)


MODES: dict[str, Callable[[Context, Value, int], Value]] = {
    "constant": lambda c, x, size: x,
    "nearest": lambda c, x, size: clip(c, x, 0, size - 1),
    "reflect": _reflected,
    "wrap": _wrapped,
}


def _nearest(c: Context, x: Value) -> Value:
    """Half away from 0, as C rounds."""
    return c.b.mul(c.b.sign(x), c.b.floor(plus(c, c.b.abs(x), 0.5)))


def between(c: Context, x: Value, places: list[Value], fill: float) -> Value:
    """Images [N, H, W, C] at rows and columns [N or 1, places], weighted between the four pixels
    around each: [N, places, C]. Pixels outside are `fill`."""
    low = [c.b.floor(place) for place in places]
    high = [plus(c, place, 1) for place in low]
    rest = [c.b.sub(place, floor) for place, floor in zip(places, low, strict=True)]
    down, right = (c.reshape(r, (*r.shape, 1)) for r in rest)
    rows = []
    for row in (low[0], high[0]):
        first, second = (read(c, x, [row, column], fill) for column in (low[1], high[1]))
        rows.append(c.b.add(first, c.b.mul(c.b.sub(second, first), right)))
    return c.b.add(rows[0], c.b.mul(c.b.sub(rows[1], rows[0]), down))


def read(c: Context, x: Value, places: list[Value], fill: float) -> Value:
    """The pixels [N, places, C] at whole rows and columns [N or 1, places]; `fill` outside."""
    height, width = known_sizes(x.shape[1:3], "images")
    inside: Value | None = None
    for place, size in zip(places, (height, width), strict=True):
        fits = c.b.logical_and(
            c.b.greater_equal(place, c.scalar(0)), c.b.less_equal(place, c.scalar(size - 1))
        )
        inside = fits if inside is None else c.b.logical_and(inside, fits)
    assert inside is not None
    row, column = (
        c.cast(clip(c, place, 0, size - 1), DType.INT32)
        for place, size in zip(places, (height, width), strict=True)
    )
    index = c.b.add(c.b.mul(row, c.scalar(width, row)), column)
    flat = c.reshape(x, (x.shape[0], height * width, x.shape[3]))
    if index.shape[0] == 1:
        y = c.b.gather(flat, c.reshape(index, index.shape[1:]), axis=1)
    elif index.shape[0] == x.shape[0]:
        y = c.b.gather(flat, index, axis=1, batch_dims=1)
    else:
        raise Unsupported("another number of transforms than of images; give one, or one for each")
    return c.b.select_v2(c.reshape(inside, (*inside.shape, 1)), y, c.scalar(fill, y))
