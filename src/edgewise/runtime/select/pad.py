"""Kernels of PAD, PADV2 and MIRROR_PAD."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import QUANTIZED
from edgewise.ir.enums import MirrorPadMode
from edgewise.ir.graph import Value
from edgewise.ops.pad import MirrorPad
from edgewise.runtime.calls import Call, Selection, Site, require, shape_of, zero_point
from edgewise.runtime.library import constant, pack

TILE_BYTES = 32768  # of y


def pad(site: Site) -> Selection:
    """PAD and PADV2."""
    x, value = site.node.operand(0), site.node.optional(2)
    return _padded(site, "EW_BORDER_value", border_of(x) if value is None else value)


def mirror_pad(site: Site) -> Selection:
    """MIRROR_PAD: no value is needed, x itself stands for it."""
    op, x = site.node.op, site.node.operand(0)
    assert isinstance(op, MirrorPad)
    is_reflected = op.mode is MirrorPadMode.REFLECT
    return _padded(site, "EW_BORDER_reflect" if is_reflected else "EW_BORDER_symmetric", x)


def border_of(x: Value) -> np.ndarray:
    """The element that PAD puts around x, [1]: its zero point; of wide integers, whose scale says
    nothing here, 0."""
    per_tensor = x.quant is None or x.quant.scale.size == 1
    require(per_tensor, "x is quantized per channel")
    return np.array(
        [zero_point(x.type) if x.type.is_quantized and x.dtype in QUANTIZED else 0]
    ).astype(x.dtype.numpy)


def _padded(site: Site, border: str, value: Value | np.ndarray) -> Selection:
    before = site.constant(1, "paddings").reshape(-1, 2)[:, 0].tolist()
    return [padded(site.node.operand(0), site.node.output, before, value, border)]


def padded(
    x: Value,
    y: Value,
    before: Sequence[int],
    value: Value | np.ndarray,
    border: str = "EW_BORDER_value",
) -> Call:
    """The call that puts x into y, so many elements after the beginnings of its dimensions. Raises
    NotNative."""
    size = x.dtype.numpy.itemsize
    require(size in (1, 2, 4, 8), f"elements of {size} bytes")
    dims = _merged(shape_of(x), before, shape_of(y), border == "EW_BORDER_value")
    unit = size
    if len(dims) > 1 and dims[-1][0] == dims[-1][2]:
        unit *= dims.pop()[0]
    most = constant("EW_COPY_RANK")
    require(len(dims) <= most, f"{len(dims)} dimensions; the kernel takes {most}")
    lengths, places, y_lengths = zip(*dims, strict=True)
    rows = math.prod(y_lengths[:-1])
    rows_per_tile = max(TILE_BYTES // max(y_lengths[-1] * unit, 1), 1)
    params = pack(
        "ew_pad",
        {
            "rank": len(dims),
            "element_bytes": size,
            "unit_bytes": unit,
            "border": constant(border),
            "rows_per_tile": rows_per_tile,
            "dims": lengths,
            "before": places,
            "y_dims": y_lengths,
        },
    )
    n_tiles = -(-rows // rows_per_tile) if math.prod(y_lengths) * unit else 0
    per_tile = rows_per_tile * y_lengths[-1] * unit // size or None
    return Call("pad", params, (x, value, y), n_tiles, tile_elements=per_tile)


def _merged(
    shape: tuple[int, ...], before: Sequence[int], out: tuple[int, ...], is_value: bool
) -> list[tuple[int, int, int]]:
    """[(size, border before, size in y)]. A dimension without border joins the one before it,
    unless that is mirrored: whole units, not single elements, change places there."""
    dims: list[tuple[int, int, int]] = []
    for n, b, m in zip(shape, before, out, strict=True):
        if dims and n == m and (is_value or dims[-1][0] == dims[-1][2]):
            dims[-1] = (dims[-1][0] * n, dims[-1][1] * n, dims[-1][2] * n)
        else:
            dims.append((n, b, m))
    return dims or [(1, 0, 1)]
