"""Convolutions of floats by few int8 weights under windows that overlap, by lines of outputs.

The kernel quantizes all windows of a line of outputs by the range of the lines of x under them, so
that a result depends on these lines alone. Many weights would be read again for every line; their
windows are quantized one by one (conv_h8.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.ir.graph import Value
from edgewise.runtime.calls import Call, Lines, Packed, Site, float_bounds
from edgewise.runtime.library import Isa, pack
from edgewise.runtime.select.conv_h8 import Hybrid, added
from edgewise.runtime.select.conv_tiles import Layout, runs_of
from edgewise.runtime.select.weights import Array, dense, has_lines
from edgewise.runtime.select.weights_b8 import pack_weights, per_lane, staged_bytes
from edgewise.values import replace

# Bytes of weights, and elements of a line of x, which is read as often as the kernel has lines:
# both stay in the caches nearby. Four times as many weights gain nothing (resnet50: 1.00 of the
# time with AVX-512, 1.03 with AVX2; Zen 4). One rule for all instruction sets, because results may
# depend on none.
_MOST_WEIGHTS, _MOST_LINE = 40 * 1024, 4096
_KEPT = 24  # bytes that are kept of a line of x


def takes(weights: Hybrid, window: dict[str, int]) -> bool:
    """Whether lines are quantized at once where x is multiplied under this window."""
    is_square = min(window["kernel_h"], window["kernel_w"]) > 1
    taps = window["kernel_h"] * window["kernel_w"]
    is_few = weights.array.size <= _MOST_WEIGHTS and window["w"] * window["c"] <= _MOST_LINE
    is_one_block = weights.block == weights.array[0].size
    overlaps = taps > window["stride_h"] * window["stride_w"]
    return is_square and overlaps and is_few and is_one_block


def product(
    site: Site, weights: Hybrid, fields: dict[str, int], groups: int, act: Activation
) -> Sequence[Call]:
    """x patches @ weights [O, KH, KW, C / groups], plus bias, clamped, into all of y."""
    isa, runs, k = site.target.isa, runs_of(fields), weights.array[0].size
    x, y = site.node.operand(0), site.node.output
    low, high = float_bounds(act)
    steps = -(-k // runs // per_lane(isa))
    array = weights.array.astype(np.int8, copy=False)
    matrix: Array | Packed = array
    if isa is not Isa.SCALAR:
        matrix, _ = pack_weights(array, groups, runs, isa.lanes, per_lane(isa), steps)
    constants = (matrix, *added(isa, weights, groups))
    element = staged_bytes(isa)

    def lines(x: Value, y: Value, part: dict[str, int]) -> Call:
        layout = Layout.of(part, groups, k, dense(part), site.target, staged=element, result=4)
        fields = {"layout": layout.fields, "steps": steps, "low": low, "high": high}
        span = (part["kernel_h"] - 1) * part["dilation_h"] + 1
        scratch = layout.tiles.scratch + 8 * layout.tiles.columns + _KEPT * span
        if isa is Isa.SCALAR:
            scratch = _KEPT * span + 2 * k
        return Call(
            "conv_2d_lines_h8",
            pack("ew_conv_lines_h8", fields),
            (x, *constants, y),
            layout.tiles.count,
            scratch,
            layout.tile_elements,
            why="x quantized per line",
        )

    whole = lines(x, y, fields)
    return [replace(whole, lines=Lines(fields, lines)) if has_lines(x, y, fields) else whole]
