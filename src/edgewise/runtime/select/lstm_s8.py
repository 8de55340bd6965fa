"""The integer LSTM: the cell of the reference (ops/lstm_integer.py), for the kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.ops.lstm_integer import Cell, Gate
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of
from edgewise.runtime.library import Number, constant, pack
from edgewise.runtime.select.lstm_s8_weights import ACTIVATIONS, Operands

_LOG2 = range(-15, -2)  # of the cell state's scale: what the fixed-point tanh can take
_SHIFTS = range(-31, 31)
_TYPES = [DType.INT8, DType.INT8, DType.INT16, DType.INT8]  # x, the states and the result


def integer_lstm(site: Site) -> Selection:
    """int8 sequences and weights, int16 cell state. One call, after those that lay out what the
    model computes."""
    node, operands = site.node, Operands.of(site)
    cell = operands.cell
    require(cell.cell_log2 in _LOG2, f"the cell state's scale is 2**{cell.cell_log2}")
    gates = [gate for gate in cell.gates if gate is not None]
    require(gates[0].recurrent.ndim == 2, "the recurrent weights are diagonal")
    x, h, c = (node.operand(i) for i in ACTIVATIONS)
    types = [v.dtype for v in (x, h, c, node.output)]
    require(types == _TYPES, f"no kernel for {', '.join(t.text for t in types)}")
    *lead, inputs = shape_of(x)
    is_time_major = getattr(node.op, "time_major", True)
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
    weights, before = operands.laid_out()
    count = len(gates) * padded
    scratch = 4 * (count + max(count, outputs + panel) + padded) + cells
    n_tiles = 1 if math.prod(shape_of(node.output)) else 0
    all_operands = (x, *weights, h, c, node.output)
    params, why = pack("ew_recurrent_s8", fields), "computed weights" if before else ""
    return [*before, Call("recurrent_s8", params, all_operands, n_tiles, scratch, why=why)]


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
