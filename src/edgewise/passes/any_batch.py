"""Recurrent operators of an unknown batch, as loops: for LiteRT.

UNIDIRECTIONAL_SEQUENCE_LSTM and _RNN keep their states in variable tensors. LiteRT does not resize
these with the input: at another batch than the file says (1 where it is unknown) it refuses to
allocate. A WHILE over the steps carries its states as values, and runs at any batch.
Source: CheckInputTensorDimensions in TensorFlow Lite unidirectional_sequence_lstm.cc.
"""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Graph, Node, Value
from edgewise.ir.model import STATELESS, Model
from edgewise.ops.join import Split
from edgewise.ops.lstm import UnidirectionalSequenceLSTM
from edgewise.ops.lstm_operands import CELL_STATE, OUTPUT_STATE
from edgewise.ops.over_steps import Step, counter, over_steps, zeros_sized
from edgewise.ops.rnn import UnidirectionalSequenceRNN
from edgewise.passes.rewrite import Miss, Outcome, nodes_between

RULE = "loop of any batch"
PHRASE = "recurrent layer[s] of unknown batch written as loops"
PLAIN = frozenset({0, *range(1, 9), *range(12, 16), OUTPUT_STATE, CELL_STATE})
ACTIVATIONS = {Activation.TANH: "tanh", Activation.RELU: "relu", Activation.RELU6: "relu6"}
BATCH_FIRST = np.array([1, 0, 2], np.int32)


def loops_of_any_batch(model: Model) -> Outcome:
    """Replace such operators of a model whose variables start anew in every run, in place."""
    outcome = Outcome()
    if not model.is_stateless:
        return outcome
    for graph in list(model.graphs.values()):
        for node in list(graph.nodes):
            if isinstance(node.op, UnidirectionalSequenceLSTM | UnidirectionalSequenceRNN):
                _rewrite(graph, node, outcome)
    model.add_inner()
    if not any(value.is_variable for graph in model.graphs.values() for value in graph.values()):
        del model.metadata[STATELESS]
    return outcome


def _rewrite(graph: Graph, node: Node, outcome: Outcome) -> None:
    is_lstm = isinstance(node.op, UnidirectionalSequenceLSTM)
    places = (OUTPUT_STATE, CELL_STATE) if is_lstm else (4,)
    if all(isinstance(node.operand(i).shape[0], int) for i in places):
        return
    why = _refusal(node)
    if why:
        outcome.misses.append(Miss(RULE, str(node), why))
        return
    before = node.prev
    b = Builder(graph, before=node)
    turns = getattr(node.op, "time_major", False)
    x = b.transpose(node.operand(0), b.constant(BATCH_FIRST)) if turns else node.operand(0)
    gates = range(1, 5) if is_lstm else range(1, 2)
    w, r, bias = (
        np.concatenate([_real(node.operand(first + gate)) for gate in range(len(gates))])
        for first in ((1, 5, 12) if is_lstm else (1, 2, 3))
    )
    inputs = b.fully_connected(x, b.constant(w), b.constant(bias), keep_num_dims=True)
    act = node.op.fused_activation_function  # type: ignore[attr-defined]
    step = _cell(r, act, is_lstm=is_lstm)
    first = zeros_sized(b, x, (x.shape[0], r.shape[1]))
    y, *_ = over_steps(
        b, node.output.name, counter(b, x, 1), [inputs], [first] * len(places), step,
        lambda shape: zeros_sized(b, x, shape),
    )  # fmt: skip
    y = b.transpose(y, b.constant(BATCH_FIRST)) if turns else y
    y.name, y.source = node.output.name, node.output.source
    made = nodes_between(before, node, graph)
    graph.replace(node, [y])
    outcome.replaced(RULE, node, y, made, PHRASE)


def _refusal(node: Node) -> str:
    """Why the operator stays, or ''."""
    given = {i for i, value in enumerate(node.inputs) if value is not None}
    if any(node.operand(i).data is None for i in given if not _is_moving(node, i)):
        return "its weights are computed"
    op = node.op
    if not isinstance(op, UnidirectionalSequenceLSTM):
        return ""
    if given != PLAIN or op.diagonal_recurrent_tensors:
        return "it has peepholes, a projection, norms, or no input gate"
    if op.cell_clip or op.proj_clip or op.fused_activation_function not in ACTIVATIONS:
        return "it clips its states, or has another activation"
    return ""


def _is_moving(node: Node, index: int) -> bool:
    """Operand `index` is the sequence or a state."""
    return index == 0 or node.operand(index).is_variable


def _real(value: Value) -> np.ndarray:
    """Weights in float32; integers with a scale are what that makes of them."""
    assert value.data is not None
    if value.quant is not None:
        return value.quant.dequantize(value.data).astype(np.float32)
    return value.data.astype(np.float32)


def _cell(r: np.ndarray, act: Activation, *, is_lstm: bool) -> Step:
    """One step, as `keras/handlers/recurrent_cells.py` writes it."""

    def activated(b: Builder, x: Value) -> Value:
        name = ACTIVATIONS.get(act)
        return x if name is None else getattr(b, name)(x)

    def summed(b: Builder, x: Value, h: Value) -> Value:
        return b.add(x, b.fully_connected(h, b.constant(r)))

    def simple(b: Builder, x: list[Value], h: list[Value]) -> tuple[Value, list[Value]]:
        y = activated(b, summed(b, x[0], h[0]))
        return y, [y]

    def lstm(b: Builder, x: list[Value], states: list[Value]) -> tuple[Value, list[Value]]:
        h, carry = states
        axis = b.constant(np.array(1, np.int32))
        i, f, g, o = b.node(Split(num_splits=4), axis, summed(b, x[0], h)).outputs
        new = b.mul(b.logistic(i), activated(b, g))
        new = b.add(b.mul(b.logistic(f), carry), new)
        y = b.mul(b.logistic(o), activated(b, new))
        return y, [y, new]

    return lstm if is_lstm else simple
