"""Images sampled at computed places. Source: aten/src/ATen/native/GridSampler.h, PyTorch 2.13."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose import warp
from edgewise.frontends.decompose.functions import clip, plus, scaled
from edgewise.frontends.torch.context import Context, Handler, Unsupported
from edgewise.frontends.torch.handlers.indexing import select
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Value

_BILINEAR, _NEAREST = 0, 1
_ZEROS, _BORDER, _REFLECTION = 0, 1, 2


def _grid_sampler(
    c: Context,
    x: Value,
    grid: Value,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Value:
    """Images [N, C, H, W] at places [N, P, Q, 2] of x and y from -1 to 1: [N, C, P, Q]."""
    if interpolation_mode not in (_BILINEAR, _NEAREST):
        raise Unsupported("samples by cubics; use mode='bilinear'")
    if len(x.shape) != 4:
        raise Unsupported("samples volumes; only images are")
    count, rows, columns = grid.shape[:3]
    places = []
    for axis, size in ((1, x.shape[2]), (0, x.shape[3])):
        (length,) = known_sizes([size], "images")
        place = c.reshape(select(c, grid, 3, axis), (count, rows * columns))
        place = _pixels(c, place, length, align_corners)
        places.append(_inside(c, place, length, padding_mode, align_corners))
    images = c.transpose(x, [0, 2, 3, 1])
    if interpolation_mode == _BILINEAR:
        y = warp.between(c, images, places, 0.0)
    else:
        y = warp.read(c, images, [c.b.round(place) for place in places], 0.0)
    y = c.reshape(y, (count, rows, columns, x.shape[1]))
    return c.transpose(y, [0, 3, 1, 2])


def _pixels(c: Context, x: Value, size: int, align: bool) -> Value:
    """From -1 to 1: between the middles of the outer pixels, or between their outer edges."""
    if align:
        return scaled(c, plus(c, x, 1), (size - 1) / 2)
    return plus(c, scaled(c, x, size / 2), (size - 1) / 2)


def _inside(c: Context, x: Value, size: int, mode: int, align: bool) -> Value:
    """Places that are moved to the image, but for zeros around it."""
    if mode == _REFLECTION:
        x = _reflected(c, x, *((0.0, size - 1.0) if align else (-0.5, size - 0.5)))
    return x if mode == _ZEROS else clip(c, x, 0, size - 1)


def _reflected(c: Context, x: Value, low: float, high: float) -> Value:
    """A wave of period 2 (high - low) that goes up from `low` to `high` and down again."""
    span = high - low
    if span == 0:
        return scaled(c, x, 0)
    t = c.b.floor_mod(c.b.abs(plus(c, x, -low)), c.scalar(2 * span))
    return plus(c, c.b.minimum(t, c.b.sub(c.scalar(2 * span), t)), low)


def _affine_grid(c: Context, theta: Value, size: Sequence[Dim], align_corners: bool) -> Value:
    """theta [N, 2, 3] at every pixel of [N, C, H, W]: places [N, H, W, 2] for `grid_sampler`."""
    if len(size) != 4:
        raise Unsupported("places in volumes; only those in images are")
    height, width = known_sizes(size[2:], "images")
    steps = []
    for length in (height, width):
        ends = np.linspace(-1, 1, length) if length > 1 else np.zeros(1)
        steps.append(ends if align_corners else ends * (length - 1) / length)
    y, x = np.meshgrid(*steps, indexing="ij")
    points = np.stack([x, y, np.ones_like(x)], -1).reshape(1, -1, 3).astype(np.float32)
    found = c.b.batch_matmul(c.b.constant(points), theta, adj_y=True)
    return c.reshape(found, (theta.shape[0], height, width, 2))


HANDLERS: dict[str, Handler] = {
    "grid_sampler": _grid_sampler,
    "grid_sampler_2d": _grid_sampler,
    "affine_grid_generator": _affine_grid,
}
