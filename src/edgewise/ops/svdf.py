"""SVDF: a fully connected layer over time, factored into features and time weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    IntegerForm,
    Op,
    Operand,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.requant import (
    activate,
    check_activation,
    multiplier,
    multiply_fixed,
    symmetric,
    wrap_int32,
)

ARITHMETIC = {DType.INT8: Arithmetic.FIXED}

_SUM = float(1 << 30)  # of products; the rest is for a bias


class SVDF(Op, builtin="SVDF", options="SVDFOptions"):
    """y[b,u] = act(bias[u] + sum_{r,m} state[b, u*R + r, m] * weights_time[u*R + r, m]).

    The state is a memory of M feature values per filter: each call drops the oldest and appends
    x @ weights_feature transposed. Shapes: x [B, I], weights_feature [F, I], weights_time [F, M],
    bias [U] with U = F / R, R the attribute `rank`, state [B, F * M] (a variable), y [B, U].

    Quantized: int8 x, weights_feature and y, int16 weights_time and state (zero points 0), int32
    bias at the scale of state times weights_time; two 32-bit multipliers. As in LiteRT (which
    demands RELU) the fused activation is not applied then: the output's range expresses it.
    Hybrid: float arithmetic on dequantized weights.
    **Source:** TensorFlow Lite svdf.cc and reference svdf.h.
    """

    rank: int = 1
    fused_activation_function: Activation = Activation.NONE
    asymmetric_quantize_inputs: bool = False

    operands = (
        In("x", FLOATS | {DType.INT8}),
        In("weights_feature", FLOATS | {DType.INT8, DType.UINT8}, Role.WEIGHT),
        In("weights_time", FLOATS | {DType.INT8, DType.INT16, DType.UINT8}, Role.WEIGHT),
        In("bias", FLOATS | {DType.INT32}, Role.BIAS, optional=True),
        In("state", FLOATS | {DType.INT16}, Role.STATE),
    )
    updates = ("state",)
    arithmetic = ARITHMETIC
    quantization = FreeScale()
    inside = {"state": DType.INT16}
    tolerance = 1e-5

    def infer(
        self, x: Operand, feature: Operand, time: Operand, bias: Operand | None, state: Operand
    ) -> Shape:
        check_activation(self.fused_activation_function)
        require(len(x.shape) == 2, f"x must be [B, I]; got {list(x.shape)}")
        for name, weights in (("weights_feature", feature), ("weights_time", time)):
            require(len(weights.shape) == 2, f"{name} must have rank 2; got {list(weights.shape)}")
        filters, memory = time.shape
        require(
            same_dim(feature.shape[1], x.shape[1]) is not False
            and same_dim(feature.shape[0], filters) is not False,
            f"weights_feature must be [{filters}, {x.shape[1]}]; got {list(feature.shape)}",
        )
        require(self.rank >= 1, f"rank must be at least 1; got {self.rank}")
        require(
            not isinstance(filters, int) or filters % self.rank == 0,
            f"the number of filters must be a multiple of rank; got {filters} and {self.rank}",
        )
        units = filters // self.rank
        require(
            bias is None or same_dim(elements(bias.shape), units) is not False,
            f"bias must be [{units}]; got {None if bias is None else list(bias.shape)}",
        )
        wanted = (x.shape[0], filters * memory)
        require(
            len(state.shape) == 2
            and all(same_dim(a, b) is not False for a, b in zip(state.shape, wanted, strict=True)),
            f"state must be {list(wanted)}; got {list(state.shape)}",
        )
        return x.shape[0], units

    def reference(
        self,
        x: np.ndarray,
        feature: np.ndarray,
        time: np.ndarray,
        bias: np.ndarray | None,
        state: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        newest = x @ feature.T.astype(x.dtype)
        memory = self._remember(state.astype(x.dtype), newest, time.shape[1])
        y = self._units((memory * time.astype(x.dtype)).sum(-1))
        y = y if bias is None else y + bias.astype(x.dtype)
        return activate(y, self.fused_activation_function), memory.reshape(state.shape)

    def seen_inside(self, operands: Sequence[np.ndarray | None]) -> Mapping[str, np.ndarray]:
        x, feature, state = operands[0], operands[1], operands[4]
        assert x is not None
        assert feature is not None
        assert state is not None
        return {"state": np.concatenate([(x @ feature.T).reshape(-1), state.reshape(-1)])}

    def integer_form(
        self, quants: Mapping[str, Quant], operands: Sequence[Operand | None]
    ) -> tuple[Self, IntegerForm] | None:
        feature, time, bias = operands[1:4]
        assert feature is not None
        assert feature.data is not None
        assert time is not None
        assert time.data is not None
        by_time, state = self._time_scale(time.data), quants["state"]
        form = {1: (DType.INT8, symmetric(feature.data, DType.INT8)), 2: (DType.INT16, by_time)}
        form[4] = (DType.INT16, state)
        if bias is not None:
            products = float(state.scale.flat[0]) * float(by_time.scale.flat[0])
            form[3] = (DType.INT32, Quant(products, 0))
        return self, form

    def _time_scale(self, time: np.ndarray) -> Quant:
        """The scale of weights_time: as fine as the 32-bit sums of products with a full memory bear
        (TensorFlow's quantizer lets them wrap)."""
        reach = float(self._units(np.abs(time.astype(np.float64)).sum(-1)[None]).max(initial=0))
        own = float(symmetric(time, DType.INT16).scale.flat[0])
        return Quant(max(own, reach * DType.INT16.range[1] / _SUM), 0)

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> tuple[np.ndarray, np.ndarray]:
        x, feature, time, bias, state = operands
        assert x is not None
        assert feature is not None
        assert time is not None
        assert state is not None
        assert results[0].quant is not None
        acc = (x.data.astype(np.int64) - x.zero_point) @ feature.data.T.astype(np.int64)
        first = float(x.scale) * float(feature.scale) / float(state.scale)
        newest = np.clip(multiply_fixed(wrap_int32(acc), *multiplier(first)), -32768, 32767)
        memory = self._remember(state.data, newest.astype(np.int16), time.data.shape[1])
        total = self._units((memory.astype(np.int64) * time.data).sum(-1))
        total = total if bias is None else total + bias.data
        second = float(state.scale) * float(time.scale) / float(results[0].quant.scale[0])
        y = multiply_fixed(wrap_int32(total), *multiplier(second)).astype(np.int64)
        y = np.clip(y + int(results[0].quant.zero_point[0]), -128, 127)
        return y.astype(np.int8), memory.reshape(state.data.shape)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, feature = operands[:2]
        assert x is not None
        assert feature is not None
        if x.dtype is DType.INT8:
            return 3
        if feature.dtype is DType.INT8:
            return 4 if self.asymmetric_quantize_inputs else 2
        return 1

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        x, feature, time = operands[:3]
        assert x is not None
        assert feature is not None
        assert time is not None
        return x[0] * (elements(feature) + elements(time))

    def _remember(self, state: np.ndarray, newest: np.ndarray, memory: int) -> np.ndarray:
        """The state [B, F, M] after this call."""
        old = state.reshape(*newest.shape, memory)
        return np.concatenate([old[..., 1:], newest[..., None]], -1)

    def _units(self, filters: np.ndarray) -> np.ndarray:
        """Sums over the rank: [B, F] to [B, U]."""
        return np.asarray(filters.reshape(filters.shape[0], -1, self.rank).sum(-1))
