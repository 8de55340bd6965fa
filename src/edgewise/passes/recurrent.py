"""WHILE loops that are LSTM layers, as TensorFlow writes `keras.layers.LSTM`.

The loop carries (counter, time, what was written, h, c, x); one counter may do for both, and what
nobody reads need not be written. Its body is

    g = W x[time] + R h + b, split into i, f, z, o
    c' = sigmoid(f) * c + sigmoid(i) * tanh(z);  h' = sigmoid(o) * tanh(c')
    written[time] = h'      (or h' alone, where the layer returns its last output)

with the pieces joined by SLICE and CONCATENATION of sizes that depend on the time (TensorFlow's
converter), or by DYNAMIC_UPDATE_SLICE (`frontends/tensorflow`). Everything is
checked that the result depends on: the operators, the order of the gates, that both counters run
from 0 by 1 to the number of steps, and that every step is written at its own place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import Model
from edgewise.ops.control import While
from edgewise.ops.lstm_layer import LstmLayer
from edgewise.values import dataclass

Array = np.ndarray


class _Differs(Exception):
    """The loop is no such layer."""


def recognize_layers(model: Model) -> int:
    """Replace such loops by LstmLayer, in place; how many there were."""
    graphs = list(model.graphs.values())
    count = 0
    for graph in graphs:
        for node in graph.nodes:
            layer = layer_of(node, node.op) if isinstance(node.op, While) else None
            if layer is not None:
                _replace(graph, node, layer)
                count += 1
    return count


@dataclass(frozen=True, slots=True)
class Layer:
    """What a loop computes; numbers are places among the carried values. `written` is None where
    nobody reads what is written; `keeps_all`: the outputs of all steps are, not the last alone."""

    w: Array
    r: Array
    b: Array
    x: int
    h: int
    c: int
    written: int | None
    counters: tuple[int, ...]
    steps: int
    keeps_all: bool


def layer_of(node: Node, op: While) -> Layer | None:
    """The layer that a WHILE is; None where it is another loop."""
    try:
        return _layer_of(node, op.cond, op.body)
    except _Differs:
        return None


def _require(rule: bool) -> None:
    if not rule:
        raise _Differs


def _layer_of(node: Node, cond: Graph, body: Graph) -> Layer:
    carried, results = body.inputs, body.outputs
    count = len(carried)
    _require(len(results) == len(node.inputs) == len(node.outputs) == count and 4 <= count <= 6)
    (x,) = _places(carried, lambda i: results[i] is carried[i])
    cell_state = [i for i in range(count) if _is_state(results[i], carried[i])]
    _require(len(cell_state) == 1)
    c = cell_state[0]
    gates, split = _gates(results[c], carried[c])
    (h,) = _places(carried, lambda i: _is_hidden(results[i], results[c]))
    output, other = _logistic_of(results[h])
    gates["o"] = _part(output, split)
    _require(sorted(gates.values()) == [0, 1, 2, 3] and other is not None)
    w, r, b, time = _products(split.operand(1), carried[x], carried[h])
    counters = [i for i in range(count) if _is_counted(results[i], carried[i])]
    _require(len(counters) in (1, 2) and time in [carried[i] for i in counters])
    others = sorted(set(range(count)) - {x, h, c, *counters})
    _require(len(others) <= 1)
    steps = _steps(node, cond, counters)
    _require(node.operand(x).shape[0] == steps)
    keeps_all = False
    written = others[0] if others else None
    if written is not None:
        keeps_all = _is_written(results, carried, written, results[h], time)
        size = node.outputs[written].shape[0]
        _require(size == (steps if keeps_all else 1))
    order = [gates[name] for name in "ifzo"]
    w, r, b = (np.concatenate([np.split(a, 4)[i] for i in order]) for a in (w, r, b))
    return Layer(w, r, b, x, h, c, written, tuple(counters), steps, keeps_all)


def _places(values: Sequence[Value], rule: Callable[[int], bool]) -> tuple[int]:
    found = [i for i in range(len(values)) if rule(i)]
    _require(len(found) == 1)
    return (found[0],)


def _node(value: Value | None, name: str) -> Node:
    """The producer, which must be this operator, without a fused activation."""
    producer = None if value is None else value.producer
    if producer is None or producer.op.name != name:
        raise _Differs
    act = getattr(producer.op, "fused_activation_function", Activation.NONE)
    _require(act is Activation.NONE)
    return producer


def _is(value: Value | None, name: str) -> bool:
    return value is not None and value.producer is not None and value.producer.op.name == name


# -- the cell -----------------------------------------------------------------------------------


def _is_state(result: Value, carried: Value) -> bool:
    """result = logistic(..) * carried + logistic(..) * tanh(..)."""
    if not _is(result, "add") or not all(_is(v, "mul") for v in _node(result, "add").inputs):
        return False
    return any(carried in _node(v, "mul").inputs for v in _node(result, "add").inputs)


def _gates(state: Value, carried: Value) -> tuple[dict[str, int], Node]:
    """The places of f, i and z among the parts of the split, and the split."""
    kept, new = _node(state, "add").inputs
    if kept is None or carried not in _node(kept, "mul").inputs:
        kept, new = new, kept
    forget, other = _logistic_of(kept)
    _require(other is carried)
    into, candidate = _logistic_of(new)
    z = _node(candidate, "tanh").operand(0)
    split = _node(z, "split")
    axis = split.operand(0).data
    _require(axis is not None and int(axis.reshape(-1)[0]) % 2 == 1 and len(split.outputs) == 4)
    return {"f": _part(forget, split), "i": _part(into, split), "z": z.index}, split


def _is_hidden(result: Value, state: Value) -> bool:
    """result = logistic(..) * tanh(state)."""
    if not _is(result, "mul"):
        return False
    factors = _node(result, "mul").inputs
    return any(_is(v, "tanh") and _node(v, "tanh").operand(0) is state for v in factors)


def _logistic_of(product: Value | None) -> tuple[Value, Value]:
    """(a, b) of logistic(a) * b."""
    a, b = _node(product, "mul").inputs
    if not _is(a, "logistic"):
        a, b = b, a
    assert b is not None
    return _node(a, "logistic").operand(0), b


def _part(value: Value, split: Node) -> int:
    _require(value.producer is split)
    return value.index


# -- the products -------------------------------------------------------------------------------


def _products(total: Value, x: Value, h: Value) -> tuple[Array, Array, Array, Value]:
    """(W, R, b, time) of the sum W x[time] + R h + b."""
    w: Array | None = None
    r: Array | None = None
    bias: list[Array] = []
    time: Value | None = None
    for leaf in _summands(total):
        if leaf.data is not None:
            bias.append(leaf.data.reshape(-1))
            continue
        product = _node(leaf, "fully_connected")
        operand, weights, constant = product.operand(0), product.operand(1), product.optional(2)
        if constant is not None:
            _require(constant.data is not None)
            bias.append(np.asarray(constant.data).reshape(-1))
        if operand is h:
            _require(r is None)
            r = _real(weights)
        else:
            gather = _node(operand, "gather")
            at = gather.op
            _require(w is None and gather.operand(0) is x)
            _require(getattr(at, "axis", 0) == 0 and getattr(at, "batch_dims", 0) == 0)
            w, time = _real(weights), gather.operand(1)
    if w is None or r is None or time is None:
        raise _Differs
    rows = r.shape[0]
    _require(len(w) == rows and all(part.size in (1, rows) for part in bias))
    total_bias = sum((np.broadcast_to(p, rows) for p in bias), np.zeros(rows, np.float32))
    return w, r, np.asarray(total_bias, np.float32), time


def _real(weights: Value) -> Array:
    """Constant weights in float32; integers with a scale are dequantized: that is their meaning."""
    if weights.data is None or not (weights.dtype.is_float or weights.quant):
        raise _Differs
    if weights.quant is not None:
        return weights.quant.dequantize(weights.data).astype(np.float32)
    return weights.data.astype(np.float32)


def _summands(value: Value) -> list[Value]:
    """The terms of nested additions; a reshape does not change a row."""
    if _is(value, "reshape"):
        return _summands(_node(value, "reshape").operand(0))
    if _is(value, "add"):
        return [v for term in _node(value, "add").inputs if term for v in _summands(term)]
    return [value]


# -- the loop -----------------------------------------------------------------------------------


def _is_counted(result: Value, carried: Value) -> bool:
    """result = carried + 1."""
    if not _is(result, "add") or not carried.dtype.is_integer:
        return False
    a, b = _node(result, "add").inputs
    step = b if a is carried else a
    return carried in (a, b) and step is not None and _holds(step, 1)


def _holds(value: Value | None, number: int) -> bool:
    """A constant, all of whose elements are this number."""
    return value is not None and value.data is not None and bool((value.data == number).all())


def _steps(node: Node, cond: Graph, counters: Sequence[int]) -> int:
    """How often the loop runs: while the counters, which begin at 0, are below constants."""
    _require(all(_holds(node.operand(i), 0) for i in counters) and len(cond.outputs) == 1)
    limits: dict[int, int] = {}
    answer: Value | None = cond.outputs[0]
    while _is(answer, "reshape"):  # to a scalar
        answer = _node(answer, "reshape").operand(0)
    for term in _node(answer, "logical_and").inputs if _is(answer, "logical_and") else (answer,):
        count, limit = _node(term, "less").inputs
        if count not in cond.inputs or limit is None or limit.data is None:
            raise _Differs
        limits[cond.inputs.index(count)] = int(limit.data.reshape(-1)[0])
    _require(set(limits) == set(counters))
    return max(min(limits.values()), 0)


def _is_written(
    results: Sequence[Value], carried: Sequence[Value], at: int, h: Value, time: Value
) -> bool:
    """Whether every step writes h at its own place; False where the last h alone stays."""
    if _is(results[at], "reshape"):
        _require(_node(results[at], "reshape").operand(0) is h)
        return False
    if _is(results[at], "dynamic_update_slice"):
        update = _node(results[at], "dynamic_update_slice")
        row = _node(update.operand(1), "reshape").operand(0)
        _require(update.operand(0) is carried[at] and row is h)
        _require(_leads(update.operand(2), 0) is time)
        return True
    join = _node(results[at], "concatenation")
    _require(getattr(join.op, "axis", None) == 0 and len(join.inputs) == 3)
    before, here, after = join.inputs
    _require(_node(here, "reshape").operand(0) is h)
    first, last = _node(before, "slice"), _node(after, "slice")
    _require(first.operand(0) is carried[at] and last.operand(0) is carried[at])
    # acc[:time] and acc[time + 1:], whole along the other dimensions
    _require(_holds(first.operand(1), 0) and _holds(last.operand(2), -1))
    _require(_leads(first.operand(2), -1) is time)
    following = _leads(last.operand(1), 0)
    _require(following is results[list(carried).index(time)])
    return True


def _leads(value: Value, rest: int) -> Value:
    """v of the vector [v, rest, rest, ...]."""
    number, constant = _node(value, "concatenation").inputs
    _require(_holds(constant, rest))
    return _node(number, "reshape").operand(0)


def _replace(graph: Graph, node: Node, layer: Layer) -> None:
    b = Builder(graph, before=node)
    x, h, c = (node.operand(i) for i in (layer.x, layer.h, layer.c))
    constants = [b.constant(a) for a in (layer.w, layer.r, layer.b)]
    y, last_h, last_c = b.node(LstmLayer(), x, *constants, h, c).outputs
    values: list[Value] = [x] * len(node.outputs)
    values[layer.h], values[layer.c] = last_h, last_c
    for counter in layer.counters:
        dtype = node.outputs[counter].dtype.numpy
        values[counter] = b.constant(np.array(layer.steps, dtype))
    if layer.written is not None:
        shape = np.array(node.outputs[layer.written].shape, np.int32)
        values[layer.written] = y if layer.keeps_all else b.reshape(last_h, b.constant(shape))
    for old, new in zip(node.outputs, values, strict=True):
        new.name = new.name or old.name
    graph.replace(node, values)
