"""WHILE loops that are recurrent layers, as TensorFlow writes `keras.layers.LSTM` and `SimpleRNN`.

The loop carries (counter, time, what was written, h, c, x), and the number of steps where that is
no constant; one counter may do for both, and what nobody reads need not be written. Its body is

    g = W x[time] + R h + b, split into i, f, z, o
    c' = sigmoid(f) * c + sigmoid(i) * tanh(z);  h' = sigmoid(o) * tanh(c')
    written[time] = h'      (or h' alone, where the layer returns its last output)

of an LSTM, and h' = act(g), without c, of a simple layer,

with the pieces joined by SLICE and CONCATENATION of sizes that depend on the time (TensorFlow's
converter), or by DYNAMIC_UPDATE_SLICE (`frontends/tensorflow`). In a loop of ours
(`ops/over_steps.py`) the steps are the second axis, and W x + b stands before it. Everything is
checked that the result depends on: the operators, the order of the gates, that both counters run
from 0 by 1 to the number of steps, and that every step is written at its own place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import Dim
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ops.control import While
from edgewise.ops.lstm_layer import LstmLayer
from edgewise.ops.over_steps import counter as steps_in
from edgewise.passes.counted import (
    Differs,
    is_counted,
    is_op,
    is_written,
    node_of,
    require,
    steps_of,
)
from edgewise.passes.recurrent_sum import Array, Matrix, before_loop, in_order, products
from edgewise.values import dataclass


def recognize_layers(model: Model) -> int:
    """Replace those that are LSTMs by LstmLayer, in place; how many there were."""
    graphs = list(model.graphs.values())
    count = 0
    for graph in graphs:
        for node in graph.nodes:
            layer = layer_of(node, node.op) if isinstance(node.op, While) else None
            if layer is not None and layer.c is not None:
                _replace(graph, node, layer, layer.c)
                count += 1
    return count


@dataclass(frozen=True, slots=True)
class Layer:
    """What a loop computes, of the sequence `x` with its steps along `axis` (0 or 1).

    Numbers are places among the carried values; `stay` those that the loop does not change, `c` is
    None of a simple layer, whose activation is `act`.
    `written` is None where nobody reads what is written; `keeps_all`: the outputs of all steps
    are, not the last alone."""

    w: Matrix
    r: Matrix
    b: Array
    x: Value
    axis: int
    h: int
    c: int | None
    act: Activation
    written: int | None
    counters: tuple[int, ...]
    stay: tuple[int, ...]
    steps: Dim
    keeps_all: bool

    def counted(self, b: Builder, node: Node, counter: int) -> Value:
        """What a counter is after the loop."""
        value = node.outputs[counter]
        if isinstance(self.steps, int):
            return b.constant(np.array(self.steps, value.dtype.numpy))
        steps = steps_in(b, self.x, self.axis)
        if value.dtype is steps.dtype:
            return steps
        return b.cast(steps, in_data_type=steps.dtype, out_data_type=value.dtype)


@dataclass(frozen=True, slots=True)
class Cell:
    """A step: its states, the terms of its sum, the order of the sum's parts (i, f, z, o)."""

    h: int
    c: int | None
    terms: tuple[Value, ...]
    order: tuple[int, ...]
    act: Activation


def layer_of(node: Node, op: While) -> Layer | None:
    """The layer that a WHILE is; None where it is another loop."""
    for cell_of in (_lstm_cell, _simple_cell):
        try:
            return _layer_of(node, op.cond, op.body, cell_of)
        except Differs:
            continue
    return None


CellOf = Callable[[Sequence[Value], Sequence[Value]], Cell]


def _layer_of(node: Node, cond: Graph, body: Graph, cell_of: CellOf) -> Layer:
    carried, results = body.inputs, body.outputs
    count = len(carried)
    require(len(results) == len(node.inputs) == len(node.outputs) == count and 3 <= count <= 8)
    stay = [i for i in range(count) if results[i] is carried[i]]
    (x,) = _places(carried, lambda i: i in stay and carried[i].dtype.is_float)
    cell = cell_of(results, carried)
    h = cell.h
    w, r, b, gather = products(cell.terms, carried[x], carried[h])
    time, axis, sequence = gather.operand(1), getattr(gather.op, "axis", 0), node.operand(x)
    require(axis in (0, 1) and len(sequence.shape) == 3)
    if w is None:  # one product for all steps, before the loop
        w, bias, sequence = before_loop(sequence)
        require(len(w.data) == len(r.data))
        b = b + bias
    require(len(r.data) == len(cell.order) * r.data.shape[1])
    counters = [i for i in range(count) if is_counted(results[i], carried[i])]
    require(len(counters) in (1, 2) and time in [carried[i] for i in counters])
    others = sorted(set(range(count)) - {*stay, h, *counters} - {cell.c})
    require(len(others) <= 1)
    steps = steps_of(node, cond, counters)
    require(sequence.shape[axis] == steps)
    keeps_all = False
    written = others[0] if others else None
    if written is not None:
        keeps_all = is_written(results, carried, written, results[h], time, axis)
        size = node.outputs[written].shape[axis if keeps_all else 0]
        require(size == (steps if keeps_all else 1))
    w, r, b = w.in_order(cell.order), r.in_order(cell.order), in_order(b, cell.order)
    return Layer(
        w, r, b, sequence, axis, h, cell.c, cell.act, written, tuple(counters), tuple(stay), steps,
        keeps_all,
    )  # fmt: skip


