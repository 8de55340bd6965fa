"""Convolutions of int16 by int8: as `conv_b8`, with sums that may need more than 32 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.ir.types import TensorType
from edgewise.runtime.calls import Call, Packed, Site
from edgewise.runtime.library import Isa, pack
from edgewise.runtime.select import computed
from edgewise.runtime.select.conv_tiles import Layout, runs_of
from edgewise.runtime.select.copy import copy, view
from edgewise.runtime.select.weights_b8 import output_range, pack_weights, pad_channels
from edgewise.runtime.select.weights_s16 import Array, Parts, Stored16

_BYTES = 2  # of an element of x and y
_SUM = 12  # bytes: a sum as s64, and its part as s32
_LANE = 2  # elements of K


def calls(
    site: Site,
    x: Value,
    weights: Stored16,
    window: dict[str, int],
    groups: int,
    act: Activation,
    places: dict[str, int],
) -> Sequence[Call]:
    """One convolution, of which pixel (n, i, j) of y lies at `places` (of ew_conv_layout), and what
    packs computed weights before it."""
    y, isa = site.node.output, site.target.isa
    k = weights.array.size // max(weights.array.shape[0], 1)
    layout = Layout.of(window, groups, k, places, site.target, staged=_BYTES, result=_BYTES)
    tiles = layout.tiles
    low, high = output_range(y, act)
    parts = Parts.of(weights, runs_of(layout.window))
    rounding = weights.rounding(is_wide=parts.is_wide, isa=isa)
    params = pack(
        "ew_conv_s16",
        {
            "layout": layout.fields,
            "is_wide": int(parts.is_wide),
            "runs_per_part": parts.runs,
            "steps_per_part": parts.steps,
            "rounding": rounding.number,
            "low": low,
            "high": high,
        },
    )
    matrix: Value | Array | Packed = weights.array
    before: Sequence[Call] = ()
    scratch, runs = 0, runs_of(layout.window)
    if weights.source is not None:
        none, source = np.zeros(weights.array.shape[0], np.int32), weights.source.of(weights.array)
        plain = dict.fromkeys(("flip", "x_zero", "w_zero"), 0)
        matrix, _, before = computed.packed_b8(source, none, (groups, runs), (isa, _LANE), plain)
    elif isa is not Isa.SCALAR:
        matrix, _ = pack_weights(weights.array, groups, runs, isa.lanes, _LANE)
    if isa is not Isa.SCALAR:
        scratch = tiles.scratch
        if parts.is_wide:
            panel = 2 * isa.lanes
            scratch += tiles.columns * panel * _SUM + panel * 4
    added = weights.bias if parts.is_wide else weights.bias.astype(np.int32)
    rows = [pad_channels(a, groups, isa) for a in (added, rounding.first, rounding.second)]
    bias: Value | Array = rows[0]
    if weights.added is not None:
        bias, more = _computed_bias(site, weights.added, groups, rows[0].size // groups)
        before = [*before, *more]
    operands = (x, matrix, bias, *rows[1:], y)
    why = "computed weights" if before else ""
    last = Call(
        "conv_2d_s16", params, operands, tiles.count, scratch, layout.tile_elements, why=why
    )
    return [*before, last]


def _computed_bias(
    site: Site, bias: Value, groups: int, padded: int
) -> tuple[Value, Sequence[Call]]:
    """Biases [groups * O] as int64 [groups, padded], anything beyond O, and what puts them so."""
    from edgewise.runtime.select.convert import as_type

    wide, calls = as_type(site, bias, DType.INT64)
    source = view(wide)
    rows = source.elements.reshape(groups, -1)
    if rows.shape[1] == padded:
        return wide, calls
    y = Value(TensorType((groups, padded), DType.INT64), "padded")
    target = view(y)
    return y, [*calls, *copy(source.of(rows), target.of(target.elements[:, : rows.shape[1]]))]
