"""Normalization layers at inference. Source: keras/src/layers/normalization, Keras 3.15."""

from __future__ import annotations

import numpy as np

from edgewise.errors import FormatError
from edgewise.frontends.context import Handler, Structure
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import flag, integer, number, numbers
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.merging import unit
from edgewise.ir.graph import Value


def batch_normalization(
    c: Context, layer: KerasLayer, x: Value, mask: Value | None = None
) -> Value:
    """With the moving statistics; the mask only counts in training."""
    return c.b.batch_norm(
        c.real(x),
        _parameter(c, layer, "gamma", "scale"),
        _parameter(c, layer, "beta", "center"),
        c.constant(layer, "moving_mean", c.weight(layer, "moving_mean")),
        c.constant(layer, "moving_variance", c.weight(layer, "moving_variance")),
        epsilon=number(layer, "epsilon", 1e-3),
        axis=_axes(layer, x)[0],
    )


def layer_normalization(c: Context, layer: KerasLayer, x: Value) -> Value:
    """`rms_scaling` divides by the deviation but keeps the mean."""
    x = c.real(x)
    axes, epsilon = _axes(layer, x), number(layer, "epsilon", 1e-3)
    gamma = _parameter(c, layer, "gamma", "scale")
    if not flag(layer, "rms_scaling"):
        beta = _parameter(c, layer, "beta", "center")
        return c.b.layer_norm(x, gamma, beta, axes=tuple(axes), epsilon=epsilon)
    over = c.ints(axes)
    centred = c.b.squared_difference(x, c.b.mean(x, over, keep_dims=True))
    variance = c.b.mean(centred, over, keep_dims=True)
    y = c.b.mul(x, c.b.rsqrt(c.b.add(variance, c.scalar(epsilon))))
    return _scaled(c, layer, y, "gamma", axes)


def rms_normalization(c: Context, layer: KerasLayer, x: Value) -> Value:
    """x * rsqrt(mean(x**2) + epsilon) * scale."""
    x = c.real(x)
    mean = c.b.mean(c.b.square(x), c.ints(_axes(layer, x)), keep_dims=True)
    epsilon = c.scalar(number(layer, "epsilon", 1e-6))
    y = c.b.mul(x, c.b.rsqrt(c.b.add(mean, epsilon)))
    return c.b.mul(y, c.constant(layer, "scale", c.weight(layer, "scale")))


def group_normalization(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Layer normalization of each group of channels, then gamma and beta per channel."""
    x = c.real(x)
    axis = _axes(layer, x)[0]
    channels = x.shape[axis]
    groups = integer(layer, "groups", 32)
    assert isinstance(channels, int)
    groups = channels if groups == -1 else groups
    shape = (*x.shape[:axis], groups, channels // groups, *x.shape[axis + 1 :])
    axes = tuple(i for i in range(1, len(shape)) if i != axis)
    epsilon = number(layer, "epsilon", 1e-3)
    y = c.b.layer_norm(c.reshape(x, shape), axes=axes, epsilon=epsilon)
    y = _scaled(c, layer, c.reshape(y, x.shape), "gamma", [axis])
    if not flag(layer, "center", True):
        return y
    return c.b.add(y, _aligned(c, layer, "beta", y, [axis]))


def normalization(c: Context, layer: KerasLayer, x: Value) -> Value:
    """(x - mean) / max(sqrt(variance), 1e-7) per element of `axis`; `invert` undoes that."""
    x = c.real(x)
    rank = len(x.shape)
    axes = [] if layer.config.get("axis") is None else [a % rank for a in numbers(layer, "axis")]
    kept = [x.shape[i] if i in axes else 1 for i in range(rank)]
    shape = [d for d in kept if isinstance(d, int)]
    if len(shape) < rank:
        raise FormatError(f"layer '{layer.name}': the sizes of its axes {axes} must be known")

    def statistic(name: str) -> np.ndarray:
        given = layer.config.get(name)
        if given is None:
            return c.weight(layer, name).reshape(shape)
        return np.broadcast_to(np.asarray(given, np.float32), shape)

    mean, deviation = statistic("mean"), np.maximum(np.sqrt(statistic("variance")), 1e-7)
    mean_, deviation_ = c.constant(layer, "mean", mean), c.constant(layer, "deviation", deviation)
    if flag(layer, "invert"):
        return c.b.add(mean_, c.b.mul(x, deviation_))
    return c.b.div(c.b.sub(x, mean_), deviation_)


def spectral_normalization(c: Context, layer: KerasLayer, x: Value) -> Structure:
    """The wrapped layer: its kernel was normalised in training."""
    return c.apply(layer.sublayers["layer"], x)


def _axes(layer: KerasLayer, x: Value) -> list[int]:
    axes = [-1] if layer.config.get("axis") is None else numbers(layer, "axis")
    return sorted(axis % len(x.shape) for axis in axes)


def _parameter(c: Context, layer: KerasLayer, name: str, switch: str) -> Value | None:
    if not flag(layer, switch, True):
        return None
    return c.constant(layer, name, c.weight(layer, name))


def _scaled(c: Context, layer: KerasLayer, x: Value, name: str, axes: list[int]) -> Value:
    if not flag(layer, "scale", True):
        return x
    return c.b.mul(x, _aligned(c, layer, name, x, axes))


def _aligned(c: Context, layer: KerasLayer, name: str, x: Value, axes: list[int]) -> Value:
    """A parameter over `axes` with 1s at the others."""
    weight = c.weight(layer, name)
    sizes = iter(weight.shape)
    shape = [next(sizes) if i in axes else 1 for i in range(len(x.shape))]
    return c.constant(layer, name, weight.reshape(shape))


HANDLERS: dict[str, Handler] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "RMSNormalization": rms_normalization,
    "UnitNormalization": lambda c, layer, x: unit(c, c.real(x), _axes(layer, x)),
    "SpectralNormalization": spectral_normalization,
    "Normalization": normalization,
}
