"""Simple recurrent layers: RNN (one step), UNIDIRECTIONAL_SEQUENCE_RNN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import Arithmetic, In, NotQuantized, Op, Operand, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.requant import activate, check_activation

WEIGHTS = FLOATS | {DType.INT8, DType.UINT8}


class Recurrent(Op, abstract=True):
    """What the simple recurrent layers share: y = h = act(W x + R h + b), the state carries over.

    Float, or hybrid (float arithmetic on dequantized int8 weights).
    """

    fused_activation_function: Activation = Activation.NONE
    asymmetric_quantize_inputs: bool = False

    operands = (
        In("x", FLOATS),
        In("weights", WEIGHTS, Role.WEIGHT),
        In("recurrent_weights", WEIGHTS, Role.WEIGHT),
        In("bias", FLOATS, Role.BIAS),
        In("hidden_state", FLOATS, Role.STATE),
    )
    updates = ("hidden_state",)
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()
    tolerance = 1e-5

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        w = operands[1]
        assert w is not None
        if w.dtype is not DType.INT8:
            return 1
        return 3 if self.asymmetric_quantize_inputs else 2

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        w, recurrent = operands[1:3]
        assert w is not None
        assert recurrent is not None
        return elements(results[0][:-1]) * (elements(w) + elements(recurrent))

    def _units(self, batch: Dim, size: Dim, operands: Sequence[Operand]) -> Dim:
        """The number of units, after checking all shapes."""
        check_activation(self.fused_activation_function)
        w, recurrent, bias, state = operands
        require(len(w.shape) == 2, f"weights must be [units, input]; got {list(w.shape)}")
        units = w.shape[0]
        wanted: tuple[Shape, ...] = ((units, size), (units, units), (units,), (batch, units))
        for declared, operand, shape in zip(
            self.operands[1:], (w, recurrent, bias, state), wanted, strict=True
        ):
            fits = len(operand.shape) == len(shape) and all(
                same_dim(a, b) is not False for a, b in zip(operand.shape, shape, strict=True)
            )
            require(fits, f"{declared.name} must be {list(shape)}; got {list(operand.shape)}")
        return units

    def _run(
        self, x: np.ndarray, w: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, h: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """x [T, B, I] to (y [T, B, U], state)."""
        inputs = x @ w.T.astype(x.dtype) + bias.astype(x.dtype)
        r = recurrent.T.astype(x.dtype)
        h = h.astype(x.dtype)
        y = np.empty_like(inputs)
        for t in range(x.shape[0]):
            h = activate(inputs[t] + h @ r, self.fused_activation_function)
            y[t] = h
        return y, h


class RNN(Recurrent, builtin="RNN", options="RNNOptions"):
    """y = h = act(W x + R h + b), one step.

    Shapes: x [B, I], weights [U, I], recurrent_weights [U, U], bias [U], hidden_state and y
    [B, U].
    **Source:** TensorFlow Lite basic_rnn.cc.
    """

    def infer(self, x: Operand, *rest: Operand) -> Shape:
        require(len(x.shape) == 2, f"x must be [B, I]; got rank {len(x.shape)}")
        return x.shape[0], self._units(x.shape[0], x.shape[1], rest)

    def reference(self, x: np.ndarray, *rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, h = self._run(x[None], *rest)
        return y[0], h


class UnidirectionalSequenceRNN(
    Recurrent, builtin="UNIDIRECTIONAL_SEQUENCE_RNN", options="SequenceRNNOptions"
):
    """y_t = h_t = act(W x_t + R h_{t-1} + b) over a sequence.

    Shapes: x [B, T, I] ([T, B, I] with `time_major`), weights [U, I], recurrent_weights [U, U],
    bias [U], hidden_state [B, U], y [B, T, U].
    **Source:** TensorFlow Lite unidirectional_sequence_rnn.cc.
    """

    time_major: bool = False

    def infer(self, x: Operand, *rest: Operand) -> Shape:
        require(len(x.shape) == 3, f"x must be [B, T, I]; got rank {len(x.shape)}")
        batch = x.shape[1 if self.time_major else 0]
        return *x.shape[:2], self._units(batch, x.shape[2], rest)

    def reference(self, x: np.ndarray, *rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, h = self._run(x if self.time_major else x.swapaxes(0, 1), *rest)
        return (y if self.time_major else y.swapaxes(0, 1)), h
