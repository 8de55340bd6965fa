"""8-bit products of two operands that are both computed while the model runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.ops.requant import multiplier
from edgewise.runtime.calls import (
    BYTES_8,
    Call,
    Site,
    require,
    require_8_bit,
    scale,
    shape_of,
    zero_point,
)
from edgewise.runtime.library import Isa, constant, pack
from edgewise.runtime.select.copy import constant_view, copies, view
from edgewise.runtime.select.matrices import Matrices, product_fields
from edgewise.runtime.select.weights_b8 import output_range, per_lane, staged_bytes

Array = np.ndarray

_CHUNK = 16  # EW_CHUNK of gemm_b8.h


def batch_matmul(site: Site) -> Sequence[Call]:
    """int8 by int8. Where y has a zero point, LiteRT's 32-bit multiplier scales (ops/matmul)."""
    op, x, y, z = site.node.op, site.node.operand(0), site.node.operand(1), site.node.output
    assert isinstance(op, BatchMatMul)
    require_8_bit(x, y, z)
    a = Matrices.of(shape_of(x), op.adj_x)
    b = Matrices.of(shape_of(y), op.adj_y)
    ends: dict[str, int] = {"is_fixed": 0, "multiplier": 0, "shift": 0}
    if zero_point(y.type):
        real = float(scale(x.type)) * float(scale(y.type)) / float(scale(z.type))
        m, shift = multiplier(real)
        require(shift > -31, "the scales' quotient is too small")
        ends = {"is_fixed": 1, "multiplier": m, "shift": shift}
    real_scale = np.float32(scale(x.type) * scale(y.type)) / scale(z.type)
    scales = np.full(b.columns, real_scale, np.float32)
    bias = np.zeros(b.columns + _beyond(site.target.isa), np.int32)
    dims = shape_of(z)[:-2]
    return [_product(site, a, b, dims, bias, scales, Activation.NONE, ends)]


def fully_connected(site: Site, act: Activation) -> Sequence[Call]:
    """x [M, K] by weights [O, K] that the model computes."""
    x, w, y = site.node.operand(0), site.node.operand(1), site.node.output
    require_8_bit(x, y)
    require(w.dtype in BYTES_8 and w.quant is not None, f"no kernel for {w.dtype.text} weights")
    assert w.quant is not None
    o, k = shape_of(w)
    is_one = w.quant.block_size is None and np.unique(w.quant.zero_point).size == 1
    fits = is_one and (not w.quant.per_channel or w.quant.axis == 0)
    require(fits, "weights are not quantized along axis 0")
    bias, before = _bias(site, o)
    scales = (scale(x.type) * w.quant.scale.reshape(-1)).astype(np.float32) / scale(y.type)
    m = int(np.prod(shape_of(x), dtype=np.int64)) // k
    a, b = Matrices.of((m, k), False), Matrices.of((o, k), True)
    none = {"is_fixed": 0, "multiplier": 0, "shift": 0}
    return [*before, _product(site, a, b, (), bias, np.broadcast_to(scales, (o,)), act, none)]


def _bias(site: Site, o: int) -> tuple[Value | Array, Sequence[Call]]:
    """[O], and what the kernel reads beyond it; the calls that put a computed one there."""
    added, beyond = site.node.optional(2), _beyond(site.target.isa)
    array = None if added is None else site.known(added)
    if added is None or array is not None:
        require(array is None or array.dtype.kind == "i", "biases are not integers")
        known = np.zeros(o, np.int32) if array is None else array.reshape(-1).astype(np.int32)
        return np.pad(known, (0, beyond)), ()
    require(added.dtype is DType.INT32, f"no kernel for computed {added.dtype.text} biases")
    if not beyond:
        return added, ()
    padded = Value(TensorType((o + beyond,), DType.INT32), "bias")
    whole, rest = view(padded), constant_view(np.zeros(beyond, np.int32))
    first, last = whole.of(whole.elements[:o]), whole.of(whole.elements[o:])
    source = view(added)
    pairs = [
        (source.of(source.elements.reshape(-1)), first),
        (rest.of(rest.elements.view("u4")), last),
    ]
    return padded, copies(pairs)


def _beyond(isa: Isa) -> int:
    """Elements that the kernel reads beyond biases and scales."""
    return 0 if isa is Isa.SCALAR else 2 * isa.lanes


def _product(
    site: Site,
    a: Matrices,
    b: Matrices,
    dims: Sequence[int],
    bias: Value | Array,
    scales: Array,
    act: Activation,
    ends: dict[str, int],
) -> Call:
    x, y, z = site.node.operand(0), site.node.operand(1), site.node.output
    most = constant("EW_MAX_RANK")
    require(len(dims) <= most, f"more than {most} batch dimensions")
    require(a.columns > 0, "nothing is summed")
    require(bool(np.all(np.isfinite(scales))), "the scales' quotient is not finite")
    isa = site.target.isa
    element, width = staged_bytes(isa), 2 * isa.lanes
    of_row = (a.columns + _CHUNK) * element + 4 + 4 * width
    rows = max(min(a.rows, site.target.block_bytes // of_row), 1)
    panel = -(-a.columns // per_lane(isa)) * per_lane(isa) * width
    low, high = output_range(z, act)
    assert y.quant is not None
    y_zero = int(y.quant.zero_point.reshape(-1)[0])
    params = pack(
        "ew_matmul_b8",
        {
            **product_fields(a, b, dims, most),
            "rows_per_tile": rows,
            "is_signed": int(x.dtype is DType.INT8),
            "is_y_signed": int(y.dtype is DType.INT8),
            "x_zero": zero_point(x.type),
            "y_zero": y_zero - (128 if y.dtype is DType.UINT8 else 0),
            "z_zero": zero_point(z.type),
            "low": low,
            "high": high,
            "is_bounded": int(bool(np.all(scales < 1))),
            **ends,
        },
    )
    batches = int(np.prod(dims, dtype=np.int64))
    count = batches * -(-a.rows // rows) if b.columns else 0
    operands = (x, y, bias, np.pad(scales, (0, _beyond(isa))), z)
    scratch = 0 if isa is Isa.SCALAR else rows * of_row + panel + 4 * width + 64
    # a tile of whole rows is a run of z where no shorter one is between two
    elements = rows * b.columns if a.rows % rows == 0 or batches == 1 else None
    return Call("matmul_b8", params, operands, count, scratch, elements)
