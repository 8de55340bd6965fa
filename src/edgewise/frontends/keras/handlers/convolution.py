"""Convolutions over one, two and three axes, forward, depthwise, separable and transposed.

One axis is written as two, the first of size 1. Source: keras/src/layers/convolutional of Keras
3.15 with the semantics of its TensorFlow backend (padding of transposed convolutions).
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import Handler, Unsupported
from edgewise.frontends.decompose.windows import as_image, dilated
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers.config import integer, sizes, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last, spatial_rank
from edgewise.ir.dim import Dim, dim_max
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def conv(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Conv1D, Conv2D, Conv3D; `causal` padding is zeros before the first element."""
    body = _conv_3d if spatial_rank(layer) == 3 else _conv_2d
    return c.activate(layer, channels_last(c, layer, c.real(x), lambda x: body(c, layer, x)))


def _conv_2d(c: Context, layer: KerasLayer, x: Value) -> Value:
    kernel = _as_2d(c.weight(layer, "kernel"))  # [KH, KW, C / groups, O]
    w = c.constant(layer, "kernel", kernel.transpose(3, 0, 1, 2))
    x = _causal(c, layer, x)
    window = _window(layer)
    return as_image(c, x, lambda x: c.b.conv_2d(x, w, c.bias(layer), **window))


def _conv_3d(c: Context, layer: KerasLayer, x: Value) -> Value:
    kernel = c.weight(layer, "kernel")
    groups = integer(layer, "groups", 1)
    window = _window(layer)
    if groups == 1:
        return c.b.conv_3d(x, c.constant(layer, "kernel", kernel), c.bias(layer), **window)
    axis = c.b.constant(np.array(4, np.int32))
    parts = c.b.node(operator("split")(num_splits=groups), axis, x).outputs
    kernels = np.split(kernel, groups, axis=-1)
    ys = [
        c.b.conv_3d(part, c.constant(layer, f"kernel_{i}", kernels[i]), **window)
        for i, part in enumerate(parts)
    ]
    return _biased(c, layer, c.b.concatenation(*ys, axis=4))


def depthwise(c: Context, layer: KerasLayer, x: Value) -> Value:
    """DepthwiseConv1D and DepthwiseConv2D."""

    def body(x: Value) -> Value:
        return _depthwise(c, layer, x, "kernel", c.bias(layer))

    return c.activate(layer, channels_last(c, layer, c.real(x), body))


def separable(c: Context, layer: KerasLayer, x: Value) -> Value:
    """SeparableConv1D and SeparableConv2D: depthwise, then 1x1."""

    def body(x: Value) -> Value:
        y = _depthwise(c, layer, _causal(c, layer, x), "depthwise_kernel", None)
        kernel = _as_2d(c.weight(layer, "pointwise_kernel"))
        w = c.constant(layer, "pointwise_kernel", kernel.transpose(3, 0, 1, 2))
        return as_image(c, y, lambda y: c.b.conv_2d(y, w, c.bias(layer), padding=Padding.VALID))

    return c.activate(layer, channels_last(c, layer, c.real(x), body))


def _depthwise(c: Context, layer: KerasLayer, x: Value, name: str, bias: Value | None) -> Value:
    kernel = _as_2d(c.weight(layer, name))  # [KH, KW, C, M]
    kh, kw, channels, multiplier = kernel.shape
    w = c.constant(layer, name, kernel.reshape(1, kh, kw, channels * multiplier))
    window = _window(layer)
    return as_image(
        c, x, lambda x: c.b.depthwise_conv_2d(x, w, bias, depth_multiplier=multiplier, **window)
    )


