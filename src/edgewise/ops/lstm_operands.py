"""The operands of an LSTM cell: their declarations, their checks, and the float cell they make.

Source: TensorFlow Lite unidirectional_sequence_lstm.cc, CheckInputTensorDimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.dim import Dim, Shape, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import In, Operand, Role, require
from edgewise.ops.lstm_cell import Cell, Gate

WEIGHTS = FLOATS | {DType.INT8, DType.UINT8}
VECTORS = FLOATS | {DType.INT8, DType.INT16, DType.UINT8}
BIASES = FLOATS | {DType.INT32}


def _weight(name: str, *, optional: bool = False) -> In:
    return In(name, WEIGHTS, Role.WEIGHT, optional=optional)


def _vector(name: str) -> In:
    return In(name, VECTORS, Role.WEIGHT, optional=True)


def _bias(name: str, *, optional: bool = False) -> In:
    return In(name, BIASES, Role.BIAS, optional=optional)


OPERANDS: tuple[In, ...] = (
    In("x", FLOATS | {DType.INT8}),
    _weight("input_to_input_weights", optional=True),
    _weight("input_to_forget_weights"),
    _weight("input_to_cell_weights"),
    _weight("input_to_output_weights"),
    _weight("recurrent_to_input_weights", optional=True),
    _weight("recurrent_to_forget_weights"),
    _weight("recurrent_to_cell_weights"),
    _weight("recurrent_to_output_weights"),
    _vector("cell_to_input_weights"),
    _vector("cell_to_forget_weights"),
    _vector("cell_to_output_weights"),
    _bias("input_gate_bias", optional=True),
    _bias("forget_gate_bias"),
    _bias("cell_gate_bias"),
    _bias("output_gate_bias"),
    _weight("projection_weights", optional=True),
    _bias("projection_bias", optional=True),
    In("output_state", FLOATS | {DType.INT8}, Role.STATE),
    In("cell_state", FLOATS | {DType.INT16}, Role.STATE),
    _vector("input_layer_norm_coefficients"),
    _vector("forget_layer_norm_coefficients"),
    _vector("cell_layer_norm_coefficients"),
    _vector("output_layer_norm_coefficients"),
)
OUTPUT_STATE, CELL_STATE = 18, 19


def check_cell(
    batch: Dim, operands: Sequence[Operand | None], aux: Sequence[Operand | None] = ()
) -> Dim:
    """Check the shapes of the 24 operands; `aux` holds the auxiliary input of bidirectional
    layers and its four weights. Returns the number of outputs.

    Raises:
        ShapeError: an operand that does not fit the others.
    """
    x, w, recurrent = operands[0], operands[4], operands[8]
    assert x is not None
    assert w is not None
    assert recurrent is not None
    require(len(w.shape) == 2, f"weights must be [cells, input]; got {list(w.shape)}")
    require(len(recurrent.shape) in (1, 2), f"got recurrent weights {list(recurrent.shape)}")
    cells, outputs = w.shape[0], recurrent.shape[-1]
    square = (cells,) if len(recurrent.shape) == 1 else (cells, outputs)
    for index, operand in enumerate(operands):
        if operand is None or index == 0:
            continue
        wanted: Shape = (cells,)
        if index <= 8:
            wanted = (cells, x.shape[-1]) if index <= 4 else square
        elif index in (16, 17):
            wanted = (outputs, cells) if index == 16 else (outputs,)
        elif index in (OUTPUT_STATE, CELL_STATE):
            wanted = (batch, outputs if index == OUTPUT_STATE else cells)
        _check_shape(OPERANDS[index].name, operand, wanted)
    for operand in aux[1:]:
        if operand is not None and aux[0] is not None:
            _check_shape("auxiliary weights", operand, (cells, aux[0].shape[-1]))
    coupled = operands[1] is None
    require(
        all((operands[index] is None) == coupled for index in (5, 12)),
        "the input gate must have all of its weights and its bias, or none (CIFG)",
    )
    norms = [operands[i] is not None for i in range(20 + coupled, 24)]
    require(
        all(norms) or not any(norms),
        "layer normalisation needs the coefficients of every gate",
    )
    require(
        operands[16] is not None or same_dim(cells, outputs) is not False,
        f"without projection there are as many outputs as cells; got {outputs} and {cells}",
    )
    return outputs


def float_cell(
    operands: Sequence[np.ndarray | None],
    activation: Activation,
    cell_clip: float,
    proj_clip: float,
    aux_weights: Sequence[np.ndarray | None] = (None, None, None, None),
) -> Cell:
    """The cell that the 24 operands describe, in the dtype of the first."""
    assert operands[0] is not None
    dtype = operands[0].dtype
    o = [None if a is None else a.astype(dtype) for a in operands]
    aux = [None if a is None else a.astype(dtype) for a in aux_weights]

    def gate(i: int, peephole: int | None) -> Gate | None:
        w, recurrent = o[1 + i], o[5 + i]
        if w is None or recurrent is None:
            return None
        cell = None if peephole is None else o[peephole]
        return Gate(w, recurrent, cell, o[12 + i], o[20 + i], aux[i])

    forget, cell, output = gate(1, 10), gate(2, None), gate(3, 11)
    assert forget is not None
    assert cell is not None
    assert output is not None
    into = gate(0, 9)
    return Cell(into, forget, cell, output, o[16], o[17], activation, cell_clip, proj_clip)


def _check_shape(name: str, operand: Operand, wanted: Shape) -> None:
    fits = len(operand.shape) == len(wanted) and all(
        same_dim(a, b) is not False for a, b in zip(operand.shape, wanted, strict=True)
    )
    require(fits, f"{name} must be {list(wanted)}; got {list(operand.shape)}")
