"""Kernels of recurrent layers in float32: one product for the inputs of all steps, as a fully
connected layer has it, then the recurrence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.enums import Activation, LSTMKernelType
from edgewise.ir.graph import Node, Value
from edgewise.ir.op import Op
from edgewise.ir.types import TensorType
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.lstm import LSTM, FullLSTM, UnidirectionalSequenceLSTM
from edgewise.ops.lstm_layer import LstmLayer
from edgewise.ops.lstm_operands import CELL_STATE, OUTPUT_STATE
from edgewise.ops.rnn import RNN, Recurrent, UnidirectionalSequenceRNN
from edgewise.runtime.calls import (
    Alias,
    Call,
    Selection,
    Site,
    float_bounds,
    is_float,
    require,
    shape_of,
)
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.conv import fully_connected
from edgewise.runtime.select.copy import copy, view

Array = np.ndarray
_GATES = (0, 1, 2, 3)  # input, forget, cell, output: offsets into the operands


def lstm(site: Site) -> Selection:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, and LSTM with the FULL kernel."""
    op, node, x = site.node.op, site.node, site.node.operand(0)
    assert isinstance(op, FullLSTM)
    is_basic = isinstance(op, LSTM) and op.kernel_type is LSTMKernelType.BASIC
    require(not is_basic, "no kernel for the BASIC cell")
    h, c = node.operand(OUTPUT_STATE), node.operand(CELL_STATE)
    require(is_float(x, h, c, node.output), f"no kernel for {x.dtype.text}")
    gates = [g for g in _GATES if node.optional(1 + g) is not None]
    recurrent = [_real(site, 5 + g) for g in gates]
    require(all(r.ndim == 2 for r in recurrent), "the recurrent weights are diagonal")
    vectors = [_real(site, 12 + g) for g in gates]
    cells, outputs = recurrent[0].shape
    has_peephole = node.optional(10) is not None
    if has_peephole:
        is_coupled = node.optional(9) is None
        vectors += [np.zeros(cells, np.float32) if is_coupled else _real(site, 9)]
        vectors += [_real(site, 10), _real(site, 11)]
    has_norm = node.optional(21) is not None
    if has_norm:
        vectors += [_real(site, 20 + g) for g in gates]
    projection = np.zeros(0, np.float32)
    has_projection = node.optional(16) is not None
    if has_projection:
        has_bias = node.optional(17) is not None
        bias = _real(site, 17) if has_bias else np.zeros(outputs, np.float32)
        projection = np.concatenate([_panels(_real(site, 16)), bias])
    return _layer(
        site,
        [_real(site, 1 + g) for g in gates],
        recurrent,
        vectors,
        projection,
        (h, c),
        op.fused_activation_function,
        has_peephole=int(has_peephole),
        has_norm=int(has_norm),
        has_projection=int(has_projection),
        cell_clip=op.cell_clip,
        proj_clip=op.proj_clip,
    )


def rnn(site: Site) -> Selection:
    """RNN and UNIDIRECTIONAL_SEQUENCE_RNN: one gate, without a cell."""
    op, x, h = site.node.op, site.node.operand(0), site.node.operand(4)
    assert isinstance(op, Recurrent)
    require(is_float(x, h, site.node.output), f"no kernel for {x.dtype.text}")
    return _layer(
        site,
        [_real(site, 1)],
        [_real(site, 2)],
        [_real(site, 3)],
        np.zeros(0, np.float32),
        (h, h),
        op.fused_activation_function,
        has_peephole=0,
        has_norm=0,
        has_projection=0,
        cell_clip=0.0,
        proj_clip=0.0,
    )


