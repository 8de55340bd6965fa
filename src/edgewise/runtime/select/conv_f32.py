"""Float32 products of patches and weights: panels, tiles, scratch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewise.ir.enums import Activation
from edgewise.runtime.calls import Call, Site
from edgewise.runtime.library import constant, pack
from edgewise.runtime.select.weights import Array, Weights, epilogue

_ROWS = 6  # of the micro-kernel
_MOST_ROWS = 192
_FEW_CHANNELS = 8  # below, a convolution gathers its patches: the inner loop is too short
_SLACK = 64  # bytes: 16 float32
_ADDRESS = 8  # bytes


def product(
    site: Site, weights: Weights, fields: dict[str, int], groups: int, act: Activation
) -> Sequence[Call]:
    """x patches @ weights [O, ...], plus bias, clamped."""
    x, y = site.node.operand(0), site.node.output
    o, panel = weights.array.shape[0], constant("EW_PANEL")
    k = weights.array.size // o
    per_group = o // groups
    panels = -(-per_group // panel)
    m = fields["n"] * fields["oh"] * fields["ow"]
    rows = site.target.block_bytes // (4 * k) // _ROWS * _ROWS
    rows = max(_ROWS, min(rows, _MOST_ROWS, -(-m // _ROWS) * _ROWS))
    panels_per_tile = panels if m > _ROWS else min(panels, 16)
    n_tiles = groups * -(-m // rows) * -(-panels // panels_per_tile)
    taps = fields["kernel_h"] * fields["kernel_w"]
    is_gathered = taps > 1 and k // taps < _FEW_CHANNELS
    addresses = rows * (1 if is_gathered else taps) * _ADDRESS
    scratch = addresses + _SLACK + (rows * k if is_gathered else k // taps) * 4
    packed = pack(
        "ew_conv_2d",
        {
            "window": fields,
            "groups": groups,
            "is_pointwise": 0,
            "is_gathered": int(is_gathered),
            "rows_per_tile": rows,
            "panels_per_tile": panels_per_tile,
            **epilogue(x, y, act, False),
        },
    )
    matrix = _panels(weights.array.reshape(groups, per_group, k), panel)
    bias = np.zeros((groups, panels * panel), np.float32)
    bias[:, :per_group] = weights.bias.reshape(groups, per_group)
    return [Call("conv_2d_f32", packed, (x, matrix, bias, y), n_tiles if m else 0, scratch)]


def _panels(matrix: Array, panel: int) -> Array:
    """[G, O, K] as [G, panels, K, panel]."""
    groups, o, k = matrix.shape
    padded = np.zeros((groups, -(-o // panel) * panel, k), np.float32)
    padded[:, :o] = matrix
    return np.ascontiguousarray(padded.reshape(groups, -1, panel, k).transpose(0, 1, 3, 2))
