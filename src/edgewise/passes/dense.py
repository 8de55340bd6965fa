"""Rules around FULLY_CONNECTED, which reads x of any shape as rows of K numbers."""

from __future__ import annotations

import numpy as np

from edgewise.ir.build import Builder
from edgewise.ir.dim import same_dim
from edgewise.ir.graph import Value
from edgewise.ir.infer import result_types
from edgewise.ops.conv import Conv2D
from edgewise.ops.fully_connected import FullyConnected
from edgewise.ops.reduce import Reduction
from edgewise.passes.conditions import floats, same_bits, same_shape
from edgewise.passes.pattern import Match
from edgewise.passes.reshaping import REDUCTIONS
from edgewise.passes.rewrite import Rule, Usual, Verdict, every


def _keeps_rows(match: Match) -> Verdict:
    """The reshape before keeps the last dimension, so the rows of K numbers stay the same."""
    x, w = match["x"], match["w"]
    if not x.type.shape or same_dim(x.shape[-1], w.shape[1]) is not True:
        return f"the rows of {x.type} are not those of the weights {w.type}"
    return same_bits(x, match["reshaped"])


def _gives_matrix(match: Match) -> Verdict:
    """The result is a matrix, so that whatever x is, its rows give it."""
    y = match.root.output
    return len(y.shape) == 2 or Usual(f"the result {y.type} keeps the dimensions of the reshape")


def _without_reshape(b: Builder, match: Match) -> Value:
    node = match.root
    op = node.op.replace(keep_num_dims=False)
    return b.node(op, match["x"], *node.inputs[1:], results=[node.output.type]).output


def _keeps_leading(match: Match) -> Verdict:
    """The reshape behind gives the shape that `keep_num_dims` gives, or takes it back."""
    node = match.node("dense")
    verdict = same_bits(node.output, match.root.output)
    if verdict is not True:
        return verdict
    op = _flipped(node.op)
    x, w = node.operand(0), node.operand(1)
    if op.keep_num_dims and same_dim(x.shape[-1], w.shape[1]) is not True:
        return f"the rows of {x.type} are not those of the weights {w.type}"
    shape = result_types(op, node.inputs, [None])[0].shape
    if not same_shape(shape, match.root.output.type.shape):
        return f"the reshape to {match.root.output.type} changes more than the leading dimensions"
    return True


def _flipped(op: object) -> FullyConnected:
    assert isinstance(op, FullyConnected)
    return op.replace(keep_num_dims=not op.keep_num_dims)


def _flip(b: Builder, match: Match) -> Value:
    node = match.node("dense")
    return b.node(_flipped(node.op), *node.inputs, results=[match.root.output.type]).output


def _is_matrix(match: Match) -> Verdict:
    """The right operand is one matrix for all batches, the left one has rows of K."""
    w, x = match.array("w"), match["x"]
    if w.ndim > 2 and any(dim != 1 for dim in w.shape[:-2]):
        return f"the right operand {match['w'].type} is not one matrix"
    if len(x.shape) < w.ndim:
        return f"the right operand {match['w'].type} raises the rank"
    if w.shape[-1] == 0 or w.shape[-2] == 0:
        return f"the right operand {match['w'].type} is empty"
    return True


def _to_dense(b: Builder, match: Match) -> Value:
    w = match.array("w")
    matrix = w.reshape(w.shape[-2:])
    adj_y = getattr(match.root.op, "adj_y", False)
    rows = matrix if adj_y else np.ascontiguousarray(matrix.T)
    op = FullyConnected(keep_num_dims=True)
    weights = b.constant(rows, name=match["w"].name)
    return b.node(op, match["x"], weights, results=[match.root.output.type]).output


def _single_pixels(match: Match) -> Verdict:
    """The convolution sees images of one pixel through a kernel of one, and gives a matrix."""
    x, w, y = match["x"], match["w"], match.node("conv").output
    if list(x.shape[1:3]) != [1, 1] or list(w.shape[1:3]) != [1, 1] or x.shape[3] != w.shape[3]:
        return Usual(f"{x.type} and {w.type} are not of single pixels")
    if list(y.shape[1:3]) != [1, 1] or w.data is None:
        return f"{y.type} is padded, or the weights are no constant"
    result = match.root.output.shape
    if len(result) != 2 or same_dim(result[1], w.shape[0]) is not True:
        return f"the reshape to {match.root.output.type} gives no matrix of {w.shape[0]} columns"
    return True


