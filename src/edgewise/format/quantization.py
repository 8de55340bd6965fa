"""Quantization parameters of a tensor to and from their record."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.format.record import Record, record_type
from edgewise.ir.types import Quant

_STRICT = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.INT4, DType.INT2, DType.UINT4})


def read_quant(
    record: Record | None,
    dtype: DType,
    shape: Sequence[int],
    constant: Callable[[int], np.ndarray | None],
) -> Quant | None:
    """The affine quantization of a tensor; None where it has none that the IR has a word for.

    Args:
        shape: the stored shape; per-channel and blockwise parameters must fit it.
        constant: the data of the tensor with this index, for blockwise scales.

    Raises:
        ValueError: parameters that contradict each other, the shape or the type.
    """
    if record is None or not dtype.is_integer:
        return None
    if record.details is not None and record.details.table.name == "BlockwiseQuantization":
        return _blockwise(record.details, dtype, shape, constant)
    scale = record.scale
    if scale is None or scale.size == 0:
        return None
    points = record.zero_point
    if points is None or points.size == 0:
        points = np.zeros(1, np.int64)
    if points.size not in (1, scale.size):
        raise ValueError(f"{scale.size} scales need as many zero points; got {points.size}")
    # Old files give a bias the axis of its weights.
    axis = record.quantized_dimension if len(shape) > 1 or scale.size == 1 else 0
    if scale.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scale.size):
        raise ValueError(f"{scale.size} scales do not fit dimension {axis} of {list(shape)}")
    _check_values(scale, points, dtype)
    return Quant(scale, points, axis if scale.size > 1 or axis else None)


def write_quant(quant: Quant) -> Record:
    """The record of per-tensor or per-channel parameters."""
    return record_type("QuantizationParameters")(
        scale=quant.scale.reshape(-1),
        zero_point=quant.zero_point.reshape(-1),
        quantized_dimension=quant.axis or 0,
    )


def write_blockwise(quant: Quant, scales: int, zero_points: int) -> Record:
    """The record of blockwise parameters that stand in the tensors with these indices."""
    return record_type("QuantizationParameters")(
        quantized_dimension=quant.axis or 0,
        details=record_type("BlockwiseQuantization")(
            scales=scales, zero_points=zero_points, block_size=quant.block_size
        ),
    )


def blockwise_tensors(record: Record | None) -> tuple[int, int] | None:
    """Indices of the tensors with blockwise scales and zero points (-1 or 0: none)."""
    if record is None or record.details is None:
        return None
    if record.details.table.name != "BlockwiseQuantization":
        return None
    return record.details.scales, record.details.zero_points


def _check_values(scale: np.ndarray, points: np.ndarray, dtype: DType) -> None:
    # Scales of int32 biases may be 0, where a weight channel is 0. NaN fails all comparisons.
    smallest, largest = _range_of(scale)
    if not 0 <= smallest <= largest < math.inf or (smallest == 0 and dtype in _STRICT):
        least = min(scale.tolist())
        raise ValueError(f"scales of {dtype.text} must be positive and finite; got {least}")
    low, high = dtype.range
    smallest, largest = _range_of(points)
    if not low <= smallest <= largest <= high:
        wrong = next(z for z in points.tolist() if not low <= z <= high)
        raise ValueError(f"zero points of {dtype.text} lie in [{low}, {high}]; got {wrong}")


def _range_of(array: np.ndarray) -> tuple[float, float]:
    """Smallest and largest element; NaN where there is one."""
    if array.size == 1:  # most tensors have one scale, and a reduction costs ten times as much
        only = array.item()
        return only, only
    return np.minimum.reduce(array).item(), np.maximum.reduce(array).item()


def _blockwise(
    details: Record,
    dtype: DType,
    shape: Sequence[int],
    constant: Callable[[int], np.ndarray | None],
) -> Quant:
    scale = constant(details.scales)
    if scale is None or scale.dtype.kind not in "fV" or not scale.size:
        raise ValueError(f"blockwise scales must be a constant of floats; tensor {details.scales}")
    scale = scale.astype(np.float32)
    block = details.block_size
    axes = [
        axis
        for axis in range(len(shape) if scale.ndim == len(shape) else 0)
        if block > 0
        and all(
            n * (block if i == axis else 1) == d
            for i, (n, d) in enumerate(zip(scale.shape, shape, strict=True))
        )
    ]
    if not axes:
        raise ValueError(
            f"blockwise scales must have the shape {list(shape)} with one dimension divided by the "
            f"block size {block}; got {list(scale.shape)}"
        )
    points = constant(details.zero_points) if details.zero_points > 0 else None
    if points is None:
        points = np.zeros(scale.shape, np.int64)
    points = points.astype(np.int64)
    if points.size not in (1, scale.size):
        raise ValueError(f"{scale.size} scales need as many zero points; got {points.size}")
    _check_values(scale.reshape(-1), points.reshape(-1), dtype)
    points = np.broadcast_to(points.reshape(-1), scale.size).reshape(scale.shape)
    return Quant(scale, points, axes[-1], block)
