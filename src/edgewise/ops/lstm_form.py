"""An LSTM of floats as integers: what is measured inside of it, and the types of its operands.

LiteRT's integer kernel ("8x8_16") has scales that no operand tells: of the cell state over all time
steps, of the hidden value before a projection, of each gate before its layer normalization. The
rules are those of TensorFlow Lite's quantizer:

    x, y, output state  int8, one scale for the last two
    matrices            int8, symmetric, one scale each; peepholes, norms int16
    cell state          int16 at a power of two
    biases              int32 at x * input weights; normalized: norm * 2**-10; projection's:
                        hidden * projection weights
    hidden              int8; without a projection it is y

Source: TensorFlow Lite optimize/operator_property.cc (LSTM), quantization specification.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.op import IntegerForm, Operand
from edgewise.ir.types import Quant
from edgewise.ops.lstm_cell import Cell, Step, run_cell
from edgewise.ops.lstm_integer import NORM_BITS
from edgewise.ops.lstm_operands import CELL_STATE, OUTPUT_STATE
from edgewise.ops.requant import symmetric

Array = np.ndarray

GATES = ("input", "forget", "cell", "output")
# values inside of the cell, by their types
INSIDE = {
    **{f"{gate}_gate": DType.INT16 for gate in GATES},
    "hidden": DType.INT8,
    "cell_state": DType.INT16,
}
_LARGEST_CELL = -9  # log2 of the cell state's scale: the kernel reads at most 6 integer bits
_PROJECTION, _PROJECTION_BIAS, _NORMS = 16, 17, 20


def seen_inside(lstm: Cell, x: Array, h: Array, c: Array) -> dict[str, Array]:
    """The values in INSIDE over all time steps; those of gates where layers are normalized."""
    steps: list[Step] = []
    run_cell(lstm, x, h, c, steps=steps)
    found = {
        "hidden": np.stack([s.hidden for s in steps]),
        "cell_state": np.stack([c, *(s.cell for s in steps)]),
    }
    if lstm.forget.norm is not None:
        for gate in GATES:
            if getattr(lstm, gate) is not None:
                found[f"{gate}_gate"] = np.stack([s.gates[gate] for s in steps])
    return found


def integer_operands(
    quants: Mapping[str, Quant], operands: Sequence[Operand | None]
) -> tuple[IntegerForm, tuple[Quant, ...]]:
    """Types of the operands but x, and the five intermediate scales.

    Args:
        quants: of `x`, `y` and what is INSIDE, as far as it was measured.
        operands: the 24, floats.
    """
    form: IntegerForm = {OUTPUT_STATE: (DType.INT8, quants["y"])}
    form[CELL_STATE] = (DType.INT16, _power_of_two(quants["cell_state"]))
    for index, operand in enumerate(operands):
        is_matrix = 1 <= index <= 8 or index == _PROJECTION
        if operand is not None and (is_matrix or 9 <= index <= 11 or index >= _NORMS):
            dtype = DType.INT8 if is_matrix else DType.INT16
            assert operand.data is not None
            form[index] = (dtype, symmetric(operand.data, dtype))
    has_norm, has_projection = _NORMS + 1 in form, _PROJECTION in form
    for gate in range(len(GATES)):
        if operands[12 + gate] is not None and 1 + gate in form:
            products = _scale(quants["x"]) * _scale(form[1 + gate][1])
            if has_norm:
                products = _scale(form[_NORMS + gate][1]) * 2.0**-NORM_BITS
            form[12 + gate] = (DType.INT32, Quant(products, 0))
    hidden = quants["hidden"] if has_projection else quants["y"]
    if has_projection and operands[_PROJECTION_BIAS] is not None:
        products = _scale(hidden) * _scale(form[_PROJECTION][1])
        form[_PROJECTION_BIAS] = (DType.INT32, Quant(products, 0))
    one = Quant(1.0, 0)
    gates = tuple(quants.get(f"{gate}_gate", one) if has_norm else one for gate in GATES)
    return form, (*gates, hidden)


def _power_of_two(quant: Quant) -> Quant:
    """The next larger scale that is a power of two, as far as the kernel reads it."""
    return Quant(2.0 ** min(math.ceil(math.log2(_scale(quant))), _LARGEST_CELL), 0)


def _scale(quant: Quant) -> float:
    return float(quant.scale.flat[0])
