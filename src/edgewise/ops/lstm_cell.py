"""The LSTM cell in float: gates, cell state and output of every time step.

Shared by UNIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_LSTM and LSTM. Shapes: B batch,
T time, I input, C cells, O output (C without projection).

Source: TensorFlow Lite lstm_eval.cc.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.ops.requant import activate

Array = np.ndarray
NORM_EPSILON = 1e-8  # added to the variance by layer normalisation


class Gate(NamedTuple):
    """Weights of one gate: [C, I], [C, O] (or the diagonal [C]), and the optional vectors [C].

    `aux` [C, A] multiplies the auxiliary input of bidirectional layers.
    """

    w: Array
    recurrent: Array
    peephole: Array | None
    bias: Array | None
    norm: Array | None
    aux: Array | None = None


class Step(NamedTuple):
    """What a time step computes inside: each gate before its normalization [B, C] by name, the cell
    state [B, C] and the hidden value before projection [B, C]."""

    gates: dict[str, Array]
    cell: Array
    hidden: Array


class Cell(NamedTuple):
    """An LSTM cell. `input` is None where it is coupled to the forget gate (CIFG)."""

    input: Gate | None
    forget: Gate
    cell: Gate
    output: Gate
    projection: Array | None  # [O, C]
    projection_bias: Array | None  # [O]
    activation: Activation
    cell_clip: float  # 0: none
    proj_clip: float


def run_cell(
    lstm: Cell,
    x: Array,
    h: Array,
    c: Array,
    aux: Array | None = None,
    steps: list[Step] | None = None,
) -> tuple[Array, Array, Array]:
    """x [T, B, I], output state h [B, O], cell state c [B, C], auxiliary input [T, B, A] to
    (y [T, B, O], h, c). What every step computes inside is added to `steps`.

    gate = act(W x + R h + P c + b), or with layer normalisation act(g * norm(W x + R h + P c) + b);
    c = clip(f * c + i * z), i = 1 - f where the input gate is coupled; h = o * act(c), projected.
    The output gate's peephole sees the new cell state.
    """
    gates = {
        name: _inputs(gate, x, aux)
        for name in ("input", "forget", "cell", "output")
        if (gate := getattr(lstm, name)) is not None
    }
    y = np.empty((x.shape[0], *h.shape), x.dtype)
    for t in range(x.shape[0]):
        sums = {"forget": _sum(lstm.forget, gates["forget"][t], h, c)}
        sums["cell"] = _sum(lstm.cell, gates["cell"][t], h, None)
        f = sigmoid(_normalized(lstm.forget, sums["forget"]))
        z = activate(_normalized(lstm.cell, sums["cell"]), lstm.activation)
        i = 1 - f
        if lstm.input is not None:
            sums["input"] = _sum(lstm.input, gates["input"][t], h, c)
            i = sigmoid(_normalized(lstm.input, sums["input"]))
        c = _clip(f * c + i * z, lstm.cell_clip)
        sums["output"] = _sum(lstm.output, gates["output"][t], h, c)
        o = sigmoid(_normalized(lstm.output, sums["output"]))
        h = o * activate(c, lstm.activation)
        if steps is not None:
            steps.append(Step(sums, c, h))
        if lstm.projection is not None:
            h = h @ lstm.projection.T
            h = _clip(
                h if lstm.projection_bias is None else h + lstm.projection_bias, lstm.proj_clip
            )
        y[t] = h
    return y, h, c


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * np.tanh(0.5 * x) + 0.5, x.dtype)


def _inputs(gate: Gate, x: Array, aux: Array | None) -> Array:
    total = x @ gate.w.T
    return total if gate.aux is None or aux is None else total + aux @ gate.aux.T


def _sum(gate: Gate, from_input: Array, h: Array, c: Array | None) -> Array:
    """The gate's products, [B, C]."""
    diagonal = gate.recurrent.ndim == 1
    total = from_input + (h * gate.recurrent if diagonal else h @ gate.recurrent.T)
    if gate.peephole is not None and c is not None:
        total = total + gate.peephole * c
    return np.asarray(total)


def _normalized(gate: Gate, total: Array) -> Array:
    """What goes into the gate's activation, [B, C]."""
    if gate.norm is not None:
        mean = total.mean(-1, keepdims=True)
        variance = ((total - mean) ** 2).mean(-1, keepdims=True)
        total = gate.norm * ((total - mean) / np.sqrt(variance + total.dtype.type(NORM_EPSILON)))
    return total if gate.bias is None else total + gate.bias


def _clip(x: Array, limit: float) -> Array:
    return np.clip(x, -limit, limit).astype(x.dtype) if limit > 0 else x
