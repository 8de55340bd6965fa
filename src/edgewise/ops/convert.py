"""Changes of element type: QUANTIZE, DEQUANTIZE, CAST, and FAKE_QUANT, which only pretends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgewise.dtypes import FLOATS, INDICES, QUANTIZED, DType
from edgewise.errors import QuantizationError
from edgewise.ir.dim import Shape
from edgewise.ir.op import (
    ANY_AXIS,
    Arithmetic,
    FreeScale,
    In,
    NotQuantized,
    Op,
    Operand,
    Out,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops.requant import multiplier, multiply_fixed

Array = np.ndarray

# Source: op_version.cc, LiteRT 2.3; the first row whose dtypes occur decides.
_CAST_VERSIONS = (
    (7, {DType.BFLOAT16}),
    (6, {DType.INT4}),
    (5, {DType.FLOAT64, DType.FLOAT16}),
    (4, {DType.UINT16}),
    (3, {DType.INT8}),
    (2, {DType.UINT32}),
)
STORED = QUANTIZED | INDICES | {DType.INT4, DType.UINT4, DType.INT2}


class Quantize(Op, builtin="QUANTIZE", options="QuantizeOptions"):
    """y = round(x / s_y) + z_y, saturated; integers are requantized: (q - z_x) * s_x / s_y + z_y.

    Any shape; the result's dtype and scale are declared by whoever makes the node; scales may be
    per channel. From floats: float32(x) * float32(1 / s_y), half to even (LiteRT's default). From
    integers: a 32-bit multiplier, halves away from zero, as LiteRT (whose default differs by one
    step in 3 to 4 % of the values between 8-bit tensors of one type).
    **Source:** TensorFlow Lite quantize.cc, reference requantize.h; XNNPACK vcvt; LiteRT 2.3.
    """

    operands = (In("x", FLOATS | STORED, channel_axis=ANY_AXIS),)
    results = (Out("y", free=True),)
    quantization = FreeScale()
    arithmetic = Arithmetic.FIXED
    needs_types = True  # int32 to int32 is no copy

    def infer(self, x: Operand) -> Shape:
        return x.shape

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x, result = operands[0], results[0]
        assert x is not None
        if x.quant is None and result.dtype.is_float:
            return x.data
        if result.quant is None:
            raise QuantizationError(f"the result must have a scale; got {result} without one")
        low, high = result.dtype.range
        scale, point = result.quant.broadcast(x.data.shape)
        if x.quant is None:
            steps = x.data.astype(np.float32) * (np.float32(1) / scale)
            y = _round(steps, point, low, high)
            return y.astype(result.dtype.numpy)
        s_x, z_x = x.quant.broadcast(x.data.shape)
        centred = x.data.astype(np.int64) - z_x
        ratio = np.asarray(s_x.astype(np.float64) / scale.astype(np.float64))
        pairs = np.array([multiplier(float(r)) for r in ratio.reshape(-1)], np.int64)
        m, shift = (pairs[:, k].reshape(ratio.shape) for k in (0, 1))
        y = np.clip(multiply_fixed(centred, m, shift).astype(np.int64) + point, low, high)
        return y.astype(result.dtype.numpy)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, result = operands[0], results[0]
        types = {result.dtype, x.dtype if x is not None else None}
        if DType.INT4 in types:
            return 4
        if result.quant is not None and result.quant.per_channel:
            return 3
        return 2 if result.dtype is DType.INT16 else 1


class Dequantize(Op, builtin="DEQUANTIZE", options="DequantizeOptions"):
    """y = s_x * (q - z_x), or a float16 as float32. Any shape; scales may be per channel.

    **Source:** TensorFlow Lite reference dequantize.h, LiteRT 2.3.
    """

    operands = (In("x", FLOATS | STORED, channel_axis=ANY_AXIS),)
    results = (Out("y", dtype=DType.FLOAT32),)
    quantization = FreeScale()
    arithmetic = Arithmetic.FLOAT
    versions = {DType.INT4: 6, DType.INT16: 3, DType.FLOAT16: 3, DType.INT8: 2}

    def infer(self, x: Operand) -> Shape:
        require(
            x.dtype.is_float or x.quant is not None,
            f"x must have a scale; got {x.dtype.text} without one",
        )
        return x.shape

    def reference(self, x: Array) -> Array:
        return x if x.dtype == np.float64 else x.astype(np.float32)

    def integer(self, operands: Sequence[Quantized | None], results: Sequence[TensorType]) -> Array:
        x = operands[0]
        assert x is not None
        assert x.quant is not None
        return x.quant.dequantize(x.data)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x = operands[0]
        if x is not None and x.dtype is DType.INT8 and x.quant is not None and x.quant.per_channel:
            return 5
        return super().version(operands, results)


class Cast(Op, builtin="CAST", options="CastOptions"):
    """y = x in another dtype. Any shape and dtypes.

    From float to integer: truncated and saturated, NaN gives 0 (in C this is undefined; LiteRT
    saturates int32, int16 and uint8 only). Integers wrap; bool is x != 0; complex numbers lose
    their imaginary part. Scales are not looked at. LiteRT goes by the tensors' dtypes and ignores
    the attributes; so does inference where the result's dtype is declared.
    **Source:** TensorFlow Lite cast.cc, LiteRT 2.3.
    """

    in_data_type: DType = DType.FLOAT32
    out_data_type: DType = DType.FLOAT32

    operands = (In("x", role=Role.PARAMETER),)
    results = (Out("y", attr="out_data_type", free=True),)
    quantization = NotQuantized()

    def infer(self, x: Operand) -> Shape:
        require(
            DType.STRING not in (x.dtype, self.out_data_type),
            "x and y must be numbers or bool; got string",
        )
        return x.shape

    def contents(self, operands: Sequence[Any], known: Sequence[Array | None]) -> Array | None:
        return known[0] if self.out_data_type.is_integer else None

    def reference(self, x: Array) -> Array:
        target = self.out_data_type
        if x.dtype.kind == "c" and not target.name.startswith("COMPLEX"):
            x = x.real
        if target is DType.BOOL:
            return x != 0
        if target.is_integer and DType.of(x.dtype).is_float:
            return _saturated(x, target)
        return x.astype(target.numpy)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        first = operands[0]
        types = {results[0].dtype, first.dtype if first is not None else None}
        found = [version for version, needed in _CAST_VERSIONS if types & needed]
        return found[0] if found else 1


class FakeQuant(Op, builtin="FAKE_QUANT", options="FakeQuantOptions"):
    """y = x rounded to the grid that quantization to [min, max] with num_bits would have.

    The range is moved so that 0 lies on the grid. Any shape; floats.
    **Source:** NudgeQuantizationRange and FakeQuantizeArray in TensorFlow Lite's
    quantization_util.cc, LiteRT 2.3.
    """

    min: float = 0.0
    max: float = 0.0
    num_bits: int = 0
    narrow_range: bool = False

    operands = (In("x", FLOATS),)
    quantization = NotQuantized()
    tolerance = 1e-6

    def infer(self, x: Operand) -> Shape:
        require(2 <= self.num_bits <= 16, f"num_bits must be in [2, 16]; got {self.num_bits}")
        require(
            self.min <= 0 <= self.max and self.min < self.max,
            f"min <= 0 <= max must hold and min < max; got {self.min} and {self.max}",
        )
        return x.shape

    def reference(self, x: Array) -> Array:
        f = np.result_type(x.dtype, np.float32).type  # no grid is fine enough for 16-bit floats
        low, high = f(int(self.narrow_range)), f((1 << self.num_bits) - 1)
        scale = (f(self.max) - f(self.min)) / (high - low)
        point = np.clip(np.floor(low - f(self.min) / scale + f(0.5)), low, high)
        bottom, top = (low - point) * scale, (high - point) * scale
        steps = (np.clip(x, bottom, top) - bottom) * (f(1) / scale)
        return (np.floor(steps + f(0.5)) * scale + bottom).astype(x.dtype)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        return 2 if self.narrow_range else 1


def _round(steps: Array, point: Array, low: int, high: int) -> Array:
    """Half to even, saturated, NaN as the smallest; `point` broadcasts."""
    bottom = (low - point).astype(np.float32)
    clamped = np.clip(np.where(np.isnan(steps), bottom, steps), bottom, high - point)
    return np.clip(np.rint(clamped).astype(np.int64) + point, low, high)


def _saturated(x: Array, target: DType) -> Array:
    """Floats to integers: truncated, clamped, NaN as 0."""
    low, high = target.range
    wide = np.where(np.isnan(x), 0, x).astype(np.float64)
    above, below = wide >= high, wide <= low  # float64 may round the bounds; take them exactly
    inside = np.where(above | below, 0, np.trunc(wide)).astype(np.uint64 if low == 0 else np.int64)
    y = np.where(above, np.array(high, inside.dtype), inside)
    return np.where(below, np.array(low, inside.dtype), y).astype(target.numpy)
