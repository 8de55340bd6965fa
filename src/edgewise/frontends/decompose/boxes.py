"""Crops of boxes, resized: every sampled point by gathers of its neighbours."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import Context, Unsupported
from edgewise.frontends.decompose.functions import clip
from edgewise.ir.graph import Value


def cropped(
    c: Context,
    x: Value,
    boxes: Value,
    index: Value,
    size: tuple[int, int],
    bilinear: bool,
    outside: float,
) -> Value:
    """Images [N, H, W, C], boxes [B, 4] (y1, x1, y2, x2 in units of H - 1 and W - 1), `index` [B]
    the image of each: [B, *size, C]. Points outside the image are `outside`.

    Source: tensorflow/core/kernels/image/crop_and_resize_op.cc, TensorFlow 2.21.
    """
    height, width = x.shape[1:3]
    if not isinstance(height, int) or not isinstance(width, int):
        raise Unsupported("images of unknown size; give the model a fixed input shape")
    count = boxes.shape[0]
    places, inside = [], []
    for axis, (cells, n) in enumerate(zip(size, (height, width), strict=True)):
        place = _places(c, boxes, axis, cells, n)  # [B, cells]
        fits = c.b.logical_and(
            c.b.greater_equal(place, c.scalar(0)), c.b.less_equal(place, c.scalar(n - 1))
        )
        shape = (count, cells, 1) if axis == 0 else (count, 1, cells)
        places.append(c.reshape(clip(c, place, 0, n - 1), shape))
        inside.append(c.reshape(fits, shape))
    image = c.reshape(c.cast(index, DType.INT32), (count, 1, 1))
    if bilinear:
        y = _mixed(c, x, image, places)
    else:
        # C's round, half away from 0: the places are not negative
        whole = [c.b.floor(c.b.add(place, c.scalar(0.5))) for place in places]
        y = _taken(c, x, image, whole)
    kept = c.reshape(c.b.logical_and(*inside), (count, *size, 1))
    return c.b.select_v2(kept, y, c.scalar(outside))


def _places(c: Context, boxes: Value, axis: int, cells: int, n: int) -> Value:
    """Where the cells of every box lie along an axis, [B, cells], in pixels."""
    ends = [c.b.slice(boxes, c.ints([0, axis + 2 * side]), c.ints([-1, 1])) for side in (0, 1)]
    scaled = [c.b.mul(end, c.scalar(n - 1)) for end in ends]
    if cells == 1:
        return c.b.mul(c.b.add(*scaled), c.scalar(0.5))
    steps = c.b.constant(np.arange(cells, dtype=np.float32))
    step = c.b.mul(c.b.sub(scaled[1], scaled[0]), c.scalar(1 / (cells - 1)))
    return c.b.add(scaled[0], c.b.mul(step, steps))


def _mixed(c: Context, x: Value, image: Value, places: list[Value]) -> Value:
    low = [c.b.floor(place) for place in places]
    high = [c.b.ceil(place) for place in places]
    rest = [c.b.sub(place, floor) for place, floor in zip(places, low, strict=True)]
    down, right = (c.reshape(r, (*r.shape, 1)) for r in rest)
    rows = []
    for row in (low[0], high[0]):
        first, second = _taken(c, x, image, [row, low[1]]), _taken(c, x, image, [row, high[1]])
        rows.append(c.b.add(first, c.b.mul(c.b.sub(second, first), right)))
    return c.b.add(rows[0], c.b.mul(c.b.sub(rows[1], rows[0]), down))


def _taken(c: Context, x: Value, image: Value, places: list[Value]) -> Value:
    """x[image, row, column], the three broadcast against each other."""
    row, column = (c.cast(place, DType.INT32) for place in places)
    zeros = c.b.mul(c.b.add(row, column), c.scalar(0, row))  # of the shape of all three
    parts = [c.b.add(part, zeros) for part in (image, row, column)]
    return c.b.gather_nd(x, c.b.pack(*parts, values_count=3, axis=3))
