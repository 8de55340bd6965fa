"""One recurrence in float32: products of the inputs of all steps, as a fully connected layer has
them, then the steps, one after the other. Integer weights stay so where a fully connected layer's
would. Float32 weights that the model computes are laid out by copies, before each run of the steps.
"""

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
from edgewise.runtime.select.computed import in_one
from edgewise.runtime.select.conv import fully_connected
from edgewise.runtime.select.conv_h8 import Hybrid
from edgewise.runtime.select.copy import constant_view, copy, filled, view
from edgewise.values import dataclass

Array = np.ndarray


Numbers = Array | Value  # float32 that is known while planning, or computed by the model


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Weights of several gates, one below the other, and the copies that put them there."""

    value: Value
    calls: Sequence[Call] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """Weights of all gates, joined. `vectors` as ew_recurrent has them."""

    recurrent: Joined  # [gates * C, O], or diagonals [gates * C]
    cells: int
    vectors: Sequence[Numbers]
    activation: Activation
    projection: tuple[Joined, Numbers] | None = None  # [O, C] and its bias
    has_peephole: bool = False
    has_norm: bool = False
    cell_clip: float = 0.0
    proj_clip: float = 0.0

    @property
    def outputs(self) -> int:
        """Elements of the hidden value that the weights multiply."""
        shape = shape_of(self.recurrent.value)
        return shape[1] if len(shape) == 2 else self.cells


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """What a recurrence works on: sequences with their weights [gates * C, I] (products are added),
    states, and results, the rows of which begin at element `y_offset` of those of y."""

    sequences: Sequence[tuple[Value, Joined]]
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
    columns, *rest = shape_of(cell.recurrent.value)
    cells, outputs, is_diagonal = cell.cells, cell.outputs, not rest
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
    kernel, weights, scratch, packing = _weights(site, cell)
    operands = (products, *weights, layer.h, layer.c, layer.y)
    n_tiles = 1 if math.prod(shape_of(layer.y)) else 0
    why = "hidden values quantized per row" if kernel == "recurrent_h8" else ""
    last = Call(kernel, params, operands, n_tiles, scratch, why=why)
    return [*before, *packing, last]


def _weights(
    site: Site, cell: Cell
) -> tuple[str, Sequence[Array | Packed | Value], int, Sequence[Call]]:
    """The kernel, the weights and vectors that it takes, its scratch memory, and the calls that lay
    out what is computed."""
    panel, columns = constant("EW_RECURRENT_PANEL"), shape_of(cell.recurrent.value)[0]
    vectors, calls = _in_a_row(cell.vectors)
    scratch = 4 * (columns + panel + (cell.outputs + panel if cell.projection else 0))
    bias: Numbers = np.zeros(0, np.float32)
    recurrent = _hybrid(cell.recurrent.value, np.zeros(columns, np.float32))
    projection: Hybrid | str | None = None
    if cell.projection is not None:
        joint, bias = cell.projection
        projection = _hybrid(joint.value, bias) if isinstance(bias, np.ndarray) else "computed"
    if isinstance(recurrent, Hybrid) and not isinstance(projection, str):
        second: Sequence[Array | Packed | Value]
        second = (np.zeros(0, np.int8), bias, np.zeros(0, np.int32))
        first = conv_h8.operands(site.target.isa, recurrent, 1)
        if projection is not None:
            second = conv_h8.operands(site.target.isa, projection, 1)
        staged = -(-max(cell.outputs, cell.cells) // 16) * 16 * 2
        return "recurrent_h8", (*first, vectors, *second, bias), scratch + staged, calls
    matrix, more = _in_panels(site, cell.recurrent)
    calls += more
    if cell.projection is not None:
        weights, more = _in_panels(site, cell.projection[0])
        bias, last = _in_a_row([weights, cell.projection[1]])
        calls += [*more, *last]
    return "recurrent_f32", (matrix, vectors, bias), scratch, calls


def _in_panels(site: Site, joint: Joined) -> tuple[Numbers, Sequence[Call]]:
    """Weights as `panels`, those of diagonals as they are."""
    value = joint.value
    if value.data is not None:
        floats = real(site, value)
        return floats if floats.ndim == 1 else panels(floats), joint.calls
    if len(shape_of(value)) == 1:
        return value, joint.calls
    (n, k), panel = shape_of(value), constant("EW_RECURRENT_PANEL")
    whole, left = divmod(n, panel)
    y = Value(TensorType((-(-n // panel) * panel * k,), DType.FLOAT32), "panels")
    source, target = view(value), view(y)
    elements = target.elements.reshape(-1, k, panel)
    first = source.elements[: whole * panel].reshape(whole, panel, k).transpose(0, 2, 1)
    calls = [*joint.calls, *copy(source.of(first), target.of(elements[:whole]))]
    if left:
        zero, last = constant_view(np.zeros(1, np.uint32)), elements[whole:]
        calls += filled(target.of(last[:, :, left:]), zero)
        rest = source.elements[whole * panel :].T[None]
        calls += copy(source.of(rest), target.of(last[:, :, :left]))
    return y, calls


def _in_a_row(parts: Sequence[Numbers]) -> tuple[Numbers, list[Call]]:
    """One after the other."""
    known = [p for p in parts if isinstance(p, np.ndarray)]
    if len(known) == len(parts):
        return np.concatenate(known), []
    sizes = [p.size if isinstance(p, np.ndarray) else math.prod(shape_of(p)) for p in parts]
    return in_one(parts, TensorType((sum(sizes),), DType.FLOAT32))


def _hybrid(weights: Value, bias: Array) -> Hybrid | str:
    """Integer weights [N, K] of the hidden value; else why floats are multiplied."""
    if weights.data is None:
        return "in float: the weights are computed"
    if weights.data.ndim != 2:
        return "in float: the weights are diagonal"
    n, k = weights.data.shape
    return conv_h8.weights_of(weights, weights.data, bias, run=k, outputs=n)


def joined(site: Site, values: Sequence[Value | None]) -> Joined:
    """Weights of the gates that there are, one below the other: integers with a scale for each row,
    where all are such constants; else float32. Raises NotNative."""
    found = [v for v in values if v is not None]
    if any(site.known(v) is None for v in found):
        parts = [numbers(site, v) for v in found]
        rows, *rest = zip(*map(shape_of, found), strict=True)
        shape = (sum(rows), *(sizes[0] for sizes in rest))
        return Joined(*in_one(parts, TensorType(shape, DType.FLOAT32)))
    quants = [v.quant for v in found if v.dtype is DType.INT8 and v.quant is not None]
    is_by_row = len(quants) == len(found) and all(
        not q.zero_point.any() and q.block_size is None and (q.scale.size == 1 or q.axis == 0)
        for q in quants
    )
    if not is_by_row:
        floats = np.concatenate([real(site, v) for v in found])
        return Joined(Value(TensorType.of(floats), "weights", floats))
    arrays = [site.known(v) for v in found]
    require(all(a is not None for a in arrays), "weights are computed while the model runs")
    data = np.concatenate([a for a in arrays if a is not None])
    scales = [np.broadcast_to(q.scale, shape_of(v)[0]) for v, q in zip(found, quants, strict=True)]
    quant = Quant(np.concatenate(scales), axis=0)
    return Joined(Value(TensorType.of(data, quant), "weights", data))


def numbers(site: Site, value: Value | None) -> Numbers:
    """`real` of a constant; float32 that the model computes. Raises NotNative."""
    assert value is not None
    if site.known(value) is not None:
        return real(site, value)
    require(value.dtype is DType.FLOAT32, f"computed weights are {value.dtype.text}")
    return value


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
    site: Site, sequences: Sequence[tuple[Value, Joined]], rows: int
) -> tuple[Value, Sequence[Call]]:
    """The sum of weights [G, I] @ every step of x, and the calls that compute it."""
    calls: list[Call] = []
    total: Value | None = None
    for x, joint in sequences:
        weights = joint.value
        calls += joint.calls
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
