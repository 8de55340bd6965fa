"""The integer LSTM: the cell of the reference (ops/lstm_integer.py), packed for the kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ir.op import Quantized
from edgewise.ops.lstm import FullLSTM
from edgewise.ops.lstm_integer import Cell, Gate
from edgewise.ops.lstm_operands import CELL_STATE, OUTPUT_STATE
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import Number, constant, pack

Array = np.ndarray
_LOG2 = range(-15, -2)  # of the cell state's scale: what the fixed-point tanh can take
_SHIFTS = range(-31, 31)
_BIASES = (*range(12, 16), 17)
_ACTIVATIONS = (0, OUTPUT_STATE, CELL_STATE)
_TYPES = [DType.INT8, DType.INT8, DType.INT16, DType.INT8]  # of those and the result


def integer_lstm(site: Site) -> Selection:
    """int8 sequences and weights, int16 cell state. One call."""
    op, node = site.node.op, site.node
    assert isinstance(op, FullLSTM)
    values = [node.optional(i) for i in range(len(op.operands))]
    named = [node.output, *(v for i, v in enumerate(values) if v is not None and i not in _BIASES)]
    require(all(v.quant is not None for v in named), "an operand has no scale")
    cell = op.integer_cell([_quantized(site, i, v) for i, v in enumerate(values)], node.output.type)
    require(cell.cell_log2 in _LOG2, f"the cell state's scale is 2**{cell.cell_log2}")
    gates = [gate for gate in cell.gates if gate is not None]
    require(gates[0].recurrent.ndim == 2, "the recurrent weights are diagonal")
    x, h, c = (node.operand(i) for i in _ACTIVATIONS)
    types = [v.dtype for v in (x, h, c, node.output)]
    require(types == _TYPES, f"no kernel for {', '.join(t.text for t in types)}")
    for index, value in enumerate(values):
        if value is not None and index not in _ACTIVATIONS:
            most = 32 if index in _BIASES else 16
            is_fit = value.dtype.is_integer and value.dtype.bits <= most
            require(is_fit, f"no kernel for {value.dtype.text} weights or biases")
    *lead, inputs = shape_of(x)
    is_time_major = getattr(op, "time_major", True)
    time, batch = (1, lead[0]) if len(lead) == 1 else lead if is_time_major else lead[::-1]
    cells, outputs = gates[0].recurrent.shape
    panel = constant("EW_RECURRENT_PANEL")
    padded = -(-cells // panel) * panel
    fields: dict[str, Number | Sequence[Number]] = {
        "time": time,
        "batch": batch,
        "inputs": inputs,
        "cells": cells,
        "outputs": outputs,
        "gates": len(gates),
        "is_time_major": int(is_time_major),
        "has_peephole": int(gates[-1].peephole is not None),
        "has_norm": int(gates[-1].norm is not None),
        "has_projection": int(cell.projection is not None),
        "cell_log2": cell.cell_log2,
        "hidden_zero": cell.hidden_point,
        "y_zero": cell.y_zero,
        "cell_clip": cell.cell_clip,
        "proj_clip": cell.proj_clip,
        "variance_guard": _four([gate.variance_guard for gate in gates]),
        **_multipliers(cell, gates),
    }
    projection = np.zeros(0, np.int8)
    if cell.projection is not None:
        projection = _packed([cell.projection.w], panel)
    count = len(gates) * padded
    operands = (
        x,
        _packed([gate.w for gate in gates], panel),
        _packed([gate.recurrent for gate in gates], panel),
        _numbers(cell, gates, padded),
        projection,
        h,
        c,
        node.output,
    )
    scratch = 4 * (count + max(count, outputs + panel) + padded) + cells
    n_tiles = 1 if math.prod(shape_of(node.output)) else 0
    return [Call("recurrent_s8", pack("ew_recurrent_s8", fields), operands, n_tiles, scratch)]


def _quantized(site: Site, index: int, value: Value | None) -> Quantized | None:
    """A constant; of activations and states nothing but the scale."""
    if value is None:
        return None
    array = np.zeros(0, np.int8) if index in _ACTIVATIONS else site.constant(index, "weights")
    return Quantized(array, value.quant)


def _multipliers(cell: Cell, gates: Sequence[Gate]) -> dict[str, Number | Sequence[Number]]:
    """Fields of all multipliers and shifts. Raises NotNative for shifts that C cannot do."""
    pairs: dict[str, Sequence[tuple[int, int]]] = {
        "input": [gate.w_multiplier for gate in gates],
        "recurrent": [gate.recurrent_multiplier for gate in gates],
        "peephole": [gate.peephole_multiplier for gate in gates],
        "norm": [gate.norm_multiplier for gate in gates],
    }
    single = {"hidden": cell.hidden_multiplier, "projection": (0, 0)}
    if cell.projection is not None:
        single["projection"] = cell.projection.multiplier
    fields: dict[str, Number | Sequence[Number]] = {}
    for name, found in pairs.items():
        fields |= {f"{name}_multiplier": _four([m for m, _ in found])}
        fields |= {f"{name}_shift": _four([shift for _, shift in found])}
    for name, (m, shift) in single.items():
        fields |= {f"{name}_multiplier": m, f"{name}_shift": shift}
    shifts = [shift for found in (*pairs.values(), single.values()) for _, shift in found]
    require(all(shift in _SHIFTS for shift in shifts), "a scale is too large")
    return fields


def _four(numbers: Sequence[int]) -> list[int]:
    return [*numbers, *[0] * (4 - len(numbers))]


def _packed(matrices: Sequence[Array], panel: int) -> Array:
    """[N, K] of each gate as [N / panel rounded up, K / 2 rounded up, panel, 2] int8, joined."""
    found = []
    for matrix in matrices:
        n, k = matrix.shape
        padded = np.zeros((-(-n // panel) * panel, -(-k // 2) * 2), np.int8)
        require(bool(np.all(np.abs(matrix + 0.5) < 128)), "weights are wider than 8 bits with sign")
        padded[:n, :k] = matrix
        found.append(padded.reshape(-1, panel, padded.shape[1] // 2, 2).transpose(0, 2, 1, 3))
    return np.concatenate(found).reshape(-1)


def _numbers(cell: Cell, gates: Sequence[Gate], padded: int) -> Array:
    """The vectors that ew_recurrent_s8 has in one array, modulo 2**32."""
    vectors: list[Array | None] = [gate.w_bias for gate in gates]
    vectors += [gate.recurrent_bias for gate in gates]
    if gates[-1].peephole is not None:
        into, forget, _, output = cell.gates
        vectors += [None if gate is None else gate.peephole for gate in (into, forget, output)]
    if gates[-1].norm is not None:
        vectors += [gate.norm for gate in gates]
        vectors += [gate.norm_bias for gate in gates]
    rows = np.zeros((len(vectors), padded), np.int64)
    for row, vector in zip(rows, vectors, strict=True):
        if vector is not None:
            row[: len(vector)] = vector
    last = np.zeros(0, np.int64) if cell.projection is None else cell.projection.bias
    return np.concatenate([rows.reshape(-1), last]).astype(np.int32)
