"""Reductions over axes: MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, DType
from edgewise.ir.dim import Dim, Shape, unknown_dim
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    NotQuantized,
    Op,
    Operand,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops.requant import (
    multiplier,
    multiply_fixed,
    multiply_fixed_64,
    round_away,
    wrap_int32,
)

REDUCIBLE = FLOATS | QUANTIZED | INDICES
WITH_BOOL = REDUCIBLE | {DType.BOOL}
AXES = In("axes", INDICES, Role.PARAMETER)
VERSIONS = {DType.INT8: 2, DType.INT16: 3}
VERSIONS_16_AT_2 = {DType.INT8: 2, DType.INT16: 2}
NO_VERSIONS: dict[DType, int] = {}
MEAN_ARITHMETIC = {
    DType.INT8: Arithmetic.F32,
    DType.UINT8: Arithmetic.F32,
    DType.INT16: Arithmetic.FIXED,
}


class Reduction(Op, abstract=True):
    """What the reductions share: axes, shapes, and `keep_dims`.

    x of any rank; axes [A] or scalar, each in [-R, R), repeated ones count once; y is x without
    these axes, or with 1 in their place (`keep_dims`). A scalar x is returned as it is.
    """

    keep_dims: bool = False

    operands = (In("x", REDUCIBLE), AXES)
    versions = VERSIONS

    def infer(self, x: Operand, axes: Operand) -> Shape | tuple[None]:
        rank = len(x.shape)
        require(len(axes.shape) <= 1, f"axes must be a list; got rank {len(axes.shape)}")
        if axes.data is None:
            if self.keep_dims or rank == 0:
                return tuple(unknown_dim() for _ in range(rank))
            return (None,)
        chosen = _chosen(axes.data, rank)
        kept: list[Dim] = []
        for i, dim in enumerate(x.shape):
            if i not in chosen:
                kept.append(dim)
            elif self.keep_dims:
                kept.append(1)
        return tuple(kept)

    def reference(self, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
        return self._reduce(x, _chosen(axes, x.ndim))

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        raise NotImplementedError

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, axes, type_ = operands[0], operands[1], results[0]
        assert x is not None
        assert axes is not None
        return self._integer(x, _chosen(axes.data, x.data.ndim), type_)

    def _integer(self, x: Quantized, axes: tuple[int, ...], type_: TensorType) -> np.ndarray:
        """The stored integers of the result, where the operator interprets those of `x`."""
        raise NotImplementedError


def _chosen(axes: np.ndarray, rank: int) -> tuple[int, ...]:
    """The axes in ascending order, each once, counted from the front."""
    found = [int(a) for a in axes.reshape(-1)]
    if rank == 0:
        return ()
    for axis in found:
        require(-rank <= axis < rank, f"axes must be in [{-rank}, {rank - 1}]; got {axis}")
    return tuple(sorted({a % rank for a in found}))


def _count(x: np.ndarray, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[a] for a in axes)


def _ends(x: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest number of an array's type; bfloat16 has infinities."""
    if x.dtype.kind == "b":
        return False, True
    if x.dtype.kind in "iu":
        return np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
    if x.dtype.kind == "f":
        return float(np.finfo(x.dtype).min), float(np.finfo(x.dtype).max)
    return -np.inf, np.inf


def _round_with_point(acc: np.ndarray, scale: np.float32, type_: TensorType) -> np.ndarray:
    """`rne(float32(acc) * scale + zero_point)`, saturating: float32, the point before rounding."""
    assert type_.quant is not None
    real = wrap_int32(acc).astype(np.float32) * scale + np.float32(type_.quant.zero_point[0])
    return _saturated(np.rint(real), type_)


def _saturated(real: np.ndarray, type_: TensorType) -> np.ndarray:
    """NaN, which scales too far apart make, gives the lowest."""
    steps = np.where(np.isnan(real), np.float32(-np.inf), real)
    return np.clip(steps, *type_.dtype.range).astype(type_.dtype.numpy)


