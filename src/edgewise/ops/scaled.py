"""The epilogue of integer sums of products: accumulator to stored integers.

Used by convolutions, fully connected and batch matmul. Accumulators are computed exactly in
float64 through BLAS (exact below 2**53) and wrapped to int32, as a register would hold them.
"""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.op import Quantized
from edgewise.ir.types import TensorType
from edgewise.ops.requant import (
    activation_range,
    multiplier,
    multiply_fixed_64,
    round_f32,
    wrap_int32,
)

_BLOCK = 1 << 20  # sums at once: all of a large batch took 32 times the result's bytes


def accumulate_zero(operand: Quantized) -> np.ndarray:
    """Stored integers minus their zero points, as float64 ready for an exact product."""
    assert operand.quant is not None
    _, point = operand.quant.broadcast(operand.data.shape)
    return operand.data.astype(np.float64) - point


def scale_accumulator(
    acc: np.ndarray,
    x: Quantized,
    w: Quantized,
    bias: Quantized | None,
    result: TensorType,
    act: Activation,
) -> np.ndarray:
    """Accumulator [..., O] (without bias, exact) to the stored integers of `result`.

    int8/uint8: arithmetic F32. int16: LITERT_16X8 on int64 accumulators.
    """
    if acc.size > _BLOCK and acc.size > acc.shape[-1]:
        y = np.empty(acc.shape, result.dtype.numpy)
        sums, stored = acc.reshape(-1, acc.shape[-1]), y.reshape(-1, acc.shape[-1])
        step = max(_BLOCK // acc.shape[-1], 1)
        for first in range(0, len(sums), step):
            rows = slice(first, first + step)
            stored[rows] = scale_accumulator(sums[rows], x, w, bias, result, act)
        return y
    assert x.quant is not None
    assert w.quant is not None
    assert result.quant is not None
    if bias is not None:
        added = bias.data.reshape(-1)
        acc = (acc.astype(np.int64) if result.dtype is DType.INT16 else acc) + added
    low, high = activation_range(act, result)
    point = int(result.quant.zero_point.flat[0])
    s_x, s_y = x.quant.scale.reshape(-1)[0], result.quant.scale.reshape(-1)[0]
    if result.dtype is DType.INT16:
        real = np.float64(s_x) * w.quant.scale.astype(np.float64) / np.float64(s_y)
        pairs = [multiplier(float(r)) for r in real.reshape(-1)]
        m, shift = np.array(pairs, np.int64).T
        y = multiply_fixed_64(acc.astype(np.int64), m, shift).astype(np.int64) + point
        return np.clip(y, low, high).astype(np.int16)
    scale = (s_x * w.quant.scale).astype(np.float32) / s_y
    return round_f32(wrap_int32(acc), scale, point, low, high).astype(result.dtype.numpy)
