"""Kernels of RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR; places in x are computed here."""

from __future__ import annotations

import math

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.graph import Value
from edgewise.ops.resize import ResizeBilinear, ResizeNearestNeighbor
from edgewise.runtime.calls import Call, Selection, Site, is_float, require, require_8_bit, shape_of
from edgewise.runtime.library import constant, pack

TILE_ELEMENTS = 8192  # of y

PLACE = np.dtype([("lower", "<u4"), ("upper", "<u4"), ("weight", "<i4"), ("weight_f32", "<f4")])
# rows or columns: the tables of places take 16 bytes each, and more while they are made
_LONGEST = 1 << 20
_EMPTY = "nothing is computed, at perhaps 2**31 places"


def bilinear(site: Site) -> Selection:
    """Between four pixels."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, ResizeBilinear)
    _, h, w, c = shape_of(x)
    _, oh, ow, _ = shape_of(y)
    require(math.prod(shape_of(y)) > 0, _EMPTY)
    require(max(oh, ow) <= _LONGEST, f"y has {max(oh, ow)} rows or columns")
    is_16_bit = x.dtype is DType.INT16
    if not is_float(x, y):
        require(x.quant == y.quant, "x and y have different scales")
        if not is_16_bit:
            require_8_bit(x, y)
    one = np.float32(1 << constant("EW_RESIZE_BITS"))
    places = []
    for source, target in ((h, oh), (w, ow)):
        lower, upper, weight = op.neighbours(source, target)
        places.append(_places(lower, upper, np.rint(weight * one).astype(np.int32), weight))
    kernel = "resize_bilinear" + ("_f32" if is_float(x) else "_s16" if is_16_bit else "_b8")
    return _resize(kernel, x, y, places, c, scratch=4 * w * c)


def nearest(site: Site) -> Selection:
    """One pixel, whatever its dtype."""
    op, x, y = site.node.op, site.node.operand(0), site.node.output
    assert isinstance(op, ResizeNearestNeighbor)
    _, h, w, c = shape_of(x)
    _, oh, ow, _ = shape_of(y)
    require(math.prod(shape_of(y)) > 0, _EMPTY)
    require(max(oh, ow) <= _LONGEST, f"y has {max(oh, ow)} rows or columns")
    places = []
    for source, target in ((h, oh), (w, ow)):
        index = op.nearest(source, target)
        places.append(_places(index, index, 0, 0.0))
    return _resize("resize_nearest", x, y, places, c * x.dtype.numpy.itemsize, scratch=0)


def _places(
    lower: np.ndarray, upper: np.ndarray, weight: np.ndarray | int, weight_f32: np.ndarray | float
) -> np.ndarray:
    places = np.zeros(len(lower), PLACE)
    places["lower"], places["upper"] = lower, upper
    places["weight"], places["weight_f32"] = weight, weight_f32
    return places.view(np.int32)  # to print: c_export knows numbers, not records


def _resize(
    kernel: str, x: Value, y: Value, places: list[np.ndarray], c: int, scratch: int
) -> Selection:
    n, h, w, _ = shape_of(x)
    _, oh, ow, _ = shape_of(y)
    rows_per_tile = max(TILE_ELEMENTS // max(ow * c, 1), 1)
    params = pack(
        "ew_resize",
        {
            "n": n,
            "h": h,
            "w": w,
            "c": c,
            "oh": oh,
            "ow": ow,
            "rows_per_tile": rows_per_tile,
            "is_signed": int(x.dtype is DType.INT8),
        },
    )
    n_tiles = -(-n * oh // rows_per_tile)
    row = math.prod(shape_of(y)[2:])
    return [Call(kernel, params, (x, *places, y), n_tiles, scratch, rows_per_tile * row or None)]
