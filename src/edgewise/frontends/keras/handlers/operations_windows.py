"""`keras.ops` nodes over windows and images: convolution, pooling, patches, resizing.

What a layer does as well is done by that layer's handler.
Source: keras/src/ops/{nn,image}.py, Keras 3.15.
"""

from __future__ import annotations

import numpy as np

from edgewise.frontends.context import Handler, Structure, Unsupported, known_sizes
from edgewise.frontends.decompose.windows import dilated
from edgewise.frontends.keras.description import KerasLayer
from edgewise.frontends.keras.handlers import convolution, images, pooling
from edgewise.frontends.keras.handlers.config import integer, sizes, text
from edgewise.frontends.keras.handlers.context import Context
from edgewise.frontends.keras.handlers.layout import channels_last
from edgewise.frontends.keras.handlers.operands import Operand, as_layer, constant, real, tensor
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value


def _convolved(kind: str, handler: Handler) -> Handler:
    """A convolution by a constant kernel, [..., C, O] (depthwise: [..., C, M])."""

    def operation(c: Context, layer: KerasLayer, x: Operand, kernel: Operand) -> Structure:
        w = constant(kernel)
        rank = w.ndim - 2
        name = f"DepthwiseConv{rank}D" if kind == "Depthwise" else f"Conv{rank}D{kind}"
        channels = tensor(c, x).shape[1 if _is_first(layer) else -1]
        groups = 1 if kind or not isinstance(channels, int) else channels // w.shape[-2]
        changes = {"use_bias": False, "groups": groups}
        return handler(c, as_layer(layer, name, changes, {"kernel": w}), real(c, x))

    return operation


def _separable(
    c: Context, layer: KerasLayer, x: Operand, depthwise: Operand, pointwise: Operand
) -> Value:
    first, second = constant(depthwise), constant(pointwise)
    weights = {"depthwise_kernel": first, "pointwise_kernel": second}
    name = f"SeparableConv{first.ndim - 2}D"
    return convolution.separable(c, as_layer(layer, name, {"use_bias": False}, weights), real(c, x))


def _pooled(name: str) -> Handler:
    def operation(c: Context, layer: KerasLayer, x: Operand) -> Structure:
        y = real(c, x)
        full = f"{name}{len(y.shape) - 2}D"
        return pooling.HANDLERS[full](c, as_layer(layer, full, {}), y)

    return operation


def _is_first(layer: KerasLayer) -> bool:
    return layer.config.get("data_format") == "channels_first"


def _resize(c: Context, layer: KerasLayer, x: Operand) -> Structure:
    height, width = sizes(layer, "size", 2)
    y = tensor(c, x)
    if len(y.shape) == 3:
        raise Unsupported("a single image without a batch; add an axis by expand_dims")
    return images.resizing(c, as_layer(layer, "Resizing", {"height": height, "width": width}), y)


