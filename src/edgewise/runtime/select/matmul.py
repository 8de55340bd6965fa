"""BATCH_MATMUL, by dtype."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.dtypes import DType
from edgewise.runtime.calls import Call, Site, is_float


def batch_matmul(site: Site) -> Sequence[Call]:
    """Both operands may be computed while the model runs."""
    x = site.node.operand(0)
    if x.dtype is DType.INT16:
        from edgewise.runtime.select import matmul_s16

        return matmul_s16.batch_matmul(site)
    if is_float(x):
        from edgewise.runtime.select import matmul_f32

        return matmul_f32.batch_matmul(site)
    from edgewise.runtime.select import matmul_b8

    return matmul_b8.batch_matmul(site)
