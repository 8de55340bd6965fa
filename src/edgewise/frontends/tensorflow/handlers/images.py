"""Images: resizing in every way, crops of boxes, suppression of overlapping boxes, patches.

Source: tensorflow/core/ops/image_ops.cc and array_ops.cc, TensorFlow 2.21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.frontends.context import bounded
from edgewise.frontends.decompose import resize
from edgewise.frontends.decompose.boxes import cropped
from edgewise.frontends.tensorflow import attrs
from edgewise.frontends.tensorflow.context import Context, Handler, Unsupported
from edgewise.frontends.tensorflow.handlers.layout import spatial
from edgewise.frontends.tensorflow.handlers.shapes import int32
from edgewise.frontends.tensorflow.program import TFNode
from edgewise.ir.enums import Padding
from edgewise.ir.graph import Value
from edgewise.ir.op import operator

MAX_MATRIX = 1 << 23  # elements; they are made one by one


def _centers(node: TFNode) -> dict[str, bool]:
    return {key: attrs.flag(node, key, False) for key in ("align_corners", "half_pixel_centers")}


def _bilinear(c: Context, node: TFNode, x: Value, size: Value) -> Value:
    """the result is float32"""
    return c.b.resize_bilinear(c.real(x), int32(c, size), **_centers(node))


def _nearest(c: Context, node: TFNode, x: Value, size: Value) -> Value:
    return c.b.resize_nearest_neighbor(x, int32(c, size), **_centers(node))


def _bicubic(c: Context, node: TFNode, x: Value, size: Value) -> Value:
    """a FULLY_CONNECTED by a constant matrix per axis, between transposes"""
    return _by_matrices(c, x, size, lambda n, m: resize.bicubic_matrix(n, m, **_centers(node)))


def _area(c: Context, node: TFNode, x: Value, size: Value) -> Value:
    """as ResizeBicubic"""
    align = attrs.flag(node, "align_corners", False)
    return _by_matrices(c, x, size, lambda n, m: resize.area_matrix(n, m, align))


def _by_matrices(
    c: Context, x: Value, size: Value, matrix: Callable[[int, int], np.ndarray]
) -> Value:
    wanted = c.integers(size, "its size")
    pairs = list(zip(_size(x), wanted, strict=True))
    bounded(max(n * m for n, m in pairs), "the matrix of an axis", MAX_MATRIX)
    rows, columns = (matrix(n, m) for n, m in pairs)
    return resize.resized(c, c.real(x), rows, columns)


def _scale_and_translate(
    c: Context, node: TFNode, x: Value, size: Value, scale: Value, translation: Value
) -> Value:
    """as ResizeBicubic; constant scales and translations"""
    kernel = attrs.text(node, "kernel_type", "lanczos3")
    antialias = attrs.flag(node, "antialias", True)
    if kernel not in resize.KERNELS:
        raise Unsupported(f"the kernel '{kernel}'; use one of {', '.join(resize.KERNELS)}")
    scales, shifts = c.array(scale, "its scale"), c.array(translation, "its translation")
    places = iter(zip(scales, shifts, strict=True))

    def matrix(n: int, m: int) -> np.ndarray:
        by, to = next(places)
        return resize.sampled_matrix(n, m, float(by), float(to), kernel, antialias)

    return _by_matrices(c, x, size, matrix)


def _size(x: Value) -> tuple[int, int]:
    height, width = x.shape[1:3]
    if not isinstance(height, int) or not isinstance(width, int):
        raise Unsupported("images of unknown size; give the model a fixed input shape")
    return height, width


def _crop_and_resize(
    c: Context, node: TFNode, x: Value, boxes: Value, index: Value, size: Value
) -> Value:
    """GATHER_ND of the neighbours of every sampled point"""
    method = attrs.choice(node, "method", ("bilinear", "nearest"), "bilinear")
    height, width = c.integers(size, "its crop size")
    outside = attrs.real(node, "extrapolation_value", 0.0)
    return cropped(c, c.real(x), boxes, index, (height, width), method == "bilinear", outside)


def _suppressed_v3(
    c: Context,
    node: TFNode,
    boxes: Value,
    scores: Value,
    count: Value,
    overlap: Value,
    least: Value | None = None,
) -> Value:
    """NON_MAX_SUPPRESSION_V4, the part of its result that counts by SLICE"""
    least = c.scalar(float(np.finfo(np.float32).min)) if least is None else least
    return _valid(c, *_suppressed(c, boxes, scores, count, overlap, least))


def _suppressed_v1(c: Context, node: TFNode, boxes: Value, scores: Value, count: Value) -> Value:
    """as NonMaxSuppressionV3"""
    overlap = c.scalar(attrs.real(node, "iou_threshold", 0.5))
    return _suppressed_v3(c, node, boxes, scores, count, overlap)


def _suppressed_v4(
    c: Context,
    node: TFNode,
    boxes: Value,
    scores: Value,
    count: Value,
    overlap: Value,
    least: Value,
) -> Sequence[Value]:
    """the result is padded; without `pad_to_max_output_size` cut by SLICE"""
    indices, valid = _suppressed(c, boxes, scores, count, overlap, least)
    if not attrs.flag(node, "pad_to_max_output_size", False):
        indices = _valid(c, indices, valid)
    return indices, valid


def _suppressed_v5(
    c: Context,
    node: TFNode,
    boxes: Value,
    scores: Value,
    count: Value,
    overlap: Value,
    least: Value,
    sigma: Value,
) -> Sequence[Value]:
    """as NonMaxSuppressionV4; a constant sigma other than 0 switches off the threshold"""
    if float(c.array(sigma, "its sigma").reshape(-1)[0]) > 0:
        # TensorFlow suppresses softly or at the threshold, LiteRT does both; 1 takes out only what
        # is the same box
        overlap = c.scalar(1)
    op = operator("non_max_suppression_v5")()
    operands = (boxes, scores, int32(c, count), overlap, least, sigma)
    indices, kept, valid = c.b.node(op, *operands).outputs
    if not attrs.flag(node, "pad_to_max_output_size", False):
        indices, kept = _valid(c, indices, valid), _valid(c, kept, valid)
    return indices, kept, valid


def _suppressed(
    c: Context, boxes: Value, scores: Value, count: Value, overlap: Value, least: Value
) -> Sequence[Value]:
    """The indices of the boxes that stay, padded to `count`, and how many are valid."""
    op = operator("non_max_suppression_v4")()
    return c.b.node(op, boxes, scores, int32(c, count), overlap, least).outputs


def _valid(c: Context, x: Value, count: Value) -> Value:
    return c.b.slice(x, c.ints([0]), c.reshape(count, (1,)))


def _patches(c: Context, node: TFNode, x: Value) -> Value:
    """CONV_2D by an identity matrix"""
    size = spatial(node, attrs.integers(node, "ksizes"), "windows")
    strides = spatial(node, attrs.integers(node, "strides"), "strides")
    rates = spatial(node, attrs.integers(node, "rates"), "rates")
    channels = x.shape[-1]
    if not isinstance(channels, int):
        raise Unsupported("images of unknown channels; give the model a fixed input shape")
    count = size[0] * size[1] * channels
    bounded(count * count, "the kernel")
    kernel = np.eye(count, dtype=np.float32).reshape(count, *size, channels)
    same = attrs.choice(node, "padding", ("SAME", "VALID")) == "SAME"
    y = c.b.conv_2d(
        c.real(x), c.b.constant(kernel), padding=Padding.SAME if same else Padding.VALID,
        stride_h=strides[0], stride_w=strides[1],
        dilation_h_factor=rates[0], dilation_w_factor=rates[1],
    )  # fmt: skip
    return c.cast(y, x.dtype)


HANDLERS: dict[str, Handler] = {
    "ResizeBilinear": _bilinear,
    "ResizeNearestNeighbor": _nearest,
    "ResizeBicubic": _bicubic,
    "ResizeArea": _area,
    "ScaleAndTranslate": _scale_and_translate,
    "CropAndResize": _crop_and_resize,
    "NonMaxSuppression": _suppressed_v1,
    **dict.fromkeys(("NonMaxSuppressionV2", "NonMaxSuppressionV3"), _suppressed_v3),
    "NonMaxSuppressionV4": _suppressed_v4,
    "NonMaxSuppressionV5": _suppressed_v5,
    "ExtractImagePatches": _patches,
}