def _patches(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """[N, H, W, C] to [N, rows, columns, kh*kw*C]."""
    size = sizes(layer, "size", 2)
    strides = size if layer.config.get("strides") is None else sizes(layer, "strides", 2)
    rates = sizes(layer, "dilation_rate", 2, 1)
    same = text(layer, "padding", "valid").lower() == "same"
    padding = Padding.SAME if same else Padding.VALID
    return channels_last(
        c, layer, real(c, x), lambda x: _windows(c, x, size, strides, rates, padding)
    )


_Pair = tuple[int, ...]


def _windows(
    c: Context, x: Value, size: _Pair, strides: _Pair, rates: _Pair, padding: Padding
) -> Value:
    """A convolution by an identity matrix."""
    channels = x.shape[-1]
    if len(x.shape) != 4 or not isinstance(channels, int):
        raise Unsupported("images must be of rank 4 with known channels")
    count = size[0] * size[1] * channels
    kernel = np.eye(count, dtype=np.float32).reshape(count, *size, channels)
    return c.b.conv_2d(
        x, c.b.constant(kernel), padding=padding, stride_h=strides[0], stride_w=strides[1],
        dilation_h_factor=rates[0], dilation_w_factor=rates[1],
    )  # fmt: skip


def _unfold(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """[N, C, H, W] to [N, C*kh*kw, places]: the windows at every place, as columns."""
    size, rates = sizes(layer, "kernel_size", 2), sizes(layer, "dilation", 2, 1)
    strides, margins = sizes(layer, "stride", 2, 1), sizes(layer, "padding", 2, 0)
    y = c.transpose(real(c, x), [0, 2, 3, 1])
    if any(margins):
        pads = [[0, 0], [margins[0]] * 2, [margins[1]] * 2, [0, 0]]
        y = c.b.pad(y, c.b.constant(np.array(pads, np.int32)))
    channels = y.shape[-1]
    y = _windows(c, y, size, strides, rates, Padding.VALID)
    batch, rows, columns, _ = y.shape
    y = c.reshape(y, (batch, rows * columns, size[0] * size[1], channels))
    return c.reshape(c.transpose(y, [0, 3, 2, 1]), (batch, y.shape[2] * channels, y.shape[1]))


def _fold(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """[N, C*kh*kw, places] to [N, C, H, W]: windows put back to their places and added, which is
    a transposed convolution by an identity matrix."""
    out, size = sizes(layer, "output_size", 2), sizes(layer, "kernel_size", 2)
    rates, strides = sizes(layer, "dilation", 2, 1), sizes(layer, "stride", 2, 1)
    margins, y = sizes(layer, "padding", 2, 0), real(c, x)
    batch, (columns,) = y.shape[0], known_sizes(y.shape[1:2], "its columns")
    wide = [n + 2 * m for n, m in zip(out, margins, strict=True)]
    spans = [(k - 1) * rate + 1 for k, rate in zip(size, rates, strict=True)]
    places = [(n - k) // s + 1 for n, k, s in zip(wide, spans, strides, strict=True)]
    channels = columns // (size[0] * size[1])
    kernel = np.eye(columns, dtype=np.float32).reshape(channels, *size, columns)
    kernel = dilated(kernel.transpose(1, 2, 0, 3), rates).transpose(2, 0, 1, 3)
    full = [(p - 1) * s + k for p, s, k in zip(places, strides, spans, strict=True)]
    y = c.transpose(y, [0, 2, 1])
    y = c.b.transpose_conv(
        c.shape([batch, *full, channels]), c.b.constant(np.ascontiguousarray(kernel)),
        c.reshape(y, (batch, *places, columns)),
        padding=Padding.VALID, stride_h=strides[0], stride_w=strides[1],
    )  # fmt: skip
    # what no window reaches, behind, is 0
    rest = [max(n + m - f, 0) for n, m, f in zip(out, margins, full, strict=True)]
    if any(rest):
        pads = [[0, 0], *([0, size] for size in rest), [0, 0]]
        y = c.b.pad(y, c.b.constant(np.array(pads, np.int32)))
    y = c.b.slice(y, c.ints([0, *margins, 0]), c.ints([-1, *out, -1]))
    return c.transpose(y, [0, 3, 1, 2])


def _blocks(operator: str) -> Handler:
    def handler(c: Context, layer: KerasLayer, x: Operand) -> Value:
        block = integer(layer, "block_size")
        return channels_last(
            c, layer, tensor(c, x), lambda x: getattr(c.b, operator)(x, block_size=block)
        )

    return handler


def _grayscale(c: Context, layer: KerasLayer, x: Operand) -> Value:
    """ITU-R 601 luma of the channels."""
    weights = np.array([[0.2989, 0.587, 0.114]], np.float32)

    def body(x: Value) -> Value:
        return c.b.fully_connected(x, c.b.constant(weights), keep_num_dims=True)

    return channels_last(c, layer, real(c, x), body)


OPERATIONS: dict[str, Handler] = {
    "Conv": _convolved("", convolution.conv),
    "ConvTranspose": _convolved("Transpose", convolution.transposed),
    "DepthwiseConv": _convolved("Depthwise", convolution.depthwise),
    "SeparableConv": _separable,
    "MaxPool": _pooled("MaxPooling"),
    "AveragePool": _pooled("AveragePooling"),
    "AdaptiveMaxPool": _pooled("AdaptiveMaxPooling"),
    "AdaptiveAveragePool": _pooled("AdaptiveAveragePooling"),
    "Resize": _resize,
    "ExtractPatches": _patches,
    "Unfold": _unfold,
    "Fold": _fold,
    "RGBToGrayscale": _grayscale,
    "SpaceToDepth": _blocks("space_to_depth"),
    "DepthToSpace": _blocks("depth_to_space"),
}
