"""Kernels of recurrent layers: which operands of an operator are the parts of a cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation, LSTMKernelType
from edgewise.ir.graph import Node, Value
from edgewise.ops.bidirectional import (
    Bidirectional,
    BidirectionalSequenceLSTM,
    BidirectionalSequenceRNN,
    cell_of,
)
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.lstm import LSTM, FullLSTM
from edgewise.ops.lstm_operands import CELL_STATE, OUTPUT_STATE
from edgewise.ops.rnn import Recurrent
from edgewise.runtime.calls import Call, Selection, Site, is_float, require, shape_of
from edgewise.runtime.library import pack
from edgewise.runtime.select.conv import fully_connected
from edgewise.runtime.select.copy import copies, copy, view
from edgewise.runtime.select.lstm_s8 import integer_lstm
from edgewise.runtime.select.recurrence import (
    Cell,
    Layer,
    Numbers,
    joined,
    numbers,
    recurrence,
)
from edgewise.values import replace

_GATES = (0, 1, 2, 3)  # input, forget, cell, output: offsets into the operands


def lstm(site: Site) -> Selection:
    """UNIDIRECTIONAL_SEQUENCE_LSTM, and LSTM."""
    op, node = site.node.op, site.node
    assert isinstance(op, FullLSTM)
    if isinstance(op, LSTM) and op.kernel_type is LSTMKernelType.BASIC:
        return _basic(site)
    operands = [node.optional(i) for i in range(len(op.operands))]
    x, h, c = node.operand(0), node.operand(OUTPUT_STATE), node.operand(CELL_STATE)
    if x.dtype is DType.INT8:
        return integer_lstm(site)
    require(is_float(x, h, c, node.output), f"no kernel for {x.dtype.text}")
    layer = Layer([(x, joined(site, operands[1:5]))], h, c, node.output)
    return recurrence(site, _lstm_cell(site, op, operands), layer)


def _lstm_cell(
    site: Site, op: FullLSTM | BidirectionalSequenceLSTM, operands: Sequence[Value | None]
) -> Cell:
    """The cell of the 24 operands."""
    gates = [g for g in _GATES if operands[1 + g] is not None]
    recurrent = joined(site, [operands[5 + g] for g in gates])
    cells = shape_of(recurrent.value)[0] // len(gates)
    vectors = [_bias(site, operands[12 + g], cells) for g in gates]
    has_peephole, has_norm = operands[10] is not None, operands[21] is not None
    if has_peephole:
        is_coupled = operands[9] is None
        vectors += [np.zeros(cells, np.float32) if is_coupled else numbers(site, operands[9])]
        vectors += [numbers(site, operands[10]), numbers(site, operands[11])]
    if has_norm:
        vectors += [numbers(site, operands[20 + g]) for g in gates]
    cell = Cell(
        recurrent,
        cells,
        vectors,
        op.fused_activation_function,
        has_peephole=has_peephole,
        has_norm=has_norm,
        cell_clip=op.cell_clip,
        proj_clip=op.proj_clip,
    )
    if operands[16] is None:
        return cell
    projection = joined(site, [operands[16]])
    return replace(cell, projection=(projection, _bias(site, operands[17], cell.outputs)))


def _bias(site: Site, value: Value | None, size: int) -> Numbers:
    return np.zeros(size, np.float32) if value is None else numbers(site, value)


def _basic(site: Site) -> Selection:
    """The inputs joined, their products, which are results as well, and the cell."""
    node = site.node
    x, h, w, bias, before = (node.operand(i) for i in range(5))
    new_h, new_c, joined, gates = node.outputs
    require(is_float(x, h, before, *node.outputs), f"no kernel for {x.dtype.text}")
    size, cells = shape_of(x)[1], shape_of(h)[1]
    whole = view(joined)
    parts = whole.of(whole.elements[:, :size]), whole.of(whole.elements[:, size:])
    product = Node(FullyConnected(), [joined, w, bias], [gates])
    params = pack("ew_basic_lstm", {"cells": cells})
    operands = (gates, before, new_h, new_c)
    return [
        *copies(list(zip((view(x), view(h)), parts, strict=True))),
        *fully_connected(Site(product, site.target, site.known)),
        Call("basic_lstm_f32", params, operands, shape_of(h)[0], 16 * cells, results=2),
    ]


def rnn(site: Site) -> Selection:
    """RNN and UNIDIRECTIONAL_SEQUENCE_RNN: one gate, without a cell."""
    op, node = site.node.op, site.node
    assert isinstance(op, Recurrent)
    x, w, r, bias, h = (node.operand(i) for i in range(5))
    require(is_float(x, h, node.output), f"no kernel for {x.dtype.text}")
    cell = _simple_cell(site, r, bias, op.fused_activation_function)
    return recurrence(site, cell, Layer([(x, joined(site, [w]))], h, h, node.output))


def _simple_cell(site: Site, r: Value, bias: Value, act: Activation) -> Cell:
    recurrent = joined(site, [r])
    return Cell(recurrent, shape_of(recurrent.value)[0], [numbers(site, bias)], act)


def bidirectional_lstm(site: Site) -> Selection:
    """Two recurrences, the second one from the end."""
    op, node = site.node.op, site.node
    assert isinstance(op, BidirectionalSequenceLSTM)
    operands = [node.optional(i) for i in range(len(op.operands))]
    cells, layers = [], []
    for direction in (0, 1):
        cell, (aux, *aux_weights) = cell_of(operands, direction)
        x, h, c = cell[0], cell[OUTPUT_STATE], cell[CELL_STATE]
        assert x is not None
        assert h is not None
        assert c is not None
        sequences = [(x, joined(site, cell[1:5]))]
        if aux is not None:
            sequences.append((aux, joined(site, aux_weights)))
        cells.append(_lstm_cell(site, op, cell))
        layers.append(Layer(sequences, h, c, node.outputs[0]))
    return _both(site, op, cells, layers)


def bidirectional_rnn(site: Site) -> Selection:
    """Two recurrences of one gate, the second one from the end."""
    op, node = site.node.op, site.node
    assert isinstance(op, BidirectionalSequenceRNN)
    aux, *aux_weights = (node.optional(i) for i in (9, 10, 11))
    is_linked = aux is not None and aux_weights[0] is not None
    cells, layers = [], []
    for direction in (0, 1):
        w, r, bias, h = (node.operand(1 + 4 * direction + i) for i in range(4))
        x = aux if direction and aux is not None and not is_linked else node.operand(0)
        sequences = [(x, joined(site, [w]))]
        if is_linked:
            assert aux is not None
            sequences.append((aux, joined(site, [aux_weights[direction]])))
        cells.append(_simple_cell(site, r, bias, op.fused_activation_function))
        layers.append(Layer(sequences, h, h, node.outputs[0]))
    return _both(site, op, cells, layers)


def _both(
    site: Site, op: Bidirectional, cells: Sequence[Cell], layers: Sequence[Layer]
) -> Sequence[Call]:
    """The recurrences into a result each, or into the halves of one."""
    calls: list[Call] = []
    for direction, (cell, layer) in enumerate(zip(cells, layers, strict=True)):
        y = site.node.outputs[0 if op.merge_outputs else direction]
        offset = cells[0].outputs if direction and op.merge_outputs else 0
        values = [x for x, _ in layer.sequences]
        require(is_float(*values, layer.h, layer.c, y), f"no kernel for {values[0].dtype.text}")
        placed = replace(layer, y=y, y_offset=offset, is_backward=bool(direction))
        calls += recurrence(site, cell, placed)
    return calls


def layer(site: Site) -> Selection:
    """LstmLayer: the recurrence works on the results that take the last state."""
    node = site.node
    x, w, r, bias, h, c = (node.operand(i) for i in range(6))
    y, last_h, last_c = node.outputs
    require(is_float(x, h, c, y), f"no kernel for {x.dtype.text}")
    # copies that are made in any case: a view would let the recurrence write into h and c
    begin = [*copy(view(h), view(last_h)), *copy(view(c), view(last_c))]
    recurrent = joined(site, [r])
    cell = Cell(recurrent, shape_of(h)[1], [numbers(site, bias)], Activation.TANH)
    steps = recurrence(site, cell, Layer([(x, joined(site, [w]))], last_h, last_c, y))
    return [*(replace(call, moves=None) for call in begin), *steps]
