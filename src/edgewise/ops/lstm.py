"""LSTM layers: UNIDIRECTIONAL_SEQUENCE_LSTM (whole sequences) and LSTM (one time step)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation, LSTMKernelType
from edgewise.ir.op import (
    Arithmetic,
    FreeScale,
    In,
    IntegerForm,
    Op,
    Operand,
    Out,
    Quantized,
    Role,
    require,
)
from edgewise.ir.types import Quant, TensorType
from edgewise.ops import lstm_integer
from edgewise.ops.lstm_cell import Cell, run_cell, sigmoid
from edgewise.ops.lstm_form import INSIDE, integer_operands, seen_inside
from edgewise.ops.lstm_integer import run_cell_integer
from edgewise.ops.lstm_operands import (
    BIASES,
    CELL_STATE,
    OPERANDS,
    OUTPUT_STATE,
    VECTORS,
    check_cell,
    float_cell,
)
from edgewise.ops.requant import activate, check_activation

ARITHMETIC = {DType.INT8: Arithmetic.FIXED}


class FullLSTM(Op, abstract=True):
    """What the full LSTM kernels share: 24 operands, the checks, and one cell.

    `intermediate_scales` and `intermediate_zero_points` are those of the file's intermediate
    tensors (empty in float models): four gates before layer normalisation, and the hidden value
    before projection.
    """

    fused_activation_function: Activation = Activation.NONE
    cell_clip: float = 0.0
    proj_clip: float = 0.0
    asymmetric_quantize_inputs: bool = False
    intermediate_scales: tuple[float, ...] = ()
    intermediate_zero_points: tuple[int, ...] = ()

    operands = OPERANDS
    results = (Out("y"),)
    updates = ("output_state", "cell_state")
    arithmetic = ARITHMETIC
    quantization = FreeScale()
    inside = INSIDE
    tolerance = 1e-5

    def seen_inside(self, operands: Sequence[np.ndarray | None]) -> Mapping[str, np.ndarray]:
        x, h, c = operands[0], operands[OUTPUT_STATE], operands[CELL_STATE]
        assert x is not None
        assert h is not None
        assert c is not None
        return seen_inside(self._float_cell(operands), self._time_first(x), h, c)

    def integer_form(
        self, quants: Mapping[str, Quant], operands: Sequence[Operand | None]
    ) -> tuple[Self, IntegerForm] | None:
        form, between = integer_operands(quants, operands)
        scales = tuple(float(q.scale.flat[0]) for q in between)
        points = tuple(int(q.zero_point.flat[0]) for q in between)
        return self.replace(intermediate_scales=scales, intermediate_zero_points=points), form

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        per_step: Dim = 0
        basic = len(operands) == 5  # one matrix for all gates
        for shape in operands[2:3] if basic else (*operands[1:9], operands[16]):
            per_step = per_step + (0 if shape is None else elements(shape))
        return elements(results[0][:-1]) * per_step

    def _check(self, batch: Dim, *operands: Operand | None) -> Dim:
        """Attributes and the 24 operands; the number of outputs."""
        check_activation(self.fused_activation_function)
        require(
            self.cell_clip >= 0 and self.proj_clip >= 0,
            f"cell_clip and proj_clip must be at least 0; got {self.cell_clip}, {self.proj_clip}",
        )
        x = operands[0]
        assert x is not None
        outputs = check_cell(batch, operands)
        if x.quant is not None:
            scales = self.intermediate_scales
            require(
                len(scales) == len(self.intermediate_zero_points) == 5 and min(scales) > 0,
                f"a quantized LSTM needs 5 positive intermediate scales; got {list(scales)}",
            )
            plain = [
                OPERANDS[i].name
                for i, o in enumerate(operands)
                if o is not None and o.quant is None and OPERANDS[i].role is not Role.BIAS
            ]
            require(not plain, f"operands must have scales like x; {', '.join(plain)} have none")
        return outputs

    def _run(
        self, x: np.ndarray, operands: Sequence[np.ndarray | None]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x [T, B, I] and the 24 operands to (y [T, B, O], output state, cell state)."""
        h, c = operands[OUTPUT_STATE], operands[CELL_STATE]
        assert h is not None
        assert c is not None
        return run_cell(self._float_cell(operands), x, h.astype(x.dtype), c.astype(x.dtype))

    def _float_cell(self, operands: Sequence[np.ndarray | None]) -> Cell:
        act = self.fused_activation_function
        return float_cell(operands, act, self.cell_clip, self.proj_clip)

    def _time_first(self, x: np.ndarray) -> np.ndarray:
        """x as [T, B, I]."""
        raise NotImplementedError

    def _run_integer(
        self, x: np.ndarray, operands: Sequence[Quantized | None], result: TensorType
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        h, c = operands[OUTPUT_STATE], operands[CELL_STATE]
        assert h is not None
        assert c is not None
        return run_cell_integer(self.integer_cell(operands, result), x, h.data, c.data)

    def integer_cell(
        self, operands: Sequence[Quantized | None], result: TensorType
    ) -> lstm_integer.Cell:
        """The cell of quantized operands."""
        return lstm_integer.integer_cell(
            operands,
            result,
            self.intermediate_scales,
            self.intermediate_zero_points,
            self.cell_clip,
            self.proj_clip,
        )


class UnidirectionalSequenceLSTM(
    FullLSTM,
    builtin="UNIDIRECTIONAL_SEQUENCE_LSTM",
    options="UnidirectionalSequenceLSTMOptions",
):
    """An LSTM layer over a sequence; the state carries over to the next call.

    gate = sigmoid(W x + R h + P c + b); c = clip(f*c + i*act(W x + R h + b));
    h = o * act(c), then projected and clipped. Optional: peepholes P, coupled input and forget
    gates (no input gate: i = 1 - f), projection, layer normalisation of the gates, diagonal R.

    Shapes: x [B, T, I] ([T, B, I] with `time_major`), weights [C, I] and [C, O], y [B, T, O],
    output_state [B, O], cell_state [B, C].

    Quantized (int8 x and weights, int16 cell state at a power of two): LiteRT's fully integer
    kernel, see lstm_integer.py. Hybrid: float arithmetic on dequantized weights.
    **Source:** TensorFlow Lite unidirectional_sequence_lstm.cc, lstm_eval.cc.
    """

    time_major: bool = False
    diagonal_recurrent_tensors: bool = False

    def infer(self, x: Operand, *rest: Operand | None) -> Shape:
        require(len(x.shape) == 3, f"x must be [B, T, I]; got rank {len(x.shape)}")
        return *x.shape[:2], self._check(x.shape[1 if self.time_major else 0], x, *rest)

    def reference(self, *operands: np.ndarray | None) -> tuple[np.ndarray, ...]:
        x = operands[0]
        assert x is not None
        y, h, c = self._run(self._time_first(x), operands)
        return self._time_first(y), h, c

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> tuple[np.ndarray, ...]:
        assert operands[0] is not None
        y, h, c = self._run_integer(self._time_first(operands[0].data), operands, results[0])
        return self._time_first(y), h, c

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        x, w = operands[0], operands[2]
        assert x is not None
        assert w is not None
        if self.diagonal_recurrent_tensors:
            return 4
        if x.dtype is DType.FLOAT32 and w.dtype is DType.INT8:
            return 3 if self.asymmetric_quantize_inputs else 2
        return 1

    def _time_first(self, x: np.ndarray) -> np.ndarray:
        return x if self.time_major else x.swapaxes(0, 1)


class LSTM(FullLSTM, builtin="LSTM", options="LSTMOptions"):
    """One step of an LSTM cell.

    FULL kernel: operands and arithmetic of UNIDIRECTIONAL_SEQUENCE_LSTM with x [B, I], y [B, O].
    BASIC kernel (TensorFlow's BasicLSTMCell, float): operands x [B, I], previous activation
    [B, C], weights [4*C, I+C], biases [4*C], previous state [B, C]; results activation [B, C],
    state [B, C], the concatenated input [B, I+C] and the gates before activation [B, 4*C]
    in the order input, new input, forget, output.
    **Source:** TensorFlow Lite lstm.cc, lstm_eval.cc; reference_ops lstm_cell.h.
    """

    kernel_type: LSTMKernelType = LSTMKernelType.FULL

    operands = tuple(
        In(i.name, VECTORS | BIASES, i.role, optional=index > 0) for index, i in enumerate(OPERANDS)
    )
    results = (Out("y", variadic=True),)

    def infer(self, x: Operand, *rest: Operand | None) -> Shape | tuple[Shape, ...]:
        require(len(x.shape) == 2, f"x must be [B, I]; got rank {len(x.shape)}")
        if self.kernel_type is LSTMKernelType.BASIC:
            return self._infer_basic(x, *rest[:4])
        for declared, operand in zip(OPERANDS[1:], rest, strict=True):
            require(
                declared.optional or operand is not None, f"operand {declared.name!r} is missing"
            )
        return x.shape[0], self._check(x.shape[0], x, *rest)

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        if self.kernel_type is LSTMKernelType.FULL:
            return super().macs(operands, results)
        weights = operands[2]
        assert weights is not None
        return results[0][0] * elements(weights)

    def result_count(self) -> int:
        """1, or the 4 of the BASIC kernel."""
        return 4 if self.kernel_type is LSTMKernelType.BASIC else 1

    def reference(self, *operands: np.ndarray | None) -> tuple[np.ndarray, ...]:
        x = operands[0]
        assert x is not None
        if self.kernel_type is LSTMKernelType.BASIC:
            return self._basic(x, *operands[1:5])
        y, h, c = self._run(self._time_first(x), operands)
        return y[0], h, c

    def integer(
        self, operands: Sequence[Quantized | None], results: Sequence[TensorType]
    ) -> tuple[np.ndarray, ...]:
        assert operands[0] is not None
        y, h, c = self._run_integer(self._time_first(operands[0].data), operands, results[0])
        return y[0], h, c

    def seen_inside(self, operands: Sequence[np.ndarray | None]) -> Mapping[str, np.ndarray]:
        return {} if self.kernel_type is LSTMKernelType.BASIC else super().seen_inside(operands)

    def integer_form(
        self, quants: Mapping[str, Quant], operands: Sequence[Operand | None]
    ) -> tuple[Self, IntegerForm] | None:
        is_basic = self.kernel_type is LSTMKernelType.BASIC
        return None if is_basic else super().integer_form(quants, operands)

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        if self.kernel_type is LSTMKernelType.BASIC:
            return 2
        x, w = operands[0], operands[2]
        assert x is not None
        assert w is not None
        if x.dtype is DType.FLOAT32 and w.dtype is DType.INT8:
            return 4 if self.asymmetric_quantize_inputs else 3
        return 1

    def _time_first(self, x: np.ndarray) -> np.ndarray:
        return x[None]

    def _infer_basic(self, x: Operand, *rest: Operand | None) -> tuple[Shape, ...]:
        require(
            all(o is not None and o.dtype is x.dtype and x.dtype in FLOATS for o in rest),
            "the BASIC kernel takes 5 float operands (x, activation, weights, biases, state)",
        )
        h, w, bias, c = rest
        assert h is not None
        assert w is not None
        assert bias is not None
        assert c is not None
        require(len(h.shape) == 2, f"activation must be [B, C]; got rank {len(h.shape)}")
        batch, size = x.shape
        cells = h.shape[1]
        wanted: tuple[Shape, ...] = (
            (batch, cells),
            (cells * 4, size + cells),
            (cells * 4,),
            (batch, cells),
        )
        for name, operand, shape in zip(
            ("activation", "weights", "biases", "state"), (h, w, bias, c), wanted, strict=True
        ):
            fits = len(operand.shape) == len(shape) and all(
                same_dim(a, b) is not False for a, b in zip(operand.shape, shape, strict=True)
            )
            require(fits, f"{name} must be {list(shape)}; got {list(operand.shape)}")
        return (batch, cells), (batch, cells), (batch, size + cells), (batch, cells * 4)

    def _basic(self, x: np.ndarray, *rest: np.ndarray | None) -> tuple[np.ndarray, ...]:
        h, w, bias, c = (np.asarray(a, x.dtype) for a in rest)
        joined = np.concatenate([x, h], -1)
        gates = joined @ w.T + bias
        i, z, f, o = np.split(gates, 4, -1)
        state = sigmoid(i) * activate(z, Activation.TANH) + sigmoid(f) * c
        return sigmoid(o) * np.tanh(state), state, joined, gates
