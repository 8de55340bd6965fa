"""Products of int16 by int16 or int8, both computed while the model runs: BATCH_MATMUL."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ops.batch_matmul import BatchMatMul
from edgewise.runtime.calls import Call, Site, require, require_16_bit, scale, shape_of, zero_point
from edgewise.runtime.library import Isa, constant, pack
from edgewise.runtime.select.matrices import Matrices, product_fields
from edgewise.runtime.select.weights_s16 import Rounding


def batch_matmul(site: Site) -> Sequence[Call]:
    """LiteRT's 15-bit multiplier on sums of 64 bits."""
    op, x, y, z = site.node.op, site.node.operand(0), site.node.operand(1), site.node.output
    assert isinstance(op, BatchMatMul)
    require_16_bit(x, z)
    if y.dtype is DType.INT8:
        is_one = y.quant is not None and y.quant.scale.size == 1 and zero_point(y.type) == 0
        require(is_one, "the int8 operand has a zero point, several scales, or none")
    else:
        require_16_bit(y)
    a, b = Matrices.of(shape_of(x), op.adj_x), Matrices.of(shape_of(y), op.adj_y)
    dims, most, isa = shape_of(z)[:-2], constant("EW_MAX_RANK"), site.target.isa
    require(len(dims) <= most, f"more than {most} batch dimensions")
    require(a.columns > 0, "nothing is summed")
    # the order of the reference's operations (ops/scaled.py)
    real = np.float64(scale(x.type)) * np.float64(scale(y.type)) / np.float64(scale(z.type))
    rounding = Rounding.up(np.array([real]), is_narrow=False, isa=site.target.isa)
    width, k = 2 * isa.lanes, -(-a.columns // 2) * 2
    of_row = 12 * width + 8 + 2 * k  # bytes
    rows = max(min(a.rows, site.target.block_bytes // of_row), 1)
    params = pack(
        "ew_matmul_s16",
        {
            **product_fields(a, b, dims, most),
            "rows_per_tile": rows,
            "is_y_wide": int(y.dtype is DType.INT16),
            "multiplier": int(rounding.first[0]),
            "shift": int(rounding.second[0]),
        },
    )
    batches = int(np.prod(dims, dtype=np.int64))
    count = batches * -(-a.rows // rows) if b.columns else 0
    scratch = 0 if isa is Isa.SCALAR else rows * of_row + width * 4 + k * width + 64
    # a tile of whole rows is a run of z where no shorter one is between two
    elements = rows * b.columns if a.rows % rows == 0 or batches == 1 else None
    return [Call("matmul_s16", params, (x, y, z), count, scratch, elements)]
