"""Convolutions over two and three axes: forward, depthwise, transposed, with what is fused in.

Source: tensorflow/core/ops/nn_ops.cc and core/kernels/conv_grad_shape_utils.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import known_sizes
from edgewise.frontends.decompose.windows import dilated
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.layout import (
    Window,
    channels_last,
    is_channels_first,
)
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.dim import Dim
from edgewise.ir.graph import Value
from edgewise.ir.op import operator


def conv_2d(c: Context, node: TFNode, x: Value, w: Value) -> Value:
    """explicit paddings by PAD; [N, C, H, W] between transposes"""
    window, w = Window.of(node), arranged(c, w, [3, 0, 1, 2])
    return channels_last(
        c, node, x, lambda x: c.b.conv_2d(window.padded(c, x), w, **window.attributes)
    )


def depthwise_conv_2d(c: Context, node: TFNode, x: Value, w: Value) -> Value:
    """as Conv2D; the kernel [H, W, C, M] becomes [1, H, W, C * M]"""
    window = Window.of(node)
    kh, kw, channels, multiplier = w.shape
    kernel = _reshaped(c, w, (1, kh, kw, channels * multiplier))

    def body(x: Value) -> Value:
        return c.b.depthwise_conv_2d(
            window.padded(c, x), kernel, depth_multiplier=multiplier, **window.attributes
        )

    return channels_last(c, node, x, body)


def conv_3d(c: Context, node: TFNode, x: Value, w: Value) -> Value:
    """groups one by one between SPLIT and CONCATENATION"""
    window = Window.of(node)

    def body(x: Value) -> Value:
        groups = _groups(x.shape[-1], w.shape[3])
        if groups == 1:
            return c.b.conv_3d(x, w, **window.attributes)
        kernel = c.array(w, "its kernel")
        split = operator("split")(num_splits=groups)
        parts = c.b.node(split, c.b.constant(np.array(4, np.int32)), x).outputs
        kernels = np.split(kernel, groups, axis=-1)
        ys = [
            c.b.conv_3d(part, c.b.constant(np.ascontiguousarray(k)), **window.attributes)
            for part, k in zip(parts, kernels, strict=True)
        ]
        return c.b.concatenation(*ys, axis=4)

    return channels_last(c, node, x, body)


def transposed_2d(c: Context, node: TFNode, sizes: Value, w: Value, y: Value) -> Value:
    """dilated kernels are written with their zeros; explicit paddings are cut off"""
    window = Window.of(node)
    if any(rate != 1 for rate in window.dilations):
        w = c.b.constant(dilated(c.array(w, "its dilated kernel"), window.dilations))
    kernel = arranged(c, w, [2, 0, 1, 3])

    def body(y: Value) -> Value:
        size = _last(c, node, sizes)
        if window.margins is None:
            return c.b.transpose_conv(size, kernel, y, **window.steps)
        # what explicit padding adds to the input is cut off its gradient
        wanted, margins = c.dims(size), window.margins
        if wanted is None:
            raise Unsupported("its output shape is computed; use padding SAME or VALID")
        wide = [d + before + after for d, (before, after) in zip(wanted, margins, strict=True)]
        full = c.b.transpose_conv(c.shape(wide), kernel, y, **window.steps)
        begin = c.ints([before for before, _ in margins])
        return c.b.slice(full, begin, c.ints([-1, *known_sizes(wanted[1:], "an output")]))

    return channels_last(c, node, y, body)


def transposed_3d(c: Context, node: TFNode, sizes: Value, w: Value, y: Value) -> Value:
    """the dimensions of the result by `input_sizes`"""
    window = Window.of(node)

    def body(y: Value) -> Value:
        return c.b.conv_3d_transpose(_last(c, node, sizes), w, y, **window.attributes)

    return channels_last(c, node, y, body)


def bias_add(c: Context, node: TFNode, x: Value, bias: Value) -> Value:
    """ADD, of [N, C, ...] to a bias with an axis for every other"""
    if is_channels_first(node) and len(x.shape) > 2:
        bias = _reshaped(c, bias, (bias.shape[0], *[1] * (len(x.shape) - 2)))
    return c.b.add(x, bias)


def fused_conv_2d(c: Context, node: TFNode, x: Value, w: Value, *args: Value) -> Value:
    """Conv2D and the operations that Grappler fused into it"""
    return fused(c, node, conv_2d(c, node, x, w), args)


def fused_depthwise(c: Context, node: TFNode, x: Value, w: Value, *args: Value) -> Value:
    """DepthwiseConv2dNative and the operations that Grappler fused into it"""
    return fused(c, node, depthwise_conv_2d(c, node, x, w), args)


def fused(c: Context, node: TFNode, y: Value, args: Sequence[Value]) -> Value:
    """What `fused_ops` names, done to y one after the other.

    Source: tensorflow/core/kernels/fused_computation.cc.
    """
    names = node.attrs.get("fused_ops", ())
    rest = list(args)
    for name in names if isinstance(names, tuple) else ():
        kind = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
        if kind == "BiasAdd":
            y = bias_add(c, node, y, rest.pop(0))
        elif kind == "Add":
            y = c.b.add(y, rest.pop(0))
        elif kind == "FusedBatchNorm":
            gamma, beta, mean, variance = (rest.pop(0) for _ in range(4))
            axis, epsilon = 1 if is_channels_first(node) else -1, attrs.real(node, "epsilon")
            y = c.b.batch_norm(y, gamma, beta, mean, variance, epsilon=epsilon, axis=axis)
        elif kind == "LeakyRelu":
            y = c.b.leaky_relu(y, alpha=attrs.real(node, "leakyrelu_alpha", 0.2))
        elif kind in _ACTIVATIONS:
            y = getattr(c.b, _ACTIVATIONS[kind])(y)
        else:
            raise Unsupported(f"the fused operation {kind}; export the model without Grappler")
    return y


_ACTIVATIONS = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Elu": "elu",
    "Tanh": "tanh",
    "Sigmoid": "logistic",
    "_FusedHardSwish": "hard_swish",
}


def arranged(c: Context, x: Value, perm: Sequence[int]) -> Value:
    """x with its axes in another order; a constant where it is known."""
    known = c.known(x)
    if known is None:
        return c.transpose(x, perm)
    made = np.ascontiguousarray(known.transpose(perm))
    return c.b.constant(made, name=x.name)


def _reshaped(c: Context, x: Value, shape: Sequence[Dim]) -> Value:
    known = c.known(x)
    if known is None:
        return c.reshape(x, shape)
    return c.b.constant(known.reshape(known_sizes(shape, "a constant")), name=x.name)


def _groups(channels: Dim, of_kernel: Dim) -> int:
    if channels == of_kernel or not isinstance(channels, int) or not isinstance(of_kernel, int):
        return 1
    return channels // of_kernel


def _last(c: Context, node: TFNode, sizes: Value) -> Value:
    """A shape operand as int32, of [N, C, ...] as [N, ..., C]."""
    known = c.dims(sizes)
    rank = sizes.shape[0]
    if not isinstance(rank, int):
        raise Unsupported("its output shape has an unknown length; use a fixed rank")
    order = [0, *range(2, rank), 1] if is_channels_first(node) else list(range(rank))
    if known is not None:
        return c.shape([known[i] for i in order])
    sizes = c.cast(sizes, DType.INT32)
    return c.b.gather(sizes, c.ints(order)) if is_channels_first(node) else sizes


HANDLERS: dict[str, Handler] = {
    "Conv2D": conv_2d,
    "DepthwiseConv2dNative": depthwise_conv_2d,
    "Conv2DBackpropInput": transposed_2d,
    "Conv3D": conv_3d,
    "Conv3DBackpropInputV2": transposed_3d,
    **dict.fromkeys(("BiasAdd", "BiasAddV1"), bias_add),
    "_FusedConv2D": fused_conv_2d,
    "_FusedDepthwiseConv2dNative": fused_depthwise,
}
