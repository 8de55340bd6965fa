"""8-bit convolutions: weights in panels, biases that account for the zero points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.dtypes import DType
from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call, Packed, Site, zero_point
from edgewise.runtime.library import Isa, pack
from edgewise.runtime.select import computed
from edgewise.runtime.select.conv_tiles import Layout, runs_of
from edgewise.runtime.select.copy import constant_view
from edgewise.runtime.select.weights_b8 import (
    TILE_ROWS,
    TILE_STEPS,
    Array,
    Stored,
    is_worth_tiles,
    narrowed,
    output_range,
    pack_weights,
    pad_channels,
    per_lane,
    staged_bytes,
    whole_tiles,
)
from edgewise.values import replace

_PIXELS = 2  # whose windows plain C stages
# Where a panel has to be unpacked, or brought to where tile registers multiply, more rows pay for
# it: as many times the activations make a tile (with int8 weights on AMX resnet50 takes 0.97 of the
# time, other networks 0.98 to 1; with AVX-512 and AVX2 nothing changes).
_LARGE, _MANY_WEIGHTS = 4, 32 * 1024


def calls(
    site: Site,
    x: Value,
    weights: Stored,
    window: dict[str, int],
    groups: int,
    act: Activation,
    places: dict[str, int],
) -> Sequence[Call]:
    """One convolution, of which pixel (n, i, j) of y lies at `places` (of ew_conv_layout), and what
    packs computed weights or biases before it."""
    y, isa = site.node.output, site.target.isa
    k = weights.array.size // max(weights.array.shape[0], 1)
    element = staged_bytes(isa)
    is_narrow = weights.is_narrow and weights.added is None and isa is not Isa.SCALAR
    target = site.target
    if (is_narrow or isa is Isa.AMX) and weights.array.size // groups >= _MANY_WEIGHTS:
        target = replace(target, block_bytes=_LARGE * target.block_bytes)
    layout = Layout.of(window, groups, k, places, target, staged=element, result=1)
    tiles, window = layout.tiles, layout.window
    runs = runs_of(window)
    steps = -(-k // max(runs, 1) // per_lane(isa))
    is_tiled = is_worth_tiles(isa, tiles.columns, runs, steps)
    if is_tiled:
        steps = whole_tiles(steps)
    low, high = output_range(y, act)
    zero = zero_point(x.type)
    is_signed = x.dtype is DType.INT8
    is_direct = not (is_signed or is_tiled or weights.zero) and _is_whole(window, groups, isa)
    params = pack(
        "ew_conv_b8",
        {
            "layout": layout.fields,
            "is_signed": int(is_signed),
            "is_y_signed": int(y.dtype is DType.INT8),
            "is_direct": int(is_direct),
            "x_zero": zero,
            "w_zero": weights.zero,
            "y_zero": zero_point(y.type),
            "low": low,
            "high": high,
            "is_bounded": int((weights.scales < 1).all()),
            "steps": steps,
            "is_tiled": int(is_tiled),
            "is_narrow": int(is_narrow),
        },
    )
    matrix: Value | Array | Packed = weights.array
    bias: Value | Array | Packed | None = None
    before: Sequence[Call] = ()
    moved = zero + 128 * is_signed if isa.multiplies_unsigned else 0
    if weights.source is not None or weights.added is not None:
        source = (
            constant_view(np.ascontiguousarray(weights.array))
            if weights.source is None
            else weights.source.of(weights.array)
        )
        matrix, bias, before = computed.packed_b8(
            source,
            weights.bias if weights.added is None else weights.added,
            (groups, runs),
            (isa, per_lane(isa)),
            {"flip": weights.flip, "x_zero": moved, "w_zero": weights.zero},
            steps if isa is not Isa.SCALAR else None,
        )
    elif isa is not Isa.SCALAR:
        matrix, sums = pack_weights(weights.array, groups, runs, isa.lanes, per_lane(isa), steps)
        if is_narrow:
            matrix = narrowed(matrix)
        if isa.multiplies_unsigned:
            bias = _moved_bias(weights, groups, isa, moved, sums)
    if bias is None:  # as it is
        bias = pad_channels(weights.bias, groups, isa)
    operands = (x, matrix, bias, pad_channels(weights.scales, groups, isa), y)
    scratch = 4 * runs if is_direct else tiles.scratch
    if weights.zero:
        scratch += 4 * tiles.lines * tiles.columns
    if is_narrow:  # two panels of bytes
        scratch += 2 * runs * steps * 2 * isa.lanes * per_lane(isa) + 64
    if is_tiled:  # what registers read behind the rows of x
        pixel = window["stride_w"] * window["c"] // groups * element
        scratch += TILE_ROWS * pixel + TILE_STEPS * per_lane(isa)
    if isa is Isa.SCALAR:
        scratch = min(window["ow"], _PIXELS) * -(-k // 4) * 4 * 2
    why = "computed weights or biases" if before else ""
    last = Call("conv_2d_b8", params, operands, tiles.count, scratch, layout.tile_elements, why=why)
    return [*before, last]


def _is_whole(window: dict[str, int], groups: int, isa: Isa) -> bool:
    """x can be multiplied as it lies: one tap inside it, of whole lanes."""
    is_one_tap = window["kernel_h"] == window["kernel_w"] == 1
    is_inside = window["pad_top"] == window["pad_left"] == 0 and all(
        (window[f"o{axis}"] - 1) * window[f"stride_{axis}"] < window[axis] for axis in "hw"
    )
    fits = isa.multiplies_unsigned and window["c"] // groups % per_lane(isa) == 0
    return is_one_tap and is_inside and fits


def _moved_bias(weights: Stored, groups: int, isa: Isa, zero: int, sums: Array) -> Packed:
    """The bias for x as u8 with this zero point; `sums` of the weights are known by then.

    sum((x - z) * w) = sum(x * w) - z * sum(w) modulo 2**32."""
    k = weights.array.size // weights.array.shape[0]

    def fill(to: Array) -> None:
        moved = weights.bias - zero * (sums.astype(np.int64) - k * weights.zero)
        to[...] = pad_channels(moved.astype(np.int32), groups, isa)

    shape = pad_channels(weights.bias, groups, isa).shape
    return Packed(shape, np.dtype(np.int32), fill)
