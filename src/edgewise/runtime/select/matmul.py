"""BATCH_MATMUL, by dtype."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.runtime.calls import Call, Site, is_float
from edgewise.runtime.select import matmul_b8, matmul_f32


def batch_matmul(site: Site) -> Sequence[Call]:
    """Both operands may be computed while the model runs."""
    kernel = matmul_f32 if is_float(site.node.operand(0)) else matmul_b8
    return kernel.batch_matmul(site)
