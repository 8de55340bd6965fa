"""Operators with weights: layers of Keras, whose kernels have Keras's layouts."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.ir.enums import Activation, Padding
from edgewise.ops.conv import Conv2D, DepthwiseConv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.norm import BatchNorm, LayerNorm
from edgewise.ops.transpose_conv import TransposeConv
from edgewise.train.forms.context import (
    Context,
    Form,
    Tensor,
    Untrainable,
    activation,
    constant,
    integers,
)


def conv_2d(c: Context, op: Conv2D, x: Tensor, w: object, b: object = None) -> Tensor:
    """Conv2D; filters [O, KH, KW, I] -> [KH, KW, I, O]."""
    kernel = constant(w, "filter").transpose(1, 2, 3, 0)
    weights, config = _linear(op, {"kernel": kernel}, b)
    groups = x.shape[-1] // kernel.shape[2]
    size = kernel.shape[:2]
    return c.layer("Conv2D", weights, filters=kernel.shape[3], kernel_size=size, groups=groups,
                   **_window(op), **config)(x)  # fmt: skip


def depthwise_conv_2d(
    c: Context, op: DepthwiseConv2D, x: Tensor, w: object, b: object = None
) -> Tensor:
    """DepthwiseConv2D; filters [1, KH, KW, C * M] -> [KH, KW, C, M]."""
    filters = constant(w, "filter")
    kernel = filters.reshape(*filters.shape[1:3], x.shape[-1], -1)
    weights, config = _linear(op, {"kernel": kernel}, b)
    if op.stride_h != op.stride_w:
        raise Untrainable("Keras's DepthwiseConv2D has one stride; got two")
    return c.layer("DepthwiseConv2D", weights, kernel_size=kernel.shape[:2],
                   depth_multiplier=kernel.shape[3], **_window(op), **config)(x)  # fmt: skip


def transpose_conv(
    c: Context, op: TransposeConv, shape: object, w: object, x: Tensor, b: object = None
) -> Tensor:
    """Conv2DTranspose; filters [O, KH, KW, I] -> [KH, KW, O, I]."""
    kernel = constant(w, "filter").transpose(1, 2, 0, 3)
    strides = (op.stride_h, op.stride_w)
    is_same = op.padding is Padding.SAME
    wanted = [
        size * stride if is_same else (size - 1) * stride + max(taps, stride)
        for size, stride, taps in zip(x.shape[1:3], strides, kernel.shape, strict=False)
    ]
    found = integers(shape, "output shape")[1:3]
    if found != wanted:
        raise Untrainable(f"Keras's Conv2DTranspose makes {wanted} of it; the model says {found}")
    weights, config = _linear(op, {"kernel": kernel}, b)
    return c.layer("Conv2DTranspose", weights, filters=kernel.shape[2],
                   kernel_size=kernel.shape[:2], strides=strides,
                   padding="same" if is_same else "valid", **config)(x)  # fmt: skip


def fully_connected(
    c: Context, op: FullyConnected, x: Tensor, w: object, b: object = None
) -> Tensor:
    """Dense; weights [O, I] -> [I, O]. Without `keep_num_dims` x becomes [N, I] first."""
    if not isinstance(w, np.ndarray):
        y = c.ops.matmul(_rows(c, op, x, w.shape[1]), c.ops.transpose(w))  # type: ignore[attr-defined]
        return c.activated(op.fused_activation_function, y if b is None else c.ops.add(y, b))
    weights, config = _linear(op, {"kernel": np.transpose(w)}, b)
    dense = c.layer("Dense", weights, units=w.shape[0], **config)
    return dense(_rows(c, op, x, w.shape[1]))


def _rows(c: Context, op: FullyConnected, x: Tensor, size: int) -> Tensor:
    if op.keep_num_dims or (len(x.shape) == 2 and x.shape[1] == size):
        return x
    return c.ops.reshape(x, (-1, size))


def batch_norm(
    c: Context, op: BatchNorm, x: Tensor, gamma: object, beta: object, mean: object, var: object
) -> Tensor:
    """BatchNormalization."""
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = _given(zip(names, (gamma, beta, mean, var), strict=True))
    return c.layer("BatchNormalization", weights, axis=op.axis, epsilon=op.epsilon,
                   scale=gamma is not None, center=beta is not None)(x)  # fmt: skip


def layer_norm(
    c: Context, op: LayerNorm, x: Tensor, gamma: object = None, beta: object = None
) -> Tensor:
    """LayerNormalization."""
    weights = _given(zip(("gamma", "beta"), (gamma, beta), strict=True))
    return c.layer("LayerNormalization", weights, axis=list(op.axes), epsilon=op.epsilon,
                   scale=gamma is not None, center=beta is not None)(x)  # fmt: skip


def _given(pairs: Any) -> dict[str, np.ndarray]:
    return {name: constant(value, name) for name, value in pairs if value is not None}


def _linear(
    op: Any, weights: dict[str, np.ndarray], bias: object
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Weights with the bias, and what a layer's config says of bias and activation."""
    if bias is not None:
        weights["bias"] = constant(bias, "bias")
    kind: Activation = op.fused_activation_function
    config: dict[str, object] = {"use_bias": bias is not None, "activation": activation(kind)}
    return weights, config


def _window(op: Any) -> dict[str, object]:
    """Strides, dilations and padding as layers have them. Raises Untrainable."""
    strides = (op.stride_h, op.stride_w)
    rates = (op.dilation_h_factor, op.dilation_w_factor)
    if max(strides) > 1 and max(rates) > 1:
        raise Untrainable("Keras has no convolution with strides and dilations at once")
    padding = "same" if op.padding is Padding.SAME else "valid"
    return {"strides": strides, "dilation_rate": rates, "padding": padding}


FORMS: dict[type, Form] = {
    Conv2D: conv_2d,
    DepthwiseConv2D: depthwise_conv_2d,
    TransposeConv: transpose_conv,
    FullyConnected: fully_connected,
    BatchNorm: batch_norm,
    LayerNorm: layer_norm,
}
