"""One recurrence in float32: products of the inputs of all steps, as a fully connected layer has
them, then the steps, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import FLOATS, DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Node, Value
from edgewise.ir.types import TensorType
from edgewise.ops.arithmetic import Add
from edgewise.ops.fully_connected import FullyConnected
from edgewise.runtime.calls import Alias, Call, Site, float_bounds, require, shape_of
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select import binary
from edgewise.runtime.select.conv import fully_connected
from edgewise.values import dataclass

Array = np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Weights of all gates. `vectors` and `projection` as ew_recurrent has them."""

    recurrent: Sequence[Array]  # [C, O] of each gate, or diagonals [C]
    vectors: Sequence[Array]
    activation: Activation
    projection: Array | None = None
    has_peephole: bool = False
    has_norm: bool = False
    cell_clip: float = 0.0
    proj_clip: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a recurrence works on: sequences with their weights [G, I] (products are added), states,
    and results, the rows of which begin at element `y_offset` of those of y."""

    sequences: Sequence[tuple[Value, Array]]
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
    is_diagonal = cell.recurrent[0].ndim == 1
    cells, outputs = len(cell.recurrent[0]), cell.recurrent[0].shape[-1]
    products, before = _products(site, layer.sequences, time * batch)
    is_tanh = cell.activation is Activation.TANH
    low, high = (0.0, 0.0) if is_tanh else float_bounds(cell.activation)
    panel, columns = constant("EW_RECURRENT_PANEL"), len(cell.recurrent) * cells
    params = pack(
        "ew_recurrent",
        {
            "time": time,
            "batch": batch,
            "cells": cells,
            "outputs": outputs,
            "gates": len(cell.recurrent),
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
    joined = np.concatenate(cell.recurrent)
    matrix = joined if is_diagonal else panels(joined)
    projection = np.zeros(0, np.float32) if cell.projection is None else cell.projection
    constants = (matrix, np.concatenate(cell.vectors), projection)
    scratch = 4 * (columns + outputs + 2 * panel)
    operands = (products, *constants, layer.h, layer.c, layer.y)
    n_tiles = 1 if math.prod(shape_of(layer.y)) else 0
    return [*before, Call("recurrent_f32", params, operands, n_tiles, scratch)]


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
    site: Site, sequences: Sequence[tuple[Value, Array]], rows: int
) -> tuple[Value, Sequence[Call]]:
    """The sum of weights [G, I] @ every step of x, and the calls that compute it."""
    calls: list[Call] = []
    total: Value | None = None
    for x, weights in sequences:
        type_ = TensorType((rows, len(weights)), DType.FLOAT32)
        y = Value(type_, "products")
        w = Value(TensorType(weights.shape, DType.FLOAT32), "weights", weights)
        calls += fully_connected(_site(site, Node(FullyConnected(), [x, w, None], [y])))
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
