"""The sum that a step of a recurrent layer begins with, W x[time] + R h + b, in a loop's body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.graph import Node, Value
from edgewise.passes.counted import Differs, is_op, node_of, require

Array = np.ndarray


def products(total: Sequence[Value], x: Value, h: Value) -> tuple[Array | None, Array, Array, Node]:
    """(W, R, b, GATHER) of the terms W x[time] + R h + b; W is None where x[time] is one."""
    w: Array | None = None
    r: Array | None = None
    bias: list[Array] = []
    gather: Node | None = None
    for leaf in [leaf for term in total for leaf in _summands(term)]:
        if leaf.data is not None:
            bias.append(leaf.data.reshape(-1))
            continue
        if is_op(leaf, "gather"):
            require(gather is None)
            gather = node_of(leaf, "gather")
            continue
        product = node_of(leaf, "fully_connected")
        operand, weights, constant = product.operand(0), product.operand(1), product.optional(2)
        if constant is not None:
            require(constant.data is not None)
            bias.append(np.asarray(constant.data).reshape(-1))
        if operand is h:
            require(r is None)
            r = _real(weights)
        else:
            require(gather is None)
            gather, w = node_of(operand, "gather"), _real(weights)
    if r is None or gather is None:
        raise Differs
    require(gather.operand(0) is x and getattr(gather.op, "batch_dims", 0) == 0)
    rows = r.shape[0]
    require((w is None or len(w) == rows) and all(part.size in (1, rows) for part in bias))
    total_bias = sum((np.broadcast_to(p, rows) for p in bias), np.zeros(rows, np.float32))
    return w, r, np.asarray(total_bias, np.float32), gather


def before_loop(inputs: Value) -> tuple[Array, Array, Value]:
    """(W, b, x) of W x + b for the steps of x."""
    product = node_of(inputs, "fully_connected")
    require(len(product.operand(0).shape) == 3)
    w, bias = _real(product.operand(1)), product.optional(2)
    require(bias is None or (bias.data is not None and bias.dtype.is_float))
    zero = np.zeros(len(w), np.float32)
    given = zero if bias is None or bias.data is None else bias.data.reshape(-1)
    return w, np.asarray(given, np.float32), product.operand(0)


def _real(weights: Value) -> Array:
    """Constant weights in float32; integers with a scale are dequantized: that is their meaning."""
    if weights.data is None or not (weights.dtype.is_float or weights.quant):
        raise Differs
    if weights.quant is not None:
        return weights.quant.dequantize(weights.data).astype(np.float32)
    return weights.data.astype(np.float32)


def _summands(value: Value) -> list[Value]:
    """The terms of nested additions; a reshape does not change a row."""
    if is_op(value, "reshape"):
        return _summands(node_of(value, "reshape").operand(0))
    if is_op(value, "add"):
        return [v for term in node_of(value, "add").inputs if term for v in _summands(term)]
    return [value]
