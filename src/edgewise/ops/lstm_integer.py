"""The fully integer LSTM cell: int8 activations and weights, int16 cell state ("8x8_16").

Every gate is int16 with 12 fractional bits; products of matrices are int32, scaled by LiteRT's
32-bit multiplier and saturated to int16 after each addend (input, then recurrent, then peephole).
Logistic and tanh are gemmlowp's fixed-point functions.

Source: TensorFlow Lite lstm_eval.cc (CalculateLstmGateInteger8x8_16, UpdateLstmCellInteger,
CalculateLstmOutputInteger8x8_16), portable_tensor_utils.cc and
PopulateQuantizedLstmParams8x8_16 in unidirectional_sequence_lstm.cc.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgewise.errors import QuantizationError
from edgewise.ir.op import Quantized
from edgewise.ir.types import TensorType
from edgewise.ops.gemmlowp import inverse_sqrt, logistic_16, tanh_16
from edgewise.ops.requant import divide_by_power, multiplier, multiply_fixed, wrap_int32

Array = np.ndarray
F32 = np.float32
GATE_SCALE = F32(2.0**-12)
GATE_FRACTION = 12  # bits
GATE_BITS = 3  # integer bits of a gate before its activation
NORM_BITS = 10  # extra bits of a normalised gate
VARIANCE_GUARD = 10000


class Gate(NamedTuple):
    """One gate: matrices, multipliers, and biases with the zero points folded in. The input gate
    is None where it is coupled to the forget gate."""

    w: Array  # [C, I]
    w_multiplier: tuple[int, int]
    w_bias: Array
    recurrent: Array  # [C, O]
    recurrent_multiplier: tuple[int, int]
    recurrent_bias: Array
    peephole: Array | None
    peephole_multiplier: tuple[int, int]
    norm: Array | None
    norm_bias: Array
    norm_multiplier: tuple[int, int]  # with the 12 bits of a gate
    variance_guard: int


class Projection(NamedTuple):
    """From hidden values to outputs; the zero point is folded into the bias."""

    w: Array  # [O, C]
    bias: Array
    multiplier: tuple[int, int]


class Cell(NamedTuple):
    """The 24 operands as the arithmetic takes them. Clips are stored integers; 0: none."""

    gates: tuple[Gate | None, ...]  # input, forget, cell, output
    projection: Projection | None
    cell_log2: int  # of the cell state's scale
    hidden_multiplier: tuple[int, int]
    hidden_point: int
    y_zero: int
    cell_clip: int
    proj_clip: int


def integer_cell(
    operands: Sequence[Quantized | None],
    result: TensorType,
    intermediate_scales: Sequence[float],
    intermediate_zero_points: Sequence[int],
    cell_clip: float,
    proj_clip: float,
) -> Cell:
    """The cell of the operands; of x and the states only scales count.

    Raises:
        QuantizationError: the scale of the cell state is not a power of two.
    """
    state, cell_state = operands[18], operands[19]
    assert state is not None
    assert cell_state is not None
    assert result.quant is not None
    cell_log2 = _log2(cell_state.scale)
    norm = operands[22] is not None
    scales = [F32(s) if norm else GATE_SCALE for s in intermediate_scales[:4]]
    hidden_scale, hidden_point = F32(intermediate_scales[4]), intermediate_zero_points[4]
    return Cell(
        tuple(_gate(i, operands, scales[i], cell_log2) for i in range(4)),
        _projection(operands, hidden_scale, hidden_point),
        cell_log2,
        multiplier(float(F32(2.0**-15 / float(hidden_scale) * 2.0**-15))),
        hidden_point,
        state.zero_point,
        min(int(F32(cell_clip) / cell_state.scale), 32767) if cell_clip > 0 else 0,
        min(int(F32(proj_clip) / result.quant.scale[0]), 127) if proj_clip > 0 else 0,
    )


def run_cell_integer(
    cell: Cell, x: Array, output_state: Array, cell_state: Array
) -> tuple[Array, Array, Array]:
    """x [T, B, I] int8 and the states to (y [T, B, O] int8, output state, cell state int16)."""
    into, forget_gate, cell_gate, output_gate = cell.gates
    assert forget_gate is not None
    assert cell_gate is not None
    assert output_gate is not None
    cell_log2, clip_c, clip_h = cell.cell_log2, cell.cell_clip, cell.proj_clip
    h, c = output_state.astype(np.int64), cell_state.astype(np.int64)
    y = np.empty((x.shape[0], *h.shape), np.int8)
    for t in range(x.shape[0]):
        forget = logistic_16(_linear(forget_gate, x[t], h, c))
        update = tanh_16(_linear(cell_gate, x[t], h, None), GATE_BITS)
        admit = 32767 - forget
        if into is not None:
            admit = logistic_16(_linear(into, x[t], h, c))
        kept = divide_by_power(forget * c, 15).astype(np.int64)
        c = _int16(kept + divide_by_power(admit * update, 30 + cell_log2))
        c = np.clip(c, -clip_c, clip_c) if clip_c > 0 else c
        output = logistic_16(_linear(output_gate, x[t], h, c))
        shown = output * tanh_16(c, 15 + cell_log2)
        seen = multiply_fixed(shown, *cell.hidden_multiplier).astype(np.int64)
        if cell.projection is None:
            h = np.clip(seen + cell.hidden_point, -128, 127)
        else:
            seen = np.clip(seen - cell.hidden_point, -128, 127)
            w, bias, scale = cell.projection
            h = np.clip(_matmul(seen, w, bias, scale) + cell.y_zero, -128, 127)
            h = np.clip(h, -clip_h, clip_h) if clip_h > 0 else h
        y[t] = h
    return y, h.astype(np.int8), c.astype(np.int16)


def _gate(
    index: int, operands: Sequence[Quantized | None], scale: np.float32, cell_log2: int
) -> Gate | None:
    x, state = operands[0], operands[18]
    w, recurrent = operands[1 + index], operands[5 + index]
    if w is None or recurrent is None:
        return None  # the input gate, where it is coupled to the forget gate
    assert x is not None
    assert state is not None
    peephole = operands[9 + (0, 1, 0, 2)[index]] if index != 2 else None
    bias, norm = operands[12 + index], operands[20 + index]
    numbers = np.zeros(w.data.shape[0], np.int64) if bias is None else bias.data.astype(np.int64)
    rows, recurrent_rows = (m.data.astype(np.int64).sum(1) for m in (w, recurrent))
    cell = 0.0 if peephole is None else 2.0**cell_log2 * float(peephole.scale) / float(scale)
    m, shift = (0, 0) if norm is None else multiplier(float(norm.scale))
    return Gate(
        w.data.astype(np.float64),
        multiplier(float(w.scale * x.scale / scale)),
        (0 if norm is not None else numbers) - x.zero_point * rows,
        recurrent.data.astype(np.float64),
        multiplier(float(recurrent.scale * state.scale / scale)),
        -state.zero_point * recurrent_rows,
        None if peephole is None else peephole.data.astype(np.int64),
        multiplier(float(F32(cell))),
        None if norm is None else norm.data.astype(np.int64),
        numbers,
        (m, shift + GATE_FRACTION),
        1 if norm is None else max(1, int(F32(VARIANCE_GUARD) * norm.scale)),
    )


def _linear(gate: Gate, x: Array, h: Array, c: Array | None) -> Array:
    """The gate before its activation, int16 values [B, C]."""
    total = _int16(_matmul(x, gate.w, gate.w_bias, gate.w_multiplier))
    total = _int16(
        total + _matmul(h, gate.recurrent, gate.recurrent_bias, gate.recurrent_multiplier)
    )
    if gate.peephole is not None and c is not None:
        seen = multiply_fixed(wrap_int32(gate.peephole * c), *gate.peephole_multiplier)
        total = _int16(total + seen)
    return total if gate.norm is None else _normalized(gate, total)


def _normalized(gate: Gate, total: Array) -> Array:
    """Layer normalisation of int16 values: (v - mean) / deviation * coefficients + bias."""
    assert gate.norm is not None
    n = total.shape[1]
    sums = total.sum(1) << NORM_BITS
    mean = np.sign(sums) * (np.abs(sums) // n)
    variance = (total * total).sum(1) * ((1 << 20) // n) - mean * mean
    y = np.empty_like(total)
    for row, (centre, spread) in enumerate(zip(mean, variance, strict=True)):
        deviation = inverse_sqrt(_at_least(int(spread) >> 20, gate.variance_guard))
        centred = multiply_fixed((total[row] << NORM_BITS) - centre, *deviation)
        scaled = centred.astype(np.int64) * gate.norm + gate.norm_bias
        rounded = np.sign(scaled) * ((np.abs(scaled) + 512) >> NORM_BITS)
        y[row] = multiply_fixed(rounded, *gate.norm_multiplier)
    return _int16(y)


def _at_least(variance: int, guard: int) -> int:
    return guard if variance < 1 else variance


def _projection(
    operands: Sequence[Quantized | None], hidden_scale: np.float32, hidden_point: int
) -> Projection | None:
    projection, bias, state = operands[16], operands[17], operands[18]
    if projection is None:
        return None
    assert state is not None
    folded = hidden_point * projection.data.astype(np.int64).sum(1)
    if bias is not None:
        folded = folded + bias.data
    scale = multiplier(float(projection.scale * hidden_scale / state.scale))
    return Projection(projection.data.astype(np.float64), folded, scale)


def _matmul(x: Array, w: Array, bias: Array, scale: tuple[int, int]) -> Array:
    """The rows of x times w transposed, plus bias, scaled; int64 array."""
    acc = (x.astype(np.float64) @ w.T).astype(np.int64) + bias
    return multiply_fixed(wrap_int32(acc), *scale).astype(np.int64)


def _int16(values: Array) -> Array:
    return np.clip(values, -32768, 32767)


def _log2(scale: np.float32) -> int:
    power = math.log2(float(scale))
    if abs(power - round(power)) > 1e-3:
        raise QuantizationError(
            f"the cell state's scale must be a power of two; got {float(scale)!r}"
        )
    return round(power)