class Mean(Reduction, builtin="MEAN", options="ReducerOptions"):
    """y = sum of x over the axes / number of elements summed.

    Quantized, with `acc = sum(x) - n * zp_x`: int8 and uint8 use arithmetic F32 with the scale
    `float32(float32(s_x / s_y) / n)`, except that the zero point is added before rounding (which
    matters at ties); int16 LiteRT's fixed-point multiplier of s_x / s_y, divided
    by n in integers (rounded down, which costs up to 2**-30 of the value). Integers without a
    scale: the quotient truncated towards zero. The mean of nothing is NaN (0 for integers).
    **Source:** TensorFlow Lite reduce.h, QuantizedMeanOrSum; measured against LiteRT 2.3.
    """

    arithmetic = MEAN_ARITHMETIC
    quantization = FreeScale()
    tolerance = 1e-5

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        n = _count(x, axes)
        if DType.of(x.dtype).is_float:
            total = x.sum(axes, keepdims=self.keep_dims, dtype=x.dtype)
            return np.asarray(total * x.dtype.type(1 / n) if n else total + np.nan, x.dtype)
        total = x.astype(np.int64).sum(axes, keepdims=self.keep_dims)
        return (np.sign(total) * (np.abs(total) // max(n, 1))).astype(x.dtype)

    def _integer(self, x: Quantized, axes: tuple[int, ...], type_: TensorType) -> np.ndarray:
        assert type_.quant is not None
        n = _count(x.data, axes)
        acc = x.data.sum(axes, keepdims=self.keep_dims, dtype=np.int64) - n * x.zero_point
        point = int(type_.quant.zero_point[0])
        if type_.dtype is DType.INT16:
            m, shift = mean_multiplier(float(x.scale) / float(type_.quant.scale[0]), n)
            fixed = multiply_fixed(wrap_int32(acc), m, shift)
            return np.clip(fixed.astype(np.int64) + point, -32768, 32767).astype(np.int16)
        scale = x.scale / type_.quant.scale[0] / np.float32(max(n, 1))
        return _round_with_point(acc, scale, type_)


def mean_multiplier(real: float, n: int) -> tuple[int, int]:
    """The multiplier of `real`, divided by n in integers, and its shift."""
    m, shift = multiplier(real)
    bits = min(max(n, 1).bit_length() - 1, 32, 31 + shift)
    return (m << bits) // max(n, 1), shift - bits


class Sum(Reduction, builtin="SUM", options="ReducerOptions"):
    """y = sum of x over the axes. Integers without a scale wrap around; the sum of booleans is
    whether any of them is true.

    Quantized, n the number of elements summed: int8 and uint8 as MEAN with the scale
    `s = float32(s_x / s_y)`. int16 in LiteRT's own order of float32 roundings, halves away from
    zero: `round(float32(sum(x)) * s + float32(-zp_x * s * n)) + zp_y`.
    **Source:** TensorFlow Lite reduce.h, QuantizedMeanOrSum; measured against LiteRT 2.3.
    """

    operands = (In("x", WITH_BOOL), AXES)
    arithmetic = Arithmetic.F32
    quantization = FreeScale()
    tolerance = 1e-5
    versions = VERSIONS_16_AT_2

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.asarray(x.sum(axes, keepdims=self.keep_dims, dtype=x.dtype))

    def _integer(self, x: Quantized, axes: tuple[int, ...], type_: TensorType) -> np.ndarray:
        assert type_.quant is not None
        scale = np.float32(x.scale / type_.quant.scale[0])
        total = x.data.sum(axes, keepdims=self.keep_dims, dtype=np.int64)
        n = _count(x.data, axes)
        if type_.dtype is not DType.INT16:
            return _round_with_point(total - n * x.zero_point, scale, type_)
        offset = np.float32(-x.zero_point) * scale * np.float32(n)
        y = round_away(total.astype(np.float32) * scale + offset)
        return _saturated(y + np.float32(type_.quant.zero_point[0]), type_)


class ReduceMax(Reduction, builtin="REDUCE_MAX", options="ReducerOptions"):
    """y = largest element of x over the axes; of nothing, the lowest number of the dtype.

    Of booleans true is the larger. Quantized: x and y have one scale.
    **Source:** TensorFlow Lite reduce.cc.
    """

    operands = (In("x", WITH_BOOL), AXES)

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        lowest, _ = _ends(x)
        return np.asarray(x.max(axes, keepdims=self.keep_dims, initial=lowest))


class ReduceMin(Reduction, builtin="REDUCE_MIN", options="ReducerOptions"):
    """y = smallest element of x over the axes; of nothing, the highest number of the dtype.

    Of booleans true is the larger. Quantized: x and y have one scale.
    **Source:** TensorFlow Lite reduce.cc.
    """

    operands = (In("x", WITH_BOOL), AXES)

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        _, highest = _ends(x)
        return np.asarray(x.min(axes, keepdims=self.keep_dims, initial=highest))


class ReduceProd(Reduction, builtin="REDUCE_PROD", options="ReducerOptions"):
    """y = product of x over the axes (1 for none). Integers without a scale wrap around; the
    product of booleans is whether all are true.

    Quantized, LiteRT's order: elements minus zero point are multiplied one after another in
    row-major order, and every product, the last included, is scaled by the 15-bit reduced
    multiplier of `s_x / s_y ** (1 / n)`: the n-th root spreads the output's scale over the n
    factors. Each step rounds, so that the result may lie several steps from the real product.
    **Source:** TensorFlow Lite reduce.cc, GetQuantProdScaling; reference reduce.h.
    """

    operands = (In("x", WITH_BOOL), AXES)
    arithmetic = Arithmetic.LITERT_16X8
    quantization = FreeScale()
    tolerance = 1e-5
    versions = VERSIONS_16_AT_2
    carries_dims = True

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.asarray(x.prod(axes, keepdims=self.keep_dims, dtype=x.dtype))

    def _integer(self, x: Quantized, axes: tuple[int, ...], type_: TensorType) -> np.ndarray:
        assert type_.quant is not None
        n = _count(x.data, axes)
        real = float(x.scale) / float(type_.quant.scale[0]) ** (1.0 / max(n, 1))
        m, shift = multiplier(real)
        factors = x.data.astype(np.int64) - x.zero_point
        last = range(x.data.ndim - len(axes), x.data.ndim)
        factors = np.moveaxis(factors, axes, last)
        kept = factors.shape[: x.data.ndim - len(axes)]
        factors = factors.reshape(*kept, n)
        y = np.ones(kept, np.int64)
        for i in range(n):
            y = y * factors[..., i]
            if i:
                y = multiply_fixed_64(y, m, shift).astype(np.int64)
        y = multiply_fixed_64(y, m, shift).astype(np.int64) + int(type_.quant.zero_point[0])
        if self.keep_dims:
            y = np.expand_dims(y, axes)
        return np.clip(y, *type_.dtype.range).astype(type_.dtype.numpy)

    def integer_steps(self, dtype: DType) -> float:
        return 64.0


class BooleanReduction(Reduction, abstract=True):
    """The reductions of truth values."""

    operands = (In("x", {DType.BOOL}), AXES)
    quantization = NotQuantized()
    versions = NO_VERSIONS


class ReduceAny(BooleanReduction, builtin="REDUCE_ANY", options="ReducerOptions"):
    """y = whether any element of x over the axes is true (of nothing: false).

    **Source:** TensorFlow Lite reduce.cc.
    """

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.asarray(x.any(axes, keepdims=self.keep_dims))


class ReduceAll(BooleanReduction, builtin="REDUCE_ALL", options="ReducerOptions"):
    """y = whether all elements of x over the axes are true (of nothing: true).

    **Source:** TensorFlow Lite reduce.cc.
    """

    def _reduce(self, x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.asarray(x.all(axes, keepdims=self.keep_dims))
