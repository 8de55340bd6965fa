"""Merging layers: a list of tensors to one. Source: keras/src/layers/merging, Keras 3.15."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce

import numpy as np

from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, is_float
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, number, numbers
from edgewise.frontends.keras.handlers.context import Context
from edgewise.ir.dim import elements
from edgewise.ir.graph import Value


def _merge(
    operator: str, c: Context, layer: KerasLayer, xs: Sequence[Value], mask: object = None
) -> Value:
    """Elementwise, from left to right; lower ranks get axes of 1 behind the batch."""
    _check(layer, xs, 2)
    rank = max(len(x.shape) for x in xs)
    if any(map(is_float, xs)):
        xs = [c.real(x) for x in xs]
    step: Callable[[Value, Value], Value] = getattr(c.b, operator)
    y = reduce(step, [_widened(c, x, rank) for x in xs])
    c.set_mask(y, _all_or_any(c, [c.mask(x) for x in xs]))
    return y


def _widened(c: Context, x: Value, rank: int) -> Value:
    missing = rank - len(x.shape)
    return c.reshape(x, (x.shape[0], *[1] * missing, *x.shape[1:])) if missing else x


def average(c: Context, layer: KerasLayer, xs: Sequence[Value]) -> Value:
    """The sum divided by the number of tensors."""
    y = _merge("add", c, layer, xs)
    z = c.b.mul(y, c.scalar(1 / len(xs)))
    c.set_mask(z, c.mask(y))
    return z


def scaled_sum(c: Context, layer: KerasLayer, xs: Sequence[Value]) -> Value:
    """x + y * scale (InceptionResNetV2 in keras.applications)."""
    _check(layer, xs, 2)
    x, y = xs[0], xs[1]
    return c.b.add(x, c.b.mul(y, c.scalar(number(layer, "scale", 1.0))))


def concatenate(c: Context, layer: KerasLayer, xs: Sequence[Value]) -> Value:
    """Joined along `axis`; so are the masks, True for a tensor without one."""
    _check(layer, xs, 1)
    axis = integer(layer, "axis", -1) % len(xs[0].shape)
    if any(map(is_float, xs)):
        xs = [c.real(x) for x in xs]
    y = c.b.concatenation(*xs, axis=axis) if len(xs) > 1 else xs[0]
    c.set_mask(y, _joined_mask(c, xs, axis))
    return y


def _joined_mask(c: Context, xs: Sequence[Value], axis: int) -> Value | None:
    """The mask of [N, T, C] tensors joined along the steps or the features."""
    masks = [c.mask(x) for x in xs]
    known = [m for m in masks if m is not None]
    if not known or any(len(x.shape) != 3 for x in xs) or any(len(m.shape) != 2 for m in known):
        return None
    if axis == 2:
        return _all_or_any(c, masks)
    if axis != 1:
        return None
    yes = c.b.constant(np.array(True))
    steps = [
        c.b.fill(c.shape(x.shape[:2]), yes) if m is None else m
        for x, m in zip(xs, masks, strict=True)
    ]
    return c.b.concatenation(*steps, axis=1) if len(steps) > 1 else steps[0]


def _all_or_any(c: Context, masks: Sequence[Value | None]) -> Value | None:
    """Keras 3: a step counts where it does in any tensor (one without a mask counts everywhere);
    Keras 2: in all that have a mask."""
    known = [m for m in masks if m is not None]
    if not known or (c.is_keras_3 and len(known) < len(masks)):
        return None
    operator = c.b.logical_or if c.is_keras_3 else c.b.logical_and
    return reduce(lambda a, b: a if a is b else operator(a, b), known)


def dot(c: Context, layer: KerasLayer, xs: Sequence[Value]) -> Value:
    """Sums of products over one axis of each tensor, per element of the batch."""
    _check(layer, xs, 2)
    x, y = (c.real(v) for v in xs)
    axes = numbers(layer, "axes")
    i, j = (axes * 2)[:2]
    i, j = i % len(x.shape), j % len(y.shape)
    if flag(layer, "normalize"):
        x, y = unit(c, x, [i]), unit(c, y, [j])
    n, k = x.shape[0], x.shape[i]
    rest_x = [a for a in range(1, len(x.shape)) if a != i]
    rest_y = [a for a in range(1, len(y.shape)) if a != j]
    dims_x, dims_y = [x.shape[a] for a in rest_x], [y.shape[a] for a in rest_y]
    left = c.reshape(c.transpose(x, [0, *rest_x, i]), (n, elements(dims_x), k))
    right = c.reshape(c.transpose(y, [0, j, *rest_y]), (n, k, elements(dims_y)))
    return c.reshape(c.b.batch_matmul(left, right), (n, *(dims_x + dims_y or [1])))


def unit(c: Context, x: Value, axes: Sequence[int], epsilon: float = 1e-12) -> Value:
    """x / |x| over the axes: x * rsqrt(max(sum(x**2), epsilon))."""
    norm = c.b.sum(c.b.square(x), c.ints([a % len(x.shape) for a in axes]), keep_dims=True)
    return c.b.mul(x, c.b.rsqrt(c.b.maximum(norm, c.scalar(epsilon))))


def _check(layer: KerasLayer, xs: object, least: int) -> None:
    if not isinstance(xs, list) or len(xs) < least:
        raise FormatError(f"layer '{layer.name}' ({layer.class_name}) must be called on a list")


HANDLERS: dict[str, Handler] = {
    "Add": partial(_merge, "add"),
    "Subtract": partial(_merge, "sub"),
    "Multiply": partial(_merge, "mul"),
    "Maximum": partial(_merge, "maximum"),
    "Minimum": partial(_merge, "minimum"),
    "Average": average,
    "CustomScaleLayer": scaled_sum,
    "Concatenate": concatenate,
    "Dot": dot,
}
