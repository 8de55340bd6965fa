"""The LSTM layer of the IR: its states are operands and results, not variables."""

from __future__ import annotations

import numpy as np

from edgewise.dtypes import FLOATS
from edgewise.ir.dim import Shape, same_dim
from edgewise.ir.enums import Activation
from edgewise.ir.op import Arithmetic, In, NotQuantized, Op, Operand, Out, Role, require
from edgewise.ops.axes import shown
from edgewise.ops.lstm_cell import Cell, Gate, run_cell
from edgewise.ops.rnn import WEIGHTS


class LstmLayer(Op):
    """y_t = h_t; c_t = f * c + i * tanh(z), h_t = o * tanh(c_t), where the gates i, f, o are
    sigmoids of their part of W x_t + R h + b, and z is the cell's part.

    Shapes: x [T, B, I], w [4 * C, I], r [4 * C, C], b [4 * C] (gates in the order i, f, z, o),
    h and c [B, C]; y [T, B, C], the last h and c [B, C]. Float, or hybrid (float arithmetic on
    dequantized int8 weights).
    TFLite has no such operator: a converted layer is a WHILE, or UNIDIRECTIONAL_SEQUENCE_LSTM,
    whose states are variables.
    **Source:** Hochreiter and Schmidhuber 1997; `keras.layers.LSTM`.
    """

    operands = (
        In("x", FLOATS),
        In("w", WEIGHTS, Role.WEIGHT),
        In("r", WEIGHTS, Role.WEIGHT),
        In("b", FLOATS),
        In("h", FLOATS),
        In("c", FLOATS),
    )
    results = (Out("y"), Out("last_h"), Out("last_c"))
    arithmetic = Arithmetic.FLOAT
    quantization = NotQuantized()
    tolerance = 1e-5

    def infer(
        self, x: Operand, w: Operand, r: Operand, b: Operand, h: Operand, c: Operand
    ) -> tuple[Shape, ...]:
        require(len(x.shape) == 3, f"x must be [T, B, I]; got {shown(x.shape)}")
        require(len(h.shape) == 2, f"h must be [B, C]; got {shown(h.shape)}")
        (_, batch, size), cells = x.shape, h.shape[1]
        wanted = {
            "w": (w, (cells * 4, size)),
            "r": (r, (cells * 4, cells)),
            "b": (b, (cells * 4,)),
            "h": (h, (batch, cells)),
            "c": (c, (batch, cells)),
        }
        for name, (operand, shape) in wanted.items():
            fits = len(operand.shape) == len(shape) and all(
                same_dim(m, n) is not False for m, n in zip(operand.shape, shape, strict=True)
            )
            require(fits, f"{name} must be {shown(shape)}; got {shown(operand.shape)}")
        return (x.shape[0], batch, cells), h.shape, h.shape

    def reference(
        self,
        x: np.ndarray,
        w: np.ndarray,
        r: np.ndarray,
        b: np.ndarray,
        h: np.ndarray,
        c: np.ndarray,
    ) -> tuple[np.ndarray, ...]:
        parts = zip(*(np.split(a, 4) for a in (w, r, b)), strict=True)
        i, f, z, o = (Gate(w, r, None, b, None) for w, r, b in parts)
        return run_cell(Cell(i, f, z, o, None, None, Activation.TANH, 0.0, 0.0), x, h, c)
