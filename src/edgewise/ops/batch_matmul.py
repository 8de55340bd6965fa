"""BATCH_MATMUL: products of matrices along leading batch dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import Arithmetic, FreeScale, In, Op, Operand, Out, Quantized, require
from edgewise.ir.types import TensorType
from edgewise.ops.requant import multiplier, multiply_fixed, wrap_int32
from edgewise.ops.scaled import accumulate_zero, scale_accumulator

ARITHMETIC = {DType.INT8: Arithmetic.F32, DType.INT16: Arithmetic.LITERT_16X8}


class BatchMatMul(Op, builtin="BATCH_MATMUL", options="BatchMatMulOptions"):
    """z[..., m, n] = sum_k x[..., m, k] * y[..., k, n].

    Shapes: x [..., M, K] ([..., K, M] with `adj_x`), y [..., K, N] ([..., N, K] with `adj_y`),
    z [..., M, N]; the leading dimensions broadcast. There is no bias and no activation.

    Quantized: int8 x int8 with arithmetic F32 where y's zero point is 0, else with LiteRT's
    32-bit multiplier (the delegate takes only the former); int16 x int16 and int16 x int8 with
    int64 accumulators. Hybrid (float x, int8 y): float arithmetic on the dequantized y;
    `asymmetric_quantize_inputs` tells kernels that quantize x on the fly to use a zero point.
    **Source:** TensorFlow Lite batch_matmul.cc; measured against LiteRT 2.3.
    """

    adj_x: bool = False
    adj_y: bool = False
    asymmetric_quantize_inputs: bool = False

    operands = (
        In("x", FLOATS | {DType.INT8, DType.INT16}),
        In("y", FLOATS | {DType.INT8, DType.INT16}),
    )
    results = (Out("z"),)
    arithmetic = ARITHMETIC
    quantization = FreeScale()
    tolerance = 1e-5

    def infer(self, x: Operand, y: Operand) -> Shape:
        for name, operand in (("x", x), ("y", y)):
            rank = len(operand.shape)
            require(rank >= 2, f"{name} must be of rank 2 or more; got rank {rank}")
        m, k = _swapped(x.shape[-2:], self.adj_x)
        k_of_y, n = _swapped(y.shape[-2:], self.adj_y)
        require(
            same_dim(k, k_of_y) is not False,
            f"x and y must agree in the dimension summed over; got {k} and {k_of_y}. "
            "Check adj_x= and adj_y=",
        )
        return *broadcast_batch(x.shape[:-2], y.shape[:-2]), m, n

    def reference(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return self._accumulate(x, y.astype(x.dtype))

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, y = operands
        assert x is not None
        assert y is not None
        acc = self._accumulate(accumulate_zero(x), accumulate_zero(y))
        type_ = results[0]
        if type_.dtype is not DType.INT8 or not y.zero_point:
            return scale_accumulator(acc, x, y, None, type_, Activation.NONE)
        assert type_.quant is not None
        real = float(x.scale) * float(y.scale) / float(type_.quant.scale[0])
        z = multiply_fixed(wrap_int32(acc), *multiplier(real)).astype(np.int64)
        return np.clip(z + int(type_.quant.zero_point[0]), -128, 127).astype(np.int8)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, y = operands
        assert x is not None
        assert y is not None
        hybrid = x.dtype is DType.FLOAT32 and y.dtype is DType.INT8
        if hybrid and self.asymmetric_quantize_inputs:
            return 4
        return {DType.INT16: 3, DType.INT8: 2}.get(x.dtype, 1)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        x = operands[0]
        assert x is not None
        return elements(results[0]) * x[-2 if self.adj_x else -1]

    def _accumulate(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x = x.swapaxes(-1, -2) if self.adj_x else x
        return x @ (y.swapaxes(-1, -2) if self.adj_y else y)


def _swapped(pair: Shape, swap: bool) -> tuple[Dim, Dim]:
    first, second = pair
    return (second, first) if swap else (first, second)


def broadcast_batch(a: Shape, b: Shape) -> Shape:
    """The batch dimensions of the result."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    dims: list[Dim] = []
    for p, q in zip(a, b, strict=True):
        fits = p == 1 or q == 1 or same_dim(p, q) is not False
        require(fits, f"batch dimensions must be equal or 1; got {p} and {q}")
        dims.append(q if p == 1 or (isinstance(q, int) and q != 1) else p)
    return tuple(dims)
