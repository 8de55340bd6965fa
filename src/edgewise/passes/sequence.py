"""Loops that are LSTM or simple recurrent layers, as the operator that `.tflite` has for them; at
conversion.

UNIDIRECTIONAL_SEQUENCE_LSTM and _RNN keep their states in variables, which are zero at first. So a
loop can become one where it begins with zeros and nobody asks for the last cell state. LiteRT keeps
the variables from run to run: the model is marked stateless, which whoever writes it is told.

SimpleRNN(64) on [1, 600, 16] with all outputs, ms of one thread in Edgewise and in LiteRT 2.3: loop
0.44 and 19.1 (LiteRT copies all outputs in every step), operator 0.12 and 0.61.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import STATELESS, Model
from edgewise.ir.types import TensorType
from edgewise.ops.control import While
from edgewise.ops.join import Concatenation
from edgewise.ops.lstm import UnidirectionalSequenceLSTM
from edgewise.ops.rnn import UnidirectionalSequenceRNN
from edgewise.ops.state import AssignVariable, CallOnce
from edgewise.passes.flow import drop_graphs
from edgewise.passes.recurrent import Layer, layer_of
from edgewise.passes.rewrite import Miss, Outcome, nodes_between

LSTM, SIMPLE = "LSTM from a loop", "simple RNN from a loop"
PHRASES = {
    LSTM: "loop[s] recognised as LSTM layers",
    SIMPLE: "loop[s] recognised as simple recurrent layers",
}
# What gives zeros where its first operand (of FILL: the second) is zeros.
SPREADING = {
    "broadcast_to": 0,
    "tile": 0,
    "reshape": 0,
    "transpose": 0,
    "expand_dims": 0,
    "fill": 1,
}
BATCH_FIRST = [1, 0, 2]


def fuse_sequences(model: Model) -> Outcome:
    """Replace the loops that can be one UNIDIRECTIONAL_SEQUENCE_LSTM or _RNN, in place."""
    outcome = Outcome()
    if _keeps_state(model):
        return outcome  # whose runs belong together; the variables would have to be reset between
    for graph in model.graphs.values():
        for node in graph.nodes:
            layer = layer_of(node, node.op) if isinstance(node.op, While) else None
            if layer is None:
                continue
            rule = SIMPLE if layer.c is None else LSTM
            why = _refusal(graph, node, layer)
            if why:
                outcome.misses.append(Miss(rule, str(node), why))
                continue
            made = _replace(graph, node, layer)
            outcome.replaced(rule, node, made[0].output, made, PHRASES[rule])
    drop_graphs(model, outcome)
    if outcome.counts:
        model.metadata[STATELESS] = b""
    return outcome


def _keeps_state(model: Model) -> bool:
    """Something of a run is there in the next one."""
    inits = {inner for g in model.graphs.values() for n in g.nodes for inner in _inits(n)}
    graphs = [graph for graph in model.graphs.values() if graph not in inits]
    if any(isinstance(node.op, AssignVariable) for graph in graphs for node in graph.nodes):
        return True
    has_variables = any(value.is_variable for graph in graphs for value in graph.values())
    return has_variables and not model.is_stateless


def _inits(node: Node) -> tuple[Graph, ...]:
    return (node.op.init,) if isinstance(node.op, CallOnce) else ()


def _refusal(graph: Graph, node: Node, layer: Layer) -> str:
    """Why the layer stays a loop, or ''."""
    states = [place for place in (layer.h, layer.c) if place is not None]
    if not all(_is_zero(node.operand(place)) for place in states):
        return "its states do not begin as zeros, which those of the operator do"
    batch = layer.x.shape[1 - layer.axis]
    named = [v.type.shape[0] for v in graph.inputs if v.type.shape]
    if not isinstance(batch, int) and batch not in named:
        return "its batch is none of the model's inputs'; a file can name no other for its states"
    if layer.c is not None and node.outputs[layer.c].uses:
        return "its last cell state is read, which the operator keeps for itself"
    return ""


def _is_zero(value: Value, depth: int = 8) -> bool:
    """All elements are known to be zero."""
    if value.data is not None:
        return not value.data.any()
    node = value.producer
    if node is None or depth == 0:
        return False
    if node.op.name == "zeros_like":
        return True
    place = SPREADING.get(node.op.name)
    return place is not None and _is_zero(node.operand(place), depth - 1)


def _replace(graph: Graph, node: Node, layer: Layer) -> list[Node]:
    """Put the operator, and what makes the loop's results of its own, in place; returns them."""
    b = Builder(graph, before=node)
    before = node.prev
    x, is_turned = (layer.x, True) if layer.axis else _batch_first(b, layer.x)
    y = _operator(b, node.output.name, layer, x, time_major=not is_turned)
    # what stays, and what nobody reads: the cell state
    values: list[Value] = list(map(node.operand, range(len(node.outputs))))
    turns = is_turned and not layer.axis
    turned = b.transpose(y, b.constant(np.array(BATCH_FIRST, np.int32))) if turns else y
    last = _last(b, y, axis=1 if is_turned else 0)
    values[layer.h] = last
    for counter in layer.counters:
        values[counter] = layer.counted(b, node, counter)
    if layer.written is not None:
        values[layer.written] = turned if layer.keeps_all else _as_row(b, last)
    for old, new in zip(node.outputs, values, strict=True):
        new.name = new.name or old.name
    made = nodes_between(before, node, graph)
    graph.replace(node, values)
    return made


