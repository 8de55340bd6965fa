"""FULLY_CONNECTED: the dense layer, float, hybrid and quantized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, QUANTIZED, DType
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation, FullyConnectedWeightsFormat
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    Op,
    Operand,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import TensorType
from edgewise.ops.requant import activate, activation_range, check_activation, round_away
from edgewise.ops.scaled import accumulate_zero, scale_accumulator

INT4 = DType.INT4
ARITHMETIC = {
    DType.INT8: Arithmetic.F32,
    DType.UINT8: Arithmetic.F32,
    DType.INT16: Arithmetic.FLOAT,
}


class FullyConnected(Op, builtin="FULLY_CONNECTED", options="FullyConnectedOptions"):
    """y[m,o] = act(bias[o] + sum_k x[m,k] * w[o,k]).

    Shapes: x of any rank, read as [M, K] (M = elements / K); w [O, K]; bias [O] (optional);
    y [M, O], or x's shape with the last dimension replaced by O with `keep_num_dims` (x's last
    dimension must then be K).

    Quantized: w int8 or int4, per tensor or per channel along O (zero point 0), or uint8 with a
    zero point; int8/uint8 activations use arithmetic F32. int16 activations (bias int64) are
    scaled in float64 and rounded half away from zero, unlike the convolutions:
    `round(acc * (s_x * s_w[o] / s_y))`. Hybrid (float x): the meaning is float arithmetic on the
    dequantized weights, which may also be quantized per block of K.
    `asymmetric_quantize_inputs` tells kernels that quantize x on the fly to use a zero point.
    The shuffled weight format (a layout of one old ARM kernel) is refused.
    **Source:** TensorFlow Lite fully_connected.cc; measured against LiteRT 2.3.
    """

    fused_activation_function: Activation = Activation.NONE
    weights_format: FullyConnectedWeightsFormat = FullyConnectedWeightsFormat.DEFAULT
    keep_num_dims: bool = False
    asymmetric_quantize_inputs: bool = False
    quantized_bias_type: DType = DType.FLOAT32
    quant_spec: tuple[int, ...] = ()

    operands = (
        In("x", FLOATS | QUANTIZED),
        In("w", FLOATS | {DType.INT8, DType.UINT8, INT4, DType.INT2}, Role.WEIGHT, channel_axis=0),
        In("bias", FLOATS | {DType.INT32, DType.INT64}, Role.BIAS, optional=True),
    )
    arithmetic = ARITHMETIC
    quantization = FreeScale()
    tolerance = 1e-5

    def infer(self, x: Operand, w: Operand, bias: Operand | None) -> Shape:
        require(
            self.weights_format is FullyConnectedWeightsFormat.DEFAULT,
            f"weights_format must be DEFAULT; got {self.weights_format.name}, which only one "
            "retired kernel reads. Convert the model again",
        )
        require(len(w.shape) == 2, f"w must be [O, K]; got rank {len(w.shape)}")
        check_activation(self.fused_activation_function)
        o, k = w.shape
        if bias is not None:
            require(
                same_dim(elements(bias.shape), o) is not False,
                f"bias must have {o} elements, one per row of w; got {list(bias.shape)}",
            )
        total = elements(x.shape)
        if self.keep_num_dims:
            require(len(x.shape) > 0, "keep_num_dims needs x of rank 1 or more; got a scalar")
            require(
                same_dim(x.shape[-1], k) is not False,
                f"the last dimension of x must be that of w; got {x.shape[-1]} and {k}",
            )
            return *x.shape[:-1], o
        require(isinstance(k, int) and k > 0, f"K, the columns of w, must be known; got {k}")
        assert isinstance(k, int)
        if isinstance(total, int):
            require(
                total % k == 0,
                f"x must have a multiple of {k} elements, the columns of w; got {total}",
            )
        elif same_dim(x.shape[-1], k):
            return elements(x.shape[:-1]), o
        return total // k, o

    def reference(self, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        y = self._accumulate(x, w.astype(x.dtype))
        return activate(
            y if bias is None else y + bias.reshape(-1).astype(x.dtype),
            self.fused_activation_function,
        )

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> np.ndarray:
        x, w, bias = operands
        assert x is not None
        assert w is not None
        acc = self._accumulate(accumulate_zero(x), accumulate_zero(w))
        act = self.fused_activation_function
        if results[0].dtype is not DType.INT16:
            return scale_accumulator(acc, x, w, bias, results[0], act)
        assert w.quant is not None
        assert results[0].quant is not None
        real = np.float64(x.scale) * w.quant.scale / np.float64(results[0].quant.scale[0])
        total = acc if bias is None else acc.astype(np.int64) + bias.data.reshape(-1)
        low, high = activation_range(act, results[0])
        return np.clip(round_away(total * real), low, high).astype(np.int16)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, w = operands[:2]
        assert x is not None
        assert w is not None
        has_bias = len(operands) > 2 and operands[2] is not None
        return self._version(x, w, has_bias)

    def _version(self, x: TensorType, w: TensorType, has_bias: bool) -> int:
        if x.dtype is DType.INT16:
            if w.dtype is INT4:
                return 13
            return 11 if self.quantized_bias_type is not DType.FLOAT32 else 7
        hybrid = x.dtype is DType.FLOAT32 and w.dtype is DType.INT8
        if hybrid and w.quant is not None and w.quant.per_channel:
            return 12
        found = 1
        if hybrid:
            found = 9 if self.asymmetric_quantize_inputs else 3
        elif x.dtype is DType.INT8:
            found = 10 if w.dtype is INT4 else 4
        return max(found, 6 if not has_bias else 5 if self.keep_num_dims else 1)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        w = operands[1]
        assert w is not None
        return elements(results[0]) * w[1]

    def _accumulate(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        """Sums of products [M, O], or with x's leading dimensions, in the dtype of `x`."""
        o, k = w.shape
        leading = x.shape[:-1] if self.keep_num_dims else (x.size // k,)
        return (x.reshape(-1, k) @ w.T).reshape(*leading, o)
