"""Windows whose elements are looked at one by one: the place of the largest, dilation; and
convolutions that Grappler and the tools of TensorFlow 1 fused with what stands before them.

Source: tensorflow/core/ops/nn_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgewise.dtypes import DType
from edgewise.frontends.context import bounded, known_sizes
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.convolution import conv_2d, conv_3d
from edgewise.frontends.tensorflow.handlers.images import HANDLERS as IMAGES
from edgewise.frontends.tensorflow.handlers.layout import spatial
from edgewise.frontends.tensorflow.handlers.pooling import HANDLERS as POOLS
from edgewise.frontends.tensorflow.handlers.shapes import HANDLERS as SHAPES
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value

LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A window along one axis of `size` elements: `before` of `pads` stand before the first."""

    size: int
    window: int
    stride: int
    rate: int
    pads: int

    @property
    def before(self) -> int:
        """Padding before the first element."""
        return self.pads // 2

    @property
    def count(self) -> int:
        """Places of the window."""
        return (self.size + self.pads - self.reach) // self.stride + 1

    @property
    def reach(self) -> int:
        """Elements between the first and the last of a window, both counted."""
        return (self.window - 1) * self.rate + 1

    @classmethod
    def of(cls, size: int, window: int, stride: int, rate: int, *, same: bool) -> _Axis:
        """With the padding that SAME has, or none."""
        axis = cls(size, window, stride, rate, 0)
        if not same:
            return axis
        count = -(-size // stride)
        return replace(axis, pads=max((count - 1) * stride + axis.reach - size, 0))


def _axes(node: TFNode, x: Value, size: Sequence[int], rates: Sequence[int]) -> tuple[_Axis, _Axis]:
    sizes = known_sizes(x.shape[1:3], "an image")
    strides = spatial(node, attrs.integers(node, "strides"), "strides")
    same = attrs.choice(node, "padding", ("SAME", "VALID")) == "SAME"
    y, x_ = (_Axis.of(*each, same=same) for each in zip(sizes, size, strides, rates, strict=True))
    return y, x_


def _taps(c: Context, x: Value, axes: tuple[_Axis, _Axis], bias: np.ndarray | None = None) -> Value:
    """[N, H, W, C] as [N, H', W', C, M]: the M elements of every window by a DEPTHWISE_CONV_2D
    of zeros and ones, with `bias` [C, M] added. Outside the image is the lowest number."""
    (channels,) = known_sizes(x.shape[-1:], "channels")
    h, w = axes
    taps = h.window * w.window
    bounded(taps * taps * channels, "its kernel")
    kernel = np.zeros((1, h.window, w.window, channels, taps), np.float32)
    for tap in range(taps):
        kernel[0, tap // w.window, tap % w.window, :, tap] = 1
    edges = [[0, 0], *([a.before, a.pads - a.before] for a in axes), [0, 0]]
    if any(map(any, edges)):
        x = c.b.padv2(x, c.b.constant(np.array(edges, np.int32)), c.scalar(LOWEST))
    operands = [x, c.b.constant(kernel.reshape(1, h.window, w.window, channels * taps))]
    if bias is not None:
        operands.append(c.b.constant(np.ascontiguousarray(bias.reshape(-1), np.float32)))
    y = c.b.depthwise_conv_2d(
        *operands, padding=Padding.VALID, depth_multiplier=taps,
        stride_h=h.stride, stride_w=w.stride,
        dilation_h_factor=h.rate, dilation_w_factor=w.rate,
    )  # fmt: skip
    return c.reshape(y, (x.shape[0], h.count, w.count, channels, taps))


def _max_pool_with_argmax(c: Context, node: TFNode, x: Value) -> Sequence[Value]:
    """MAX_POOL_2D; the place by ARG_MAX of the elements of every window"""
    size = spatial(node, attrs.integers(node, "ksize"), "windows")
    h, w = _axes(node, x, size, (1, 1))
    highest = POOLS["MaxPool"](c, node, x)
    assert isinstance(highest, Value)
    tap = c.b.arg_max(_taps(c, x, (h, w)), c.ints([4]), output_type=DType.INT32)
    (channels,) = known_sizes(x.shape[-1:], "channels")
    row = w.size * channels
    within = [dy * row + dx * channels for dy in range(h.window) for dx in range(w.window)]
    first = (np.arange(h.count) * h.stride - h.before)[:, None, None] * row
    first = first + (np.arange(w.count) * w.stride - w.before)[:, None] * channels
    first = first + np.arange(channels)
    place = c.b.add(c.b.gather(c.ints(within), tap), c.b.constant(first.astype(np.int32)[None]))
    if attrs.flag(node, "include_batch_in_index", False):
        (batch,) = known_sizes(x.shape[:1], "a batch")
        image = np.arange(batch, dtype=np.int32).reshape(-1, 1, 1, 1) * (h.size * row)
        place = c.b.add(place, c.b.constant(image))
    return highest, c.cast(place, attrs.dtype(node, "Targmax", DType.INT64))


def _dilation_2d(c: Context, node: TFNode, x: Value, w: Value) -> Value:
    """REDUCE_MAX of the elements of every window and a constant filter"""
    kernel = c.array(w, "its filter")
    rates = spatial(node, attrs.integers(node, "rates"), "rates")
    axes = _axes(node, x, kernel.shape[:2], rates)
    bias = kernel.reshape(-1, kernel.shape[2]).T
    return c.b.reduce_max(_taps(c, c.real(x), axes, bias), c.ints([4]))


def _volume_patches(c: Context, node: TFNode, x: Value) -> Value:
    """CONV_3D by an identity matrix"""
    size = spatial(node, attrs.integers(node, "ksizes"), "windows")
    (channels,) = known_sizes(x.shape[-1:], "channels")
    count = int(np.prod(size)) * channels
    bounded(count * count, "the kernel")
    kernel = np.eye(count, dtype=np.float32).reshape(*size, channels, count)
    d, h, w = spatial(node, attrs.integers(node, "strides"), "strides")
    same = attrs.choice(node, "padding", ("SAME", "VALID")) == "SAME"
    return c.b.conv_3d(
        c.real(x), c.b.constant(kernel), padding=Padding.SAME if same else Padding.VALID,
        stride_d=d, stride_h=h, stride_w=w,
    )  # fmt: skip


def _conv(c: Context, node: TFNode, x: Value, w: Value) -> Value:
    """as Conv2D or Conv3D"""
    if attrs.integer(node, "batch_dims", 1) != 1 or attrs.integer(node, "groups", 1) != 1:
        raise Unsupported("a convolution of several batch axes or groups; use Conv2D or Conv3D")
    last = attrs.choice(node, "data_format", ("CHANNELS_LAST", "CHANNELS_FIRST"), "CHANNELS_LAST")
    space = "DHW"[5 - len(x.shape) :]
    layout = f"N{space}C" if last == "CHANNELS_LAST" else f"NC{space}"
    plain = replace(node, attrs={**node.attrs, "data_format": layout.encode()})
    return (conv_2d if len(x.shape) == 4 else conv_3d)(c, plain, x, w)


def _padded_conv(c: Context, node: TFNode, x: Value, pads: Value, w: Value) -> Value:
    """MIRROR_PAD and CONV_2D"""
    return conv_2d(c, node, _mirrored(c, node, x, pads), w)


def _resized_conv(c: Context, node: TFNode, x: Value, size: Value, pads: Value, w: Value) -> Value:
    """RESIZE_BILINEAR, MIRROR_PAD and CONV_2D"""
    centers = attrs.flag(node, "resize_align_corners", False)
    plain = replace(node, attrs={"align_corners": centers, "half_pixel_centers": False})
    resized = IMAGES["ResizeBilinear"](c, plain, x, size)
    assert isinstance(resized, Value)
    return conv_2d(c, node, _mirrored(c, node, resized, pads), w)


def _mirrored(c: Context, node: TFNode, x: Value, pads: Value) -> Value:
    y = SHAPES["MirrorPad"](c, node, x, pads)
    assert isinstance(y, Value)
    return y


HANDLERS: dict[str, Handler] = {
    "MaxPoolWithArgmax": _max_pool_with_argmax,
    "Dilation2D": _dilation_2d,
    "ExtractVolumePatches": _volume_patches,
    "Conv": _conv,
    "FusedPadConv2D": _padded_conv,
    "FusedResizeAndPadConv2D": _resized_conv,
}