def _operator(b: Builder, name: str, layer: Layer, x: Value, *, time_major: bool) -> Value:
    """The outputs of all steps."""
    shape = (x.shape[1 if time_major else 0], layer.r.data.shape[1])
    states = [
        Value(TensorType(shape, x.dtype), f"{name}/{state}", is_variable=True)
        for state in ("output_state", "cell_state")
    ]
    act = layer.act
    if layer.c is None:
        constants = [b.constant(a) for a in (layer.w.real, layer.r.real, layer.b)]
        simple = UnidirectionalSequenceRNN(fused_activation_function=act, time_major=time_major)
        return b.node(simple, x, *constants, states[0]).output
    matrices = [b.constant(part) for a in (layer.w.real, layer.r.real) for part in np.split(a, 4)]
    biases = [b.constant(part) for part in np.split(layer.b, 4)]
    lstm = UnidirectionalSequenceLSTM(fused_activation_function=act, time_major=time_major)
    none = [None] * 3
    return b.node(lstm, x, *matrices, *none, *biases, None, None, *states).output


def _batch_first(b: Builder, x: Value) -> tuple[Value, bool]:
    """x [B, T, I], if x is the transpose of such (perhaps reversed), and whether it is."""
    node = x.producer
    if node is not None and node.op.name == "reverse_v2":  # a layer that goes backwards
        axes = node.operand(1).data
        given, is_turned = _batch_first(b, node.operand(0))
        if not is_turned or axes is None or axes.reshape(-1).tolist() != [0]:
            return x, False
        return b.reverse_v2(given, b.constant(np.array([1], np.int32))), True
    if node is not None and isinstance(node.op, Concatenation):  # of both directions
        parts = [_batch_first(b, v) for v in node.inputs if v is not None]
        is_last = node.op.axis in (2, -1)
        if not is_last or not all(is_turned for _, is_turned in parts):
            return x, False
        return b.node(node.op, *(given for given, _ in parts)).output, True
    if node is None or node.op.name not in ("transpose", "reshape"):
        return x, False
    given = node.operand(0)
    if node.op.name == "reshape":  # what a transpose is of a single sequence
        is_turn = given.type.shape == (1, x.shape[0], x.shape[2])
        return (given, True) if is_turn and x.shape[1] == 1 else (x, False)
    perm = node.operand(1).data
    return (given, True) if perm is not None and perm.tolist() == BATCH_FIRST else (x, False)


def _last(b: Builder, y: Value, axis: int) -> Value:
    """The last step of y, without the dimension of steps."""
    begin, end, shrink = [0, 0, 0], [0, 0, 0], 1 << axis
    begin[axis] = -1
    whole = 0b111 & ~shrink
    vectors = (b.constant(np.array(v, np.int32)) for v in (begin, end, [1, 1, 1]))
    return b.strided_slice(y, *vectors, begin_mask=whole, end_mask=0b111, shrink_axis_mask=shrink)


def _as_row(b: Builder, last: Value) -> Value:
    return b.expand_dims(last, b.constant(np.array(0, np.int32)))