def _places(values: Sequence[Value], rule: Callable[[int], bool]) -> tuple[int]:
    found = [i for i in range(len(values)) if rule(i)]
    require(len(found) == 1)
    return (found[0],)


# -- the cells ----------------------------------------------------------------------------------


def _lstm_cell(results: Sequence[Value], carried: Sequence[Value]) -> Cell:
    (c,) = _places(carried, lambda i: _is_state(results[i], carried[i]))
    gates, split = _gates(results[c], carried[c])
    (h,) = _places(carried, lambda i: _is_hidden(results[i], results[c]))
    output, other = _logistic_of(results[h])
    gates["o"] = _part(output, split)
    require(sorted(gates.values()) == [0, 1, 2, 3] and other is not None)
    order = tuple(gates[name] for name in "ifzo")
    return Cell(h, c, (split.operand(1),), order, Activation.TANH)


def _simple_cell(results: Sequence[Value], carried: Sequence[Value]) -> Cell:
    """h' = act(sum), where tanh is an operator and others are part of the addition."""
    (h,) = _places(carried, lambda i: is_op(results[i], "tanh") or _is_sum(results[i]))
    if is_op(results[h], "tanh"):
        total = node_of(results[h], "tanh").operand(0)
        return Cell(h, None, (total,), (0,), Activation.TANH)
    node = results[h].producer
    assert node is not None
    act = node.op.activation
    return Cell(h, None, (node.operand(0), node.operand(1)), (0,), act)


def _is_sum(result: Value) -> bool:
    return is_op(result, "add") and result.dtype.is_float


def _is_state(result: Value, carried: Value) -> bool:
    """result = logistic(..) * carried + logistic(..) * tanh(..)."""
    if not is_op(result, "add") or not all(is_op(v, "mul") for v in node_of(result, "add").inputs):
        return False
    return any(carried in node_of(v, "mul").inputs for v in node_of(result, "add").inputs)


def _gates(state: Value, carried: Value) -> tuple[dict[str, int], Node]:
    """The places of f, i and z among the parts of the split, and the split."""
    kept, new = node_of(state, "add").inputs
    if kept is None or carried not in node_of(kept, "mul").inputs:
        kept, new = new, kept
    forget, other = _logistic_of(kept)
    require(other is carried)
    into, candidate = _logistic_of(new)
    z = node_of(candidate, "tanh").operand(0)
    split = node_of(z, "split")
    axis = split.operand(0).data
    require(axis is not None and int(axis.reshape(-1)[0]) % 2 == 1 and len(split.outputs) == 4)
    return {"f": _part(forget, split), "i": _part(into, split), "z": z.index}, split


def _is_hidden(result: Value, state: Value) -> bool:
    """result = logistic(..) * tanh(state)."""
    if not is_op(result, "mul"):
        return False
    factors = node_of(result, "mul").inputs
    return any(is_op(v, "tanh") and node_of(v, "tanh").operand(0) is state for v in factors)


def _logistic_of(product: Value | None) -> tuple[Value, Value]:
    """(a, b) of logistic(a) * b."""
    a, b = node_of(product, "mul").inputs
    if not is_op(a, "logistic"):
        a, b = b, a
    assert b is not None
    return node_of(a, "logistic").operand(0), b


def _part(value: Value, split: Node) -> int:
    require(value.producer is split)
    return value.index


def _replace(graph: Graph, node: Node, layer: Layer, state: int) -> None:
    b = Builder(graph, before=node)
    h, c = (node.operand(i) for i in (layer.h, state))
    turn = b.constant(np.array([1, 0, 2], np.int32))
    x = b.transpose(layer.x, turn) if layer.axis else layer.x
    constants = [layer.w.constant(b), layer.r.constant(b), b.constant(layer.b)]
    y, last_h, last_c = b.node(LstmLayer(), x, *constants, h, c).outputs
    values: list[Value] = list(map(node.operand, range(len(node.outputs))))
    values[layer.h], values[state] = last_h, last_c
    for counter in layer.counters:
        values[counter] = layer.counted(b, node, counter)
    if layer.written is not None:
        if layer.keeps_all:
            values[layer.written] = b.transpose(y, turn) if layer.axis else y
        else:
            values[layer.written] = b.expand_dims(last_h, b.constant(np.array(0, np.int32)))
    for old, new in zip(node.outputs, values, strict=True):
        new.name = new.name or old.name
    graph.replace(node, values)
