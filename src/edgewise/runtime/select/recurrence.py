"""One recurrence in float32: products of the inputs of all steps, as a fully connected layer has
them, then the steps, one after the other. Integer weights stay so where a fully connected layer's
would."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import Quant, TensorType
from edgewise.ops.arithmetic import Add
from edgewise.ops.fully_connected import FullyConnected
from edgewise.runtime.calls import Alias, Call, Packed, Site, float_bounds, require, shape_of
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select import binary, conv_h8
from edgewise.runtime.select.conv import fully_connected
from edgewise.runtime.select.conv_h8 import Hybrid
from edgewise.values import dataclass

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Weights of all gates, joined. `vectors` as ew_recurrent has them."""

    recurrent: Value  # [gates * C, O], or diagonals [gates * C]
    cells: int
    vectors: Sequence[Array]
    activation: Activation
    projection: tuple[Value, Array] | None = None  # [O, C] and its bias
    has_peephole: bool = False
    has_norm: bool = False
    cell_clip: float = 0.0
    proj_clip: float = 0.0

    @property
    def outputs(self) -> int:
        """Elements of the hidden value that the weights multiply."""
        shape = shape_of(self.recurrent)
        return shape[1] if len(shape) == 2 else self.cells


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a recurrence works on: sequences with their weights [gates * C, I] (products are added),
    states, and results, the rows of which begin at element `y_offset` of those of y."""

    sequences: Sequence[tuple[Value, Value]]
    h: Value
    c: Value  # any, where the cell has one gate
    y: Value
    y_offset: int = 0
    is_backward: bool = False


def recurrence(site: Site, cell: Cell, layer: Layer) -> Sequence[Call]:
    """The products, and the steps of all sequences of the batch."""
    *lead, _ = shape_of(layer.sequences[0][0])
    is_time_major = getattr(site.node.op, "time_major", True)
    time, batch = (1, lead[0]) if len(lead) == 1 else lead if is_time_major else lead[::-1]
    is_diagonal = len(shape_of(cell.recurrent)) == 1
    cells, outputs, columns = cell.cells, cell.outputs, shape_of(cell.recurrent)[0]
    products, before = _products(site, layer.sequences, time * batch)
    is_tanh = cell.activation is Activation.TANH
    low, high = (0.0, 0.0) if is_tanh else float_bounds(cell.activation)
    params = pack(
        "ew_recurrent",
        {
            "time": time,
            "batch": batch,
            "cells": cells,
            "outputs": outputs,
            "gates": columns // cells,
            "is_time_major": int(is_time_major),
            "is_backward": int(layer.is_backward),
            "is_tanh": int(is_tanh),
            "is_diagonal": int(is_diagonal),
            "has_peephole": int(cell.has_peephole),
            "has_norm": int(cell.has_norm),
            "has_projection": int(cell.projection is not None),
            "y_stride": shape_of(layer.y)[-1],
            "y_offset": layer.y_offset,
            "low_f32": low,
            "high_f32": high,
            "cell_clip": cell.cell_clip,
            "proj_clip": cell.proj_clip,
        },
    )
    kernel, constants, scratch = _constants(site, cell)
    operands = (products, *constants, layer.h, layer.c, layer.y)
    n_tiles = 1 if math.prod(shape_of(layer.y)) else 0
    why = "hidden values quantized per row" if kernel == "recurrent_h8" else ""
    return [*before, Call(kernel, params, operands, n_tiles, scratch, why=why)]


def _constants(site: Site, cell: Cell) -> tuple[str, Sequence[Array | Packed], int]:
    """The kernel, the weights and vectors that it takes, and its scratch memory."""
    panel, columns = constant("EW_RECURRENT_PANEL"), shape_of(cell.recurrent)[0]
    vectors = np.concatenate(cell.vectors)
    scratch = 4 * (columns + panel + (cell.outputs + panel if cell.projection else 0))
    bias = np.zeros(0, np.float32)
    recurrent = _hybrid(cell.recurrent, np.zeros(columns, np.float32))
    projection = None if cell.projection is None else _hybrid(*cell.projection)
    if isinstance(recurrent, Hybrid) and not isinstance(projection, str):
        second: Sequence[Array | Packed]
        second = (np.zeros(0, np.int8), bias, np.zeros(0, np.int32))
        first = conv_h8.operands(site.target.isa, recurrent, 1)
        if projection is not None:
            second = conv_h8.operands(site.target.isa, projection, 1)
            bias = projection.bias
        staged = -(-max(cell.outputs, cell.cells) // 16) * 16 * 2
        return "recurrent_h8", (*first, vectors, *second, bias), scratch + staged
    floats = real(site, cell.recurrent)
    matrix = floats if floats.ndim == 1 else panels(floats)
    if cell.projection is not None:
        weights, added = cell.projection
        bias = np.concatenate([panels(real(site, weights)), added])
    return "recurrent_f32", (matrix, vectors, bias), scratch


def _hybrid(weights: Value, bias: Array) -> Hybrid | str:
    """Integer weights [N, K] of the hidden value; else why floats are multiplied."""
    assert weights.data is not None
    if weights.data.ndim != 2:
        return "in float: the weights are diagonal"
    n, k = weights.data.shape
    return conv_h8.weights_of(weights, weights.data, bias, run=k, outputs=n)


def joined(site: Site, values: Sequence[Value | None]) -> Value:
    """Constant weights of the gates that there are, one below the other: integers with a scale for
    each row, where all are such; else float32."""
    found = [v for v in values if v is not None]
    quants = [v.quant for v in found if v.dtype is DType.INT8 and v.quant is not None]
    is_by_row = len(quants) == len(found) and all(
        not q.zero_point.any() and q.block_size is None and (q.scale.size == 1 or q.axis == 0)
        for q in quants
    )
    if not is_by_row:
        floats = np.concatenate([real(site, v) for v in found])
        return Value(TensorType.of(floats), "weights", floats)
    arrays = [site.known(v) for v in found]
    require(all(a is not None for a in arrays), "weights are computed while the model runs")
    data = np.concatenate([a for a in arrays if a is not None])
    scales = [np.broadcast_to(q.scale, shape_of(v)[0]) for v, q in zip(found, quants, strict=True)]
    return Value(TensorType.of(data, Quant(np.concatenate(scales), axis=0)), "weights", data)


def real(site: Site, value: Value | None) -> Array:
    """Weights in float32; integers with a scale are dequantized, which is what they mean."""
    assert value is not None
    array = site.known(value)
    require(array is not None, "weights are computed while the model runs")
    assert array is not None
    if value.dtype in FLOATS:
        return array.astype(np.float32)
    require(value.quant is not None, f"no kernel for {value.dtype.text} weights")
    assert value.quant is not None
    return value.quant.dequantize(array).astype(np.float32)


def panels(matrix: Array) -> Array:
    """[N, K] as [N / panel rounded up, K, panel], flat."""
    n, k = matrix.shape
    panel = constant("EW_RECURRENT_PANEL")
    padded = np.zeros((-(-n // panel) * panel, k), np.float32)
    padded[:n] = matrix
    return padded.reshape(-1, panel, k).transpose(0, 2, 1).reshape(-1)


def _products(
    site: Site, sequences: Sequence[tuple[Value, Value]], rows: int
) -> tuple[Value, Sequence[Call]]:
    """The sum of weights [G, I] @ every step of x, and the calls that compute it."""
    calls: list[Call] = []
    total: Value | None = None
    for x, weights in sequences:
        type_ = TensorType((rows, shape_of(weights)[0]), DType.FLOAT32)
        y = Value(type_, "products")
        calls += fully_connected(_site(site, Node(FullyConnected(), [x, weights, None], [y])))
        if total is not None:
            more, y = y, Value(type_, "products")
            found = binary.arithmetic(_site(site, Node(Add(), [total, more], [y])))
            assert not isinstance(found, Alias)
            calls += found
        total = y
    assert total is not None
    return total, calls


def _site(site: Site, node: Node) -> Site:
    return Site(node, site.target, lambda v: v.data)