def transposed(c: Context, layer: KerasLayer, x: Value) -> Value:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose."""

    def body(x: Value) -> Value:
        if spatial_rank(layer) == 3:
            return _transposed(c, layer, x)
        return as_image(c, x, lambda x: _transposed(c, layer, x))

    return c.activate(layer, channels_last(c, layer, c.real(x), body))


def _transposed(c: Context, layer: KerasLayer, x: Value) -> Value:
    """The kernel is [KD, KH, KW, O, C]; a dilated one is written with its zeros."""
    rank = spatial_rank(layer)
    kernel = dilated(c.weight(layer, "kernel"), sizes(layer, "dilation_rate", rank, 1))
    padding = _padding(layer)
    strides = sizes(layer, "strides", rank, 1)
    extra: tuple[int | None, ...] = (None,) * rank
    if layer.config.get("output_padding") is not None:
        extra = sizes(layer, "output_padding", rank)
    spatial = x.shape[-1 - rank : -1]
    outputs = [
        _transposed_size(*axis, padding)
        for axis in zip(spatial, kernel.shape, strides, extra, strict=False)
    ]
    if rank == 1:
        outputs, strides = [1, *outputs], (1, *strides)
    shape = c.shape([x.shape[0], *outputs, kernel.shape[-2]])
    if rank == 3:
        w = c.constant(layer, "kernel", kernel)
        d, h, w_ = strides
        return c.b.conv_3d_transpose(
            shape, w, x, c.bias(layer), padding=padding, stride_d=d, stride_h=h, stride_w=w_
        )
    w = c.constant(layer, "kernel", _as_2d(kernel).transpose(2, 0, 1, 3))
    h, w_ = strides
    return c.b.transpose_conv(shape, w, x, c.bias(layer), padding=padding, stride_h=h, stride_w=w_)


def _transposed_size(
    size: Dim, kernel: int, stride: int, extra: int | None, padding: Padding
) -> Dim:
    """Source: `_get_output_shape_given_tf_padding` in keras/src/backend/common/backend_utils.py."""
    if padding is Padding.VALID:
        return (size - 1) * stride + kernel + (max(stride - kernel, 0) if extra is None else extra)
    if extra is None:
        return size * stride
    return dim_max((size - 1) * stride + kernel % 2 + extra, 0)


def _window(layer: KerasLayer) -> dict[str, object]:
    """Padding, strides and dilations as the operators' attributes."""
    rank = spatial_rank(layer)
    strides, rates = sizes(layer, "strides", rank, 1), sizes(layer, "dilation_rate", rank, 1)
    if rank == 1:
        strides, rates = (1, *strides), (1, *rates)
    letters = "dhw"[-len(strides) :]
    attributes: dict[str, object] = {"padding": _padding(layer)}
    for letter, stride, rate in zip(letters, strides, rates, strict=True):
        attributes[f"stride_{letter}"] = stride
        attributes[f"dilation_{letter}_factor"] = rate
    return attributes


def _padding(layer: KerasLayer) -> Padding:
    name = text(layer, "padding", "valid").lower()
    if name not in ("valid", "same", "causal"):
        raise Unsupported(f"padding '{name}'; use 'valid' or 'same'")
    return Padding.SAME if name == "same" else Padding.VALID


def _causal(c: Context, layer: KerasLayer, x: Value) -> Value:
    """[N, L, C] with the zeros of causal padding in front."""
    if text(layer, "padding", "valid").lower() != "causal":
        return x
    taps = next(w for name, w in layer.weights.items() if name != "bias").shape[0]
    before = (taps - 1) * sizes(layer, "dilation_rate", 1, 1)[0]
    return c.b.pad(x, c.b.constant(np.array([(0, 0), (before, 0), (0, 0)], np.int32)))


def _as_2d(kernel: np.ndarray) -> np.ndarray:
    """[K, C, O] as [1, K, C, O]."""
    return kernel[np.newaxis] if kernel.ndim == 3 else kernel


def _biased(c: Context, layer: KerasLayer, x: Value) -> Value:
    bias = c.bias(layer)
    return x if bias is None else c.b.add(x, bias)


HANDLERS: dict[str, Handler] = {
    **{f"Conv{n}D": conv for n in (1, 2, 3)},
    **{f"Convolution{n}D": conv for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": depthwise for n in (1, 2)},
    **{f"SeparableConv{n}D": separable for n in (1, 2)},
    **{f"SeparableConvolution{n}D": separable for n in (1, 2)},
    **{f"Conv{n}DTranspose": transposed for n in (1, 2, 3)},
    **{f"Convolution{n}DTranspose": transposed for n in (1, 2, 3)},
}