def _pixels_as_rows(b: Builder, match: Match) -> Value:
    node, w = match.node("conv"), match.array("w")
    assert isinstance(node.op, Conv2D)
    op = FullyConnected(fused_activation_function=node.op.fused_activation_function)
    weights = b.constant(w.reshape(w.shape[0], w.shape[3]), name=match["w"].name)
    types = [match.root.output.type]
    return b.node(op, match["x"], weights, *node.inputs[2:], results=types).output


def _keeps_dims_for_nothing(match: Match) -> Verdict:
    """Without the reduced axes, the rows that the layer reads are a matrix."""
    node, w = match.node("reduced"), match["w"]
    op = _reduction(node.op)
    if not op.keep_dims:
        return Usual("the reduction keeps no dimensions")
    shape = result_types(op.replace(keep_dims=False), node.inputs, [None])[0].shape
    if shape is None or len(shape) != 2 or same_dim(shape[1], w.shape[1]) is not True:
        return f"{node.output.type} without reduced axes is no matrix of rows for {w.type}"
    return True


def _reduction(op: object) -> Reduction:
    assert isinstance(op, Reduction)
    return op


def _of_matrix(b: Builder, match: Match) -> Value:
    root, node = match.root, match.node("reduced")
    rows = b.node(_reduction(node.op).replace(keep_dims=False), *node.inputs).output
    return b.node(root.op, rows, *root.inputs[1:], results=[root.output.type]).output


def _without_bias(b: Builder, match: Match) -> Value:
    node = match.root
    return b.node(node.op, match["x"], match["w"], results=[node.output.type]).output


DENSE = [
    # x @ w + 0 -> x @ w; LiteRT needs the bias of a convolution, but not this one
    Rule(
        "no bias of zeros",
        lambda p: p.fully_connected(p.value("x"), p.value("w"), p.constant(equal=0.0)),
        floats,
        _without_bias,
        phrase="bias[es] of zeros removed",
    ),
    # fully_connected(reshape(x)) -> fully_connected(x)
    Rule(
        "reshape before fully_connected",
        lambda p: p.fully_connected(
            p.reshape(p.value("x"), p.optional(), name="reshaped", shared=True),
            p.value("w"),
            p.optional(),
        ),
        every(_gives_matrix, _keeps_rows),
        _without_reshape,
        phrase="reshape[s] taken into fully connected layers",
    ),
    # fully_connected(mean(x; keep_dims)) -> fully_connected(mean(x))
    Rule(
        "no dimensions kept before fully_connected",
        lambda p: p.fully_connected(
            p.any(*REDUCTIONS, operands=(p.value(), p.constant()), name="reduced"),
            p.value("w"),
            p.optional(),
            keep_num_dims=False,
        ),
        every(floats, _keeps_dims_for_nothing),
        _of_matrix,
        is_quiet=True,
        phrase="reduction[s] before fully connected layers made matrices",
    ),
    # reshape(fully_connected(x)) -> fully_connected(x; keep_num_dims), and back
    Rule(
        "reshape after fully_connected",
        lambda p: p.reshape(p.any(FullyConnected, name="dense"), p.optional()),
        _keeps_leading,
        _flip,
        is_quiet=True,
        phrase="reshape[s] taken into fully connected layers",
    ),
    # reshape(conv_2d(x)) of one pixel -> fully_connected(x)
    Rule(
        "convolution of one pixel as fully_connected",
        lambda p: p.reshape(
            p.conv_2d(p.value("x"), p.constant("w"), p.optional(), name="conv"), p.optional()
        ),
        every(floats, _single_pixels),
        _pixels_as_rows,
        tolerance=1e-6,
        phrase="convolution[s] of single pixels made fully connected layers",
    ),
    # x @ constant -> fully_connected(x, constant transposed)
    Rule(
        "batch_matmul as fully_connected",
        lambda p: p.batch_matmul(p.value("x"), p.constant("w"), adj_x=False),
        every(floats, _is_matrix),
        _to_dense,
        tolerance=1e-6,
        phrase="matrix product[s] with constants made fully connected layers",
    ),
]
