"""Recurrent layers in both directions of time: BIDIRECTIONAL_SEQUENCE_LSTM and ..._RNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.dim import Dim, Shape, elements, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import Arithmetic, In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ir.types import TensorType
from edgewise.ops.lstm_cell import run_cell
from edgewise.ops.lstm_operands import OPERANDS as CELL
from edgewise.ops.lstm_operands import WEIGHTS, check_cell, float_cell
from edgewise.ops.requant import activate, check_activation
from edgewise.values import replace

Array = np.ndarray
DIRECTIONS = ("fw", "bw")
T = TypeVar("T")


class Bidirectional(Op, abstract=True):
    """What both layers share: a forward and a backward cell over one sequence.

    x [T, B, I] with `time_major`, else [B, T, I]; one result per direction, or one with both
    joined along the last axis (`merge_outputs`). The optional auxiliary input is a second input
    of both cells where there are auxiliary weights, else the input of the backward cell.
    Float, or hybrid (float arithmetic on dequantized weights).
    """

    time_major: bool = False
    fused_activation_function: Activation = Activation.NONE
    merge_outputs: bool = False
    asymmetric_quantize_inputs: bool = False

    results = (Out("fw_output"), Out("bw_output"))
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()
    tolerance = 1e-5
    needs_all_operands = True

    def result_count(self) -> int:
        """1 with `merge_outputs`, else 2."""
        return 1 if self.merge_outputs else 2

    def version(self, operands: Sequence[TensorType | None], results: Sequence[TensorType]) -> int:
        if not any(t is not None and t.dtype is DType.INT8 for t in operands[1:3]):
            return 1
        return 3 if self.asymmetric_quantize_inputs else 2

    def macs(self, operands: Sequence[Shape | None], results: Sequence[Shape]) -> Dim:
        steps = elements(results[0][:-1])
        matrices = [
            s
            for declared, s in zip(self.operands, operands, strict=False)
            if s is not None and len(s) == 2 and declared.role is Role.WEIGHT
        ]
        total: Dim = 0
        for shape in matrices:
            total = total + elements(shape)
        return steps * total

    def _batch(self, x: Operand, aux: Operand | None) -> Dim:
        """The batch size, after checking what both layers check."""
        check_activation(self.fused_activation_function)
        require(len(x.shape) == 3, f"x must be of rank 3; got {list(x.shape)}")
        if aux is not None:
            fits = len(aux.shape) == 3 and all(
                same_dim(a, b) is not False for a, b in zip(aux.shape[:2], x.shape[:2], strict=True)
            )
            require(fits, f"aux_input must begin with {list(x.shape[:2])}; got {list(aux.shape)}")
        return x.shape[1 if self.time_major else 0]

    def _shapes(self, x: Operand, fw: Dim, bw: Dim) -> Shape | tuple[Shape, ...]:
        if self.merge_outputs:
            return *x.shape[:2], fw + bw
        return (*x.shape[:2], fw), (*x.shape[:2], bw)

    def _time_first(self, x: Array) -> Array:
        return x if self.time_major else x.swapaxes(0, 1)

    def _joined(self, fw: Array, bw: Array, *states: Array) -> tuple[Array, ...]:
        """Results and states from outputs [T, B, ...], the backward one in its own order."""
        outputs = self._time_first(fw), self._time_first(bw[::-1])
        merged = (np.concatenate(outputs, -1),) if self.merge_outputs else outputs
        return *merged, *states


class BidirectionalSequenceLSTM(
    Bidirectional,
    builtin="BIDIRECTIONAL_SEQUENCE_LSTM",
    options="BidirectionalSequenceLSTMOptions",
):
    """Two LSTM cells over a sequence, one from its end; see UNIDIRECTIONAL_SEQUENCE_LSTM.

    Operands: x; for each direction 17 weights and biases (no layer normalisation); the output and
    cell states; the auxiliary input and four auxiliary weights for each direction.
    **Source:** TensorFlow Lite bidirectional_sequence_lstm.cc.
    """

    cell_clip: float = 0.0
    proj_clip: float = 0.0
    time_major: bool = True

    operands = (
        In("x", FLOATS),
        *(replace(i, name=f"{d}_{i.name}") for d in DIRECTIONS for i in CELL[1:18]),
        *(In(f"{d}_{i.name}", FLOATS, Role.STATE) for d in DIRECTIONS for i in CELL[18:20]),
        In("aux_input", FLOATS, optional=True),
        *(
            In(f"{d}_aux_{i.name}", WEIGHTS, Role.WEIGHT, optional=True)
            for d in DIRECTIONS
            for i in CELL[1:5]
        ),
    )
    updates = ("fw_output_state", "fw_cell_state", "bw_output_state", "bw_cell_state")

    def infer(self, *operands: Operand | None) -> Shape | tuple[Shape, ...]:
        x = operands[0]
        assert x is not None
        require(
            self.cell_clip >= 0 and self.proj_clip >= 0,
            f"cell_clip and proj_clip must be at least 0; got {self.cell_clip}, {self.proj_clip}",
        )
        batch = self._batch(x, operands[39])
        outputs = [check_cell(batch, *cell_of(operands, d)) for d in (0, 1)]
        return self._shapes(x, *outputs)

    def reference(self, *operands: Array | None) -> tuple[Array, ...]:
        found = []
        for direction in (0, 1):
            cell, aux = cell_of(operands, direction)
            x, h, c = cell[0], cell[18], cell[19]
            assert x is not None
            assert h is not None
            assert c is not None
            lstm = float_cell(
                cell, self.fused_activation_function, self.cell_clip, self.proj_clip, aux[1:]
            )
            inputs = [None if a is None else self._time_first(a) for a in (x, aux[0])]
            inputs = [None if a is None else a[:: -1 if direction else 1] for a in inputs]
            assert inputs[0] is not None
            states = h.astype(x.dtype), c.astype(x.dtype)
            found.append(run_cell(lstm, inputs[0], *states, inputs[1]))
        (fw, fw_h, fw_c), (bw, bw_h, bw_c) = found
        return self._joined(fw, bw, fw_h, fw_c, bw_h, bw_c)


def cell_of(operands: Sequence[T | None], direction: int) -> tuple[list[T | None], list[T | None]]:
    """The 24 operands of one direction's cell (0: forward); its auxiliary input and weights."""
    first, state, extra = 1 + 17 * direction, 35 + 2 * direction, 40 + 4 * direction
    aux, weights = operands[39], operands[extra : extra + 4]
    linked = operands[41] is not None
    x = aux if direction and aux is not None and not linked else operands[0]
    states = operands[state : state + 2]
    none: list[T | None] = [None] * 4
    cell = [x, *operands[first : first + 17], *states, *none]
    return cell, [aux if linked else None, *weights]


