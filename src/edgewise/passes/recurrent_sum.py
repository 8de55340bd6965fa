"""The sum that a step of a recurrent layer begins with, W x[time] + R h + b, in a loop's body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.build import Builder
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import Quant
from edgewise.passes.counted import Differs, is_op, node_of, require
from edgewise.values import dataclass

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Constant weights [N, K], floats or int8 with a scale for each row."""

    data: Array
    scales: Array | None = None  # float32 [N]

    @classmethod
    def of(cls, weights: Value) -> Matrix:
        """Other integers are dequantized, which is their meaning. Raises Differs."""
        data, quant = weights.data, weights.quant
        require(data is not None and (weights.dtype.is_float or quant is not None))
        assert data is not None
        if quant is None:
            return cls(data.astype(np.float32))
        is_by_row = quant.block_size is None and (quant.scale.size == 1 or quant.axis == 0)
        if weights.dtype is DType.INT8 and is_by_row and not quant.zero_point.any():
            return cls(data, np.broadcast_to(quant.scale, len(data)))
        return cls(quant.dequantize(data).astype(np.float32))

    @property
    def real(self) -> Array:
        """float32 [N, K]."""
        if self.scales is None:
            return self.data
        return Quant(self.scales, axis=0).dequantize(self.data)

    def in_order(self, order: Sequence[int]) -> Matrix:
        """As many parts as the order has, one below the other, in this order."""
        scales = None if self.scales is None else in_order(self.scales, order)
        return Matrix(in_order(self.data, order), scales)

    def constant(self, b: Builder) -> Value:
        """The weights as they are stored."""
        if self.scales is None:
            return b.constant(self.data)
        return b.constant(self.data, quant=Quant(self.scales, axis=0))


def in_order(rows: Array, order: Sequence[int]) -> Array:
    """`Matrix.in_order` of an array."""
    parts = np.split(rows, len(order))
    return np.concatenate([parts[i] for i in order])


def products(
    total: Sequence[Value], x: Value, h: Value
) -> tuple[Matrix | None, Matrix, Array, Node]:
    """(W, R, b, GATHER) of the terms W x[time] + R h + b; W is None where x[time] is one."""
    w: Matrix | None = None
    r: Matrix | None = None
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
            r = Matrix.of(weights)
        else:
            require(gather is None)
            gather, w = node_of(operand, "gather"), Matrix.of(weights)
    if r is None or gather is None:
        raise Differs
    require(gather.operand(0) is x and getattr(gather.op, "batch_dims", 0) == 0)
    rows = len(r.data)
    require((w is None or len(w.data) == rows) and all(part.size in (1, rows) for part in bias))
    total_bias = sum((np.broadcast_to(p, rows) for p in bias), np.zeros(rows, np.float32))
    return w, r, np.asarray(total_bias, np.float32), gather


def before_loop(inputs: Value) -> tuple[Matrix, Array, Value]:
    """(W, b, x) of W x + b for the steps of x."""
    product = node_of(inputs, "fully_connected")
    require(len(product.operand(0).shape) == 3)
    w, bias = Matrix.of(product.operand(1)), product.optional(2)
    require(bias is None or (bias.data is not None and bias.dtype.is_float))
    zero = np.zeros(len(w.data), np.float32)
    given = zero if bias is None or bias.data is None else bias.data.reshape(-1)
    return w, np.asarray(given, np.float32), product.operand(0)


def _summands(value: Value) -> list[Value]:
    """The terms of nested additions; a reshape does not change a row."""
    if is_op(value, "reshape"):
        return _summands(node_of(value, "reshape").operand(0))
    if is_op(value, "add"):
        return [v for term in node_of(value, "add").inputs if term for v in _summands(term)]
    return [value]
