"""Constants to stored integers: weights, biases and other numbers known before the model runs.

Weights are symmetric: `scale = max|w| / (2**(bits - 1) - 1)` per channel or block, so that the
smallest integer never occurs and products of two weights cannot overflow 16 bits. uint8 ones have
a zero point. **Source:** TensorFlow Lite 8-bit quantization specification.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.requant import quantize_real
from edgewise.optimize.ranges import Range

# A bias is at most 2**30: sums with the products, which are of its size, do not overflow
_BIAS_LIMIT = float(1 << 30)
# What a weight may add to an output of scale 1 and is not seen: LiteRT's delegate refuses ratios of
# scales below 2**-32
_LEAST_RATIO = 2.0**-24


def weight_scale(
    data: np.ndarray, dtype: DType, axis: int | None, floor: np.ndarray | float = 0.0
) -> Quant:
    """The scales of weights: one per index of `axis` (None: one in all), none below `floor`.

    Channels of zeros have the largest scale of the others, or 1.
    """
    if dtype is DType.UINT8:
        return affine(Range(float(data.min(initial=0)), float(data.max(initial=0))), dtype)
    channels = data.reshape(1, -1) if axis is None else np.moveaxis(data, axis, 0)
    largest = np.abs(channels.reshape(channels.shape[0], -1)).max(1, initial=0).astype(np.float64)
    scale = np.maximum(largest / dtype.range[1], floor)
    if not scale.all():
        scale[scale == 0] = scale.max(initial=0) or 1.0
    return Quant(scale.astype(np.float32), 0, axis if scale.size > 1 else None)


def block_scale(data: np.ndarray, dtype: DType, size: int) -> Quant:
    """The scales of weights [O, K], one for every `size` neighbours of a row; K is a multiple.

    Scales are float16 numbers, as files hold them."""
    rows, columns = data.shape
    blocks = data.reshape(rows, columns // size, size)
    scale = np.abs(blocks).max(2).astype(np.float64) / dtype.range[1]
    scale = _half_above(scale)
    scale[scale == 0] = scale.max(initial=0) or 1.0
    return Quant(scale, 0, 1, size)


def _half_above(scale: np.ndarray) -> np.ndarray:
    """float32 numbers that float16 holds, none below: the largest weight is not clipped."""
    half = scale.astype(np.float16)
    half = np.where(half < scale, np.nextafter(half, np.float16(np.inf)), half)
    return half.astype(np.float32)


def floor_of(bias: np.ndarray | None, data: Quant, result: Quant, channels: int) -> np.ndarray:
    """The smallest scales of weights whose bias, stored at the scale of their products with the
    data, fits into 32 bits; [channels] or [1]."""
    s_x, s_y = float(data.scale.flat[0]), float(result.scale.flat[0])
    floor = np.full(channels, s_y / s_x * _LEAST_RATIO)
    if bias is None:
        return floor
    largest = np.abs(bias.astype(np.float64)).reshape(-1)
    if channels == 1:
        largest = largest.max(initial=0, keepdims=True)
    return np.maximum(floor, largest / (s_x * _BIAS_LIMIT))


def stored(value: Value, dtype: DType, quant: Quant, name: str) -> Value:
    """The constant in integers of this type and scale, under another name."""
    assert value.data is not None
    real = value.data.astype(np.float64)
    if quant.block_size is not None:
        scale = np.repeat(quant.scale, quant.block_size, quant.axis)
        low, high = dtype.range
        data = np.clip(np.rint(real / scale.astype(np.float64)), low, high)
        return Value(TensorType(value.type.shape, dtype, quant), name, data.astype(dtype.numpy))
    if dtype in (DType.INT32, DType.INT64):
        scale, _ = quant.broadcast(real.shape)
        low, high = dtype.range
        # INT64_MAX is no float64; what is beyond 2**53 is not a bias of any network
        wide = np.clip(np.rint(real / scale.astype(np.float64)), low, min(high, 1 << 53))
        return Value(TensorType(value.type.shape, dtype, quant), name, wide.astype(dtype.numpy))
    is_alone = quant.axis is None  # one scale for all: no weights, or of one output
    data = quantize_real(real, quant, dtype) if is_alone else with_sums(real, quant, dtype)
    return Value(TensorType(value.type.shape, dtype, quant), name, data)


def with_sums(real: np.ndarray, quant: Quant, dtype: DType) -> np.ndarray:
    """Weights rounded so that the sum of those under one scale is off by little, too: those nearest
    to the other side go there while that lowers `sum e**2 + (sum e)**2` of the errors e.

    What a layer reads has a mean, positive behind a ReLU, and of a depthwise filter the neighbours
    are alike: what rounding errors sum up to shifts every output. The two terms weigh alike (inputs
    whose mean is their deviation), a prior where nothing is measured. KL with int8 weights, each
    rounded alone / of depthwise filters so / all so: MobileNetV1 0.25 at 128 pixels 0.213 / 0.117 /
    0.065; ResNet8 2.1e-3 / 2.1e-3 / 6.4e-4; keyword spotting 3.7e-4 / 5.1e-4 / 1.7e-4.
    """
    assert quant.axis is not None
    scale, _ = quant.broadcast(real.shape)
    steps = np.moveaxis(real / scale.astype(np.float64), quant.axis, 0)
    flat = steps.reshape(steps.shape[0], -1)
    rounded = np.rint(flat)
    off = (flat - rounded).sum(1, keepdims=True)
    sign, left = np.sign(off), np.abs(off)
    most = int(left.max(initial=0)) + 1
    rest = (flat - rounded) * sign
    places = np.argsort(-rest, axis=1, kind="stable")[:, :most]
    # a step changes the errors' squares by 1 - 2 rest, and the sum's square by 1 - 2 left
    before = left - np.arange(places.shape[1])
    moved = sign * (before + np.take_along_axis(rest, places, 1) > 1)
    np.put_along_axis(rounded, places, np.take_along_axis(rounded, places, 1) + moved, 1)
    limit = dtype.range[1]
    stored_ = np.clip(rounded, -limit, limit).reshape(steps.shape)
    return np.moveaxis(stored_, 0, quant.axis).astype(dtype.numpy)


def affine(range_: Range, dtype: DType) -> Quant:
    """The scale and zero point under which a range, and zero, fill an integer type: int8 and uint8
    all of it, int16 symmetrically with zero point 0."""
    low, high = min(range_.low, 0.0), max(range_.high, 0.0)
    if high == low:
        return Quant(1.0, 0)
    first, last = dtype.range
    if dtype not in (DType.INT8, DType.UINT8):
        return Quant(_scale(max(-low, high) / last), 0)
    scale = _scale((high - low) / (last - first))
    point = round(first - low / scale)
    return Quant(scale, min(max(point, first), last))


def _scale(real: float) -> float:
    """As a float32, and no zero."""
    return max(float(np.float32(real)), float(np.finfo(np.float32).tiny))


def shifted(quant: Quant, dtype: DType) -> Quant:
    """The scale of int8 numbers for the same ones as uint8, or the other way round."""
    by = 128 if dtype is DType.UINT8 else -128
    return Quant(quant.scale, quant.zero_point + by)