class BidirectionalSequenceRNN(
    Bidirectional,
    builtin="BIDIRECTIONAL_SEQUENCE_RNN",
    options="BidirectionalSequenceRNNOptions",
):
    """Two simple recurrent cells over a sequence, one from its end: h = act(W x + A a + R h + b).

    Operands: x; weights [U, I], recurrent weights [U, U], bias [U] and hidden state [B, U] of
    each direction; the auxiliary input [.., .., J] and its weights [U, J] for each direction.
    LiteRT's batch-major kernel feeds x to the backward cell where the auxiliary input belongs;
    its time-major kernel, and this, do not.
    **Source:** TensorFlow Lite bidirectional_sequence_rnn.cc.
    """

    operands = (
        In("x", FLOATS),
        *(
            i
            for d in DIRECTIONS
            for i in (
                In(f"{d}_weights", WEIGHTS, Role.WEIGHT),
                In(f"{d}_recurrent_weights", WEIGHTS, Role.WEIGHT),
                In(f"{d}_bias", FLOATS, Role.BIAS),
                In(f"{d}_hidden_state", FLOATS, Role.STATE),
            )
        ),
        In("aux_input", FLOATS, optional=True),
        In("fw_aux_weights", WEIGHTS, Role.WEIGHT, optional=True),
        In("bw_aux_weights", WEIGHTS, Role.WEIGHT, optional=True),
    )
    updates = ("fw_hidden_state", "bw_hidden_state")

    def infer(self, x: Operand, *rest: Operand | None) -> Shape | tuple[Shape, ...]:
        aux, *aux_weights = rest[8:11]
        batch = self._batch(x, aux)
        units = []
        for d, name in enumerate(DIRECTIONS):
            w = rest[4 * d]
            assert w is not None
            require(len(w.shape) == 2, f"{name}_weights must be of rank 2; got {list(w.shape)}")
            u = w.shape[0]
            seen = aux if d and aux is not None and aux_weights[0] is None else x
            wanted: list[Shape] = [(u, seen.shape[2]), (u, u), (u,), (batch, u)]
            parts = list(rest[4 * d : 4 * d + 4])
            if aux is not None and aux_weights[0] is not None:
                wanted.append((u, aux.shape[2]))
                parts.append(aux_weights[d])
            for operand, shape in zip(parts, wanted, strict=True):
                fits = operand is not None and len(operand.shape) == len(shape)
                fits = fits and all(
                    same_dim(a, b) is not False
                    for a, b in zip(operand.shape, shape, strict=True)  # type: ignore[union-attr]
                )
                found = None if operand is None else list(operand.shape)
                require(fits, f"the {name} cell needs an operand {list(shape)}; got {found}")
            units.append(u)
        return self._shapes(x, *units)

    def reference(self, x: Array, *rest: Array | None) -> tuple[Array, ...]:
        aux, *aux_weights = rest[8:11]
        outputs, states = [], []
        for d in (0, 1):
            w, recurrent, bias, h = (np.asarray(a, x.dtype) for a in rest[4 * d : 4 * d + 4])
            linked = aux_weights[0] is not None
            seen = aux if d and aux is not None and not linked else x
            total = self._time_first(seen) @ w.T + bias
            extra = aux_weights[d]
            if aux is not None and extra is not None:
                total = total + self._time_first(aux) @ extra.T.astype(x.dtype)
            total = total[:: -1 if d else 1]
            y = np.empty_like(total)
            for t in range(total.shape[0]):
                h = activate(total[t] + h @ recurrent.T, self.fused_activation_function)
                y[t] = h
            outputs.append(y)
            states.append(h)
        return self._joined(*outputs, *states)
