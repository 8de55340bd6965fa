"""Float32 products of two operands, of which the second is computed while the model runs or not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.ir.enums import Activation, Padding
from edgewise.ir.graph import Value
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.window import Axis
from edgewise.runtime.calls import Call, Site, float_bounds, is_float, require, shape_of
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select import conv_f32, conv_h8
from edgewise.runtime.select.computed import panels_of
from edgewise.runtime.select.matrices import Matrices, product_fields
from edgewise.runtime.select.weights import Array, Weights, real, window


def batch_matmul(site: Site) -> Sequence[Call]:
    """Any batch; a constant y that all of the batch shares is packed while planning."""
    op, x, y = site.node.op, site.node.operand(0), site.node.operand(1)
    assert isinstance(op, BatchMatMul)
    a, b = Matrices.of(shape_of(x), op.adj_x), Matrices.of(shape_of(y), op.adj_y)
    array = site.known(y)
    if array is not None and math.prod(b.dims) == 1 and not op.adj_x and a.columns and b.columns:
        m = math.prod(a.dims) * a.rows
        fields = window((m, 1, 1, a.columns), (m, 1, 1, b.columns), Axis(1), Axis(1), Padding.VALID)
        return _by_constant(site, array.reshape(shape_of(y)[-2:]), fields)
    require(is_float(x, y, site.node.output), f"no kernel for {x.dtype.text} by {y.dtype.text}")
    bias = np.zeros(b.columns, np.float32)
    return [_product(site, a, b, shape_of(site.node.output)[:-2], bias, Activation.NONE)]


def _by_constant(site: Site, matrix: Array, fields: dict[str, int]) -> Sequence[Call]:
    """A product with a known y [K, N], or [N, K] where the operator says so."""
    op, y = site.node.op, site.node.operand(1)
    assert isinstance(op, BatchMatMul)
    bias, last = np.zeros(fields["o"], np.float32), len(shape_of(y)) - 1
    outputs_by_k = np.ascontiguousarray(matrix if op.adj_y else matrix.T)
    k, o, axis = fields["c"], fields["o"], last - 1 if op.adj_y else last
    hybrid = conv_h8.weights_of(y, outputs_by_k, bias, run=k, outputs=o, axis=axis)
    if not isinstance(hybrid, str):
        return conv_h8.product(site, hybrid, fields, 1, Activation.NONE)
    floats = real(y, matrix.reshape(shape_of(y))).reshape(matrix.shape)
    weights = Weights(floats if op.adj_y else floats.T, bias, None)
    return conv_f32.product(site, weights, fields, 1, Activation.NONE, why=hybrid)


def fully_connected(site: Site, act: Activation) -> Sequence[Call]:
    """x [M, K] by weights [O, K] that the model computes."""
    x, w, y = site.node.operand(0), site.node.operand(1), site.node.output
    require(is_float(x, w, y), f"no kernel for computed {w.dtype.text} weights")
    o, k = shape_of(w)
    bias: Value | Array | None = site.node.optional(2)
    if bias is None:
        bias = np.zeros(o, np.float32)
    a = Matrices.of((math.prod(shape_of(x)) // k, k), False)
    return [_product(site, a, Matrices.of((o, k), True), (), bias, act)]


def _product(
    site: Site, a: Matrices, b: Matrices, dims: Sequence[int], bias: Value | Array, act: Activation
) -> Call:
    x, y, z = site.node.operand(0), site.node.operand(1), site.node.output
    target, most = site.target, constant("EW_MAX_RANK")
    require(len(dims) <= most, f"more than {most} batch dimensions")
    lanes = target.isa.lanes
    batches, panels = math.prod(dims), panels_of(b.columns, lanes)
    # a panel is packed once per tile, so tiles have all rows unless those are to be transposed
    rows = max(a.rows, 1)
    if a.column != 1:
        rows = max(min(rows, target.block_bytes // (4 * max(a.columns, 1))), 1)
    blocks = -(-a.rows // rows)
    wanted = target.tiles_per_thread * target.threads if target.threads > 1 else 1
    parts = min(-(-wanted // max(batches * blocks, 1)), max(panels, 1))
    per_tile = max(-(-panels // parts), 1)
    low, high = float_bounds(act)
    params = pack(
        "ew_matmul_f32",
        {
            **product_fields(a, b, dims, most),
            "rows_per_tile": rows,
            "panels_per_tile": per_tile,
            "low": low,
            "high": high,
        },
    )
    count = batches * blocks * -(-panels // per_tile)
    scratch = 4 * ((a.columns + 1) * 3 * lanes + (rows * a.columns if a.column != 1 else 0))
    is_dense = per_tile == panels and (a.rows % rows == 0 or batches == 1)
    elements = rows * b.columns if is_dense else None
    return Call("matmul_f32", params, (x, y, bias, z), count, scratch, elements)
