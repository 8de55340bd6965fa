"""8-bit products of patches and weights: panels of pairs of s16, tiles, scratch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.runtime.calls import Call, Site
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.weights import Array, Weights, epilogue

_ROWS = 6  # of the micro-kernel
_MOST_ROWS = 192
_SLACK = 64  # bytes that the gathering may touch


def product(
    site: Site, weights: Weights, fields: dict[str, int], groups: int, act: Activation
) -> Sequence[Call]:
    """x patches @ weights [O, ...], plus bias, requantized."""
    x, y = site.node.operand(0), site.node.output
    assert weights.scales is not None
    o, panel = weights.array.shape[0], constant("EW_PANEL")
    k = weights.array.size // o
    per_group = o // groups
    panels = -(-per_group // panel)
    m = fields["n"] * fields["oh"] * fields["ow"]
    steps = ("kernel_h", "kernel_w", "stride_h", "stride_w")
    is_pointwise = groups == 1 and all(fields[name] == 1 for name in steps)
    row_bytes = (k + k % 2) * 2
    rows = site.target.block_bytes // row_bytes // _ROWS * _ROWS
    rows = max(_ROWS, min(rows, _MOST_ROWS, -(-m // _ROWS) * _ROWS))
    panels_per_tile = panels if m > _ROWS else min(panels, 16)
    n_tiles = groups * -(-m // rows) * -(-panels // panels_per_tile)
    packed = pack(
        "ew_conv_2d",
        {
            "window": fields,
            "groups": groups,
            "is_pointwise": int(is_pointwise),
            "is_gathered": 0,
            "rows_per_tile": rows,
            "panels_per_tile": panels_per_tile,
            **epilogue(x, y, act, True),
        },
    )
    matrix = _panels(weights.array.reshape(groups, per_group, k), panel)
    bias = _pad_last(weights.bias.reshape(groups, per_group), panel)
    scales = _pad_last(weights.scales.reshape(groups, per_group), panel)
    operands = (x, matrix, bias, scales, y)
    return [Call("conv_2d_b8", packed, operands, n_tiles if m else 0, rows * row_bytes + _SLACK)]


def _panels(matrix: Array, panel: int) -> Array:
    """[G, O, K] as [G, panels, K / 2, panel, 2]."""
    groups, o, k = matrix.shape
    padded = np.zeros((groups, -(-o // panel) * panel, k + k % 2), np.int16)
    padded[:, :o, :k] = matrix
    pairs = padded.reshape(groups, -1, panel, (k + 1) // 2, 2)
    return np.ascontiguousarray(pairs.transpose(0, 1, 3, 2, 4))


def _pad_last(rows: Array, panel: int) -> Array:
    groups, o = rows.shape
    padded = np.zeros((groups, -(-o // panel) * panel), rows.dtype)
    padded[:, :o] = rows
    return padded
