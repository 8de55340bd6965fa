"""Parallel convolutions of one input whose results are joined: they become one.

    concatenation(conv(x, w), conv(x, u)) -> conv(x, [w, u])
    pack(conv(x, w), conv(x, u)) -> reshape(conv(x, [w, u]))

Where the results are not joined, one convolution and a SPLIT would do the same, but that does not
pay: Inception's 1x1 branches and the three projections of attention heads took 0 to 4 % longer in
LiteRT 2.3 (one thread), because the parts are copied; in our runtime no gain left the noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ops.conv import Conv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.join import Concatenation, Pack
from edgewise.passes.linear import constant_weights
from edgewise.passes.pattern import Match
from edgewise.passes.reshaping import reshape, shape_is_known
from edgewise.passes.rewrite import Rule, Verdict

# Their output channels are the first axis of their weights, and the last one of their result.
KINDS = (Conv2D, FullyConnected)


def _producer(value: Value | None) -> Node | None:
    """The convolution that computes an operand for the root alone."""
    node = None if value is None else value.producer
    if node is None or value is None or not isinstance(node.op, KINDS) or len(value.uses) != 1:
        return None
    return node


def _alike(a: Node, b: Node) -> bool:
    """Both read the same in the same way, through kernels of one size."""
    w, u = a.operand(1), b.operand(1)
    return (
        a.op == b.op
        and a.operand(0) is b.operand(0)
        and w.dtype is u.dtype
        and w.shape[1:] == u.shape[1:]
        and a.output.shape[:-1] == b.output.shape[:-1]
        and constant_weights(a) is True
        and constant_weights(b) is True
    )


def _runs(match: Match) -> list[list[Node]]:
    """Operands that follow each other and can be computed together."""
    runs: list[list[Node]] = []
    previous: Node | None = None
    for value in match.root.inputs:
        node = _producer(value)
        if node is not None and previous is not None and _alike(previous, node):
            runs[-1].append(node)
        elif node is not None:
            runs.append([node])
        previous = node
    return [run for run in runs if len(run) > 1]


def _joins_channels(match: Match) -> Verdict:
    root = match.root
    assert isinstance(root.op, Concatenation)
    rank = len(root.output.shape)
    if root.op.axis % rank != rank - 1:
        return f"it joins axis {root.op.axis}, not the channels"
    return bool(_runs(match)) or "no two operands are convolutions of one input that it alone reads"


def _together(b: Builder, run: Sequence[Node]) -> Value:
    """One convolution with the outputs of all."""
    first = run[0]
    arrays = [node.operand(1).data for node in run]
    weights = np.concatenate([a for a in arrays if a is not None])
    biases = []
    for node, array in zip(run, arrays, strict=True):
        given = node.optional(2)
        assert array is not None
        none = np.zeros(len(array), array.dtype)
        biases.append(none if given is None or given.data is None else given.data.reshape(-1))
    has_bias = any(node.optional(2) is not None for node in run)
    w = b.constant(weights, name=first.operand(1).name)
    bias = b.constant(np.concatenate(biases)) if has_bias else None
    return b.node(first.op, first.operand(0), w, bias).output


def _merged(b: Builder, match: Match) -> Value:
    root = match.root
    assert isinstance(root.op, Concatenation)
    runs = {id(run[0].output): run for run in _runs(match)}
    later = {id(node.output) for run in runs.values() for node in run[1:]}
    operands: list[Value | None] = []
    for value in root.inputs:
        if id(value) in runs:
            operands.append(_together(b, runs[id(value)]))
        elif id(value) not in later:
            operands.append(value)
    if len(operands) == 1 and root.op.fused_activation_function is Activation.NONE:
        (only,) = operands
        assert only is not None
        return only
    return b.node(root.op, *operands, results=[root.output.type]).output


def _packs_channels(match: Match) -> Verdict:
    """Every operand is a convolution of the same input, for the root alone; all are packed next to
    their channels."""
    nodes = [_producer(value) for value in match.root.inputs]
    first = nodes[0] if nodes else None
    if first is None or len(nodes) < 2:
        return "not all it packs are convolutions"
    if any(node is None or not _alike(first, node) for node in nodes):
        return "not all it packs are convolutions of one input that it alone reads"
    if len({node.operand(1).shape for node in nodes if node is not None}) > 1:
        return "the convolutions have different numbers of channels"
    rank, op = len(first.output.shape), match.root.op
    assert isinstance(op, Pack)
    if op.axis % (rank + 1) < rank - 1:
        return f"it packs axis {op.axis}, not next to the channels"
    return shape_is_known(match)


def _interleaved(b: Builder, match: Match) -> Value:
    # channel o of part i becomes channel o * parts + i, or i * channels + o where the parts come
    # first, so that the last two dimensions of the result are the one of the convolution
    nodes = [node for node in map(_producer, match.root.inputs) if node is not None]
    y = _together(b, nodes)
    merged, root = y.producer, match.root
    assert merged is not None
    assert isinstance(root.op, Pack)
    channels, parts = nodes[0].output.shape[-1], len(nodes)
    assert isinstance(channels, int)
    if root.op.axis % (len(y.shape) + 1) == len(y.shape):
        places = np.arange(channels * parts).reshape(parts, channels).T.reshape(-1)
        for index in (1, 2):
            value = merged.optional(index)
            if value is not None and value.data is not None:
                turned = b.constant(np.ascontiguousarray(value.data[places]), name=value.name)
                b.graph.set_input(merged, index, turned)
    return reshape(b, y, root.output)


PARALLEL = [
    Rule(
        "parallel convolutions that are joined",
        lambda p: p.any(Concatenation),
        _joins_channels,
        _merged,
        tolerance=1e-6,
        is_quiet=True,
        phrase="group[s] of parallel convolutions made one",
    ),
    # pack(conv(x, w), conv(x, u)) -> reshape(conv(x, [w, u]))
    Rule(
        "parallel convolutions that are packed",
        lambda p: p.any(Pack),
        _packs_channels,
        _interleaved,
        tolerance=1e-6,
        is_quiet=True,
        phrase="group[s] of parallel convolutions made one",
    ),
]