def _layer(
    site: Site,
    weights: Sequence[Array],
    recurrent: Sequence[Array],
    vectors: Sequence[Array],
    projection: Array,
    state: tuple[Value, Value],
    act: Activation,
    **numbers: int | float,
) -> Selection:
    """The product, and the recurrence over `time` steps of `batch` sequences."""
    x, y = site.node.operand(0), site.node.output
    *lead, _ = shape_of(x)
    is_time_major = getattr(site.node.op, "time_major", True)
    time, batch = (1, lead[0]) if len(lead) == 1 else lead if is_time_major else lead[::-1]
    cells, outputs = recurrent[0].shape
    products, product = _products(site, np.concatenate(weights), time * batch)
    low, high = (0.0, 0.0) if act is Activation.TANH else float_bounds(act)
    panel, columns = constant("EW_RECURRENT_PANEL"), len(weights) * cells
    params = pack(
        "ew_recurrent",
        {
            "time": time,
            "batch": batch,
            "cells": cells,
            "outputs": outputs,
            "gates": len(weights),
            "is_time_major": int(is_time_major),
            "is_backward": 0,
            "is_tanh": int(act is Activation.TANH),
            "y_stride": outputs,
            "y_offset": 0,
            "low_f32": low,
            "high_f32": high,
            **numbers,
        },
    )
    matrix = _panels(np.concatenate(recurrent))
    constants = (matrix, np.concatenate(vectors), projection)
    scratch = 4 * (columns + outputs + 2 * panel)
    operands = (products, *constants, *state, y)
    n_tiles = 1 if math.prod(shape_of(y)) else 0
    return [*product, Call("recurrent_f32", params, operands, n_tiles, scratch)]


def _products(site: Site, weights: Array, rows: int) -> tuple[Value, Sequence[Call]]:
    """weights [G, I] @ every step of x, and the calls that compute it."""
    shape = (rows, len(weights))
    y = Value(TensorType(shape, DType.FLOAT32), "products")
    w = Value(TensorType(weights.shape, DType.FLOAT32), "weights", weights)
    node = Node(FullyConnected(), [site.node.operand(0), w, None], [y])
    calls = fully_connected(Site(node, site.target, lambda v: v.data))
    return y, calls


def _real(site: Site, index: int) -> Array:
    """Weights in float32; integers with a scale are dequantized, which is what they mean."""
    value, array = site.node.operand(index), site.constant(index, "weights")
    if value.dtype in FLOATS:
        return array.astype(np.float32)
    require(value.quant is not None, f"no kernel for {value.dtype.text} weights")
    assert value.quant is not None
    return value.quant.dequantize(array).astype(np.float32)


def _panels(matrix: Array) -> Array:
    """[N, K] as [N / panel rounded up, K, panel], flat."""
    n, k = matrix.shape
    panel = constant("EW_RECURRENT_PANEL")
    padded = np.zeros((-(-n // panel) * panel, k), np.float32)
    padded[:n] = matrix
    return padded.reshape(-1, panel, k).transpose(0, 2, 1).reshape(-1)


def layer(site: Site) -> Selection:
    """LstmLayer: the recurrence works on the results that take the last state."""
    node = site.node
    x, h, c = (node.operand(i) for i in (0, 4, 5))
    y, last_h, last_c = node.outputs
    require(is_float(x, h, c, y), f"no kernel for {x.dtype.text}")
    # copies that are made in any case: a view would let the recurrence write into h and c
    begin = [*copy(view(h), view(last_h)), *copy(view(c), view(last_c))]
    recurrence = _layer(
        site,
        np.split(_real(site, 1), 4),
        np.split(_real(site, 2), 4),
        [_real(site, 3)],
        np.zeros(0, np.float32),
        (last_h, last_c),
        Activation.TANH,
        has_peephole=0,
        has_norm=0,
        has_projection=0,
        cell_clip=0.0,
        proj_clip=0.0,
    )
    assert not isinstance(recurrence, Alias)
    return [*(replace(call, moves=None) for call in begin), *recurrence]


TABLE: Mapping[type[Op], Callable[[Site], Selection]] = {
    LstmLayer: layer,
    UnidirectionalSequenceLSTM: lstm,
    LSTM: lstm,
    UnidirectionalSequenceRNN: rnn,
    RNN: rnn,
}
