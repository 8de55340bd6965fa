"""BATCH_MATMUL, by dtype."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.runtime.calls import Call, Site, is_float
from edgewise.runtime.select import matmul_b8, matmul_f32, matmul_s16


def batch_matmul(site: Site) -> Sequence[Call]:
    """Both operands may be computed while the model runs."""
    if site.node.operand(0).dtype is DType.INT16:
        return matmul_s16.batch_matmul(site)
    kernel = matmul_f32 if is_float(site.node.operand(0)) else matmul_b8
    return kernel.batch_matmul(site)
